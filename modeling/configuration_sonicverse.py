"""Configuration of SonicVerse: captions and five kinds of facts, by a MERT, a projector and a language model."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, HubertConfig, PreTrainedConfig

from .music_config import MusicConfig, as_sub_config, as_text_config, refuse
from .music_tags import complaints, completed, default_tasks


@strict
class SonicVerseConfig(MusicConfig):
    """`SonicVerseConfig()` is the published model: MERT-v1-95M, 60 tokens, Mistral-7B-Instruct-v0.1.

    Args:
        *_config, *_name: of the encoder (a HuBERT, MERT too) and the language model; Hub id or folder name.
        has_language_model: whether its weights are here; without them facts are answered, but no captions.
        do_normalize: whether a window is scaled to mean 0 and variance 1 before it is heard.
        tasks: by name {"classes", "weight" of its loss, "requires_grad" of its head, "exclusive", "temperature",
            "abstain_below" (an exclusive one's leading label is `uncertain` there), "thresholds" (of the others)}, all
            but the first optional; None for the original's five, {} for its baseline.
        content_tokens, task_tokens: for the sound and for each task; `audio_tokens` are all of them.
        backbone_size, head_hidden_size, projector_hidden_size: of the layer that the heads share, of each head, between
            a token MLP's two layers (None: the language model's width, as published).
        original_pooling: as published: heads add up `pooled_frames` frames, silent ones too, and average the layers.
        audio_token_id: stands in input_ids where the sound is; below 0, so that no word has it.
        caption_seconds, max_new_tokens: of a caption, the longest stretch that it is about, and its own length.
        confident_above, confident_below: from which probabilities on a caption must not deny, or claim, what is heard.
        candidates: captions among which one that denies it or claims it is exchanged.
    """

    model_type = "sonicverse"
    sub_configs: ClassVar[dict[str, type]] = {"audio_config": HubertConfig, "text_config": AutoConfig}

    sampling_rate: int = 24_000
    window_seconds: float = 10.0
    audio_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    audio_name: str = "m-a-p/MERT-v1-95M"
    text_name: str = "mistralai/Mistral-7B-Instruct-v0.1"
    has_language_model: bool = True
    do_normalize: bool = False
    tasks: dict | None = None
    content_tokens: int = 40
    task_tokens: int = 4
    backbone_size: int = 512
    backbone_requires_grad: bool = True
    head_hidden_size: int = 256
    projector_hidden_size: int | None = None
    dropout: float = 0.2
    original_pooling: bool = False
    pooled_frames: int = 760
    audio_token_id: int = -9634
    caption_seconds: float = 30.0
    max_new_tokens: int = 128
    confident_above: float = 0.8
    confident_below: float = 0.05
    candidates: int = 4

    def __post_init__(self, **kwargs):
        self.audio_config = as_sub_config("audio_config", self.audio_config, HubertConfig)
        self.audio_config.layerdrop = 0.0  # the projector hears every layer
        self.text_config = as_text_config(self.text_config or {})
        self.tasks = completed(default_tasks() if self.tasks is None else self.tasks)
        super().__post_init__(**kwargs)

    def validate_captions(self):
        """Runs on construction and on saving."""
        refuse(complaints(self))

    @property
    def audio_tokens(self) -> int:
        return self.content_tokens + self.task_tokens * len(self.tasks)
