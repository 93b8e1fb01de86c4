"""The config that every model of the collection shares; alone, so that reading a config loads nothing else."""

import math
from dataclasses import fields
from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import CONFIG_MAPPING, PreTrainedConfig


def own_fields(config_class: type[PreTrainedConfig]) -> set[str]:
    """The fields that a config class adds to those of every config of transformers."""
    return {f.name for f in fields(config_class)} - {f.name for f in fields(PreTrainedConfig)}


def as_sub_config(
    name: str, given: dict | PreTrainedConfig, config_class: type[PreTrainedConfig], kinds: tuple[str, ...] = ()
) -> PreTrainedConfig:
    """The config of a part, of a config or its fields; what else stands in it, such as where it lay, is left out.

    Raises ValueError where it is of another `model_type` than the class's, or than `kinds`, those allowed.
    """
    given, kinds = given if isinstance(given, dict) else given.to_dict(), kinds or (config_class.model_type,)
    if given.get("model_type", kinds[0]) not in kinds:
        allowed = f"{'is' if len(kinds) == 1 else 'are'} {' and '.join(map(repr, kinds))}"
        raise ValueError(f"{name} is a {given['model_type']!r}; allowed {allowed}")
    own = own_fields(config_class)
    return config_class(**{field: value for field, value in given.items() if field in own})


def as_text_config(given: dict | PreTrainedConfig) -> PreTrainedConfig:
    """The config of a language model, by its `model_type`; a Mistral-7B's where it names none."""
    kind = given.get("model_type", "mistral") if isinstance(given, dict) else given.model_type
    if kind not in CONFIG_MAPPING:
        raise ValueError(f"text_config is a {kind!r}, which transformers does not have; name a causal language model")
    return as_sub_config("text_config", given, CONFIG_MAPPING[kind])


@strict
class MusicConfig(PreTrainedConfig):
    """Fields that all families share. Everything `predict` needs stands in config.json.

    Args:
        model_name: the published name, repeated in every answer.
        sampling_rate: rate in Hz at which the model hears.
        window_seconds: length of one window; a longer recording is heard window by window.
        min_seconds: anything shorter is refused (AudioError `too_short`).
        short_seconds: anything shorter gets a warning beside its answer.
        temperature: divides the logits in eval mode; fitted on validation data (Guo et al. 2017, arXiv 1706.04599).
        abstain_below: the answer is `uncertain` where the top probability is lower.
    """

    default_labels: ClassVar[tuple[str, ...]] = ()

    model_name: str = ""
    sampling_rate: int = 22050
    window_seconds: float = 30.0
    min_seconds: float = 1.0
    short_seconds: float = 5.0
    temperature: float = 1.0
    abstain_below: float = 0.0

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.register_for_auto_class()

    def __post_init__(self, **kwargs):
        if self.id2label is None and kwargs.get("num_labels") in (None, len(self.default_labels)):
            self.id2label = dict(enumerate(self.default_labels))
        if self.id2label:
            self.label2id = {label: int(index) for index, label in self.id2label.items()}
        self.model_name = self.model_name or self.model_type.replace("_", "-")
        super().__post_init__(**kwargs)

    def validate_listening(self):
        """Runs on construction and on saving: numbers that no recording could be heard with are refused."""
        if not self.temperature > 0 or not math.isfinite(self.temperature):
            raise ValueError(f"temperature is {self.temperature}; it must be finite and above 0 (1.0 changes nothing)")
        if not 4000 <= self.sampling_rate <= 768_000:
            raise ValueError(f"sampling_rate is {self.sampling_rate} Hz; allowed are 4,000 to 768,000 Hz")
        if not 0 < self.min_seconds <= self.window_seconds:
            raise ValueError(
                f"min_seconds is {self.min_seconds} and window_seconds {self.window_seconds}; "
                "both must be above 0, and the first not above the second"
            )

    @property
    def labels(self) -> list[str]:
        """The labels in the order of the logits."""
        return [self.id2label[index] for index in range(self.num_labels)]

    def to_diff_dict(self) -> dict[str, Any]:
        """Our own fields and the labels are written out even where they are defaults: a reader needs no source code.

        Of each part's config its own fields only: where it lay says nothing to others.
        """
        everything = self.to_dict()
        own = own_fields(type(self)) | {"id2label", "label2id"}
        written = {**super().to_diff_dict(), **{name: everything[name] for name in sorted(own)}}
        written.pop("_name_or_path", None)  # a local path says nothing to others
        for name in self.sub_configs:
            if written.get(name) is not None:
                kept = own_fields(type(getattr(self, name))) | {"model_type"}
                written[name] = {field: value for field, value in written[name].items() if field in kept}
        return written
