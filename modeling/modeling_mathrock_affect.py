"""Neural Math Rock: emotions, vibe, intensity and tempo of a recording, by an ear for voices and one for textures.

Source: "Neural Math Rock: Dual-Backbone Acoustic and Affective Analysis Pipeline", whose module names are kept, so that
its checkpoints load. A WavLM hears the waveform and the audio tower of a CLAP a log-mel; both are projected, fused, and
judged by four heads. Lyrics, where the model has a branch for them, are added behind the fusion by a learned gate.
Shapes: waveform (batch, samples) at 16 kHz; log-mel (batch, 1, frames, mels) of 48 kHz; logits (batch, labels).
"""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ClapAudioModel, WavLMModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .affect import CHOICES, TASKS
from .affect_loss import affect_loss
from .audio import describe
from .configuration_mathrock_affect import MathRockAffectConfig
from .containers import missing_bytes  # noqa: F401 (named for transformers: see music_model.py)
from .feature_extraction_mathrock_affect import MathRockAffectFeatureExtractor
from .ffmpeg import open_with_ffmpeg  # noqa: F401
from .lyrics import LyricsBranch
from .music_config import MusicConfig  # noqa: F401
from .music_model import Hearing, MusicModel, rounded, unbatch
from .pretrained import load_tokenizer, start_as_torch_does
from .sndfile import open_with_sndfile  # noqa: F401
from .spectral import spectrogram  # noqa: F401
from .towers import pretrained_towers
from .windows import Window


