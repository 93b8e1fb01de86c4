"""Configuration of BeatMeter: meters and polyrhythm, heard by a MERT (a HuBERT for music) and a small head."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict
from transformers import HubertConfig, PreTrainedConfig

from .music_config import MusicConfig, between, check_fields, one_of, read_sub_configs


@strict
class BeatMeterConfig(MusicConfig):
    """`BeatMeterConfig()` is the published six-meter model over a backbone shaped as MERT-v1-95M.

    Args:
        backbone_config, backbone_name: a HubertConfig or its fields (MERT's too); its Hub id or folder name.
        do_normalize: whether a window is scaled to mean 0 and variance 1 before it is heard.
        chunk_seconds: what the backbone hears at once; a tail under 1 s belongs to the chunk before it.
        original_pooling: as published: such a tail is dropped, a longer one weighs as much as a whole chunk, and with
            do_normalize each chunk is scaled by itself.
        head_type: "pooled" as published; "tempogram" hears periods too (rhythm.py); the others are older classifiers.
        thresholds, pos_weight: per label, the probability from which a meter is there (None: 0.5), and the weight of
            its positives in the loss (None: 1).
        tempogram_*: activation channels, cross-correlated pairs of them, width of the convolutions over lags, whether
            the head hears the pooled layers besides. min_lag_seconds, lag_octaves, lags_per_octave: the lag axis.
    """

    model_type = "beatmeter"
    default_labels: ClassVar[tuple[str, ...]] = ("3", "4", "5", "7", "9", "11")
    sub_configs: ClassVar[dict[str, type]] = {"backbone_config": HubertConfig}

    problem_type: str | None = "multi_label_classification"
    sampling_rate: int = 24_000
    backbone_config: dict | PreTrainedConfig | None = None
    backbone_name: str = ""
    do_normalize: bool = True
    chunk_seconds: float = 5.0
    original_pooling: bool = False
    head_type: str = "pooled"
    head_hidden_size: int = 256
    dropout: float = 0.4
    thresholds: list | tuple | None = None
    pos_weight: list | tuple | None = None
    tempogram_channels: int = 24
    tempogram_pairs: int = 0
    tempogram_hidden_size: int = 64
    tempogram_pooled: bool = True
    min_lag_seconds: float = 0.1
    lag_octaves: int = 6
    lags_per_octave: int = 24

    def __post_init__(self, **kwargs):
        read_sub_configs(self)
        self.backbone_config.layerdrop = 0.0  # the head hears every layer
        super().__post_init__(**kwargs)

    def validate_meters(self):
        """Runs on construction and on saving."""
        check_fields(self, head_type=one_of("pooled", "tempogram", "single_layer", "multi_layer"))
        check_fields(self, problem_type=one_of("multi_label_classification", "single_label_classification"))
        check_fields(self, lag_octaves=between(1, 16), lags_per_octave=between(1, 1_000))
        check_fields(self, min_lag_seconds=between(0.001, 60), chunk_seconds=between(0.01, 3_600))
        for name in ("thresholds", "pos_weight"):
            values = getattr(self, name)
            if values is not None and (len(values) != self.num_labels or not all(value > 0 for value in values)):
                raise ValueError(f"{name} is {values}; it must be None, or {self.num_labels} numbers above 0")
