"""Recordings that no reader should trust: 29 kinds, each in as many variants as there are seeds.

    python tests/support/hostile_audio.py FOLDER [--seeds 20]

What a file holds follows from its kind and seed alone, and so does what must come of it. `judged` asks a model.
"""

import argparse
import math
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.random import Generator, default_rng

from linernotes.modeling.audio import AudioError

CODES = {
    "not_found", "not_a_file", "unreadable", "not_audio", "empty", "too_short", "truncated", "not_finite",
    "bad_sampling_rate", "too_many_channels", "too_long", "no_sampling_rate",
}  # fmt: skip
ANSWER, SILENCE = "answer", "silence"  # outcomes that are no code; the second must be doubted
CUT = {"not_audio", "truncated", "empty"}  # which of them depends on where a file breaks off
RATES = (22_050, 44_100, 48_000)


def sound(rng: Generator, rate: int, seconds: float | None = None, channels: int | None = None) -> np.ndarray:
    """Struck notes over a little noise, (samples, channels) float32; what is not given is drawn."""
    seconds = rng.uniform(1.3, 3.0) if seconds is None else seconds
    times = np.arange(round(seconds * rate)) / rate
    onset = times % rng.uniform(0.2, 0.6)
    notes = sum(np.sin(2 * np.pi * hz * times) for hz in rng.uniform(80, 1_500, 3))
    mono = rng.uniform(0.05, 0.3) * notes * np.exp(-5 * onset) + rng.normal(scale=0.01, size=times.size)
    return np.repeat(mono[:, None], channels or rng.integers(1, 3), axis=1).astype(np.float32)


def encoded(rng: Generator, container: str = "WAV", subtype: str | None = None, **options: Any) -> bytes:
    """A whole file of such sound; options: of `sound`, and `rate`."""
    rate = options.pop("rate", None) or int(rng.choice(RATES))
    return written(sound(rng, rate, **options), rate, container, subtype)


def written(samples: np.ndarray, rate: int, container: str = "WAV", subtype: str | None = None) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    content = file.getvalue()
    peak = content.find(b"PEAK", 0, 100)  # a chunk of float WAVs, which holds the time of day
    return content if peak < 0 else patched(content, "<I", peak + 12, 0)


def cut(rng: Generator, content: bytes) -> bytes:
    return content[: round(len(content) * rng.uniform(0.4, 0.6))]


def flipped(rng: Generator, content: bytes, count: int, first: int) -> bytes:
    damaged = bytearray(content)
    for position in rng.integers(first, len(content), count):
        damaged[position] ^= int(rng.integers(1, 256))
    return bytes(damaged)


def patched(content: bytes, form: str, position: int, value: int) -> bytes:
    return content[:position] + struct.pack(form, value) + content[position + struct.calcsize(form) :]


def header_says(rng: Generator, form: str, position: int, value: int) -> bytes:
    """A short WAV of one channel, one number of whose header lies."""
    return patched(encoded(rng, seconds=rng.uniform(0.01, 0.05), channels=1), form, position, value)


def endless(rng: Generator) -> bytes:
    content = patched(encoded(rng), "<I", 4, 0xFFFFFFFF)
    return patched(content, "<I", content.index(b"data") + 4, 0xFFFFFFFF)


def with_sample(rng: Generator, value: float) -> bytes:
    samples, rate = sound(rng, 44_100), 44_100
    samples[rng.integers(len(samples)), rng.integers(samples.shape[1])] = value
    return written(samples, rate, subtype="FLOAT")


def still(rng: Generator, level: float) -> bytes:
    samples = np.full((round(rng.uniform(1.2, 8.0) * 22_050), int(rng.integers(1, 3))), level)
    return written(samples, 22_050, str(rng.choice(["WAV", "FLAC"])))


def few_samples(rng: Generator, count: int) -> bytes:
    rate = int(rng.choice(RATES))
    return written(sound(rng, rate, 0.1)[:count], rate)


