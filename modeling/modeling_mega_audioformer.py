"""Mega-AudioFormer: a multi-scale transformer that listens to the tokens of a neural codec.

    codes of a frame, K codebooks     o o     o o     o o     o o       750 frames in 10 s
    global encoder, one position a frame [g0]    [g1]    [g2]    [g3]
    local encoder, inside each frame    l l     l l     l l     l l     pre-training only

Sources: the poster "Multi-scale Transformer Language Modeling for Music" and its abstract (OpenReview KQRnWuUMmh):
masked codec tokens are predicted in pre-training; then the local encoder is left away and a linear layer classifies.
How the two meet follows MEGABYTE (Yu et al. 2023, arXiv 2305.07185), without its shifts: nothing here is causal.
Shapes: codes (batch, codebooks, frames); sound (batch, samples); the global encoder (batch, patches, hidden_size).
"""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import EncodecModel, Wav2Vec2FeatureExtractor
from transformers.masking_utils import create_bidirectional_mask
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .audio import describe  # noqa: F401 (named for transformers, as those below: see music_model.py)
from .codec import IGNORED, CodecEncoder, masked
from .codec_transformer import Attention, LocalEncoder, TransformerEncoder, TransformerLayer
from .configuration_mega_audioformer import MegaAudioFormerConfig
from .containers import missing_bytes  # noqa: F401
from .ecdc import open_ecdc  # noqa: F401
from .ffmpeg import open_with_ffmpeg  # noqa: F401
from .hearing_codes import CodeHearingModel
from .level import at_level
from .music_config import MusicConfig  # noqa: F401
from .music_model import MusicModel, rounded
from .pretrained import load_tokenizer  # noqa: F401
from .sndfile import open_with_sndfile  # noqa: F401
from .windows import Window  # noqa: F401


