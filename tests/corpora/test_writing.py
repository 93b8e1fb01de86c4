"""What is written of a clip, counted by hand in notes that were put there."""

import pretty_midi
import pytest

from linernotes.corpora.score.score import Facts, Span
from linernotes.corpora.writing import read_writing

SECONDS = 10.0


def facts(key="A minor", meters=("7/8 2+2+3",), grouping=(2, 2, 3)) -> Facts:
    step = SECONDS / len(meters)
    spans = [Span(i * step, (i + 1) * step, label) for i, label in enumerate(meters)]
    return Facts(
        style="math rock", meter=sum(grouping), grouping=grouping, pulse=0.5, tempo_bpm=120.0, swing_ratio=1.0, key=key,
        polyrhythm=None, beats=[], downbeats=[], meters=spans, chords=[], sections=[], instruments=[], has_drums=False,
        has_voice=False, identity="",
    )  # fmt: skip


def midi(*parts) -> pretty_midi.PrettyMIDI:
    """Parts as (program or "drums", [(start, end, pitch, velocity), ...])."""
    written = pretty_midi.PrettyMIDI()
    for program, notes in parts:
        drums = program == "drums"
        part = pretty_midi.Instrument(0 if drums else program, drums)
        part.notes = [pretty_midi.Note(velocity, pitch, start, end) for start, end, pitch, velocity in notes]
        written.instruments.append(part)
    return written


def beats(count, length, pitch=60, velocity=64, first=0.0, every=0.5):
    return [(first + i * every, first + i * every + length, pitch, velocity) for i in range(count)]


def test_everything_is_counted():
    guitar, piano = beats(20, 0.25, 50, 127), beats(10, 0.5, 70, 127, every=1.0)
    found = read_writing(midi((30, guitar), (0, piano), ("drums", beats(40, 0.1, 38, 127, every=0.25))), facts())
    assert (found.tempo_bpm, found.mode, found.uneven) == (120.0, "minor", True)
    assert found.onsets_per_second == pytest.approx(2.0)  # those of the piano fall on the guitar's
    assert found.strokes_per_second == pytest.approx(4.0)
    assert found.velocity == pytest.approx(1.0)
    assert found.voices == pytest.approx(1.0)
    assert found.note_seconds == pytest.approx((20 * 0.25**2 + 10 * 0.5**2) / 10.0)
    assert found.pitch == pytest.approx(60.0)
    assert found.distorted == pytest.approx(0.5, abs=0.03)


def test_chords_are_one_onset():
    chords = [note for pitch in (60, 64, 67) for note in beats(10, 0.5, pitch, every=1.0)]
    assert read_writing(midi((0, chords)), facts()).onsets_per_second == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("meters", "grouping", "uneven"),
    [
        (("4/4 2+2",), (2, 2), False),
        (("7/8 2+2+3",), (2, 2, 3), True),
        (("4/4 2+2", "5/4 3+2"), (2, 2), True),
        (("6/8 3+3",), (3, 3), False),
    ],
)
def test_uneven_is_a_grouping_or_a_change(meters, grouping, uneven):
    assert read_writing(midi((0, beats(4, 0.4))), facts(meters=meters, grouping=grouping)).uneven is uneven


def test_a_clip_without_key_has_no_mode():
    assert read_writing(midi((0, beats(4, 0.4))), facts(key=None)).mode is None


def test_drums_alone_have_no_pitches():
    found = read_writing(midi(("drums", beats(20, 0.1, 38))), facts())
    assert (found.onsets_per_second, found.voices, found.note_seconds, found.distorted) == (0.0, 0.0, 0.0, 0.0)


def test_half_loud_and_half_soft_is_a_jump():
    steady = beats(20, 0.5, velocity=100)
    halves = [(start, end, pitch, 100 if start < 5.0 else 25) for start, end, pitch, _ in steady]
    jump_db = read_writing(midi((0, halves)), facts()).jump_db
    assert 10.0 < jump_db < 13.0  # 20 log10(4) is 12, less what the floor takes
    assert read_writing(midi((0, steady)), facts()).jump_db < 1.0


def test_a_slow_swell_is_none():
    swelling = [(s, e, p, 40 + 4 * i) for i, (s, e, p, _) in enumerate(beats(20, 0.5))]
    assert read_writing(midi((0, swelling)), facts()).jump_db < 4.0


def test_a_clip_without_notes_is_refused():
    with pytest.raises(ValueError, match="the clip has no notes, so that nothing is written of its mood; give one"):
        read_writing(midi(), facts())
