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


def split(
    blocks: Iterable[np.ndarray], sampling_rate: float, window_seconds: float, hop_seconds: float | None = None
) -> Iterator[Window]:
    """Cut blocks (samples,) of any length into windows, lazily; no more than a window and a hop is held at a time.

    A full window begins at every hop. What then remains is heard by one more full window, which ends where the
    recording ends. A recording shorter than a window is one window as it is; an empty one has none.

    Args:
        blocks: mono, one after the other, as `stream_audio` gives them; how they are cut changes nothing.
        sampling_rate: of the blocks, in Hz.
        window_seconds, hop_seconds: rounded to samples. By default the hop is the window: no overlap.

    Raises:
        ValueError: if the hop leaves gaps or stands still, or a block is not (samples,).
    """
    hop_seconds = window_seconds if hop_seconds is None else hop_seconds
    window, hop = round(window_seconds * sampling_rate), round(hop_seconds * sampling_rate)
    if not 1 <= hop <= window:
        message = f"hop_seconds={hop_seconds} and window_seconds={window_seconds} at {sampling_rate} Hz"
        raise ValueError(f"{message}: the hop must be at least one sample and no longer than the window")
    return _split(blocks, sampling_rate, window, hop)


def _split(blocks: Iterable[np.ndarray], sampling_rate: float, window: int, hop: int) -> Iterator[Window]:
    held = np.empty(window + hop, np.float32)  # the last full window, if there was one, and what came after it
    start, filled, goal = 0, 0, window  # where `held` begins in the recording, what it holds, when a window is full

    def cut(first: int, last: int, new: int) -> Window:
        place = (start + first) / sampling_rate, (start + last) / sampling_rate
        return Window(held[first:last].copy(), *place, new_seconds=new / sampling_rate)

    for block in blocks:
        if np.ndim(block) != 1:
            raise ValueError(f"got a block of shape {np.shape(block)}, expected mono, (samples,)")
        while len(block):
            taken, block = block[: goal - filled], block[goal - filled :]
            held[filled : filled + len(taken)] = taken
            filled += len(taken)
            if filled < goal:
                continue
            new = window if goal == window else hop
            if goal > window:
                held[:window] = held[hop:]
                start, filled = start + hop, window
            yield cut(0, window, new)
            goal = window + hop
    has_windows, remainder = goal > window, filled - window
    if has_windows and remainder:
        yield cut(remainder, filled, remainder)
    elif filled and not has_windows:
        yield cut(0, filled, filled)


def spans(length: int, window: int) -> Iterator[tuple[int, int, int]]:
    """(start, stop, new) of the windows of a recording of known length, cut as `split` cuts one, without overlap.

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
