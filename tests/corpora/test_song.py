"""A song on paper: where notes fall, which pitches they have, and that the performance is the song written down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linernotes.corpora.song import (
    Note,
    Song,
    chord_line,
    melody,
    nearest,
    render,
    render_part,
    strum,
    with_bends,
    with_passing_tones,
)
from linernotes.corpora.sounds import Drum, Tone

RATE = 8_000
CLICK = Drum(0.005, skin_hz=1_000.0, hit_hz=1_000.0, noise_decay_seconds=0.005)


def settled(duration_seconds=8.0, tempo_bpm=120.0, tonic=0, mode="major", **fields):
    song = Song(np.random.default_rng(0), duration_seconds, tempo_bpm, tonic, mode, **fields)
    song.settle((60.0, 200.0), ("major", "minor"))
    song.looseness_seconds = 0.0
    return song


def test_beats_bars_and_seconds_follow_the_tempo():
    song = settled(duration_seconds=8.0, tempo_bpm=120.0)
    assert (song.beats, song.bars, song.seconds(4)) == (16.0, 4, 2.0)
    assert settled(duration_seconds=8.1).bars == 5


def test_settle_draws_only_what_is_open():
    assert (settled().tempo_bpm, settled().tonic, settled().mode) == (120.0, 0, "major")
    song = Song(np.random.default_rng(3), 10.0)
    song.settle((90.0, 100.0), ("minor",))
    assert 90 <= song.tempo_bpm <= 100
    assert song.mode == "minor"
    assert song.tonic in range(12)


@pytest.mark.parametrize(("given_bpm", "settled_bpm"), [(70, 140), (240, 120), (130, 130), (350, 175), (450, 450)])
def test_a_given_tempo_is_doubled_or_halved_into_the_range(given_bpm, settled_bpm):
    song = Song(np.random.default_rng(0), 10.0, tempo_bpm=given_bpm)
    song.settle((110, 220), ("major",))
    assert song.tempo_bpm == settled_bpm


def test_a_mode_that_the_genre_does_not_know_is_drawn_again():
    song = Song(np.random.default_rng(0), 10.0, mode="mixolydian")
    song.settle((100, 120), ("major", "minor"))
    assert song.mode in ("major", "minor")


def test_swing_moves_the_offbeat_to_two_thirds_and_leaves_the_beat():
    song = settled(swing=2.0)
    assert song.swung(3.0) == 3.0
    assert song.swung(3.5) == pytest.approx(3 + 2 / 3)
    assert settled(swing=1.0).swung(3.5) == 3.5


@given(st.floats(1.0, 4.0), st.floats(0.0, 16.0), st.floats(0.0, 16.0))
@settings(max_examples=50)
def test_swing_keeps_the_order_of_events(swing, one, other):
    song = settled(swing=swing)
    early, late = sorted((one, other))
    assert song.swung(early) <= song.swung(late) + 1e-9


def test_notes_that_begin_outside_the_clip_are_not_written():
    song = settled(duration_seconds=2.0, tempo_bpm=120.0)
    song.add_part("tune", Tone((1.0,)), 1.0)
    song.play("tune", [Note(b, 1.0, 60) for b in (0, 3, 4, 5)], at_beats=0.0)
    song.play("tune", [Note(0, 1.0, 60)], at_beats=-1.0)
    assert [n.start_beats for n in song.parts["tune"].notes] == [0.0, 3.0]


def test_ladder_is_the_scale_on_the_tonic():
    assert settled(tonic=0).ladder("major", 60, 72) == [60, 62, 64, 65, 67, 69, 71, 72]
    assert settled(tonic=9).ladder("minor_pentatonic", 57, 69) == [57, 60, 62, 64, 67, 69]


@given(st.integers(0, 127), st.floats(30, 90))
@settings(max_examples=50)
def test_nearest_keeps_the_pitch_class_and_comes_within_a_tritone(pitch, centre):
    found = nearest(pitch, centre)
    assert (found - pitch) % 12 == 0
    assert abs(found - centre) <= 6


def test_a_chord_is_voiced_about_its_centre():
    assert settled(tonic=0).chord(0, "", 64) == [60, 64, 67]
    assert settled(tonic=0).chord(7, "7", 60) == [55, 59, 62, 65]


def test_chord_line_repeats_the_progression_from_its_first_bar():
    song = settled(duration_seconds=12.0)  # six bars
    assert chord_line(song, [(0, ""), (5, ""), (7, "")], first_bar=1) == [(5, ""), (7, ""), (0, "")] * 2
    assert song.bar_roots == [5, 7, 0, 5, 7, 0]


def test_a_melody_keeps_to_its_ladder_and_lands_on_chord_tones():
    ladder = settled().ladder("major", 60, 79)
    tones = [[0, 4, 7], [2, 7, 11]] * 8
    notes = melody(np.random.default_rng(1), ladder, [[1, 1, 1, 1], [2, -1, 1]], tones)
    assert {n.pitch for n in notes} <= set(ladder)
    for note in notes:
        if note.start_beats % 2 == 0:
            assert note.pitch % 12 in tones[int(note.start_beats // 4)]


def test_rests_are_silent():
    notes = melody(np.random.default_rng(1), [60, 62, 64], [[-2, 1, -1]], [[], []])
    assert [n.start_beats for n in notes] == [2.0, 6.0]


def test_passing_tones_are_outside_the_scale_and_lead_by_a_semitone():
    line = [Note(0, 0.5, 60), Note(0.5, 0.5, 65), Note(1, 0.5, 62), Note(1.5, 0.5, 67), Note(2, 1, 64)]
    scale = [0, 2, 4, 5, 7, 9, 11]
    passed = with_passing_tones(np.random.default_rng(0), line, 1.0, scale)
    assert [n.pitch for n in passed] == [60, 63, 62, 63, 64]  # Eb falls to D; E has only Eb below it outside the scale


def test_bends_need_a_long_note():
    bent = with_bends(np.random.default_rng(0), [Note(0, 0.25, 60), Note(1, 1.0, 60)], 1.0)
    assert bent[0].bend_semitones == 0.0
    assert bent[1].bend_semitones in (1.0, 2.0)


def test_a_strum_spreads_upwards():
    assert [n.start_beats for n in strum([60, 64, 67], 1.0, 1.0, 0.8, spread=0.1)] == pytest.approx([1.0, 1.1, 1.2])


def test_clicks_at_120_bpm_sound_every_half_second():
    song = settled(duration_seconds=4.0, tempo_bpm=120.0)
    song.add_beat("click", CLICK, 1.0, [0, 1, 2, 3])
    stem = np.abs(render_part(song, "click", RATE))
    sounding = stem > 0.1 * stem.max()
    onsets = [i for i in np.flatnonzero(sounding) if not sounding[max(i - RATE // 10, 0) : i].any()]
    np.testing.assert_allclose(np.array(onsets) / RATE, np.arange(8) * 0.5, atol=2e-3)


def test_a_part_sounds_the_same_whatever_else_plays():
    alone, accompanied = settled(), settled()
    for song in (alone, accompanied):
        song.add_part("tune", Tone((1.0,), breath=0.1), 1.0)
        song.parts["tune"].gain = 1.0
        song.play("tune", [Note(0, 4.0, 60)])
    accompanied.add_beat("click", CLICK, 1.0, [0, 1])
    np.testing.assert_array_equal(render_part(alone, "tune", RATE), render_part(accompanied, "tune", RATE))


def test_a_drawn_crescendo_is_heard():
    song = settled(duration_seconds=8.0, dynamics_db=[(0.0, -20.0), (16.0, 0.0)], room_level=0.0)
    song.add_part("tone", Tone((1.0,)), 1.0)
    song.play("tone", [Note(0, 16.0, 69)])
    clip = render(song, RATE)
    level_db = [20 * np.log10(clip[s : s + RATE].std()) for s in (0, 7 * RATE)]
    assert level_db[1] - level_db[0] == pytest.approx(17.5, abs=0.3)  # 20 dB over 8 s, between the centres of 1 s each


def test_the_peak_is_where_the_song_says():
    song = settled()
    song.add_beat("click", CLICK, 1.0, [0, 1, 2, 3])
    song.peak_db = -6.0
    assert np.abs(render(song, RATE)).max() == pytest.approx(10 ** (-6 / 20), rel=1e-5)


def test_an_empty_song_is_silence():
    song = settled(duration_seconds=1.0)
    song.add_part("tune", Tone((1.0,)), 1.0)
    clip = render(song, RATE)
    assert clip.shape == (RATE,)
    assert not clip.any()
