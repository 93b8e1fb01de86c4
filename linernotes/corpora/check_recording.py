"""What is wrong with one recording, heard once from its start to its end: the work of a process of `check_corpus`.

Amplitudes are shares of full scale, of the mean of the channels. Only what reads sound is imported here, so that a
process starts quickly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from math import inf
from typing import Any

import numpy as np
import soundfile

from linernotes.modeling.audio import MAX_SAMPLING_RATE_HZ, MIN_SAMPLING_RATE_HZ, AudioError, stream_audio

SILENCE = 1e-4  # -80 dB
MAX_OFFSET = 0.05
FULL_SCALE = 0.9999  # 16 bits end at 0.99997
MAX_CLIPPED_SHARE = 0.001
LENGTH_TOLERANCE_SECONDS = 0.1
FALLBACK_RATE_HZ = 44_100  # for what only ffmpeg reads
BAND_EDGES_HZ = np.geomspace(100, 3_500, 25)  # what every codec and rate keeps
FRAME_SECONDS = 0.1
FLOOR = 1e-4  # of the loudest band, in power


@dataclass(frozen=True, order=True)
class Finding:
    """A fault. `rows` are the manifest's, counted from 1; `dataclasses.asdict` of it is JSON.

    kind: unreadable, not_finite, silent, constant, dc_offset, clipped, length, duplicate (the same samples twice in a
    split), leak (the same samples in two splits), near_duplicate (of one length and alike in spectrum within 0.75 dB:
    a copy at another gain, rate or bit rate; of 900 recordings none was that near another, the nearest 0.84 dB: two
    notes of one electric piano).
    """

    rows: tuple[int, ...]
    kind: str
    paths: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Excerpt:
    """What a row of the manifest says of a recording. `stated_seconds` are its columns that tell a length."""

    row: int
    start_seconds: float
    end_seconds: float | None
    stated_seconds: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Task:
    """A recording (`source` as `stream_audio` takes it) and the excerpts of it that rows name."""

    source: Any
    name: str
    excerpts: tuple[Excerpt, ...]


@dataclass(frozen=True)
class Heard:
    """What tells an excerpt from others: a hash of its samples, its length, and its spectrum in decibels."""

    row: int
    name: str
    digest: bytes
    seconds: float
    levels: np.ndarray | None


def listen(task: Task) -> tuple[list[Finding], list[Heard]]:
    """The faults of a recording, and what there is to compare with others. Nothing is raised for a bad recording."""
    rate, position = _own_rate(task.source), 0
    parts = [_Part(excerpt, rate) for excerpt in task.excerpts]
    try:
        for block in stream_audio(task.source, rate):
            for part in parts:
                part.hear(block, position)
            position += block.size
    except AudioError as error:
        kind = "not_finite" if error.code == "not_finite" else "unreadable"
        rows = tuple(excerpt.row for excerpt in task.excerpts)
        return [Finding(rows, kind, (task.name,), f"{error.code}: {error.message}")], []
    findings, heard = [], []
    for part in parts:
        faults = [*part.length_faults(position / rate), *part.level_faults()]
        findings += [Finding((part.excerpt.row,), kind, (task.name,), message) for kind, message in faults]
        if part.count and part.high - part.low >= SILENCE:  # one silence is like another
            heard.append(part.summary(task.name))
    return findings, heard


def _own_rate(source: Any) -> int:
    """The rate in Hz that a recording is stored at: another would hide clipping, and what is the same."""
    try:
        rate = soundfile.info(source if isinstance(source, str) else BytesIO(source["bytes"])).samplerate
    except (soundfile.LibsndfileError, TypeError):  # TypeError: soundfile believes the name .raw
        return FALLBACK_RATE_HZ
    return rate if MIN_SAMPLING_RATE_HZ <= rate <= MAX_SAMPLING_RATE_HZ else FALLBACK_RATE_HZ


class _Part:
    """What is known of an excerpt after each block of its recording."""

    def __init__(self, excerpt: Excerpt, rate: int) -> None:
        self.excerpt, self.rate = excerpt, rate
        self.start = round(excerpt.start_seconds * rate)
        self.stop = inf if excerpt.end_seconds is None else round(excerpt.end_seconds * rate)
        self.count = self.clipped = 0
        self.total, self.low, self.high = 0.0, inf, -inf
        self.digest = blake2b(str(rate).encode(), digest_size=16)
        self.spectrum = _Spectrum(rate)

    def hear(self, block: np.ndarray, position: int) -> None:
        if position >= self.stop:
            return
        piece = block[max(self.start - position, 0) : None if self.stop == inf else self.stop - position]
        if not piece.size:
            return
        self.count += piece.size
        self.clipped += int(np.count_nonzero(np.abs(piece) >= FULL_SCALE))
        self.total += float(piece.sum(dtype=np.float64))
        self.low, self.high = min(self.low, float(piece.min())), max(self.high, float(piece.max()))
        self.digest.update(np.rint(piece * 2.0**15).astype("<i8").tobytes())  # 16 bits: whatever the container
        self.spectrum.hear(piece)

    def length_faults(self, recording_seconds: float) -> Iterator[tuple[str, str]]:
        start, end = self.excerpt.start_seconds, self.excerpt.end_seconds
        if not self.count:
            yield "length", f"starts at {start:g} s, the recording lasts {recording_seconds:.2f} s: mend the manifest"
        elif end is not None and end - recording_seconds > LENGTH_TOLERANCE_SECONDS:
            yield "length", f"ends at {end:g} s, the recording lasts {recording_seconds:.2f} s: mend the manifest"
        for column, stated in self.excerpt.stated_seconds:
            lengths = (self.count / self.rate, recording_seconds)  # sets state one or the other
            if min(abs(stated - length) for length in lengths) > LENGTH_TOLERANCE_SECONDS:
                yield "length", f"{column}={stated:g}, but it lasts {lengths[0]:.2f} s: mend the manifest or the file"

    def level_faults(self) -> Iterator[tuple[str, str]]:
        peak = max(abs(self.low), abs(self.high))
        if not self.count:
            return
        if peak < SILENCE:
            yield "silent", f"its peak is {peak:.1e} of full scale, under {SILENCE:g}: leave it out"
            return
        if self.high - self.low < SILENCE:
            yield "constant", f"every sample is {self.low:.4f}: leave it out"
            return
        if abs(offset := self.total / self.count) > MAX_OFFSET:
            yield "dc_offset", f"its mean is {offset:.3f} of full scale, {MAX_OFFSET:g} is allowed: take it off"
        if (share := self.clipped / self.count) > MAX_CLIPPED_SHARE:
            allowed = f"{MAX_CLIPPED_SHARE:.1%} are allowed"
            yield "clipped", f"{share:.2%} of its samples are at full scale, {allowed}: find a cleaner copy"

    def summary(self, name: str) -> Heard:
        return Heard(self.excerpt.row, name, self.digest.digest(), self.count / self.rate, self.spectrum.levels())


class _Spectrum:
    """Mean and spread over time of the levels in narrow bands, in decibels, whatever the gain."""

    def __init__(self, rate: int) -> None:
        self.size = round(FRAME_SECONDS * rate)
        self.window = np.hanning(self.size).astype(np.float32)
        edges = np.searchsorted(np.fft.rfftfreq(self.size, 1 / rate), BAND_EDGES_HZ)
        self.edges = np.minimum(edges, self.size // 2)  # of low rates the last bands are one bin
        self.rest = np.empty(0, np.float32)
        self.frames = 0
        self.sums = np.zeros((2, edges.size - 1))

    def hear(self, piece: np.ndarray) -> None:
        signal = np.concatenate([self.rest, piece])
        whole = len(signal) // self.size * self.size
        self.rest = signal[whole:]
        power = np.abs(np.fft.rfft(signal[:whole].reshape(-1, self.size) * self.window)) ** 2
        bands = np.add.reduceat(power, self.edges, axis=1)[:, :-1]
        loud = bands.sum(axis=1) > SILENCE**2 * self.size
        bands = np.maximum(bands[loud], bands[loud].max(axis=1, keepdims=True) * FLOOR)  # not a codec's noise
        levels = 10 * np.log10(bands)
        self.frames += len(levels)
        self.sums += levels.sum(axis=0), (levels**2).sum(axis=0)

    def levels(self) -> np.ndarray | None:
        if not self.frames:
            return None
        mean, square = self.sums / self.frames
        return np.concatenate([mean - mean.mean(), np.sqrt(np.maximum(square - mean**2, 0))])
