"""What the tests of the score room measure on MIDI, as fixtures. A score is composed once a session."""

from functools import cache

import numpy as np
import pytest

from linernotes.corpora.score import compose, draw_plan


@cache
def _clip(style, seed, seconds=20.0, **asked):
    return compose(draw_plan(style, np.random.default_rng(seed), seconds=seconds, **asked))


def _part(score, name):
    """The notes of a part, in order; none if it does not play."""
    return [note for instrument in score.midi.instruments if instrument.name == name for note in instrument.notes]


def _strokes(score, *drums):
    return np.array([note.start for note in _part(score, "drums") if note.pitch in drums])


def _pulse_of(score, seconds):
    """Bar (0: the first whole one), pulse of it, and how many seconds late; by the beats of the MIDI itself."""
    beats = np.asarray(score.facts.beats)
    first = int(np.searchsorted(beats, score.facts.downbeats[0] - 1e-6))
    nearest = int(np.abs(beats - seconds).argmin())
    bar, pulse = divmod(nearest - first, score.facts.meter)
    return bar, pulse, seconds - beats[nearest]


def _energy(score, tolerance_seconds=0.035):
    """Mean energy that begins on each pulse of the bar: velocity, by length, as long notes are the louder."""
    energy = np.zeros(score.facts.meter)
    counts = np.zeros(score.facts.meter)
    notes = [(i.is_drum, n) for i in score.midi.instruments for n in i.notes]
    starts = np.array([note.start for _, note in notes])
    loudness = np.array([n.velocity * (0.12 if drum else n.end - n.start) ** 0.3 for drum, n in notes])
    for beat in score.facts.beats:
        _, pulse, _ = _pulse_of(score, beat)
        energy[pulse] += loudness[np.abs(starts - beat) < tolerance_seconds].sum()
        counts[pulse] += 1
    return energy / np.maximum(counts, 1)


@pytest.fixture(scope="session")
def clip():
    """clip(style, seed, seconds=20, ...) -> Score, with whatever `draw_plan` takes."""
    return _clip


@pytest.fixture(scope="session")
def part():
    """part(score, name) -> its notes."""
    return _part


@pytest.fixture(scope="session")
def strokes():
    """strokes(score, *General MIDI drums) -> seconds."""
    return _strokes


@pytest.fixture(scope="session")
def pulse_of():
    """pulse_of(score, seconds) -> bar, pulse, seconds late."""
    return _pulse_of


@pytest.fixture(scope="session")
def energy():
    """energy(score) -> one number a pulse of the bar."""
    return _energy
