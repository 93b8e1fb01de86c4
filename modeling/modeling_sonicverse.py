"""SonicVerse: captions of music by a language model that is told what heads have heard: key, vocals, instruments, ...

    sound -- encoder -- all hidden states -- projector -- tokens in the place of <sound> in a chat -- language model
                                                |
                                                +-- key, vocals, instruments, moods, genres

Source: "SonicVerse: Multi-Task Learning for Music Feature-Informed Captioning" (Chopra, Roy, Herremans 2025, arXiv
2506.15154). Besides, a caption may not contradict what the heads are sure of (grounding.py), and a long recording is
cut where it changes (sections.py) and told as one story (stories.py).
Shapes: sound (batch, samples) at 24 kHz; hidden states (batch, layers, frames, hidden_size); ids (batch, tokens).
"""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, HubertModel, PreTrainedTokenizerBase, Wav2Vec2FeatureExtractor
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .audio import describe  # noqa: F401 (named for transformers, as those below: see music_model.py)
from .candidates import drawing  # noqa: F401
from .caption_facts import facts_of  # noqa: F401
from .caption_reasons import reasons  # noqa: F401
from .captioning import CaptioningModel
from .chat import with_mark  # noqa: F401
from .configuration_sonicverse import SonicVerseConfig
from .containers import missing_bytes  # noqa: F401
from .ffmpeg import open_with_ffmpeg  # noqa: F401
from .grounding import known  # noqa: F401
from .language_models import fetched, how_to_get, located, speaker_config
from .music_config import MusicConfig  # noqa: F401
from .music_model import rounded  # noqa: F401
from .music_tags import ANSWER_KEYS  # noqa: F401
from .music_words import meant_by  # noqa: F401
from .pretrained import load_backbone, load_tokenizer, name_of_backbone, preprocessing, start_as_torch_does
from .projector import (
    ContentProjector,
    MultiTaskProjector,
    TaskHead,
    all_hidden_states,
    labels_from_first,
    task_loss,
    word_loss,
)
from .sections import SectionFinder  # noqa: F401
from .sndfile import open_with_sndfile  # noqa: F401
from .spectral import mel_spectrogram  # noqa: F401
from .stories import story  # noqa: F401
from .storytellers import teller  # noqa: F401
from .windows import Window  # noqa: F401


