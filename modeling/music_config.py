"""The config that every model of the collection shares; alone, so that reading a config loads nothing else.

A config.json may come from anybody. What would have transformers fetch code, what no memory holds and what is no number
is refused here, before a model is built of it.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import CONFIG_MAPPING, PreTrainedConfig

# settings by which transformers takes code or weights from elsewhere, or another file for the config
FETCHING = {"attn_implementation", "experts_implementation", "quantization_config", "custom_pipelines"}
FETCHING |= {"configuration_files", "transformers_weights"}
HARMLESS = {"_name_or_path", "_commit_hash", "_attn_implementation_autoset"}  # of transformers' private state
DTYPES = (None, "float32", "float16", "bfloat16")
SIZE = re.compile(r"num_\w+|depths|(?:\w+_)?(?:size|dim|layers|heads|channels|kernel|stride|filters|ratios|tokens)")
AT_LEAST_ONE = re.compile(r"(?:\w+_)?(?:hidden_size|heads)")
Rule = Callable[[Any], str | None]  # of a field's value: what it is and should be; None where it is right
KNOWN_AS = {"hubert": ("hubert", "mert_model")}  # a config of MERT is one of HuBERT
LARGEST_SIZE, MOST_LAYERS, MOST_LABELS, LONGEST_WINDOW_SECONDS = 1_000_000, 1_000, 100_000, 3_600.0


def own_fields(config_class: type[PreTrainedConfig]) -> set[str]:
    """The fields that a config class adds to those of every config of transformers."""
    return {f.name for f in fields(config_class)} - {f.name for f in fields(PreTrainedConfig)}


def as_sub_config(
    name: str, given: dict | PreTrainedConfig | None, config_class: type[PreTrainedConfig]
) -> PreTrainedConfig:
    """The config of a part, of a config or its fields; what else stands in it, such as where it lay, is left out.

    Raises ValueError where it is of another `model_type` than the class's, or than those it is KNOWN_AS.
    """
    given = given or {}
    if not isinstance(given, (dict, PreTrainedConfig)):
        raise ValueError(f"{name} is {type(given).__name__}; it must be an object of fields")
    given = given if isinstance(given, dict) else given.to_dict()
    kinds = KNOWN_AS.get(config_class.model_type, (config_class.model_type,))
    if given.get("model_type", kinds[0]) not in kinds:
        allowed = f"{'is' if len(kinds) == 1 else 'are'} {' and '.join(map(repr, kinds))}"
        raise ValueError(f"{name} is a {given['model_type']!r}; allowed {allowed}")
    own = own_fields(config_class)
    return config_class(**{field: value for field, value in given.items() if field in own})


def read_sub_configs(config: PreTrainedConfig, optional: tuple[str, ...] = ()) -> None:
    """Makes configs of a config's parts, with defaults of those that are None, but for the optional, which stay so."""
    for name, config_class in config.sub_configs.items():
        if name not in optional or getattr(config, name) is not None:
            setattr(config, name, as_sub_config(name, getattr(config, name), config_class))


def as_text_config(given: dict | PreTrainedConfig) -> PreTrainedConfig:
    """The config of a language model, by its `model_type`; a Mistral-7B's where it names none."""
    kind = given.get("model_type", "mistral") if isinstance(given, dict) else given.model_type
    if kind not in CONFIG_MAPPING:
        raise ValueError(f"text_config is a {kind!r}, which transformers does not have; name a causal language model")
    return as_sub_config("text_config", given, CONFIG_MAPPING[kind])


def refuse_fetching(written: dict[str, Any], place: str = "") -> None:
    """Raises ValueError where a config.json, or a part of it, says where else to take code or weights from."""
    if bad := sorted(key for key in written if key in FETCHING or (key.startswith("_") and key not in HARMLESS)):
        raise ValueError(
            f"config.json sets {place + bad[0]!r}, by which transformers would run or load what is not in the folder; "
            "a config says sizes, labels and rates alone: remove it, or load another folder"
        )
    for key, value in written.items():
        if key.endswith("_config") and isinstance(value, dict):
            refuse_fetching(value, f"{place}{key}.")


