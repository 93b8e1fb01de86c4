"""Instruments that can play what is written, accents, and the plainest accompaniment."""

from itertools import pairwise

import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linernotes.corpora.score.programs import RANGES
from linernotes.corpora.score.score import VOICE_PROGRAMS
from linernotes.corpora.score.sources.chords import STEPS, parse_chord, tones
from linernotes.corpora.score.sources.excerpt import Bar
from linernotes.corpora.score.sources.playing import MELODIES, accompany, cast, drum, perform, sing


def bars_of(count, grouping, pulse=1.0, pulse_seconds=0.5):
    size = sum(grouping)
    return tuple(Bar(tuple((k * size + i) * pulse_seconds for i in range(size)), grouping, pulse) for k in range(count))


class Manner:
    """A generator that draws a manner of accompaniment, and keeps strict time."""

    def __init__(self, manner=None, busy=0.5):
        self.manner, self.busy = manner, busy

    def choice(self, options):
        return self.manner if self.manner in list(options) else options[0]

    def integers(self, count):
        return 0

    def uniform(self, low, high, size=None):
        middle = (low + high) / 2.0
        if (low, high) == (0.0, 1.0):
            return self.busy if size is None else np.linspace(0.0, 0.99, size)
        return middle if size is None else np.full(size, middle)


@pytest.mark.parametrize(
    ("text", "label", "classes"),
    [("Gd", "Gdim", (7, 10, 1)), ("Bb7", "Bb7", (10, 2, 5, 8)), ("Cb", "B", (11, 3, 6)), ("D/f+", "D", (2, 6, 9)),
     ("E#m", "Fm", (5, 8, 0)), ("Aa", "Aaug", (9, 1, 5))],
)  # fmt: skip
def test_chords_by_the_words_of_a_set(text, label, classes):
    words = {"": "", "m": "m", "7": "7", "d": "dim", "a": "aug"}
    assert parse_chord(text, words) == label
    assert tones(label) == classes


@pytest.mark.parametrize("text", ["", "H7", "Gadd13", "Segno", "7", "N"])
def test_what_is_no_chord(text):
    assert parse_chord(text, {"": "", "7": "7"}) is None


def test_every_quality_has_tones_from_its_root():
    assert all(tones(f"C{quality}")[0] == 0 for quality in STEPS)


@given(st.lists(st.integers(30, 100), min_size=1, max_size=20), st.integers(0, 1000))
def test_what_is_cast_can_play_it(pitches, seed):
    program, shift = cast(np.random.default_rng(seed), pitches, MELODIES)
    low, high = RANGES[program]
    if program:
        assert shift % 12 == 0
        assert all(low <= pitch + shift <= high for pitch in pitches)


def test_low_tunes_go_up_an_octave_and_what_nobody_reaches_to_a_piano():
    assert cast(np.random.default_rng(0), [50, 60], (73,)) == (73, 12)  # a flute from C4
    assert cast(np.random.default_rng(0), [50, 60], (73,), octaves=0) == (0, 0)
    assert cast(np.random.default_rng(0), [40, 100], (73, 75)) == (0, 0)


def test_whoever_has_the_melody_may_be_a_voice():
    part = sing(np.random.default_rng(0), [(0.0, 0.5, 60)], bars_of(1, (2, 2)), VOICE_PROGRAMS)
    assert part.name == "voice"


def test_downbeats_are_loudest_and_notes_near_where_they_are_written():
    bars = bars_of(40, (3, 3), 0.5, 0.25)
    written = [(t, t + 0.25, 60 + i % 5) for i, t in enumerate(t for bar in bars for t in bar.pulses)]
    part = perform(np.random.default_rng(2), pretty_midi.Instrument(0), written, bars)
    loud = np.array([note.velocity for note in part.notes]).reshape(40, 6).mean(axis=0)
    assert loud[0] > loud[3] > loud[[1, 2, 4, 5]].max()
    late = [note.start - start for note, (start, _, _) in zip(part.notes, written, strict=True)]
    assert max(map(abs, late)) <= 0.01


def test_a_key_is_let_go_before_it_is_struck_again():
    written = [(i * 0.2, i * 0.2 + 0.6, 60) for i in range(20)]
    notes = perform(np.random.default_rng(2), pretty_midi.Instrument(0), written, bars_of(4, (2, 2))).notes
    assert all(note.start < note.end <= after.start for note, after in pairwise(notes))


def test_a_waltz_has_its_bass_on_one_and_its_chords_on_two_and_three():
    bass, chords = accompany(Manner("after"), bars_of(2, (3,)), 3.0, ((0.0, "G"), (1.5, "D7")))
    assert [(round(n.start, 2), n.pitch % 12) for n in bass.notes] == [(0.0, 7), (1.5, 2)]
    struck = [(round(n.start, 2), n.pitch % 12) for n in chords.notes]
    assert sorted({t for t, _ in struck}) == [0.5, 1.0, 2.0, 2.5]
    assert {c for t, c in struck if t < 1.5} == {7, 11, 2}
    assert {c for t, c in struck if t > 1.5} == {2, 6, 9, 0}


def test_a_jig_has_its_chords_on_the_last_of_three():
    _, chords = accompany(Manner("after"), bars_of(1, (3, 3), 0.5, 0.2), 1.2, ((0.0, "G"),))
    assert sorted({round(n.start, 2) for n in chords.notes}) == [0.4, 1.0]


def test_a_chord_that_comes_within_a_group_is_heard_when_it_comes():
    bass, chords = accompany(Manner("held"), bars_of(1, (2, 2)), 2.0, ((0.0, "C"), (1.5, "G")))
    assert [(round(n.start, 2), n.pitch % 12) for n in bass.notes] == [(0.0, 0), (1.0, 0), (1.5, 7)]
    assert {(round(n.start, 2), n.pitch % 12) for n in chords.notes if n.start > 1.4} == {(1.5, 7), (1.5, 11), (1.5, 2)}


def test_broken_chords_have_a_tone_a_pulse():
    _, chords = accompany(Manner("broken"), bars_of(1, (3, 3), 0.5, 0.2), 1.2, ((0.0, "Am"),))
    assert [n.pitch for n in chords.notes] == [52, 57, 60, 52, 57, 60]


def test_where_no_chord_is_said_nobody_plays():
    assert accompany(Manner("held"), bars_of(2, (2, 2)), 4.0, ()) == []
    bass, _ = accompany(Manner("held"), bars_of(2, (2, 2)), 4.0, ((0.0, None), (2.0, "C")))
    assert bass.notes[0].start == pytest.approx(2.0)


def test_the_drum_strokes_the_groups():
    drums = drum(Manner(busy=0.0), bars_of(2, (3, 2, 2), 0.5, 0.25))
    assert drums.is_drum
    assert [(round(n.start, 2), n.pitch) for n in drums.notes] == [
        (0.0, 64), (0.75, 62), (1.25, 62), (1.75, 64), (2.5, 62), (3.0, 62),
    ]  # fmt: skip
    assert len(drum(Manner(busy=1.0), bars_of(2, (3, 2, 2), 0.5, 0.25)).notes) == 14
