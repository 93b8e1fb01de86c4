"""What every model of the collection shares: registration with the Auto classes, and `predict`.

`predict` is one pipeline for all families: read -> window -> forward -> merge -> decode. A family says only which
feature extractor it hears with, what a forward pass yields for one window (`readings`) and what that means (`decode`).
Conventions: waveforms are mono float32 (samples,) at `config.sampling_rate`; times are seconds from the start.

A family's config, extractor and model files name all files that they need, also those that only their siblings use.
transformers copies a repository's files one after the other, each followed by those it names, and takes a file that
is there for done: a second process that loads at the same moment would miss what lies deeper.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import BatchFeature, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import ModelOutput

from .audio import AudioError, describe, stream_audio
from .music_config import MusicConfig
from .pretrained import refuse_other_weights
from .windows import Window, merge, split

MOST_PARAMETERS = 2 * 10**10  # three times those of the largest language model that a recipe names
SILENCE_RANGE = 2e-4  # peak to peak, full scale 1: 16-bit dither, as it is when it has been resampled
CLICK_RANGE = 1e-2  # peak to peak: what is rare, but as large as this, is heard
BATCHES_IN_MEMORY = 4  # to ask more often would cost more time than the little memory is worth
EDGE_SAMPLES = 512  # where a constant rings when it is resampled, which falls below CLICK_RANGE within 135


@dataclass
class Hearing:
    """What has been heard of one recording so far.

    words: what a family was told of the recording besides its sound; warnings: what is to be said with the answer.
    """

    path: str | None
    words: Any = None
    warnings: list[str] = field(default_factory=list)
    readings: list[dict[str, np.ndarray]] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    silences: list[bool] = field(default_factory=list)
    error: AudioError | None = None

    def add(self, window: Window, reading: dict[str, np.ndarray]) -> None:
        self.silences.append(is_silent(window.samples))
        self.readings.append(reading)
        self.spans.append((window.start_seconds, window.end_seconds))
        self.weights.append(window.new_seconds)

    @property
    def silent(self) -> bool:
        return all(self.silences)

    @property
    def votes(self) -> list[float]:
        """What each window counts in the answer: its new seconds; none for a silent one, unless all are silent."""
        pairs = zip(self.weights, self.silences, strict=True)
        return [0.0 if silence and not self.silent else weight for weight, silence in pairs]

    @property
    def duration_seconds(self) -> float:
        return self.spans[-1][1]


def is_silent(samples: np.ndarray) -> bool:
    """Whether there is nothing to hear in samples; whole numbers are codes, which do not show it.

    Dither is nothing to hear, nor are the edges of a constant, which ring when it is resampled; a single click is
    something, away from the edges.
    """
    if samples.dtype.kind != "f":
        return False
    low, high = np.percentile(samples, (0.5, 99.5))
    edge = min(EDGE_SAMPLES, len(samples) // 4)
    return bool(high - low < SILENCE_RANGE and np.ptp(samples[edge : len(samples) - edge]) < CLICK_RANGE)


def give_back_memory() -> None:
    """Has the C library return what was freed, where it is glibc. Between the little that is kept of every window it
    holds on to the space of what was large: so ten hours took 20 GB, of which a few MB were in use."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def unbatch(readings: dict[str, torch.Tensor]) -> list[dict[str, np.ndarray]]:
    """Tensors (batch, ...) by name -> for each item of the batch its arrays by name."""
    arrays = {name: tensor.float().cpu().numpy() for name, tensor in readings.items()}
    return [dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)]


def rounded(names: list[str], values: np.ndarray) -> dict[str, float]:
    """Numbers by name; the eighth decimal is rounding error, which differs between batches of one and of many."""
    return {name: round(float(value), 7) for name, value in zip(names, values, strict=True)}


