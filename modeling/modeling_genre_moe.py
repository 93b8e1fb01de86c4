"""Mixture of experts for music genre: a shared encoder, one small expert a genre, and a gate that says who is heard.

Source: "Music Genre MoE", whose tables fix every layer size and the loss. Its gate collapsed onto one or two experts;
here it may be aligned with the genres (`gate_alignment_weight`), and the gate weights are an answer of their own.
Shapes: feature rows (batch, num_features); log-mel patches (batch, patches, 187, 96); gate weights (batch, experts).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .audio import describe  # noqa: F401 (named for transformers, as those below: see music_model.py)
from .configuration_genre_moe import GenreMoeConfig
from .containers import missing_bytes  # noqa: F401
from .feature_extraction_genre_moe import FEATURE_NAMES, GenreMoeFeatureExtractor, statistics_at_level
from .ffmpeg import open_with_ffmpeg  # noqa: F401
from .genre_reasons import GenreReasoningModel
from .harmonic import harmonic_share  # noqa: F401
from .level import at_level  # noqa: F401
from .mixture import (
    ConvEncoder,
    GatingNetwork,
    GenreClassificationHead,
    GenreExpert,
    LstmEncoder,
    gate_losses,
    mlp_encoder,
    taggram_statistics,
)
from .music_config import MusicConfig  # noqa: F401
from .music_model import rounded, unbatch
from .musicnn import MSD_TAGS, MusicnnTagger
from .pretrained import start_as_torch_does
from .sndfile import open_with_sndfile  # noqa: F401
from .spectral import spectrogram  # noqa: F401
from .windows import split  # noqa: F401


@dataclass
class GenreMoeOutput(ModelOutput):
    """
    loss: scalar, when labels are given.
    logits: (batch, num_labels), divided by the temperature in eval mode.
    gate_weights: (batch, num_experts), each row sums to 1.
    expert_outputs: (batch, num_experts, expert_output_size); zero for experts that top-k routing left out.
    hidden_states: on request, one tensor (batch, hidden_size): the recording as gate and experts hear it.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    gate_weights: Tensor | None = None
    expert_outputs: Tensor | None = None
    hidden_states: tuple[Tensor] | None = None


def before_z_score(features: Tensor, config: GenreMoeConfig) -> Tensor:
    """Features (..., num_features) at the config's level, with the logarithm in place of those that it names."""
    features = features.float()
    if config.frontend == "none" and config.num_features == len(FEATURE_NAMES):
        features = statistics_at_level(features, config.level_db)
    if config.log_features:
        features = features.clone()
        features[..., config.log_features] = features[..., config.log_features].clamp(min=1e-6).log()  # 0 in silence
    return features


