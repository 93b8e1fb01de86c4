"""Configuration of the genre mixture of experts ("Music Genre MoE"), with the published layer sizes as defaults."""

import math
from typing import ClassVar

from huggingface_hub.dataclasses import strict

from .music_config import MusicConfig, between, check_fields, one_of


@strict
class GenreMoeConfig(MusicConfig):
    """`GenreMoeConfig()` is the published five-genre model over 59 features; everything else is an option.

    Args:
        num_features: length of one feature row; for a temporal encoder, features per frame.
        feat_mean, feat_std: z-score statistics of the training rows, one number a feature (0 and 1 until trained).
        log_features: indices of features that are taken as logarithms before the z-score, being skewed.
        level_db: root mean square (dB of full scale) that sound, or the rows of it, are brought to; None leaves them.
        max_z_score: z-scores are clipped to plus and minus this, so that one strange feature does not decide.
        frontend: "none" takes feature rows; "musicnn" hears log-mel patches and takes statistics of its tags.
        encoder_type: "mlp" for feature rows; "cnn" or "lstm" for frames in time, (batch, frames, num_features).
        num_experts: one expert a genre by default; any other number works, without gate alignment.
        top_k: only the k experts with the largest gate are run; None runs all.
        gate_noise: standard deviation of the Gaussian noise on the gate logits while training.
        load_balance_weight, entropy_weight, label_smoothing: the loss as published.
        gate_alignment_weight: cross-entropy between the gate and the genre: the remedy for expert collapse.
        mutual_information_weight: rewards gates that are sharp for a song and even over songs.
    """

    model_type = "genre_moe"
    default_labels: ClassVar[tuple[str, ...]] = ("jazz", "blues", "rock", "pop", "classical")

    num_features: int = 59
    feat_mean: list | tuple | None = None
    feat_std: list | tuple | None = None
    log_features: list | tuple | None = None
    level_db: int | float | None = None
    max_z_score: float | None = None
    frontend: str = "none"
    encoder_type: str = "mlp"
    hidden_size: int = 128
    num_experts: int = 5
    expert_hidden_size: int = 64
    expert_output_size: int = 32
    top_k: int | None = None
    gate_noise: float = 0.1
    dropout: float = 0.3
    label_smoothing: float = 0.1
    load_balance_weight: float = 0.05
    entropy_weight: float = 0.01
    gate_alignment_weight: float = 0.0
    mutual_information_weight: float = 0.0

    def __post_init__(self, **kwargs):
        self.feat_mean = list(self.feat_mean) if self.feat_mean is not None else [0.0] * self.num_features
        self.feat_std = list(self.feat_std) if self.feat_std is not None else [1.0] * self.num_features
        self.log_features = list(self.log_features or ())
        super().__post_init__(**kwargs)

    def validate_mixture(self):
        """Runs on construction and on saving."""
        check_fields(self, frontend=one_of("none", "musicnn"), encoder_type=one_of("mlp", "cnn", "lstm"))
        sizes = ("num_features", "num_experts", "hidden_size", "expert_hidden_size", "expert_output_size")
        check_fields(self, **dict.fromkeys(sizes, between(1, 65_536)))
        if not (self.max_z_score is None or self.max_z_score > 0):
            raise ValueError(f"max_z_score is {self.max_z_score}; allowed are numbers above 0, or None")
        if self.top_k is not None and not 1 <= self.top_k <= self.num_experts:
            raise ValueError(f"top_k is {self.top_k}; allowed are 1 to {self.num_experts} (num_experts), or None")
        if not all(isinstance(i, int) and 0 <= i < self.num_features for i in self.log_features):
            raise ValueError(f"log_features is {self.log_features}; allowed are indices 0 to {self.num_features - 1}")
        for name, low in (("feat_mean", -math.inf), ("feat_std", 0.0)):
            values = getattr(self, name)
            if len(values) != self.num_features or not all(low < v < math.inf for v in values):
                wrong = next((f", not {v}" for v in values if not low < v < math.inf), "")
                allowed = f"{self.num_features} (num_features), all finite{' and above 0' if low == 0 else ''}{wrong}"
                raise ValueError(f"{name} has {len(values)} numbers; it must have {allowed}")
