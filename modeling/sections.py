"""Where a recording changes: a stream of spectra, slot by slot, cut where what follows differs from what went before.

    slots      . . . . . . . . . . o o o o o o o o o o
    contrast         low         HIGH        low            between the slots before and those after, of one length each

Source: the novelty of Foote 2000 ("Automatic audio segmentation using a measure of audio novelty"), here of means and
deviations, so that only the slots around the present are held, however long the recording is. Spectra are compared,
not what an encoder hears: its window is scaled as a whole, so that it hears a change at the edge of each.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
import torch

from .spectral import mel_spectrogram, spectrogram

SPECTRA_A_SECOND, BANDS, N_FFT = 10, 32, 2048
SLOT_SECONDS = 0.5  # places of changes are told to within this
CONTRAST_SECONDS = 4.0  # what is compared on either side of a change
CONTRAST = 0.6  # from 0, the same, to 1; equal noise on both sides gives 2 / (slots on a side + 1), a fifth
MIN_SECONDS = 6.0  # from one change to the next
PAUSE_SECONDS = 1.5  # from which on silence, or sound after it, is a section of its own
QUIET = 0.05  # what is compared stays below this where nothing is heard: a tone of -80 dB of full scale, noise of -70


@dataclass
class Slot:
    """A short stretch of a recording.

    feature: (size,), what is compared. content, shared: what of it a caption and the facts rest on, as in Pooled.
    """

    start_seconds: float
    end_seconds: float
    feature: np.ndarray
    content: np.ndarray
    shared: np.ndarray

    @property
    def silent(self) -> bool:
        return bool(self.feature.max() < QUIET)


@dataclass
class Section:
    """Slots that follow each other; content and shared are means over its time. silent: nothing is heard in any."""

    start_seconds: float
    end_seconds: float
    content: np.ndarray
    shared: np.ndarray
    silent: bool = False


def mean_of(parts: list, seconds: list[float]) -> Section:
    """Slots or sections that follow each other as one section, each counting by its seconds."""
    shares = np.asarray(seconds) / np.sum(seconds)
    means = [
        np.tensordot(shares, np.stack([getattr(part, name) for part in parts]), axes=1).astype(np.float32)
        for name in ("content", "shared")
    ]
    return Section(parts[0].start_seconds, parts[-1].end_seconds, *means, silent=all(part.silent for part in parts))


def middle(windows: list[Section], seconds: float) -> slice:
    """Of a recording's windows those in its middle that last `seconds` together."""
    duration = windows[-1].end_seconds
    if duration <= seconds:
        return slice(len(windows))
    first = max(i for i, each in enumerate(windows) if each.start_seconds <= (duration - seconds) / 2 + 1e-6)
    end = windows[first].start_seconds + seconds + 1e-6
    return slice(first, max(i for i, each in enumerate(windows) if each.end_seconds <= end) + 1)


def excerpt(windows: list[Section], new_seconds: list[float], seconds: float) -> Section:
    """Those in its middle as one section.

    new_seconds: how much of each window no earlier one held; what overlaps counts once.
    """
    taken = middle(windows, seconds)
    return mean_of(windows[taken], new_seconds[taken])