def picture(rng: Generator) -> bytes:
    """A PNG of noise."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = int(rng.integers(8, 64))
    rows = b"".join(b"\0" + rng.bytes(3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def text(rng: Generator) -> bytes:
    words = ("la", "na", "never", "summer", "#EXTM3U", "file:///etc/passwd", "é", "\n")
    return " ".join(rng.choice(words, rng.integers(1, 4_000))).encode()


class Kind(NamedTuple):
    """How to make one (bytes; None is a folder), and the outcomes that are right."""

    make: Callable[[Generator], bytes | None]
    right: set[str]


KINDS = {
    "no frames": Kind(lambda rng: few_samples(rng, 0), {"empty"}),
    "one sample": Kind(lambda rng: few_samples(rng, 1), {"too_short"}),
    "ten samples": Kind(lambda rng: few_samples(rng, 10), {"too_short"}),
    "under a second": Kind(lambda rng: encoded(rng, seconds=rng.uniform(0.1, 0.9)), {"too_short"}),
    "no channels": Kind(lambda rng: header_says(rng, "<H", 22, 0), {"not_audio"}),
    "1024 channels": Kind(lambda rng: header_says(rng, "<H", 22, 1024), {"too_many_channels"}),
    "0 Hz": Kind(lambda rng: header_says(rng, "<I", 24, 0), {"not_audio"}),
    "1 Hz": Kind(lambda rng: header_says(rng, "<I", 24, 1), {"bad_sampling_rate"}),
    "2**31 - 1 Hz": Kind(lambda rng: header_says(rng, "<I", 24, 2**31 - 1), {"bad_sampling_rate"}),
    "half a WAV": Kind(lambda rng: cut(rng, encoded(rng)), {"truncated"}),
    "half an MP3": Kind(lambda rng: cut(rng, encoded(rng, "MP3")), {"truncated"}),
    "half a FLAC": Kind(lambda rng: cut(rng, encoded(rng, "FLAC")), {"truncated"}),
    "FLAC with flipped bytes": Kind(lambda rng: flipped(rng, encoded(rng, "FLAC"), 20, 9_000), {"truncated"}),
    "MP3 with 200 flipped bytes": Kind(
        lambda rng: flipped(rng, encoded(rng, "MP3"), 200, 1_000), {ANSWER, "truncated", "not_finite", "too_short"}
    ),
    "a length of 4 GiB": Kind(endless, {ANSWER}),
    "NaN": Kind(lambda rng: with_sample(rng, math.nan), {"not_finite"}),
    "infinity": Kind(lambda rng: with_sample(rng, rng.choice([-1, 1]) * math.inf), {"not_finite"}),
    "1e30": Kind(lambda rng: with_sample(rng, rng.choice([-1, 1]) * 1e30), {"not_finite"}),
    "silence": Kind(lambda rng: still(rng, 0.0), {SILENCE}),
    "a constant": Kind(lambda rng: still(rng, rng.uniform(-0.9, 0.9)), {SILENCE}),
    "no bytes": Kind(lambda rng: b"", {"empty"}),
    "half a header": Kind(
        lambda rng: encoded(rng, str(rng.choice(["WAV", "FLAC", "MP3"])))[: rng.integers(1, 40)], CUT
    ),
    "text": Kind(text, {"not_audio"}),
    "a picture": Kind(picture, {"not_audio"}),
    "random bytes": Kind(lambda rng: rng.bytes(rng.integers(100, 50_000)), CUT),
    "a folder": Kind(lambda rng: None, {"not_a_file"}),
    "8 channels": Kind(lambda rng: encoded(rng, channels=8), {ANSWER}),
    "192 kHz": Kind(lambda rng: encoded(rng, str(rng.choice(["WAV", "FLAC"])), rate=192_000), {ANSWER}),
    "an MP3 called .wav": Kind(lambda rng: encoded(rng, "MP3"), {ANSWER}),
}
NOTHING_TO_HEAR = {"no frames", "one sample", "ten samples", "under a second", "no bytes"}


def make_corpus(folder: Path, seeds: Iterable[int]) -> Iterator[tuple[str, Path]]:
    """Writes every kind for every seed; yields the kind with the path."""
    for seed in seeds:
        for number, (name, kind) in enumerate(KINDS.items()):
            path = folder / f"{number:02d}-{seed:02d} {name.replace('*', '^')}.wav"
            content = kind.make(default_rng((number, seed)))
            path.mkdir() if content is None else path.write_bytes(content)
            yield name, path


@dataclass
class Judgement:
    """What came of one recording: `outcome`, a code, "answer" or "crash", and what is wrong with that."""

    outcome: str
    exception: str | None = None
    crashed: bool = False
    not_finite: bool = False
    confident: bool = False
    unexpected: bool = False


def judged(model: Any, kind: str, path: Path) -> Judgement:
    """Asks a model about one recording of the corpus."""
    try:
        answer = model.predict(path, timeline=True)
    except Exception as error:  # whatever it is: these are what is counted
        if type(error).__name__ != AudioError.__name__:  # a folder's code has an AudioError of its own
            return Judgement("crash", type(error).__name__, crashed=True)
        names_its_place = error.code in CODES and error.path == str(path) and str(error).startswith(repr(str(path)))
        wrong = error.code not in KINDS[kind].right or not names_its_place
        return Judgement(error.code, type(error).__name__, unexpected=wrong)
    finite = all(math.isfinite(number) for number in numbers(answer))
    silent = SILENCE in KINDS[kind].right
    confident = kind in NOTHING_TO_HEAR or (silent and not all(part["uncertain"] for part in parts(answer)))
    wrong = not KINDS[kind].right & {ANSWER, SILENCE} or (silent and "silent" not in "".join(answer["warnings"]))
    return Judgement(ANSWER, not_finite=not finite, confident=confident, unexpected=wrong)


def parts(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [answer, *answer["timeline"]]


def numbers(value: Any) -> Iterator[float]:
    """Every number in an answer."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, (int, float)):
        yield value


def counted(judgements: Iterable[Judgement]) -> dict[str, Any]:
    """The figures of one model on the corpus."""
    judgements = list(judgements)
    return {
        "files": len(judgements),
        "outcomes": dict(sorted(Counter(each.outcome for each in judgements).items())),
        "exception_classes": sorted({each.exception for each in judgements if each.exception}),
        "crashes": sum(each.crashed for each in judgements),
        "not_finite": sum(each.not_finite for each in judgements),
        "confident_on_nothing": sum(each.confident for each in judgements),
        "unexpected": sum(each.unexpected for each in judgements),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"{sum(1 for _ in make_corpus(options.folder, range(options.seeds)))} files in {options.folder}")


if __name__ == "__main__":
    main()