class MusicModel(PreTrainedModel):
    """A published model: loads by `AutoModel.from_pretrained(repo, trust_remote_code=True)`, answers by `predict`.

    tokenizer: of a model that reads or writes words, else None.
    """

    config_class = MusicConfig
    base_model_prefix = ""
    main_input_name = "input_values"
    auto_classes: ClassVar[tuple[str, ...]] = ("AutoModel", "AutoModelForAudioClassification")
    missing_keys: tuple[str, ...] = ()
    tokenizer: PreTrainedTokenizerBase | None = None
    accepts_loss_kwargs = False  # a loss is a mean over its batch: Trainer divides it among accumulated steps

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.register_for_auto_class(cls.auto_classes[-1])

    # What a family says of itself

    @cached_property
    def feature_extractor(self):
        """The extractor that makes `forward`'s inputs of waveforms at `config.sampling_rate`."""
        raise NotImplementedError(f"{type(self).__name__} names no feature extractor")

    def readings(self, outputs: ModelOutput) -> dict[str, torch.Tensor]:
        """What of a forward pass may be averaged over windows: tensors of shape (batch, ...)."""
        raise NotImplementedError(f"{type(self).__name__} does not say what may be averaged over windows")

    def decode(self, reading: dict[str, np.ndarray]) -> dict[str, Any]:
        """One recording's (or window's) averaged readings, without the batch axis, as the family's answer."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its readings mean")

    def of_silence(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer to silence: whatever was computed, nothing is sure of it."""
        return answer | {"uncertain": True}

    # Saving and loading

    def save_pretrained(self, save_directory, **kwargs):
        """Writes a whole Hub repository: weights, code, the config with every Auto class, extractor and tokenizer."""
        module = type(self).__module__.rsplit(".", 1)[-1]
        self.config.auto_map = {auto: f"{module}.{type(self).__name__}" for auto in self.auto_classes}
        super().save_pretrained(save_directory, **kwargs)
        if kwargs.get("is_main_process", True):
            self.feature_extractor.save_pretrained(save_directory)
            if self.tokenizer is not None:
                self.tokenizer.save_pretrained(save_directory)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, output_loading_info=False, **kwargs):
        """As transformers', of safetensors alone, with two checks: random weights are remembered, statistics are those
        of the config."""
        kwargs.setdefault("use_safetensors", True)  # or a pickle would be read where they are missing
        refuse_other_weights(pretrained_model_name_or_path, **kwargs)
        model, info = super().from_pretrained(pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs)
        model.missing_keys = tuple(sorted(info["missing_keys"]))
        model.check_statistics(str(pretrained_model_name_or_path))
        return (model, info) if output_loading_info else model

    def post_init(self):
        """As transformers'; a config that asks for more weights than any model here has is refused before they are
        allocated: `from_pretrained` builds a model without memory first."""
        wanted = sum(each.numel() for each in self.parameters())
        if wanted > MOST_PARAMETERS:
            raise ValueError(f"the config asks for {wanted:,} weights; allowed are {MOST_PARAMETERS:,}: correct it")
        super().post_init()

    def check_statistics(self, origin: str) -> None:
        """Raises ValueError where a buffer differs from the list of the same name in the config."""
        for name, buffer in self.named_buffers():
            listed = getattr(self.config, name, None)
            if listed is None or buffer.dtype != torch.float32 or name in self.missing_keys:
                continue
            # weights that were saved in bfloat16 hold three digits; the list holds them all
            if not np.allclose(buffer.cpu().numpy(), np.asarray(listed, np.float32), rtol=4e-3, atol=1e-7):
                raise ValueError(
                    f"{origin}: `{name}` in config.json differs from the same buffer in the weights; "
                    "they must be equal: the folder mixes two exports, download or export it again"
                )
            buffer.copy_(torch.tensor(listed))

    # Asking

    def predict(
        self,
        audio: Any,
        *,
        sampling_rate: int | None = None,
        timeline: bool = False,
        batch_size: int = 8,
        errors: str = "raise",
        hearings: list[Hearing] | None = None,
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """Listens to whole recordings and says what it hears, in plain JSON types.

        Args:
            audio: a path, bytes, a binary file object, an array or tensor (samples,) or (channels, samples) with
                `sampling_rate`, a dict {"array", "sampling_rate"} or {"path", "bytes"}; or a list of any of these.
            sampling_rate: rate in Hz of a bare array.
            timeline: adds `timeline`, one answer per window with `start_seconds` and `end_seconds`. A silent window is
                uncertain there, and has no say in the answer unless all are silent.
            batch_size: windows per forward pass; changes speed and memory, not the answer.
            errors: "raise", or "record" to put {"error": {"code", "message", "path"}} in the place of a bad recording.
            hearings: of a family that is told of recordings besides their sound, one of each; else left out.

        Returns:
            the answer, or for a list the answers in order. Beside the family's own keys: `model`, `duration_seconds`,
            `heard_seconds`, `uncertain`, `warnings`.

        Raises:
            AudioError: a recording cannot be read, with `.code` and `.path`; not with errors="record".
            ValueError: an argument is out of range, or weights were missing when the model was loaded.
        """
        if errors not in ("raise", "record"):
            raise ValueError(f"errors is {errors!r}; allowed are 'raise' and 'record'")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be 1 or more")
        self._refuse_random_weights()
        sources = list(audio) if isinstance(audio, (list, tuple)) else [audio]
        hearings = hearings or [Hearing(describe(source)) for source in sources]
        windows = self._windows(sources, hearings, sampling_rate, errors)
        with self._listening():
            batches = iter(lambda: list(islice(windows, batch_size)), [])
            for number, batch in enumerate(batches, start=1):
                for (hearing, window), reading in zip(batch, self._read_windows(batch), strict=True):
                    hearing.add(window, reading)
                if number % BATCHES_IN_MEMORY == 0:
                    give_back_memory()
        answers = [self._answer(hearing, timeline) for hearing in hearings]
        return answers if isinstance(audio, (list, tuple)) else answers[0]

    def _refuse_random_weights(self) -> None:
        if self.missing_keys:
            raise ValueError(
                f"{len(self.missing_keys)} weights were not in the checkpoint and are random, {self.missing_keys[0]!r} "
                "first; answers would mean nothing: train the model and save it, or load a complete folder"
            )

    @contextmanager
    def _listening(self, gradients: bool = False) -> Iterator[None]:
        """Eval mode for the time of the answer; the mode is left as it was found."""
        was_training = self.training
        self.eval()
        try:
            with torch.inference_mode(not gradients):
                yield
        finally:
            self.train(was_training)

    def _windows(self, sources, hearings, sampling_rate, errors) -> Iterator[tuple[Hearing, Window]]:
        """Reads one recording after the other, lazily; a bad one is raised, or noted in its hearing and left."""
        for source, hearing in zip(sources, hearings, strict=True):
            try:
                for window in self._split(source, sampling_rate):
                    yield hearing, window
            except AudioError as error:
                if errors == "raise":
                    raise
                hearing.error = error

    def _split(self, source, sampling_rate) -> Iterator[Window]:
        config = self.config
        blocks = stream_audio(source, config.sampling_rate, source_sampling_rate=sampling_rate)
        for window in split(blocks, config.sampling_rate, config.window_seconds):
            self._check_long_enough(window, source)
            yield window

    def _read_windows(self, batch: list[tuple[Hearing, Window]]) -> list[dict[str, np.ndarray]]:
        return self._read([window.samples for _, window in batch])

    def _check_long_enough(self, window: Window, source) -> None:
        least = self.config.min_seconds
        if round(window.end_seconds, 2) < least:  # resampling may cost a sample
            message = f"{window.end_seconds:.2f} s of audio; at least {least:g} s are needed: give a longer clip"
            raise AudioError("too_short", message, describe(source))

    def _read(self, waveforms: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
        return unbatch(self.readings(self(**self._inputs(waveforms))))

    def _inputs(self, waveforms: list[np.ndarray]) -> BatchFeature:
        """What the extractor makes of waveforms of any lengths, on the model's device."""
        rate = self.config.sampling_rate
        return self.feature_extractor(waveforms, sampling_rate=rate, padding=True, return_tensors="pt").to(self.device)

    def _answer(self, hearing: Hearing, timeline: bool) -> dict[str, Any]:
        if hearing.error is not None:
            return {"error": {"code": hearing.error.code, "message": str(hearing.error), "path": hearing.path}}
        answer = {"model": self.config.model_name, **self.decode(merge(hearing.readings, hearing.votes))}
        warnings = list(hearing.warnings)
        if hearing.silent:
            warnings.append("the recording is silent: the answer says nothing about music")
            answer = self.of_silence(answer)
        if hearing.duration_seconds < self.config.short_seconds:
            warnings.append(
                f"only {hearing.duration_seconds:.1f} s were there to hear; "
                f"answers are reliable from {self.config.short_seconds:g} s on"
            )
        answer["duration_seconds"] = round(hearing.duration_seconds, 3)
        answer["heard_seconds"] = round(sum(hearing.weights), 3)
        answer["warnings"] = warnings
        if timeline:
            answer["timeline"] = self._timeline(hearing)
        return answer

    def _timeline(self, hearing: Hearing) -> list[dict[str, Any]]:
        parts = []
        for (start, end), reading, silence in zip(hearing.spans, hearing.readings, hearing.silences, strict=True):
            part = {"start_seconds": round(start, 3), "end_seconds": round(end, 3), **self.decode(reading)}
            parts.append(self.of_silence(part) if silence else part)
        return parts