def spectra(samples: np.ndarray, sampling_rate: int) -> np.ndarray:
    """What is compared of samples: mel bands of ten spectra a second, log10(1 + 10,000 * power), (spectra, bands)."""
    power = spectrogram(torch.from_numpy(samples)[None], N_FFT, sampling_rate // SPECTRA_A_SECOND, dtype=torch.float32)
    found = (1 + 10_000 * mel_spectrogram(power, sampling_rate, BANDS)[0]).log10().numpy()
    return found[1:-1] if len(found) > 2 else found  # beyond the edges there is silence, which would be a change


def slots(
    features: np.ndarray, content: np.ndarray, shared: np.ndarray, span: tuple[float, float], new_seconds: float
) -> Iterator[Slot]:
    """The slots of a window, of what of it is new; a slot is a mean over its frames.

    features: (spectra, size); content: (frames, hidden_size); shared: (frames, tasks, backbone_size); span: seconds.
    """
    start, end = span
    edges = np.linspace(end - new_seconds, end, max(1, round(new_seconds / SLOT_SECONDS)) + 1)
    for left, right in pairwise(edges):
        means = []
        for frames in (features, content, shared):
            times = start + (np.arange(len(frames)) + 0.5) * (end - start) / len(frames)
            first = min(int(np.searchsorted(times, left)), len(times) - 1)
            means.append(frames[first : max(first + 1, int(np.searchsorted(times, right)))].mean(0))
        yield Slot(float(left), float(right), *means)


def contrast(before: np.ndarray, after: np.ndarray) -> float:
    """How much the features (slots, size) of two stretches differ, 0 to 1: between them, of between and within."""
    between = np.square(before.mean(0) - after.mean(0)).sum()
    within = (before.var(0) + after.var(0)).sum() / 2
    return float(between / max(between + within, 1e-12))


class SectionFinder:
    """Takes slots in order (`add`) and gives the sections that are done; `finish` gives the rest.

    max_seconds: a longer section is cut there. Holds no more than the slots around the present and one section's sums.
    """

    def __init__(self, max_seconds: float):
        self.max_seconds, self.side = max_seconds, round(CONTRAST_SECONDS / SLOT_SECONDS)
        self.near = round(MIN_SECONDS / SLOT_SECONDS)  # of changes so near each other only the greatest is one
        self.waiting: deque[Slot] = deque()
        self.passed: deque[np.ndarray] = deque(maxlen=self.side)  # features behind it
        self.contrasts: deque[float] = deque(maxlen=self.near)
        self.held: list[Slot] = []
        self.changed_seconds = 0.0  # where the last change was; a section that is cut for its length begins with none

    def add(self, slot: Slot) -> list[Section]:
        self.waiting.append(slot)
        if len(self.waiting) < self.near + self.side:  # a greater change may follow
            return []
        return self._advance()

    def finish(self) -> list[Section]:
        sections = []
        while self.waiting:
            sections += self._advance()
        return sections + self._close()

    def _advance(self) -> list[Section]:
        """The next waiting slot goes to the section it belongs to; the section before it, where that is now done."""
        sections, slot = [], self.waiting[0]
        changes = bool(self.held) and (self._changes() or self._falls_silent_or_sounds())
        if changes:
            self.changed_seconds = slot.start_seconds
        if changes or (self.held and slot.end_seconds - self.held[0].start_seconds > self.max_seconds + 1e-6):
            sections = self._close()
        self.held.append(self.waiting.popleft())
        self.passed.append(slot.feature)
        return sections

    def _changes(self) -> bool:
        """Whether the recording changes before the next waiting slot: more than before any other slot near."""
        here = self._contrast(0)
        is_peak = here > CONTRAST and all(here >= other for other in self.contrasts)
        self.contrasts.append(here)
        ahead = min(self.near, len(self.waiting) - self.side)
        is_peak = is_peak and all(here > self._contrast(offset) for offset in range(1, ahead))
        long_enough = self.held[-1].end_seconds - self.changed_seconds >= MIN_SECONDS - 1e-6
        return is_peak and long_enough

    def _falls_silent_or_sounds(self) -> bool:
        """Whether silence begins or ends before the next waiting slot, for a while."""
        ahead = [slot.silent for slot in islice(self.waiting, round(PAUSE_SECONDS / SLOT_SECONDS))]
        return self.held[-1].silent != ahead[0] and len(set(ahead)) == 1

    def _contrast(self, offset: int) -> float:
        """The contrast before the waiting slot of that number."""
        features = [*self.passed, *(slot.feature for slot in self.waiting)]
        place = len(self.passed) + offset
        before, after = features[max(0, place - self.side) : place], features[place : place + self.side]
        if min(len(before), len(after)) < self.side // 2:
            return 0.0
        return contrast(np.stack(before), np.stack(after))

    def _close(self) -> list[Section]:
        if not self.held:
            return []
        section = mean_of(self.held, [slot.end_seconds - slot.start_seconds for slot in self.held])
        # the spectra of its first and last slot reach into what lies beside it
        section.silent = all(slot.silent for slot in self.held[1:-1] or self.held)
        self.held = []
        return [section]
