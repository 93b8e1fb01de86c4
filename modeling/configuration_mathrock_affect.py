"""Configuration of Neural Math Rock: emotions, vibe, intensity and tempo, heard by a WavLM and a CLAP at once."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict
from transformers import ClapAudioConfig, PreTrainedConfig, WavLMConfig, XLMRobertaConfig

from .affect import EMOTIONS, INTENSITIES, TEMPOS, VIBES, complaints
from .music_config import MusicConfig, read_sub_configs, refuse


@strict
class MathRockAffectConfig(MusicConfig):
    """`MathRockAffectConfig()` is the published model, over a wavlm-base and the audio tower of clap-htsat-unfused.

    Args:
        *_config, *_name: each tower's config or its fields, and its Hub id or folder name; text_config None: no lyrics.
        wavlm_sampling_rate, do_normalize: in Hz; whether a window is scaled to mean 0 and variance 1 for the WavLM.
        mel_*: of CLAP's log-mel at `sampling_rate`: samples, samples, Hz, Hz.
        original_pooling: as published: a shorter recording is filled up with silence, which counts in the mean.
        temperature, *_temperature: of the emotions and the three other heads; thresholds: per emotion (None: 0.5).
        abstain_below, *_abstain_below: the probability of the leading label below which each answer is `uncertain`.
        focal_gamma, label_smoothing: of the loss of the emotions. *_class_weights: of the three others (None: 1).
        task_weights: emotions, vibe, intensity, tempo. uncertainty_weighting: whether, besides, weights are learned.
    """

    model_type = "mathrock_affect"
    default_labels: ClassVar[tuple[str, ...]] = EMOTIONS
    sub_configs: ClassVar[dict[str, type]] = {
        "wavlm_config": WavLMConfig, "clap_config": ClapAudioConfig, "text_config": XLMRobertaConfig,
    }  # fmt: skip

    problem_type: str | None = "multi_label_classification"
    sampling_rate: int = 48_000
    window_seconds: float = 10.0
    wavlm_config: dict | PreTrainedConfig | None = None
    clap_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    wavlm_name: str = ""
    clap_name: str = ""
    text_name: str = ""
    wavlm_sampling_rate: int = 16_000
    do_normalize: bool = False
    mel_n_fft: int = 1024
    mel_hop_length: int = 480
    mel_min_hz: int | float = 50
    mel_max_hz: int | float = 14_000
    projection_size: int = 512
    fusion_size: int = 512
    head_hidden_size: int = 256
    fusion_dropout: float = 0.3
    head_dropout: float = 0.2
    original_pooling: bool = False
    vibe_labels: list | tuple = VIBES
    intensity_labels: list | tuple = INTENSITIES
    tempo_labels: list | tuple = TEMPOS
    vibe_temperature: float = 1.0
    intensity_temperature: float = 1.0
    tempo_temperature: float = 1.0
    vibe_abstain_below: float = 0.0
    intensity_abstain_below: float = 0.0
    tempo_abstain_below: float = 0.0
    thresholds: list | tuple | None = None
    focal_gamma: float = 2.0
    label_smoothing: float = 0.1
    vibe_class_weights: list | tuple | None = None
    intensity_class_weights: list | tuple | None = None
    tempo_class_weights: list | tuple | None = None
    task_weights: list | tuple = (1.0, 1.0, 1.0, 1.0)
    uncertainty_weighting: bool = False

    def __post_init__(self, **kwargs):
        read_sub_configs(self, optional=("text_config",))
        super().__post_init__(**kwargs)

    def validate_affect(self):
        """Runs on construction and on saving."""
        refuse(complaints(self))
