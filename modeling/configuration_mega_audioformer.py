"""Configuration of Mega-AudioFormer: a global and a local transformer over the tokens of an EnCodec."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict
from transformers import EncodecConfig, PreTrainedConfig

from .music_config import AT_LEAST_1, NOT_NEGATIVE, POSITIVE, MusicConfig, check_fields, one_of, read_sub_configs

GTZAN_GENRES = "blues classical country disco hiphop jazz metal pop reggae rock"


@strict
class MegaAudioFormerConfig(MusicConfig):
    """`MegaAudioFormerConfig()` hears EnCodec 24 kHz at 1.5 kbit/s, 2 codebooks; 12 kbit/s are 16. Sizes are our own.

    Args:
        codec_config, codec_name, bandwidth_kbps: an EncodecConfig or its fields; its name in `.ecdc` files; kbit/s.
        level_db: root mean square (dB of full scale) that sound is brought to for the codec; None leaves it.
        frames_per_patch: codec frames that are packed, with all their codebooks, into one position of the encoder.
        code_embedding_size: of one code, before those of a patch are joined and projected to `hidden_size`.
        hidden_size and what follows it: the global encoder; local_*: the local one.
        dropout, attention_dropout, classifier_dropout: behind every block, of attention, before the classifier.
        mask_share, mask_unit, mask_span_frames: what pre-training hides: tokens, frames, or spans of so many frames.
    """

    model_type = "mega_audioformer"
    default_labels: ClassVar[tuple[str, ...]] = tuple(GTZAN_GENRES.split())
    sub_configs: ClassVar[dict[str, type]] = {"codec_config": EncodecConfig}

    problem_type: str | None = "single_label_classification"
    sampling_rate: int = 24_000
    window_seconds: float = 10.0
    codec_config: dict | PreTrainedConfig | None = None
    codec_name: str = "encodec_24khz"
    bandwidth_kbps: int | float = 1.5
    level_db: int | float | None = None
    frames_per_patch: int = 1
    code_embedding_size: int = 64
    hidden_size: int = 512
    num_hidden_layers: int = 8
    num_attention_heads: int = 8
    intermediate_size: int = 1376
    local_hidden_size: int = 256
    local_num_hidden_layers: int = 2
    local_num_attention_heads: int = 4
    local_intermediate_size: int = 688
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-6
    dropout: float = 0.1
    attention_dropout: float = 0.0
    classifier_dropout: float = 0.1
    initializer_range: float = 0.02
    mask_share: float = 0.25
    mask_unit: str = "token"
    mask_span_frames: int = 10

    def __post_init__(self, **kwargs):
        read_sub_configs(self)
        self.codec_config.target_bandwidths = [float(self.bandwidth_kbps)]
        super().__post_init__(**kwargs)

    @property
    def num_codebooks(self) -> int:
        return self.codec_config.num_quantizers

    @property
    def frame_rate(self) -> float:
        """Codec frames a second."""
        return self.codec_config.sampling_rate / self.codec_config.hop_length

    def validate_tokens(self):
        """Runs on construction and on saving."""
        check_fields(self, problem_type=one_of("single_label_classification", "multi_label_classification"))
        check_fields(self, frames_per_patch=AT_LEAST_1, code_embedding_size=AT_LEAST_1)
        check_fields(self, rope_theta=POSITIVE, rms_norm_eps=POSITIVE, initializer_range=NOT_NEGATIVE)
        if not self.id2label:
            raise ValueError("id2label names no label; give one or more")
        if self.codec_config.sampling_rate != self.sampling_rate:
            raise ValueError(f"sampling_rate is {self.sampling_rate}, the codec's {self.codec_config.sampling_rate} Hz")
