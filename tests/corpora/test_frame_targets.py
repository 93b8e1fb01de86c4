"""Dense targets of rendered music: what the score says of a moment is said of the frame that hears it."""

import numpy as np
import pretty_midi
import pytest

from linernotes.corpora.frame_targets import (
    CLASSES,
    FLAGS,
    HITS,
    METERS,
    QUALITIES,
    QUALITY_OF,
    SOUNDS,
    UNKNOWN,
    frame_targets,
    notes_file,
    targets_of_row,
)
from linernotes.corpora.score import harmony
from linernotes.corpora.score.composer import compose
from linernotes.corpora.score.plans import draw_plan
from linernotes.corpora.score.score import Facts, Span
from linernotes.corpora.score.styles import STYLES

HOP_SECONDS = 1 / 75
TIMES = (np.arange(150) + 0.5) * HOP_SECONDS  # two seconds


def facts(**changes) -> Facts:
    known = {
        "style": "jazz", "meter": 3, "grouping": (3,), "pulse": 1.0, "tempo_bpm": 120.0, "swing_ratio": 1.0,
        "key": "A minor", "polyrhythm": None, "beats": [0.01, 0.51, 1.01, 1.51], "downbeats": [0.51],
        "meters": [Span(0.0, 2.0, "3/4 3")], "chords": [Span(0.0, 1.0, "Am7"), Span(1.0, 2.0, "Bb7b9")],
        "sections": [], "instruments": [], "has_drums": True, "has_voice": False, "identity": "x",
    }  # fmt: skip
    return Facts(**known | changes)


def score(*notes: tuple[int, float, float], program: int = 0, drums: tuple[tuple[int, float], ...] = ()):
    """Notes as pitch, start, end; drums as pitch and time."""
    midi = pretty_midi.PrettyMIDI()
    part, kit = pretty_midi.Instrument(program), pretty_midi.Instrument(0, is_drum=True)
    part.notes = [pretty_midi.Note(90, pitch, start, end) for pitch, start, end in notes]
    kit.notes = [pretty_midi.Note(90, pitch, start, start + 0.05) for pitch, start in drums]
    midi.instruments = [part, kit]
    return midi


def at(seconds: float) -> int:
    return int(seconds / HOP_SECONDS)


def test_every_target_has_its_shape():
    targets = frame_targets(score((69, 0.2, 1.0)), facts(), TIMES)
    assert {name: targets[name].shape for name in CLASSES} == dict.fromkeys(CLASSES, (150,))
    assert {name: targets[name].shape for name in FLAGS} == {name: (150, size) for name, size in FLAGS.items()}


def test_notes_are_heard_where_they_sound():
    targets = frame_targets(score((69, 0.2, 1.0), (40, 0.5, 1.5)), facts(), TIMES)
    assert np.flatnonzero(targets["chroma"][at(0.3)]).tolist() == [9]  # 440 Hz is A
    assert np.flatnonzero(targets["chroma"][at(0.7)]).tolist() == [4, 9]
    assert not targets["chroma"][at(0.1)].any()
    assert targets["bass"][at(0.3)] == 9
    assert targets["bass"][at(0.7)] == 4
    assert targets["bass"][at(1.8)] == UNKNOWN


def test_beats_and_hits_stand_in_the_nearest_frame():
    targets = frame_targets(score((60, 0.21, 0.4), drums=((36, 1.01), (38, 1.51), (50, 1.91))), facts(), TIMES)
    assert np.flatnonzero(targets["beat"]).tolist() == [at(t) for t in (0.01, 0.51, 1.01, 1.51)]
    assert np.flatnonzero(targets["downbeat"]).tolist() == [at(0.51)]
    for name, moment in {"note": 0.21, "kick": 1.01, "snare": 1.51, "other drum": 1.91}.items():
        assert np.flatnonzero(targets["hits"][:, HITS.index(name)]).tolist() == [at(moment)]


def test_what_lies_beyond_the_crop_is_left_out():
    targets = frame_targets(score((60, 0.21, 0.4), (62, 1.91, 2.4)), facts(), TIMES[75:])
    assert np.flatnonzero(targets["beat"]).tolist() == [0, at(1.51) - 75]
    assert np.flatnonzero(targets["hits"][:, 0]).tolist() == [at(1.91) - 75]


@pytest.mark.parametrize(("program", "sound"), [(0, "piano"), (33, "bass"), (53, "voice"), (66, "reed")])
def test_players_are_told_by_family(program, sound):
    targets = frame_targets(score((60, 0.2, 1.0), program=program, drums=((36, 1.5),)), facts(), TIMES)
    assert [SOUNDS[i] for i in np.flatnonzero(targets["sounds"][at(0.5)])] == [sound]
    assert [SOUNDS[i] for i in np.flatnonzero(targets["sounds"][at(1.52)])] == ["drums"]


def test_chords_keys_meters_and_tempi_become_classes():
    targets = frame_targets(score(), facts(), TIMES)
    assert (targets["root"][at(0.5)], targets["root"][at(1.5)]) == (9, 10)
    assert QUALITIES[targets["quality"][at(0.5)]] == "minor seventh"
    assert QUALITIES[targets["quality"][at(1.5)]] == "dominant"
    assert set(targets["key"]) == {12 + 9}
    assert set(targets["meter"]) == {METERS.index(3)}
    assert set(targets["tempo"]) == {round(12 * np.log2(120 / 40))}
    assert set(targets["style"]) == {list(STYLES).index("jazz")}


def test_what_is_not_known_is_not_asked():
    unknown = facts(key=None, chords=[], tempo_bpm=20.0, style="made up", meter=2)
    targets = frame_targets(score(), unknown, TIMES)
    for name in ("key", "root", "quality", "tempo", "style", "meter"):
        assert set(targets[name]) == {UNKNOWN}, name
    changing = [Span(0.0, 1.0, "3/4 3"), Span(1.0, 2.0, "4/4 2+2")]
    assert set(frame_targets(score(), facts(meters=changing), TIMES)["meter"]) == {UNKNOWN}


def test_every_quality_of_the_composer_has_a_class():
    assert set(harmony.QUALITIES) - set(QUALITY_OF) <= {"aug"}


def test_a_row_of_a_manifest_says_the_same_as_its_score():
    import json
    from dataclasses import asdict

    made = compose(draw_plan("jazz", np.random.default_rng(3), seconds=4.0))
    row = {"facts": json.dumps(asdict(made.facts))}
    times = (np.arange(300) + 0.5) * HOP_SECONDS
    from_row, from_score = targets_of_row(row, made.midi, times), frame_targets(made.midi, made.facts, times)
    assert from_row.keys() == from_score.keys()
    for name, values in from_score.items():
        np.testing.assert_array_equal(from_row[name], values)
    assert from_score["chroma"].any()


def test_notes_lie_beside_the_recordings(tmp_path):
    assert notes_file(tmp_path / "audio/train/000001.flac") == tmp_path / "midi/train/000001.mid"
