"""What is asked of a recording's affect: the labels of the four tasks, and which settings of them mean something.

Source: "Neural Math Rock"; its emotions are those of GoEmotions (Demszky et al. 2020, arXiv 2005.00547), in order.
"""

import math
from collections.abc import Iterator
from typing import Any

EMOTIONS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy",
    "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip
VIBES = ("aggressive", "atmospheric", "melancholic", "technical")
INTENSITIES = ("low", "medium", "high")
TEMPOS = ("slow", "moderate", "fast")
TASKS = ("emotion", "vibe", "intensity", "tempo")  # the order of their weights
CHOICES = TASKS[1:]  # of which one label holds; emotions hold or not, each for itself


def are_numbers(values: Any, count: int, positive: bool = True) -> bool:
    """Whether `values` are so many finite numbers, above 0, or at least 0 where `positive` is False."""
    right = isinstance(values, (list, tuple)) and len(values) == count
    return right and all(math.isfinite(value) and (value > 0 or (value == 0 and not positive)) for value in values)


def complaints(config: Any) -> Iterator[str]:
    """What is wrong with a MathRockAffectConfig, one sentence each; nothing where all of it means something."""
    if config.problem_type != "multi_label_classification":
        yield f"problem_type is {config.problem_type!r}; allowed is 'multi_label_classification': emotions may mix"
    if config.thresholds is not None and not are_numbers(config.thresholds, config.num_labels):
        yield f"thresholds are {config.thresholds}; they must be None, or {config.num_labels} numbers above 0"
    if not are_numbers(config.task_weights, len(TASKS), positive=False) or not any(config.task_weights):
        told = "they must be 4 numbers, 0 or above and not all 0"
        yield f"task_weights are {config.task_weights}; {told}: {', '.join(TASKS)}"
    for name in ("projection_size", "fusion_size", "head_hidden_size"):
        if getattr(config, name) == 0:  # below it every family's own check speaks
            yield f"{name} is 0; it must be 1 or more"
    for name in ("fusion_dropout", "head_dropout", "abstain_below", *(f"{task}_abstain_below" for task in CHOICES)):
        if getattr(config, name) < 0 or getattr(config, name) > 1:  # NaN is every family's matter
            yield f"{name} is {getattr(config, name)}; it must be from 0 to 1"
    for task in CHOICES:
        labels, temperature = getattr(config, f"{task}_labels"), getattr(config, f"{task}_temperature")
        weights = getattr(config, f"{task}_class_weights")
        if len(set(labels)) != len(labels) or len(labels) < 2:
            yield f"{task}_labels are {labels}; they must be two or more, each another"
        if not are_numbers([temperature], 1):
            yield f"{task}_temperature is {temperature}; it must be finite and above 0 (1.0 changes nothing)"
        if weights is not None and not are_numbers(weights, len(labels)):
            yield f"{task}_class_weights are {weights}; they must be None, or {len(labels)} numbers above 0"
    if not (0 <= config.label_smoothing < 1 and config.focal_gamma >= 0):
        got = f"label_smoothing is {config.label_smoothing} and focal_gamma {config.focal_gamma}"
        yield f"{got}; the first must be from 0 to below 1, the second 0 or above"
    yield from complaints_of_hearing(config)


def complaints_of_hearing(config: Any) -> Iterator[str]:
    clap = config.clap_config
    if min(config.mel_n_fft, config.mel_hop_length) < 1:
        yield f"mel_n_fft is {config.mel_n_fft} and mel_hop_length {config.mel_hop_length}; both must be 1 or more"
        return
    if clap.enable_fusion:
        yield "clap_config has enable_fusion; allowed is a CLAP without, such as laion/clap-htsat-unfused"
    if not math.isfinite(config.window_seconds):
        return  # every family refuses it
    frames = round(config.window_seconds * config.sampling_rate) // config.mel_hop_length + 1
    most = clap.spec_size * (clap.spec_size // clap.num_mel_bins)
    if frames > most:
        seconds = (most - 1) * config.mel_hop_length / config.sampling_rate
        yield f"window_seconds is {config.window_seconds}; this CLAP takes {most} mel frames, {seconds:.2f} s at most"
    if not 0 <= config.mel_min_hz < config.mel_max_hz <= config.sampling_rate / 2:
        yield (
            f"mel_min_hz is {config.mel_min_hz} and mel_max_hz {config.mel_max_hz}; they must rise, from 0 Hz "
            f"to {config.sampling_rate / 2:g} Hz, half of sampling_rate"
        )
    if not 4000 <= config.wavlm_sampling_rate <= 768_000:
        yield f"wavlm_sampling_rate is {config.wavlm_sampling_rate} Hz; allowed are 4,000 to 768,000 Hz"