@dataclass
class MegaAudioFormerOutput(ModelOutput):
    """
    loss: scalar, when labels are given.
    logits: of the classifier (batch, num_labels), divided by the temperature in eval mode; of the masked language model
        (batch, codebooks, frames, codebook_size), or with labels (asked, codebook_size) of the tokens they ask for.
    last_hidden_state: of the base model, (batch, patches, hidden_size).
    hidden_states, attentions: on request, of the global encoder, a tensor for each layer.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    last_hidden_state: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class MegaAudioFormerPreTrainedModel(MusicModel):
    """What the three classes share."""

    config_class = MegaAudioFormerConfig
    base_model_prefix = "model"
    main_input_name = "codes"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _input_embed_layer = "embed_codes"
    _no_split_modules = ["TransformerLayer"]  # noqa: RUF012
    # what stands above the base model differs between pre-training and fine-tuning, and is left behind
    _keys_to_ignore_on_load_unexpected = [r"^(classifier|local_encoder)\."]  # noqa: RUF012
    _can_record_outputs = {"hidden_states": TransformerLayer, "attentions": Attention}  # noqa: RUF012

    @classmethod
    def from_codec(cls, source: str | PathLike, **options: Any) -> "MegaAudioFormerPreTrainedModel":
        """A new model on a trained codec: an EncodecModel on the Hub or in a folder. Embeddings of codes start as the
        codec's own entries, the transformer is random.

        options: fields of MegaAudioFormerConfig. Raises ValueError where the codec lacks what `bandwidth_kbps` needs.
        """
        whole = EncodecModel.from_pretrained(source, dtype=torch.float32)
        codec_options = {"codec_config": whole.config, "sampling_rate": whole.config.sampling_rate}
        model = cls(cls.config_class(**{**codec_options, "codec_name": Path(source).name, **options}))
        base = model.base_model
        base.codec.take_over(whole)
        tables = base.embed_codes.weight.data.unflatten(0, (base.config.num_codebooks, -1))
        tables[:, : base.mask_code] = base.codec.entries(base.config.code_embedding_size)
        return model

    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        """As ever; the codec stays as it is in any training, which loading would undo."""
        loaded = super().from_pretrained(*args, **kwargs)
        (loaded[0] if isinstance(loaded, tuple) else loaded).base_model.codec.requires_grad_(False)
        return loaded

    @cached_property
    def feature_extractor(self) -> Wav2Vec2FeatureExtractor:
        """Pads; a codec hears sound as it is."""
        rate = self.config.sampling_rate
        return Wav2Vec2FeatureExtractor(sampling_rate=rate, do_normalize=False, return_attention_mask=True)

    def readings(self, outputs: ModelOutput) -> dict[str, Tensor]:
        work = "guesses hidden codes" if isinstance(self, MegaAudioFormerForMaskedLM) else "makes vectors of codes"
        raise ValueError(
            f"{type(self).__name__} {work} and answers no question: fine-tune it, by `linernotes train "
            "configs/mega_audioformer/genre.yaml --set training.pretrained=FOLDER` or from "
            "MegaAudioFormerForAudioClassification.from_pretrained"
        )


class MegaAudioFormerModel(MegaAudioFormerPreTrainedModel):
    """The codec and the global encoder: sound or codes -> a vector for each patch of frames."""

    auto_classes = ("AutoModel",)

    def __init__(self, config: MegaAudioFormerConfig):
        super().__init__(config)
        self.codec = CodecEncoder(config.codec_config)
        self.mask_code, self.pad_code = config.codec_config.codebook_size, config.codec_config.codebook_size + 1
        self.patch_tokens = config.frames_per_patch * config.num_codebooks
        self.embed_codes = nn.Embedding(config.num_codebooks * (self.pad_code + 1), config.code_embedding_size)
        self.pack = nn.Linear(self.patch_tokens * config.code_embedding_size, config.hidden_size, bias=False)
        self.encoder = TransformerEncoder(
            config, config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size
        )
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        codes: Tensor | None = None,
        attention_mask: Tensor | None = None,
        input_values: Tensor | None = None,
        **kwargs,
    ) -> MegaAudioFormerOutput:
        """
        Args:
            codes: (batch, codebooks, frames), whole numbers: codes, or `mask_code` where one is hidden.
            attention_mask: (batch, frames), or of sound (batch, samples): 1 where there is something to hear, 0 behind
                its end; all ones by default. How far a batch is padded changes no answer.
            input_values: sound (batch, samples) at `config.sampling_rate` in place of codes.
        """
        codes, valid = self.tokens(codes, attention_mask, input_values)
        states = self.pack(self.embed(codes, valid).flatten(2))
        mask = create_bidirectional_mask(self.config, states, None if valid is None else self.per_patch(valid) > 0)
        return MegaAudioFormerOutput(last_hidden_state=self.encoder(states, mask, **kwargs))

    def tokens(
        self, codes: Tensor | None, attention_mask: Tensor | None, input_values: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Of `forward`'s inputs: codes (batch, codebooks, frames), and where they are (batch, frames) or None."""
        if (codes is None) == (input_values is None):
            raise ValueError("give either codes or input_values, one of the two")
        if input_values is not None:
            if input_values.dim() != 2 or not input_values.numel():
                raise ValueError(f"input_values have shape {tuple(input_values.shape)}; allowed is (batch, samples)")
            heard = at_level(input_values, attention_mask, self.config.level_db)
            codes, attention_mask = self.codec.tokens(heard, attention_mask)
        books = self.config.num_codebooks
        no_numbers = codes.is_floating_point() or codes.dtype == torch.bool
        if codes.dim() != 3 or codes.shape[1] != books or not codes.numel() or no_numbers:
            got = f"{codes.dtype} of shape {tuple(codes.shape)}"
            raise ValueError(f"codes are {got}; allowed are whole numbers, (batch, {books}, frames)")
        if attention_mask is not None and attention_mask.shape != codes[:, 0].shape:
            got, allowed = tuple(attention_mask.shape), tuple(codes[:, 0].shape)
            raise ValueError(f"attention_mask has shape {got}; allowed with these codes is {allowed}, (batch, frames)")
        return codes.long(), None if attention_mask is None else attention_mask.bool()

    def embed(self, codes: Tensor, valid: Tensor | None) -> Tensor:
        """Codes -> (batch, patches, tokens of a patch, code_embedding_size), frame by frame, in each by codebook."""
        if valid is not None:
            codes = codes.masked_fill(~valid[:, None], self.pad_code)
        low, high = codes.aminmax()
        # it would be an entry of another codebook; an exported graph can refuse nothing
        if not torch.compiler.is_exporting() and (low < 0 or high > self.pad_code):
            raise ValueError(f"codes are from {low} to {high}; allowed are 0 to {self.mask_code - 1}")
        codes = F.pad(codes, (0, -codes.shape[-1] % self.config.frames_per_patch), value=self.pad_code)
        first_entry = torch.arange(codes.shape[1], device=codes.device) * (self.pad_code + 1)
        entries = (codes + first_entry[:, None]).transpose(1, 2)  # (batch, frames, codebooks)
        return self.embed_codes(entries).flatten(1, 2).unflatten(1, (-1, self.patch_tokens))

    def per_patch(self, valid: Tensor) -> Tensor:
        """Of a mask (batch, frames): how many frames each patch has, (batch, patches)."""
        size = self.config.frames_per_patch
        return F.pad(valid.long(), (0, -valid.shape[1] % size)).unflatten(1, (-1, size)).sum(-1)


