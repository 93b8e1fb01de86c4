"""What a genre rests on: its features' values, how unusual they are, and what they count for the leading genre.

The measure is gradient x input, where the input is the z-score: of a linear model it would be what each feature adds.
"""

from typing import Any

import torch
from torch import Tensor

from .audio import describe
from .feature_extraction_genre_moe import FEATURE_GROUPS, FEATURE_NAMES, FRAME_FEATURE_NAMES
from .mixture import TAGGRAM_STATISTICS, masked_mean
from .music_model import Hearing, MusicModel, unbatch
from .musicnn import MSD_TAGS


class GenreReasoningModel(MusicModel):
    """`explain` of a model that hears features; config: a GenreMoeConfig.

    features, normalise, encode, judge: the model's own steps from what the extractor gives to its output.
    """

    @property
    def feature_names(self) -> list[str]:
        if self.config.frontend == "musicnn" and self.config.encoder_type == "mlp":
            return [f"{tag} {statistic}" for statistic in TAGGRAM_STATISTICS for tag in MSD_TAGS]
        for names in (FEATURE_NAMES, FRAME_FEATURE_NAMES, MSD_TAGS):
            if len(names) == self.config.num_features:
                return list(names)
        return [f"feature_{index + 1}" for index in range(self.config.num_features)]

    def attribute(self, features: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Gradient x input of the winning genre's logit: (batch, num_features), summed over frames where there are any.

        The input is the z-score, so a feature at the mean of the training songs counts nothing.
        """
        normalised = self.normalise(features).detach().requires_grad_()
        logits = self.judge(self.encode(normalised, attention_mask)).logits
        (gradient,) = torch.autograd.grad(logits.amax(-1).sum(), normalised)
        attribution = (gradient * normalised).detach()
        return attribution if attribution.dim() == 2 else attribution.sum(1)

    def explain(self, audio: Any, *, sampling_rate: int | None = None) -> dict[str, Any]:
        """What the answer rests on: gate weights, and per feature its value, z-score and attribution, strongest first.

        `groups` sums the absolute attributions of each feature group, as shares of 1. One recording; raises AudioError.
        """
        hearing, features, attributions = Hearing(describe(audio)), [], []
        with self._listening(gradients=True):
            for window in self._split(audio, sampling_rate):
                inputs = self._inputs([window.samples])
                mask = inputs.get("attention_mask")
                with torch.no_grad():
                    heard = self.features(**inputs)
                    outputs = self.judge(self.encode(self.normalise(heard), mask))
                hearing.add(window, unbatch(self.readings(outputs))[0])
                features.append(heard if heard.dim() == 2 else masked_mean(heard, mask))
                attributions.append(self.attribute(heard, mask))
        weights = torch.tensor(hearing.votes, device=self.device) / sum(hearing.votes)
        mean_features, attribution = (weights @ torch.cat(rows).float() for rows in (features, attributions))
        z_scores = self.normalise(mean_features)
        strongest = attribution.abs().argsort(descending=True).tolist()
        return {
            **self._answer(hearing, timeline=False),
            "groups": self._group_shares(attribution),
            "features": [
                {
                    "name": self.feature_names[i],
                    "value": float(mean_features[i]),
                    "z_score": float(z_scores[i]),
                    "attribution": float(attribution[i]),
                }
                for i in strongest
            ],
        }

    @property
    def feature_groups(self) -> dict[str, slice]:
        """Features that belong together, by name."""
        if self.feature_names == list(FEATURE_NAMES):
            return FEATURE_GROUPS
        if self.config.frontend == "musicnn" and self.config.encoder_type == "mlp":
            starts = range(0, self.config.num_features, len(MSD_TAGS))
            return {
                f"tag {name}": slice(i, i + len(MSD_TAGS)) for name, i in zip(TAGGRAM_STATISTICS, starts, strict=True)
            }
        return {name: slice(i, i + 1) for i, name in enumerate(self.feature_names)}

    def _group_shares(self, attribution: Tensor) -> dict[str, float]:
        shares = attribution.abs() / attribution.abs().sum().clamp(min=1e-12)
        return {name: float(shares[group].sum()) for name, group in self.feature_groups.items()}