@dataclass
class MathRockAffectOutput(ModelOutput):
    """
    loss: scalar, when labels are given.
    logits, emotion_logits: (batch, num_labels), the same: of the emotions, which hold or not, each for itself.
    vibe_logits, intensity_logits, tempo_logits: (batch, labels), of which one holds. All are divided by their
        temperatures in eval mode.
    wavlm_embedding, clap_embedding: (batch, hidden_size) of each tower: what it heard, before it is projected.
    hidden_states: on request, one tensor (batch, fusion_size): what the heads hear.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    emotion_logits: Tensor | None = None
    vibe_logits: Tensor | None = None
    intensity_logits: Tensor | None = None
    tempo_logits: Tensor | None = None
    wavlm_embedding: Tensor | None = None
    clap_embedding: Tensor | None = None
    hidden_states: tuple[Tensor] | None = None


class MathRockForAffect(MusicModel):
    """28 emotions, 4 vibes, 3 intensities and 3 tempi of a recording."""

    config_class = MathRockAffectConfig
    supports_gradient_checkpointing = True
    _no_split_modules = [  # noqa: RUF012
        "WavLMEncoderLayer", "WavLMEncoderLayerStableLayerNorm", "ClapAudioStage", "XLMRobertaLayer",
    ]  # fmt: skip

    def __init__(self, config: MathRockAffectConfig):
        super().__init__(config)
        size, fused = config.projection_size, config.fusion_size
        self.wavlm, self.clap = WavLMModel(config.wavlm_config), ClapAudioModel(config.clap_config)
        self.wlm_proj = nn.Linear(config.wavlm_config.hidden_size, size)
        self.clp_proj = nn.Linear(self.clap.audio_encoder.num_features, size)
        self.fusion = nn.Sequential(
            nn.Linear(2 * size, fused), nn.LayerNorm(fused), nn.Tanh(), nn.Dropout(config.fusion_dropout)
        )
        self.emo_head = nn.Sequential(
            nn.Linear(fused, config.head_hidden_size),
            nn.GELU(),
            nn.Dropout(config.head_dropout),
            nn.Linear(config.head_hidden_size, config.num_labels),
        )
        self.vibe_head = nn.Linear(fused, len(config.vibe_labels))
        self.int_head = nn.Linear(fused, len(config.intensity_labels))
        self.tmp_head = nn.Linear(fused, len(config.tempo_labels))
        if config.uncertainty_weighting:
            self.task_log_variances = nn.Parameter(torch.zeros(len(TASKS)))
        if config.text_config is not None:
            self.lyrics = LyricsBranch(config)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        start_as_torch_does(module)
        if module is self and self.config.uncertainty_weighting:
            init.zeros_(self.task_log_variances)

    # Made of pretrained parts, saved, loaded

    @classmethod
    def from_backbones(
        cls, wavlm: str | PathLike, clap: str | PathLike, text: str | PathLike | None = None, **options: Any
    ) -> "MathRockForAffect":
        """A new model on pretrained towers, on the Hub or in folders; projections, fusion and heads are random.

        Args:
            wavlm: a WavLM, such as microsoft/wavlm-base.
            clap: a whole CLAP without fusion, such as laion/clap-htsat-unfused, of which the audio tower is taken.
            text: an XLM-RoBERTa with its tokenizer, for a branch that reads lyrics.
            options: fields of MathRockAffectConfig; rates, scaling and log-mel are the towers' where they say so.

        Raises ValueError where a tower's weights are not exactly those of its config. (ClapAudioModel.from_pretrained
        would leave the tower random: in a whole CLAP its weights go by other names.)
        """
        towers, fields = pretrained_towers(wavlm, clap, text)
        model = cls(cls.config_class(**fields | options))
        for part, tower in towers.items():
            model.get_submodule(part).load_state_dict(tower.state_dict())
        model.tokenizer = None if text is None else load_tokenizer(text)
        return model

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """As any model of the collection; where it reads lyrics, its tokenizer is loaded from the same place."""
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        if model.config.text_config is not None and pretrained_model_name_or_path is not None:
            model.tokenizer = load_tokenizer(pretrained_model_name_or_path, **kwargs)
        return loaded

    @cached_property
    def feature_extractor(self) -> MathRockAffectFeatureExtractor:
        return MathRockAffectFeatureExtractor.of_config(self.config, pad_to_window=self.config.original_pooling)

    # The network

    @can_return_tuple
    def forward(
        self,
        input_values: Tensor,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        vibe_labels: Tensor | None = None,
        intensity_labels: Tensor | None = None,
        tempo_labels: Tensor | None = None,
        input_ids: Tensor | None = None,
        text_attention_mask: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> MathRockAffectOutput:
        """
        Args:
            input_values: (batch, samples) at `config.wavlm_sampling_rate`.
            input_features: (batch, 1, frames, mels), decibels; both as the feature extractor makes them.
            attention_mask: (batch, samples), 1 where there is sound, 0 behind its end; all ones by default. How far a
                batch is padded changes no answer, but with `config.original_pooling`.
            labels: (batch, num_labels), from 0 to 1 for each emotion, a row with NaN where they are not known; or
                (batch,) indices of one emotion each, -100 where it is not known.
            vibe_labels, intensity_labels, tempo_labels: (batch,) indices, -100 where it is not known.
            input_ids, text_attention_mask: (batch, tokens), the lyrics; a mask of zeros where there are none.
            output_hidden_states: whether to answer what the heads hear as well; the config says so by default.
        """
        embeddings = self.listen(input_values, input_features, attention_mask)
        if input_ids is not None and self.config.text_config is None:
            raise ValueError("this model reads no lyrics (text_config is None): leave input_ids out")
        lyrics = None if input_ids is None else self.lyrics.read(input_ids, text_attention_mask)
        output = self.judge(*self.project(*embeddings), lyrics)
        output.wavlm_embedding, output.clap_embedding = embeddings
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        if not wanted:
            output = {name: value for name, value in output.items() if name != "hidden_states"}
        logits = {task: output[f"{task}_logits"] for task in TASKS}
        known = dict(zip(TASKS, (labels, vibe_labels, intensity_labels, tempo_labels), strict=True))
        loss = affect_loss(self.config, logits, known, getattr(self, "task_log_variances", None))
        return MathRockAffectOutput(loss=loss, **output)  # anew: the loss is the first of a tuple

    def listen(
        self, input_values: Tensor, input_features: Tensor, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the two towers hear: embeddings (batch, hidden_size) of the WavLM and of the CLAP."""
        if input_values.dim() != 2 or input_features.dim() != 4 or len(input_values) != len(input_features):
            raise ValueError(
                f"input_values have shape {tuple(input_values.shape)} and input_features "
                f"{tuple(input_features.shape)}; allowed are (batch, samples) and (batch, 1, frames, mels)"
            )
        speech = self._mean_of_frames(input_values.to(self.dtype), attention_mask)
        return speech, self.clap(input_features=input_features.to(self.dtype)).pooler_output

    def _mean_of_frames(self, input_values: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Recordings of one length go through the WavLM together, without padding, which its norms would hear."""
        if attention_mask is None or self.config.original_pooling:
            return self.wavlm(input_values).last_hidden_state.mean(1)
        lengths, means = attention_mask.long().sum(1).tolist(), {}
        for length in sorted(set(lengths)):
            if self.wavlm._get_feat_extract_output_lengths(length) < 1:
                raise ValueError(f"a recording has {length} samples, too few for one frame of the WavLM: give more")
            rows = [row for row, other in enumerate(lengths) if other == length]
            frames = self.wavlm(input_values[rows, :length]).last_hidden_state
            means.update(zip(rows, frames.mean(1), strict=True))
        return torch.stack([means[row] for row in range(len(lengths))])

    def project(self, wavlm_embedding: Tensor, clap_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Both embeddings as the fusion takes them, (batch, projection_size) each."""
        return F.gelu(self.wlm_proj(wavlm_embedding)), F.gelu(self.clp_proj(clap_embedding))

    def judge(self, speech: Tensor, timbre: Tensor, lyrics: tuple[Tensor, Tensor] | None = None):
        """The network behind the projections: fusion, lyrics where there are any, heads."""
        heard = self.fusion(torch.cat((speech, timbre), dim=-1))
        if lyrics is not None:
            heard = self.lyrics(heard, *lyrics)
        config, heads = self.config, (self.emo_head, self.vibe_head, self.int_head, self.tmp_head)
        logits = {f"{task}_logits": head(heard) for task, head in zip(TASKS, heads, strict=True)}
        if not self.training:
            scales = (config.temperature, *(getattr(config, f"{task}_temperature") for task in CHOICES))
            logits = {name: each / scale for (name, each), scale in zip(logits.items(), scales, strict=True)}
        return MathRockAffectOutput(logits=logits["emotion_logits"], **logits, hidden_states=(heard,))

    # What it says

    def predict(self, audio: Any, *, lyrics: str | list[str | None] | None = None, **options: Any):
        """As `MusicModel.predict`; `lyrics` are the words of the recording, or for a list of recordings a list of them,
        with None where there are none. A model without a branch for lyrics says in `warnings` that it reads none.
        """
        if lyrics is None:
            return super().predict(audio, **options)
        sources = list(audio) if isinstance(audio, (list, tuple)) else [audio]
        texts = list(lyrics) if isinstance(lyrics, (list, tuple)) else [lyrics]
        if len(texts) != len(sources):
            raise ValueError(f"got lyrics of {len(texts)} for {len(sources)} recordings; give each a str, or None")
        self._refuse_random_weights()
        with self._listening():
            hearings = [self._told(describe(source), text) for source, text in zip(sources, texts, strict=True)]
        return super().predict(audio, hearings=hearings, **options)

    def _told(self, path: str | None, text: str | None) -> Hearing:
        """A recording of which nothing is heard yet, with its lyrics, (1, hidden_size), where they can be read."""
        if not isinstance(text, (str, type(None))):
            raise ValueError(f"lyrics are {type(text).__name__}; give each recording a str, or None")
        if text is None:
            return Hearing(path)
        if self.config.text_config is None:
            return Hearing(path, warnings=["lyrics were given, but this model reads none: the sound alone is heard"])
        if not text.strip():
            return Hearing(path, warnings=["the lyrics are empty: the sound alone is heard"])
        if self.tokenizer is None:
            raise ValueError(
                "this model reads lyrics, but its folder has no tokenizer: set model.tokenizer to that of its "
                "text_config and save the model again"
            )
        return Hearing(path, words=self.lyrics.read_text(text, self.tokenizer))

    def _read_windows(self, batch: list[tuple[Hearing, Window]]) -> list[dict[str, np.ndarray]]:
        lyrics, words = None, [hearing.words for hearing, _ in batch]
        if any(each is not None for each in words):
            there = torch.tensor([each is not None for each in words], device=self.device)
            nothing = torch.zeros_like(next(each for each in words if each is not None))
            lyrics = torch.stack([nothing if each is None else each for each in words]), there
        embeddings = self.listen(**self._inputs([window.samples for _, window in batch]))
        return unbatch(self.readings(self.judge(*self.project(*embeddings), lyrics)))

    def readings(self, outputs: MathRockAffectOutput) -> dict[str, Tensor]:
        choices = {task: outputs[f"{task}_logits"].float().softmax(-1) for task in CHOICES}
        return {"emotion": outputs.emotion_logits.float().sigmoid(), **choices}

    def decode(self, reading: dict[str, np.ndarray]) -> dict[str, Any]:
        emotions = rounded(self.config.labels, reading["emotion"])
        thresholds = self.config.thresholds or [0.5] * self.config.num_labels
        there = [label for label, least in zip(emotions, thresholds, strict=True) if emotions[label] >= least]
        answer = {"predicted_emotions": sorted(there, key=emotions.get, reverse=True)}
        for task in CHOICES:
            shares = rounded(getattr(self.config, f"{task}_labels"), reading[task])
            label = max(shares, key=shares.get)
            unsure = not shares[label] >= getattr(self.config, f"{task}_abstain_below")
            answer[task] = {"label": label, "confidence": shares[label], "uncertain": unsure, "probabilities": shares}
        uncertain = not there or not max(emotions.values()) >= self.config.abstain_below
        return {**answer, "uncertain": uncertain, "emotions": emotions}

    def of_silence(self, answer: dict[str, Any]) -> dict[str, Any]:
        choices = {task: answer[task] | {"uncertain": True} for task in CHOICES}
        return answer | choices | {"predicted_emotions": [], "uncertain": True}

    # What the answer rests on

    def explain(self, audio: Any, *, lyrics: str | None = None, sampling_rate: int | None = None) -> dict[str, Any]:
        """The answer with what it rests on: `windows`, in each for the leading label of each task what each tower
        carries: `fall`, how much its logit falls when the tower says nothing (its projection is 0), and
        `gradient_x_input`, summed over the projection. One recording; raises AudioError.

        `lyrics` as in `predict`: the answer then rests on them too, and the towers are weighed with them.
        """
        windows = []
        with self._listening():
            hearing = self._told(describe(audio), lyrics)
        with self._listening(gradients=True):
            words = None
            if hearing.words is not None:  # copied: tensors of inference mode know no gradient
                words = hearing.words.clone()[None], torch.ones(1, dtype=torch.bool, device=self.device)
            for window in self._split(audio, sampling_rate):
                with torch.no_grad():
                    towers = self.project(*self.listen(**self._inputs([window.samples])))
                    hearing.add(window, unbatch(self.readings(self.judge(*towers, words)))[0])
                span = {"start_seconds": round(window.start_seconds, 3), "end_seconds": round(window.end_seconds, 3)}
                windows.append({**span, **self._carried(*towers, words)})
        return {**self._answer(hearing, timeline=False), "windows": windows}

    def _carried(self, speech: Tensor, timbre: Tensor, words: tuple[Tensor, Tensor] | None) -> dict[str, Any]:
        """For each task its leading label, and what each tower's projection (1, projection_size) adds to its logit."""
        towers = {"wavlm": speech.detach().requires_grad_(), "clap": timbre.detach().requires_grad_()}
        output = self.judge(*towers.values(), words)
        with torch.no_grad():
            without = {"wavlm": self.judge(0 * speech, timbre, words), "clap": self.judge(speech, 0 * timbre, words)}
        found = {}
        for task in TASKS:
            labels = self.config.labels if task == "emotion" else getattr(self.config, f"{task}_labels")
            logits = output[f"{task}_logits"][0]
            leader = int(logits.argmax())
            slopes = torch.autograd.grad(logits[leader], tuple(towers.values()), retain_graph=True)
            logits = logits.detach()
            found[task] = {"label": labels[leader]} | {
                tower: {
                    "fall": float(logits[leader] - without[tower][f"{task}_logits"][0, leader]),
                    "gradient_x_input": float((slope * part.detach()).sum()),
                }
                for (tower, part), slope in zip(towers.items(), slopes, strict=True)
            }
        return found