@dataclass
class SonicVerseOutput(ModelOutput):
    """
    loss: scalar, when labels or task labels are given.
    logits: of the language model, (batch, tokens, vocab_size), when it was given input_ids; while it trains with labels
        those of the last tokens alone, from the one before the first label on.
    task_logits: by task, (batch, classes), divided by its temperature in eval mode.
    audio_tokens: (batch, audio_tokens, width), what the language model is told of the sound.
    hidden_states, attentions: on request, of the language model, a tensor for each layer.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    task_logits: dict[str, Tensor] | None = None
    audio_tokens: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class SonicVerseForConditionalGeneration(CaptioningModel):
    """A recording in words, and its key, vocals, instruments, moods and genres."""

    config_class = SonicVerseConfig
    auto_classes = ("AutoModel",)
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: SonicVerseConfig):
        super().__init__(config)
        self.audio_encoder = HubertModel(config.audio_config)
        self.projector = MultiTaskProjector(config)
        has_words = config.has_language_model
        self.language_model = AutoModelForCausalLM.from_config(config.text_config) if has_words else None
        self.post_init()
        self.freeze()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        start_as_torch_does(module)
        if isinstance(module, (ContentProjector, TaskHead)):
            init.zeros_(module.aggregator)  # at first every layer counts the same

    # Made of pretrained parts, saved, loaded

    @classmethod
    def from_backbones(
        cls, audio: str | PathLike, text: str | PathLike | None, **options: Any
    ) -> "SonicVerseForConditionalGeneration":
        """A new model on a pretrained encoder and language model, on the Hub or in folders; the projector is random.

        Args:
            audio: a MERT or HuBERT, such as m-a-p/MERT-v1-95M.
            text: a causal language model with its tokenizer; None for none: then options has its `text_config`. Of a
                Hub id that `linernotes fetch-llm` has fetched, what was fetched is taken.
            options: fields of SonicVerseConfig.

        Raises ValueError where a part's weights are not exactly those of its config.
        """
        encoder = load_backbone(HubertModel, audio)
        fields = {"audio_config": encoder.config, "audio_name": name_of_backbone(audio), **preprocessing(audio)}
        words = {"has_language_model": False}
        if text is not None:
            words |= {"text_config": speaker_config(located(text)), "text_name": name_of_backbone(text)}
        model = cls(cls.config_class(**fields | words | options))
        model.audio_encoder.load_state_dict(encoder.state_dict())
        if text is not None:
            model.add_language_model(text)
        return model

    def add_language_model(
        self, source: str | PathLike, tokenizer: PreTrainedTokenizerBase | None = None, **options: Any
    ) -> None:
        """Gives a model that has none its language model, so that it writes captions.

        Args:
            source: a causal language model on the Hub, fetched or in a folder, of the shape of `config.text_config`.
            tokenizer: by default the one in the same place.
            options: of transformers' `from_pretrained`, such as `gguf_file`.

        Raises ValueError where it is of another shape, or there is no tokenizer.
        """
        source = located(source)
        found = load_backbone(AutoModelForCausalLM, source, **options)
        wanted, got = ((c.model_type, c.hidden_size, c.vocab_size) for c in (self.config.text_config, found.config))
        if wanted != got:
            raise ValueError(
                f"{source} is a {got[0]} of width {got[1]} with {got[2]} words; this projector speaks to a "
                f"{wanted[0]} of width {wanted[1]} with {wanted[2]}: {self.config.text_name or 'name that one'}"
            )
        self.tokenizer = tokenizer or load_tokenizer(source, **options)
        if self.tokenizer is None:
            raise ValueError(f"{source} has no tokenizer; give the one of this language model as tokenizer=")
        self.language_model = found.to(self.device, self.dtype)
        self.config.has_language_model = True
        self.freeze()

    def drop_language_model(self) -> None:
        """Only what hears is left, to be saved without the language model's weights."""
        self.language_model = self.tokenizer = None
        self.config.has_language_model = False

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """As any model of the collection, with the tokenizer of the same place; what is frozen stays frozen.

        The language model of a folder that has none is put in where `linernotes fetch-llm` has fetched it.
        """
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.freeze()
        if model.config.has_language_model and pretrained_model_name_or_path is not None:
            model.tokenizer = load_tokenizer(pretrained_model_name_or_path, **kwargs)
        elif not model.config.has_language_model and (folder := fetched(model.config.text_name)):
            model.add_language_model(folder)
        return loaded

    def freeze(self) -> None:
        """As in both stages of training: neither encoder nor language model learn, heads as the config says."""
        self.audio_encoder.requires_grad_(False)
        if self.language_model is not None:
            self.language_model.requires_grad_(False)
        if self.config.tasks:
            self.projector.backbone.requires_grad_(self.config.backbone_requires_grad)
        for name, task in self.config.tasks.items():
            self.projector.get_submodule(name).requires_grad_(task["requires_grad"])

    def train(self, mode: bool = True):
        """The encoder listens the same way in any mode: it never learns, and what it hears may be stored."""
        super().train(mode)
        self.audio_encoder.eval()
        return self

    def get_input_embeddings(self) -> nn.Module | None:
        return None if self.language_model is None else self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module | None:
        return None if self.language_model is None else self.language_model.get_output_embeddings()

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.language_model.set_output_embeddings(new_embeddings)

    @cached_property
    def feature_extractor(self) -> Wav2Vec2FeatureExtractor:
        rate, scaled = self.config.sampling_rate, self.config.do_normalize
        return Wav2Vec2FeatureExtractor(sampling_rate=rate, do_normalize=scaled, return_attention_mask=True)

    # The network

    @can_return_tuple
    def forward(
        self,
        input_values: Tensor | None = None,
        audio_attention_mask: Tensor | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        task_labels: dict[str, Tensor] | None = None,
        audio_hidden_states: Tensor | None = None,
        frame_mask: Tensor | None = None,
        **kwargs,
    ) -> SonicVerseOutput:
        """
        Args:
            input_values: (batch, samples) at `config.sampling_rate`, as the feature extractor scales them.
            audio_attention_mask: (batch, samples), 1 where there is sound, 0 behind its end; all ones by default. How
                far a batch is padded changes no answer.
            input_ids, attention_mask: (batch, tokens), a chat with `config.audio_token_id` in `config.audio_tokens`
                places, and 1 where there are words; without ids the heads alone answer.
            labels: (batch, tokens), the ids of what is to be said, -100 elsewhere.
            task_labels: by task (batch, classes) or (batch,), see `task_loss`; a task may be left out.
            audio_hidden_states, frame_mask: what `encode` gave of the sound, in place of input_values.
            kwargs: of the language model, such as `output_hidden_states`.

        Raises ValueError where shapes do not fit each other, or words are asked of a model without a language model.
        """
        if (input_values is None) == (audio_hidden_states is None):
            raise ValueError("give either input_values or audio_hidden_states, one of the two")
        if labels is not None and input_ids is None:
            raise ValueError("labels are what is to be said in a chat: give its input_ids too")
        if input_values is not None:
            audio_hidden_states, frame_mask = self.encode(input_values, audio_attention_mask)
        pooled = self.projector.pool(audio_hidden_states.to(self.dtype), frame_mask)
        task_logits = self.projector.judge(pooled)
        given, tasks = self._known(task_labels), self.config.tasks
        losses = [tasks[name]["weight"] * task_loss(task_logits[name], each) for name, each in given.items()]
        output = SonicVerseOutput(
            task_logits=self.tempered(task_logits), audio_tokens=self.projector.tokens(pooled, task_logits)
        )
        if input_ids is not None:
            embeds = self.embedded(input_ids, output.audio_tokens)
            if self.training and labels is not None:  # a third of a step's time would go into logits that nobody asks
                labels = labels_from_first(labels, input_ids)
                kwargs = {"logits_to_keep": labels.shape[1], **kwargs}
            said = self.language_model(inputs_embeds=embeds, attention_mask=attention_mask, use_cache=False, **kwargs)
            output.logits, output.hidden_states, output.attentions = said.logits, said.hidden_states, said.attentions
        if labels is not None:
            losses.append(word_loss(output.logits, labels))
        return SonicVerseOutput(loss=sum(losses) if losses else None, **output)  # anew: the loss comes first

    def encode(self, input_values: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All hidden states (batch, layers + 1, frames, hidden_size) of the encoder, and where there is a frame."""
        return all_hidden_states(self.audio_encoder, input_values.to(self.dtype), attention_mask)

    def _known(self, task_labels: dict[str, Tensor] | None) -> dict[str, Tensor]:
        if unknown := [name for name in task_labels or {} if name not in self.config.tasks]:
            raise ValueError(f"task_labels has {unknown[0]!r}; allowed are {', '.join(self.config.tasks) or '(none)'}")
        return task_labels or {}

    def tempered(self, task_logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits by task, divided by their temperatures in eval mode."""
        if self.training:
            return task_logits
        return {name: each / self.config.tasks[name]["temperature"] for name, each in task_logits.items()}

    def embedded(self, input_ids: Tensor, audio_tokens: Tensor) -> Tensor:
        """(batch, tokens, width): words, and the tokens of the sound in their places."""
        if self.language_model is None:
            raise ValueError(f"{self.config.model_name} has no language model here: {self.how_to_get_words()}")
        place = input_ids == self.config.audio_token_id
        if len(input_ids) != len(audio_tokens) or (place.sum(1) != audio_tokens.shape[1]).any():
            got = f"{place.sum(1).tolist()} places for sound in {len(input_ids)} rows"
            raise ValueError(f"input_ids have {got}; allowed are {audio_tokens.shape[1]} in {len(audio_tokens)} rows")
        words = self.get_input_embeddings()(input_ids.masked_fill(place, 0))
        return words.masked_scatter(place[..., None], audio_tokens.to(words.dtype))

    def how_to_get_words(self) -> str:
        """What to do where the language model is missing."""
        return how_to_get(self.config.text_name)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        input_values: Tensor | None = None,
        audio_attention_mask: Tensor | None = None,
        audio_tokens: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """What the language model says, new ids (batch, tokens) alone.

        Args:
            input_ids, attention_mask: as in `forward`; rows of different lengths are padded on the left.
            input_values, audio_attention_mask: the sound; or audio_tokens (batch, audio_tokens, width), known already.
            options: any of transformers' `generate`, such as max_new_tokens, do_sample, num_beams; with a chat that is
                embedded it keeps a KV cache in any case.
        """
        if audio_tokens is None:
            audio_tokens = self(input_values, audio_attention_mask).audio_tokens
        embeds, ends = self.embedded(input_ids, audio_tokens), self.config.text_config.eos_token_id
        padding = self.config.text_config.pad_token_id
        options.setdefault("pad_token_id", padding if padding is not None else np.ravel(ends).tolist()[0])
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return self.language_model.generate(inputs_embeds=embeds, attention_mask=mask, **options)
