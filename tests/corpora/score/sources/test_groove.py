"""The Groove set in miniature: the click is the grid, and what people play around it stays."""

import numpy as np
import pytest

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.sources.groove import read

ROW = {"file_name": "drummer1/session2/4_jazz_120_beat_4-4.mid", "label": "jazz", "style": "jazz", "split": "train",
       "group": "drummer1", "bpm": "120", "beat_type": "beat", "time_signature": "4/4", "seconds": "30"}  # fmt: skip
SWING = 2.0 / 3.0  # where the off-beat falls in the beat


def strokes(seconds=30.0):
    """Ride on the beats and swung between them, hi-hat edges, never exactly on the click."""
    late = 0.007
    times = [beat * 0.5 + off * 0.5 + late for beat in range(int(seconds * 2)) for off in (0.0, SWING)]
    return [(t, t + 0.1, (51, 22)[i % 2]) for i, t in enumerate(times)]


@pytest.fixture
def folder(packaged, midi_file):
    def made(notes=None, **row):
        tracks = [("Midi Drums", "drums", strokes() if notes is None else notes, [(4, 90, 1.0)])]
        return packaged([ROW | row], "midi.zip", {ROW["file_name"]: midi_file(tracks)})

    return made


def played(folder, seed=0, seconds=10.0):
    (piece,) = read(folder)
    return piece.score(np.random.default_rng(seed), seconds)


def test_the_click_is_the_grid(folder):
    (piece,) = read(folder())
    assert (piece.name, piece.split) == ("drummer1/session2/4_jazz_120_beat_4-4", "train")
    assert piece.group == f"groove {piece.name}"
    facts = piece.score(np.random.default_rng(1), 10.0).facts
    assert (facts.style, facts.meter, facts.grouping, facts.tempo_bpm, facts.key) == ("jazz", 4, (2, 2), 120.0, None)
    assert (facts.instruments, facts.has_drums, facts.has_voice) == (["drums"], True, False)
    assert np.diff(facts.beats) == pytest.approx(0.5)
    assert np.diff(facts.downbeats) == pytest.approx(2.0)


def test_swing_is_left_as_it_was_played(folder):
    score = played(folder())
    assert score.facts.swing_ratio is None
    rides = [note.start for note in score.midi.instruments[0].notes if note.pitch == 51]
    hats = [note.start for note in score.midi.instruments[0].notes if note.pitch == 42]
    beats = np.array(score.facts.beats)
    assert [t - beats[np.abs(beats - t).argmin()] for t in rides] == pytest.approx([0.007] * len(rides), abs=0.002)
    places = [(t - beats[beats <= t][-1]) / 0.5 for t in hats if t > beats[0]]
    assert places == pytest.approx([SWING + 0.014] * len(places), abs=0.004)


def test_edges_and_rims_are_those_of_general_midi(folder):
    notes = [(i * 0.25, i * 0.25 + 0.1, pitch) for i, pitch in enumerate((22, 26, 58, 36, 38, 52) * 20)]
    assert {note.pitch for note in played(folder(notes)).midi.instruments[0].notes} == {42, 46, 43, 36, 38, 57}


def test_six_eight_is_counted_in_eighths(folder):
    facts = played(folder(time_signature="6/8")).facts
    assert (facts.meter, facts.grouping, facts.pulse, facts.tempo_bpm) == (6, (3, 3), 0.5, 80.0)
    assert np.diff(facts.beats) == pytest.approx(0.25)


def test_fills_are_left_out(packaged):
    pieces = read(packaged([ROW, ROW | {"seconds": "1.9"}], "midi.zip", {}))
    assert (len(pieces), pieces.left_out) == (1, {"shorter": 1})


def test_a_file_without_drums_is_refused(packaged, midi_file):
    piano = midi_file([("Piano", 0, [(0.0, 1.0, 60)], [])])
    with pytest.raises(ManifestError, match=r"4_jazz_120_beat_4-4.mid has no drums: is it the published file"):
        played(packaged([ROW], "midi.zip", {ROW["file_name"]: piano}))


@pytest.mark.parametrize(
    ("row", "message"),
    [({"bpm": ""}, "bpm='', expected a number"), ({"time_signature": "4-4"}, "signature '4-4', expected such as 7/8")],
)
def test_malformed_rows_are_refused(folder, row, message):
    with pytest.raises(ManifestError, match=message):
        read(folder(**row))