class MegaAudioFormerForMaskedLM(MegaAudioFormerPreTrainedModel):
    """Pre-training: the local encoder fills in masked tokens of a patch, from the others and the global encoder."""

    auto_classes = ("AutoModel", "AutoModelForMaskedLM")

    def __init__(self, config: MegaAudioFormerConfig):
        super().__init__(config)
        self.model = MegaAudioFormerModel(config)
        self.local_encoder = LocalEncoder(config, self.model.patch_tokens)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        codes: Tensor | None = None,
        attention_mask: Tensor | None = None,
        input_values: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs,
    ) -> MegaAudioFormerOutput:
        """As the base model's. `mask` makes codes and labels.

        labels: (batch, codebooks, frames), the codes that were masked, and -100 where nothing is asked. The logits are
            then those of the tokens asked for alone, frame after frame: of `labels.transpose(1, 2)` where not -100.
        """
        codes, valid = self.model.tokens(codes, attention_mask, input_values)
        if labels is not None:
            labels = self._checked(labels, codes)
        heard = self.model(codes, valid, **kwargs)
        wanted = (torch.zeros_like(codes) if labels is None else labels).transpose(1, 2)  # frame by frame
        asked = F.pad(wanted != IGNORED, (0, 0, 0, -wanted.shape[1] % self.config.frames_per_patch))
        asked = asked.flatten(1).unflatten(1, (-1, self.model.patch_tokens))
        logits = self.local_encoder(self.model.embed(codes, valid), heard.last_hidden_state, asked)
        if labels is None:
            loss, logits = None, logits.unflatten(0, wanted.shape).transpose(1, 2)
        elif len(logits):
            loss = F.cross_entropy(logits.float(), wanted[wanted != IGNORED])
        else:
            loss = logits.float().sum()  # nothing is asked: 0, and a graph for the other processes' gradients
        return MegaAudioFormerOutput(
            loss=loss, logits=logits, hidden_states=heard.hidden_states, attentions=heard.attentions
        )

    def _checked(self, labels: Tensor, codes: Tensor) -> Tensor:
        """Labels as whole numbers; raises ValueError for what are neither codes nor -100, one for each code."""
        if labels.shape != codes.shape:
            got, allowed = tuple(labels.shape), tuple(codes.shape)
            raise ValueError(f"labels have shape {got}; allowed is that of the codes, {allowed}")
        if labels.is_floating_point() or labels.dtype == torch.bool:
            raise ValueError(f"labels are {labels.dtype}; allowed are whole numbers: `mask` makes them")
        labels = labels.long()
        wrong = labels[(labels != IGNORED) & ((labels < 0) | (labels >= self.model.mask_code))]
        if len(wrong):
            raise ValueError(
                f"labels hold {wrong[0]}; allowed are 0 to {self.model.mask_code - 1}, and {IGNORED} where nothing is "
                "asked: `mask` makes them"
            )
        return labels

    def mask(self, codes: Tensor, attention_mask: Tensor | None = None, **options: Any) -> tuple[Tensor, Tensor]:
        """Masked codes and labels for `forward`, (batch, codebooks, frames) each; options: see `masked`."""
        return masked(codes, attention_mask, self.config, **options)


class MegaAudioFormerForAudioClassification(MegaAudioFormerPreTrainedModel, CodeHearingModel):
    """Fine-tuning: one linear layer on the mean of the global encoder's answer over the frames that are there."""

    def __init__(self, config: MegaAudioFormerConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.model = MegaAudioFormerModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        codes: Tensor | None = None,
        attention_mask: Tensor | None = None,
        input_values: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs,
    ) -> MegaAudioFormerOutput:
        """As the base model's.

        labels: (batch,) class indices, or (batch, num_labels) of 0 and 1 where several labels may hold.
        """
        codes, valid = self.model.tokens(codes, attention_mask, input_values)
        heard = self.model(codes, valid, **kwargs)
        frames = self.model.per_patch(codes.new_ones(len(codes), codes.shape[-1]) if valid is None else valid)
        shares = (frames / frames.sum(1, keepdim=True).clamp(min=1)).to(heard.last_hidden_state.dtype)
        pooled = torch.einsum("bp,bph->bh", shares, heard.last_hidden_state)
        logits = self.classifier(self.dropout(pooled))
        if not self.training:
            logits = logits / self.config.temperature
        loss = None if labels is None else self.loss_function(labels, logits, self.config)
        return MegaAudioFormerOutput(
            loss=loss, logits=logits, hidden_states=heard.hidden_states, attentions=heard.attentions
        )

    # What it says

    def readings(self, outputs: MegaAudioFormerOutput) -> dict[str, Tensor]:
        logits = outputs.logits.float()
        many = self.config.problem_type == "multi_label_classification"
        return {"probabilities": logits.sigmoid() if many else logits.softmax(-1)}

    def decode(self, reading: dict[str, np.ndarray]) -> dict[str, Any]:
        probabilities = rounded(self.config.labels, reading["probabilities"])
        predicted = max(probabilities, key=probabilities.get)
        return {
            "predicted_label": predicted,
            "confidence": probabilities[predicted],
            "uncertain": not probabilities[predicted] >= self.config.abstain_below,
            "probabilities": probabilities,
        }