class GenreMoeForAudioClassification(GenreReasoningModel):
    """Genre of a recording, or of its feature rows, with the weight that each genre's expert had in the answer."""

    config_class = GenreMoeConfig

    def __init__(self, config: GenreMoeConfig):
        super().__init__(config)
        if config.gate_alignment_weight and config.num_experts != config.num_labels:
            raise ValueError(
                f"gate_alignment_weight needs one expert a genre, got {config.num_experts} experts for "
                f"{config.num_labels} genres: make them equal or set gate_alignment_weight to 0"
            )
        self.register_buffer("feat_mean", torch.tensor(config.feat_mean))
        self.register_buffer("feat_std", torch.tensor(config.feat_std))
        if config.frontend == "musicnn":
            self.musicnn = MusicnnTagger()
        self.encoder = {"mlp": mlp_encoder, "cnn": ConvEncoder, "lstm": LstmEncoder}[config.encoder_type](config)
        self.experts = nn.ModuleList(GenreExpert(config) for _ in range(config.num_experts))
        self.gate = GatingNetwork(config)
        self.classifier = GenreClassificationHead(config)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        start_as_torch_does(module)
        if module is self:
            init.copy_(self.feat_mean, torch.tensor(self.config.feat_mean))
            init.copy_(self.feat_std, torch.tensor(self.config.feat_std))

    @cached_property
    def feature_extractor(self) -> GenreMoeFeatureExtractor:
        if self.config.frontend == "musicnn":
            feature_type = "mel_patches"
        else:
            feature_type = "statistics" if self.config.encoder_type == "mlp" else "frames"
        config = self.config
        return GenreMoeFeatureExtractor(feature_type, sampling_rate=config.sampling_rate, level_db=config.level_db)

    # The network

    @can_return_tuple
    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        gate_labels: Tensor | None = None,
        already_normalised: bool = False,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> GenreMoeOutput:
        """
        Args:
            input_values: what the feature extractor makes: raw feature rows (batch, num_features), NaN where a feature
                is missing; frames (batch, frames, num_features); for the musicnn front end log-mel patches
                (batch, patches, 187, 96), taggrams (batch, frames, 50) or their statistics (batch, num_features).
            attention_mask: (batch, frames or patches), 1 where there is something to hear; all ones by default.
            labels: (batch,) class indices, or (batch, num_labels) probabilities.
            gate_labels: the same for the alignment of the gate, where a teacher's answers are the labels.
            already_normalised: the feature rows are z-scores.
            output_hidden_states: whether to answer the encoder's output as well; the config says so by default.
        """
        features = self.features(input_values, attention_mask)
        hidden_states = self.encode(features if already_normalised else self.normalise(features), attention_mask)
        output = self.judge(hidden_states)
        if self.config.output_hidden_states if output_hidden_states is None else output_hidden_states:
            output.hidden_states = (hidden_states,)
        if labels is not None:
            loss = self.loss(output, labels, labels if gate_labels is None else gate_labels)
            output = GenreMoeOutput(loss=loss, **output)  # anew: the loss is the first of a tuple
        return output

    def judge(self, hidden_states: Tensor) -> GenreMoeOutput:
        """The network behind the encoder: gate, experts, classifier."""
        gate_weights = self.gate(hidden_states)
        expert_outputs = self.consult(hidden_states, gate_weights)
        logits = self.classifier((gate_weights[..., None] * expert_outputs).sum(1))
        if not self.training:
            logits = logits / self.config.temperature
        return GenreMoeOutput(logits=logits, gate_weights=gate_weights, expert_outputs=expert_outputs)

    def features(self, input_values: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Raw features of any form that `forward` takes: (batch, num_features), or (batch, frames, num_features)."""
        if self.config.frontend == "musicnn":
            if input_values.dim() == 4:
                patches = input_values.flatten(0, 1).to(self.classifier[0].weight.dtype)
                input_values = self.musicnn(patches).unflatten(0, input_values.shape[:2])
            if input_values.dim() == 3 and self.config.encoder_type == "mlp":
                mask = input_values.new_ones(input_values.shape[:2]) if attention_mask is None else attention_mask
                input_values = taggram_statistics(input_values.float(), mask)
        return input_values

    def normalise(self, features: Tensor) -> Tensor:
        """z-scores; a missing (NaN) feature counts as the mean."""
        features = before_z_score(features, self.config)
        return self.bounded((features - self.feat_mean.float()) / self.feat_std.float())

    def bounded(self, z_scores: Tensor) -> Tensor:
        """z-scores as the network takes them: 0 where they are not finite, clipped, in the dtype of the weights."""
        limit = math.inf if self.config.max_z_score is None else self.config.max_z_score
        return z_scores.nan_to_num(0.0, 0.0, 0.0).clamp(-limit, limit).to(self.classifier[0].weight.dtype)

    def encode(self, normalised: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """z-scores -> a recording as gate and experts hear it, (batch, hidden_size)."""
        if self.config.encoder_type == "mlp":
            return self.encoder(normalised)
        mask = normalised.new_ones(normalised.shape[:2]) if attention_mask is None else attention_mask
        return self.encoder(normalised, mask.to(normalised.dtype))

    def consult(self, hidden_states: Tensor, gate_weights: Tensor) -> Tensor:
        """Expert outputs (batch, num_experts, expert_output_size); an expert hears only the rows routed to it."""
        if self.config.top_k is None:
            return torch.stack([expert(hidden_states) for expert in self.experts], dim=1)
        outputs = hidden_states.new_zeros(len(hidden_states), len(self.experts), self.config.expert_output_size)
        for index, expert in enumerate(self.experts):
            rows = gate_weights[:, index].nonzero().squeeze(-1)
            if len(rows):
                outputs[rows, index] = expert(hidden_states[rows])
        return outputs

    def loss(self, output: GenreMoeOutput, labels: Tensor, gate_labels: Tensor) -> Tensor:
        """Cross-entropy with label smoothing, and what the loss asks of the gate."""
        classification = F.cross_entropy(
            output.logits, self.as_shares(labels), label_smoothing=self.config.label_smoothing
        )
        return classification + gate_losses(self.config, output.gate_weights, self.as_shares(gate_labels))

    def as_shares(self, labels: Tensor) -> Tensor:
        """Class indices (batch,) as probabilities (batch, num_labels); probabilities stay as they are."""
        return labels if labels.is_floating_point() else F.one_hot(labels, self.config.num_labels).float()

    # What it says

    def readings(self, outputs: GenreMoeOutput) -> dict[str, Tensor]:
        return {"probabilities": outputs.logits.softmax(-1), "gate_weights": outputs.gate_weights}

    def decode(self, reading: dict[str, np.ndarray]) -> dict[str, Any]:
        probabilities = rounded(self.config.labels, reading["probabilities"])
        predicted = max(probabilities, key=probabilities.get)
        return {
            "predicted_genre": predicted,
            "confidence": probabilities[predicted],
            "uncertain": not probabilities[predicted] >= self.config.abstain_below,
            "probabilities": probabilities,
            "gate_weights": rounded(self.expert_names, reading["gate_weights"]),
        }

    @property
    def expert_names(self) -> list[str]:
        """The genres, where there is one expert for each."""
        if self.config.num_experts == self.config.num_labels:
            return self.config.labels
        return [f"expert_{index + 1}" for index in range(self.config.num_experts)]

    def predict(self, audio: Any, *, already_normalised: bool = True, sampling_rate: int | None = None, **options):
        """As `MusicModel.predict`; also answers feature rows, (num_features,) or (batch, num_features).

        An array without `sampling_rate` whose last axis is the number of features is features: z-scores by default, raw
        ones (NaN where missing) with already_normalised=False. The musicnn front end takes taggrams instead,
        (frames, 50) or a list of them. One row gives one answer, several a list.
        """
        z_scores = self._as_z_scores(audio, already_normalised) if sampling_rate is None else None
        if z_scores is not None and options:
            raise ValueError(f"feature rows take no option {', '.join(sorted(options))}; they have no windows or files")
        if z_scores is None:
            return super().predict(audio, sampling_rate=sampling_rate, **options)
        self._refuse_random_weights()
        with self._listening():
            rows = unbatch(self.readings(self.judge(self.encode(z_scores))))
        answers = [{"model": self.config.model_name, **self.decode(row)} for row in rows]
        return answers if len(answers) > 1 or isinstance(audio, (list, tuple)) else answers[0]

    def _as_z_scores(self, audio: Any, already_normalised: bool) -> Tensor | None:
        """Feature rows (batch, num_features) where `audio` is features or taggrams, None where it is sound."""
        width = len(MSD_TAGS) if self.config.frontend == "musicnn" else self.config.num_features
        items = list(audio) if isinstance(audio, (list, tuple)) else [audio]
        if self.config.encoder_type != "mlp" or not all(isinstance(item, (np.ndarray, Tensor)) for item in items):
            return None
        if any(isinstance(item, np.ndarray) and item.dtype.kind not in "fiu" for item in items):
            return None
        tensors = [torch.as_tensor(item, dtype=torch.float32, device=self.device) for item in items]
        if not tensors or any(tensor.dim() == 0 or tensor.shape[-1] != width for tensor in tensors):
            return None
        deepest = 3 if self.config.frontend == "musicnn" else 2
        for tensor in tensors:
            if tensor.dim() > deepest or not tensor.numel():
                raise ValueError(
                    f"features of shape {tuple(tensor.shape)}; allowed are ({width},) and (rows, {width})"
                    f"{', or several taggrams (batch, frames, 50)' if deepest == 3 else ''}, not empty"
                )
        if self.config.frontend == "musicnn":
            if any(not ((tensor >= 0) & (tensor <= 1)).all() for tensor in tensors):
                raise ValueError("a taggram holds numbers outside 0 to 1; it must hold probabilities of the tags")
            taggrams = [tensor if tensor.dim() == 3 else torch.atleast_2d(tensor)[None] for tensor in tensors]
            return self.normalise(torch.cat([self.features(taggram) for taggram in taggrams]))
        rows = torch.cat([torch.atleast_2d(tensor) for tensor in tensors])
        return self.bounded(rows) if already_normalised else self.normalise(rows)
