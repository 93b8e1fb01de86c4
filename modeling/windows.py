"""Long recordings: cut a stream of sound into windows, and merge what a model said of each. Pure functions.

    samples   |----------------------------------------|
    windows   |---- 0 ----|---- 1 ----|---- 2 ----|
                                          |---- 3 ----|     ends with the recording; only `==` is new
                                                  |===|

Nothing is dropped and nothing is padded: every sample is in a window, and the `new_seconds` add up to the duration, so
that, as weights in `merge`, they let every second of the recording count once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """A stretch of a recording: float32 samples (samples,), its place, and how much of it no earlier window held."""

    samples: np.ndarray
    start_seconds: float
    end_seconds: float
    new_seconds: float


def split(blocks: Iterable[np.ndarray], sampling_rate: float, window_seconds: float) -> Iterator[Window]:
    """Cut blocks (samples,) of any length into windows, lazily; no more than two windows are held at a time.

    Full windows follow each other. What then remains is heard by one more full window, which ends where the recording
    ends. A recording shorter than a window is one window as it is; an empty one has none.

    Args:
        blocks: mono, one after the other, as `stream_audio` gives them; how they are cut changes nothing.
        sampling_rate: of the blocks, in Hz.
        window_seconds: rounded to samples.

    Raises:
        ValueError: if a window would hold no sample, or a block is not (samples,).
    """
    window = round(window_seconds * sampling_rate)
    if window < 1:
        raise ValueError(
            f"window_seconds is {window_seconds} at {sampling_rate} Hz; a window must hold at least one sample"
        )
    return _split(blocks, sampling_rate, window)


def _split(blocks: Iterable[np.ndarray], sampling_rate: float, window: int) -> Iterator[Window]:
    held, before = np.empty((2, window), np.float32)  # what is being filled, and the full window before it
    start, filled = 0, 0  # where `held` begins in the recording, and what it holds

    def cut(samples: np.ndarray, first: int, new: int) -> Window:
        place = first / sampling_rate, (first + len(samples)) / sampling_rate
        return Window(samples, *place, new_seconds=new / sampling_rate)

    for block in blocks:
        if np.ndim(block) != 1:
            raise ValueError(f"got a block of shape {np.shape(block)}, expected mono, (samples,)")
        while len(block):
            taken, block = block[: window - filled], block[window - filled :]
            held[filled : filled + len(taken)] = taken
            filled += len(taken)
            if filled == window:
                yield cut(held.copy(), start, window)
                held, before, start, filled = before, held, start + window, 0
    if filled and not start:
        yield cut(held[:filled].copy(), 0, filled)
    elif filled:
        yield cut(np.concatenate((before[filled:], held[:filled])), start - window + filled, filled)


def spans(length: int, window: int) -> Iterator[tuple[int, int, int]]:
    """(start, stop, new) of the windows of a recording of known length, cut as `split` cuts one.

    length, window: in samples, or in whatever else the recording is made of.
    """
    for start in range(0, length - window + 1, window):
        yield start, start + window, window
    if remainder := length % window:
        yield max(0, length - window), length, remainder


def merge(readings: list[dict[str, np.ndarray]], weights: list[float]) -> dict[str, np.ndarray]:
    """The weighted mean of a model's answers, key by key: arrays of one shape per key in, the same out.

    Args:
        readings: what was read in each window, all with the same keys.
        weights: one a reading, not negative, not all 0: the windows' `new_seconds`.

    Raises:
        ValueError: if the two do not fit each other.
    """
    shares = np.asarray(weights, np.float64)
    if not readings or shares.shape != (len(readings),):
        raise ValueError(f"got {len(readings)} readings and weights of shape {shares.shape}, expected one weight each")
    if not (np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0):
        raise ValueError(f"got the weights {weights}, expected finite ones, not negative and not all 0")
    if any(reading.keys() != readings[0].keys() for reading in readings):
        raise ValueError(f"got readings with the keys {sorted({*map(tuple, readings)})}, expected the same in each")
    shares /= shares.sum()  # before the mean: a single reading comes out as it went in
    return {key: _mean([np.asarray(reading[key]) for reading in readings], shares) for key in readings[0]}


def _mean(values: list[np.ndarray], shares: np.ndarray) -> np.ndarray:
    return np.tensordot(shares, np.stack(values), axes=1).astype(np.result_type(*values, np.float32))
