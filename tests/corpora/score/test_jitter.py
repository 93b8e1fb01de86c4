"""Scores moved in pitch, tuning and tempo: every fact follows, to the last digit, and the audio agrees."""

from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linernotes.corpora.score.jitter import jitter, move, transposed_chord
from linernotes.corpora.score.render import Renderer
from linernotes.corpora.score.score import Facts, Score, Span, identity_of

FONT = Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")
SQUARE = 80


def bb_blues():
    """Two bars in B flat: a square wave that bends, drums, and everything that MIDI may mark."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=120.0)
    lead = pretty_midi.Instrument(SQUARE, name="lead")
    lead.notes = [pretty_midi.Note(100, 70, 0.0, 1.9), pretty_midi.Note(100, 65, 2.0, 4.0)]
    lead.pitch_bends = [pretty_midi.PitchBend(-8192, 2.0), pretty_midi.PitchBend(0, 2.2)]
    lead.control_changes = [pretty_midi.ControlChange(7, 100, 1.0)]
    drums = pretty_midi.Instrument(0, True, "drums")
    drums.notes = [pretty_midi.Note(100, 38, float(beat) / 2, float(beat) / 2 + 0.1) for beat in range(8)]
    midi.instruments = [lead, drums]
    midi.time_signature_changes = [pretty_midi.TimeSignature(4, 4, time) for time in (0.0, 2.0)]
    midi.key_signature_changes = [pretty_midi.KeySignature(10, 0.0)]
    midi.text_events = [pretty_midi.Text("end", 4.0)]
    facts = Facts(
        style="blues",
        meter=4,
        grouping=(2, 2),
        pulse=1.0,
        tempo_bpm=120.0,
        swing_ratio=2.0,
        key="Bb major",
        polyrhythm=None,
        beats=[beat / 2 for beat in range(8)],
        downbeats=[0.0, 2.0],
        meters=[Span(0.0, 4.0, "4/4 2+2")],
        chords=[Span(0.0, 2.0, "Bb7"), Span(2.0, 4.0, "Eb7")],
        sections=[Span(0.0, 4.0, "verse")],
        instruments=["Lead 1 (square)", "drums"],
        has_drums=True,
        has_voice=False,
        identity=identity_of(midi),
    )
    return Score(midi, facts)


def notes_of(score, part=0):
    return [(note.pitch, note.start, note.end) for note in score.midi.instruments[part].notes]


def test_two_semitones_up_is_c():
    moved = move(bb_blues(), semitones=2)
    assert [pitch for pitch, _, _ in notes_of(moved)] == [72, 67]
    assert {pitch for pitch, _, _ in notes_of(moved, 1)} == {38}
    assert moved.facts.key == "C major"
    assert [span.label for span in moved.facts.chords] == ["C7", "F7"]
    assert moved.midi.key_signature_changes[0].key_number == 0
    assert moved.facts.identity == identity_of(moved.midi) != bb_blues().facts.identity


def test_a_quarter_faster_is_150_to_the_minute():
    moved = move(bb_blues(), tempo=1.25)
    facts = moved.facts
    assert facts.tempo_bpm == 150.0
    assert facts.beats == pytest.approx([0.4 * beat for beat in range(8)])
    assert facts.downbeats == pytest.approx([0.0, 1.6])
    assert facts.chords == [Span(0.0, 1.6, "Bb7"), Span(1.6, 3.2, "Eb7")]
    assert moved.duration_seconds == moved.midi.get_end_time() == pytest.approx(3.2)
    assert notes_of(moved)[1] == pytest.approx((65, 1.6, 3.2))
    assert [note.start for note in moved.midi.instruments[1].notes] == facts.beats
    assert (facts.swing_ratio, facts.key, facts.meter) == (2.0, "Bb major", 4)


def test_everything_that_midi_marks_moves_too():
    midi = move(bb_blues(), tempo=0.5).midi
    assert [change.time for change in midi.time_signature_changes] == [0.0, 4.0]
    assert [bend.time for bend in midi.instruments[0].pitch_bends] == pytest.approx([4.0, 4.4])
    assert midi.instruments[0].control_changes[0].time == 2.0
    assert midi.text_events[0].time == 8.0
    assert midi.get_tempo_changes()[1] == pytest.approx([60.0])
    assert midi.get_beats()[:3] == pytest.approx([0.0, 1.0, 2.0])


def test_a_tempo_map_keeps_its_shape():
    score = bb_blues()
    score.midi._tick_scales = [(0, 0.5 / 220), (440, 1.0 / 220)]
    score.midi._update_tick_to_time(880)
    times, tempi = move(score, tempo=2.0).midi.get_tempo_changes()
    assert times == pytest.approx([0.0, 0.5])
    assert tempi == pytest.approx([240.0, 120.0])


def test_cents_are_heard_and_not_in_the_key():
    moved = move(bb_blues(), cents=-30.0)
    sound = Renderer(FONT).render(moved, gain_db={"drums": -80.0})[2_000:40_000]
    heard_hz = np.abs(np.fft.rfft(sound * np.hanning(sound.size), 2**20)).argmax() * 24_000 / 2**20
    assert 1200 * np.log2(heard_hz / 466.164) == pytest.approx(-30.0, abs=2.0)
    assert moved.facts == bb_blues().facts
    assert not moved.midi.instruments[1].pitch_bends


def test_bends_are_bent_from_the_new_tuning():
    bends = move(bb_blues(), cents=25.0).midi.instruments[0].pitch_bends
    assert [(bend.pitch, bend.time) for bend in bends] == [(1024, 0.0), (-7168, 2.0), (1024, 2.2)]
    assert [bend.pitch for bend in move(bb_blues(), cents=-25.0).midi.instruments[0].pitch_bends] == [
        -1024,
        -8192,
        -1024,
    ]


def test_the_score_given_stays_as_it_was():
    score = bb_blues()
    before = deepcopy(asdict(score.facts)), notes_of(score), score.midi.get_tempo_changes()
    move(score, semitones=3, cents=20.0, tempo=1.1)
    assert (asdict(score.facts), notes_of(score)) == before[:2]
    assert score.midi.get_tempo_changes()[1] == before[2][1]


@given(st.integers(-12, 12), st.floats(0.5, 2.0))
@settings(max_examples=50)
def test_there_and_back_again_is_where_it_was(semitones, tempo):
    score = bb_blues()
    back = move(move(score, semitones=semitones, tempo=tempo), semitones=-semitones, tempo=1.0 / tempo)
    assert back.facts.key == score.facts.key
    assert [span.label for span in back.facts.chords] == ["Bb7", "Eb7"]
    assert back.facts.beats == pytest.approx(score.facts.beats)
    assert [note for note, *_ in notes_of(back)] == [70, 65]


@given(st.integers(0, 2**32))
@settings(max_examples=50)
def test_jitter_stays_within_what_it_was_told(seed):
    score = bb_blues()
    moved = jitter(score, np.random.default_rng(seed), semitones=4, cents=20.0, tempo_share=0.1)
    assert abs(notes_of(moved)[0][0] - 70) <= 4
    assert abs(moved.midi.instruments[0].pitch_bends[0].pitch) <= 8192 * 20 / 200
    assert 120 / 1.1 <= moved.facts.tempo_bpm <= 120 * 1.1
    again = jitter(score, np.random.default_rng(seed), semitones=4, cents=20.0, tempo_share=0.1)
    assert (again.facts, notes_of(again)) == (moved.facts, notes_of(moved))


def test_jitter_goes_up_and_down():
    shifts = {notes_of(jitter(bb_blues(), np.random.default_rng(seed), semitones=3))[0][0] - 70 for seed in range(100)}
    assert shifts == set(range(-3, 4))


def test_jitter_goes_no_further_than_an_instrument_can_reach():
    score = bb_blues()
    score.midi.instruments[0].program = 32  # a double bass, far above its range already
    score.midi.instruments[0].notes[1].pitch = 29
    shifts = {notes_of(jitter(score, np.random.default_rng(seed)))[1][0] - 29 for seed in range(100)}
    assert shifts == {-1, 0}


def test_a_score_without_key_and_chords_has_none_after():
    score = bb_blues()
    score.facts.key, score.facts.chords = None, []
    moved = move(score, semitones=5)
    assert moved.facts.key is None
    assert moved.facts.chords == []


@pytest.mark.parametrize(
    ("label", "semitones", "answer"),
    [
        ("Bbm7", 2, "Cm7"),
        ("C", -1, "B"),
        ("F#m7b5", 1, "Gm7b5"),
        ("Db", 0, "C#"),
        ("G7b9", 3, "Bb7b9"),
        ("A5", 14, "B5"),
    ],
)
def test_chord_names(label, semitones, answer):
    assert transposed_chord(label, semitones) == answer


def test_what_is_refused():
    with pytest.raises(ValueError, match="semitones=60 takes a note of 'lead' to 130: stay within 0 to 127"):
        move(bb_blues(), semitones=60)
    with pytest.raises(ValueError, match=r"cents=60.0, tempo=1.0: choose from -50 to 50, and more than 0"):
        move(bb_blues(), cents=60.0)
    with pytest.raises(ValueError, match="tempo=0: choose from -50 to 50, and more than 0"):
        move(bb_blues(), tempo=0)
    with pytest.raises(ValueError, match="chord 'N' has no root: it must begin with A to G"):
        transposed_chord("N", 1)
    with pytest.raises(ValueError, match=r"tempo_share=1\.0: choose from 0 up, from 0 to 50, and from 0 to 1"):
        jitter(bb_blues(), np.random.default_rng(0), tempo_share=1.0)