def numbers_in(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """Every number of a config's field, with its name: those of lists, objects and configs in it too."""
    if isinstance(value, PreTrainedConfig):
        value = {key: getattr(value, key) for key in own_fields(type(value))}
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers_in(str(key), inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from numbers_in(name, inner)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, value


def complaint_about(name: str, value: float) -> str | None:
    """What is wrong with a number of a config, None where nothing is."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{name} holds {value}; it must hold finite numbers"
    if name == "level_db" and not -60 <= value <= 0:
        return f"level_db is {value}; it must be from -60 to 0, in dB of full scale, or None"
    if not SIZE.fullmatch(name):
        return None
    least = 1 if AT_LEAST_ONE.fullmatch(name) else 0
    most = MOST_LAYERS if name.endswith("layers") or name == "depths" else LARGEST_SIZE
    return None if least <= value <= most else f"{name} is {value}; allowed are {least} to {most:,}"


def must_be(told: str, right: Callable[[Any], bool]) -> Rule:
    return lambda value: None if right(value) else f"{value}; it must be {told}"


def between(least: float, most: float) -> Rule:
    return lambda value: None if least <= value <= most else f"{value}; allowed are {least:,} to {most:,}"


def one_of(*choices: str) -> Rule:
    return lambda value: None if value in choices else f"{value!r}; allowed are {', '.join(choices)}"


AT_LEAST_1 = must_be("1 or more", lambda value: value >= 1)
NOT_NEGATIVE = must_be("0 or above", lambda value: not value < 0)  # NaN is `validate_numbers`' matter, here and below
POSITIVE = must_be("above 0", lambda value: not value <= 0)


def check_fields(config: PreTrainedConfig, **rules: Rule) -> None:
    """Raises ValueError for the first field of a config with which its rule finds something wrong."""
    refuse(f"{name} is {wrong}" for name, rule in rules.items() if (wrong := rule(getattr(config, name))))


def refuse(complaints: Iterable[str]) -> None:
    """Raises ValueError for the first complaint, if there is one."""
    for complaint in complaints:
        raise ValueError(complaint)


def checked_labels(id2label: Any) -> dict[int, str]:
    """Labels by their index. Raises ValueError where they are not texts by the indices from 0 on, each another."""
    if isinstance(id2label, dict) and len(id2label) <= MOST_LABELS:
        keys = sorted(str(key) for key in id2label)
        if keys == sorted(map(str, range(len(id2label)))) and all(isinstance(each, str) for each in id2label.values()):
            if doubled := [label for label, times in Counter(id2label.values()).items() if times > 1]:
                raise ValueError(f"id2label holds {doubled[0]!r} more than once; an answer names each label once")
            return {int(index): label for index, label in id2label.items()}
    got = f"{len(id2label):,} of them" if isinstance(id2label, (dict, list)) else type(id2label).__name__
    raise ValueError(
        f"id2label holds {got}; it must give a text to each index from 0 on, {MOST_LABELS:,} at most: "
        "download or export the folder again"
    )


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

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        """As transformers'; what a file says to take from elsewhere is refused (ValueError)."""
        refuse_fetching(config_dict)
        if hiding := sorted(key for key in config_dict if key == "sub_configs" or callable(getattr(cls, key, None))):
            raise ValueError(f"config.json sets {hiding[0]!r}, which is code of a config and no setting: remove it")
        return super().from_dict(config_dict, **kwargs)

    def __post_init__(self, **kwargs):
        if not 0 <= (kwargs.get("num_labels") or 0) <= MOST_LABELS:
            raise ValueError(f"num_labels is {kwargs['num_labels']:,}; allowed are 0 to {MOST_LABELS:,}")
        if isinstance(self.dtype, str) and self.dtype not in DTYPES:
            raise ValueError(f"dtype is {self.dtype!r}; allowed are {', '.join(map(str, DTYPES[1:]))}")
        if self.id2label is not None:
            self.id2label = checked_labels(self.id2label)
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
        if self.abstain_below < 0 or self.abstain_below > 1:  # NaN is `validate_numbers`' matter
            raise ValueError(f"abstain_below is {self.abstain_below}; it is a probability: allowed are 0 to 1")
        if not 4000 <= self.sampling_rate <= 768_000:
            raise ValueError(f"sampling_rate is {self.sampling_rate} Hz; allowed are 4,000 to 768,000 Hz")
        if not 0 < self.min_seconds <= self.window_seconds <= LONGEST_WINDOW_SECONDS:
            raise ValueError(
                f"min_seconds is {self.min_seconds} and window_seconds {self.window_seconds}; "
                f"both must be above 0, the first not above the second, and that not above {LONGEST_WINDOW_SECONDS:,g}"
            )

    def validate_numbers(self):
        """Runs on construction and on saving: numbers that are none, and sizes that no memory holds, are refused."""
        for name in sorted(own_fields(type(self))):
            for found, value in numbers_in(name, getattr(self, name)):
                if complaint := complaint_about(found, value):
                    raise ValueError(f"{complaint} ({name} of {self.model_type})" if found != name else complaint)

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
