"""SymbTr in miniature: usuls, commas, rests and what the table says."""

from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.render import Renderer
from linernotes.corpora.score.score import Span
from linernotes.corpora.score.sources.symbtr import HEADER, read

ROW = {"file_name": "notes/hicaz--sarki--devrihindi--a--dede.tsv", "midi": "midi/a.mid", "label": "7",
       "signature": "7/8", "usul": "devrihindi", "grouping": "3+2+2", "makam": "hicaz", "form": "sarki",
       "group": "dede", "split": "train", "seconds": "35.0", "quarter_bpm": "120.0", "n_notes": "140"}  # fmt: skip
COMMA = 12 / 53


def score_of(count, cycles=20, pulse_ms=250, pitch=lambda i: f"{69 + i % 3}", rests=()):
    """A line a pulse, all cycles whole, and a last note that begins the next."""
    lines = [HEADER]
    for i in range(cycles * count + 1):
        sounding = "" if i % count in rests else pitch(i)
        lines.append(f"{i * pulse_ms}\t{pulse_ms}\t{sounding}\t{round(i / count, 5)}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(packaged):
    def made(text=None, **row):
        return packaged([ROW | row], "scores.zip", {ROW["file_name"]: score_of(7) if text is None else text})

    return made


def played(folder, seed=0, seconds=10.0):
    (piece,) = read(folder, seconds=seconds)
    return piece.score(np.random.default_rng(seed), seconds)


def test_a_devrihindi_has_its_downbeats_every_seven_eighths(folder):
    (piece,) = read(folder())
    assert (piece.name, piece.group, piece.split) == ("hicaz--sarki--devrihindi--a--dede", "symbtr dede", "train")
    assert piece.meter == 7
    assert piece.licence.startswith("CC BY-NC-SA 4.0")
    facts = piece.score(np.random.default_rng(4), 10.0).facts
    assert (facts.style, facts.meter, facts.grouping, facts.pulse) == ("makam", 7, (3, 2, 2), 0.5)
    assert (facts.tempo_bpm, facts.swing_ratio, facts.key, facts.chords) == (120.0, 1.0, None, [])
    assert np.diff(facts.downbeats) == pytest.approx(1.75, abs=1e-4)
    assert np.diff(facts.beats) == pytest.approx(0.25, abs=1e-4)  # the set has five decimals
    assert facts.meters == [Span(0.0, 10.0, "7/8 3+2+2")]


def test_every_downbeat_is_a_note(folder):
    for seed in range(10):
        score = played(folder(), seed)
        melody = next(part for part in score.midi.instruments if not part.is_drum)
        starts = np.array([note.start for note in melody.notes])
        inside = [beat for beat in score.facts.downbeats if 0.02 < beat < 9.9]
        assert max(np.abs(starts - beat).min() for beat in inside) <= 0.01


def test_commas_are_cents_of_the_pitch_wheel(folder):
    """A segah lies a comma under B: 12/53 semitones, 22.6 cents, of the wheel's 200."""
    score = played(folder(score_of(7, pitch=lambda i: f"{71 - COMMA if i % 2 else 69:.3f}")))
    melody = next(part for part in score.midi.instruments if not part.is_drum)
    bends = {round(bend.time, 6): bend.pitch for bend in melody.pitch_bends}
    for note in melody.notes:
        if note.start:
            assert bends[round(note.start, 6)] == (round(-22.6 / 200 * 8192) if note.pitch % 12 == 11 else 0)


def test_quarter_tones_are_heard(folder, monkeypatch):
    """A note 40 cents flat, by a renderer with the font that pretty_midi carries."""
    monkeypatch.setattr("linernotes.corpora.score.sources.symbtr.PROGRAMS", (73,))
    monkeypatch.setattr("linernotes.corpora.score.sources.symbtr.DRUM_ODDS", 0.0)
    font = next(Path(pretty_midi.__file__).parent.glob("TimGM6mb.sf2"))
    renderer = Renderer(font, 24_000)
    peaks = []
    for pitch in ("72", "71.6"):
        sound = renderer.render(played(folder(score_of(7, pitch=lambda i, p=pitch: p))))
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
        peaks.append(np.argmax(spectrum[:20_000]) / 10.0)
    assert 1200 * np.log2(peaks[1] / peaks[0]) == pytest.approx(-40, abs=3)


def test_rests_are_silent(folder):
    melody = next(p for p in played(folder(score_of(7, rests=(0,)))).midi.instruments if not p.is_drum)
    assert len(melody.notes) < 7 * 6


@pytest.mark.parametrize(
    ("row", "grouping"),
    [
        ({"grouping": "2+2+3"}, (2, 2, 3)),
        ({"grouping": "", "usul": "devrihindi_ii"}, (3, 2, 2)),
        ({"grouping": "", "usul": "unheard"}, (2, 2, 3)),
    ],
)
def test_the_grouping_is_that_of_the_set_or_of_the_usul(folder, row, grouping):
    assert played(folder(**row)).facts.grouping == grouping


def test_an_aksak_is_not_three_threes(folder):
    row = {"signature": "9/8", "usul": "iraksak", "grouping": ""}
    assert played(folder(score_of(9), **row)).facts.grouping == (2, 2, 2, 3)


def test_the_drum_plays_the_usul(folder):
    strokes = []
    for seed in range(12):
        score = played(folder(), seed)
        for drums in (part for part in score.midi.instruments if part.is_drum):
            strokes.append(len(drums.notes))
            loud = [n for n in drums.notes if min(abs(n.start - d) for d in score.facts.downbeats) < 0.02]
            assert len({n.pitch for n in loud}) == 1
            assert score.facts.has_drums
    assert 0 < len(strokes) < 12


def test_instruments_change(folder):
    names = {name for seed in range(30) for name in played(folder(), seed).facts.instruments}
    assert len(names) > 8
    assert {"voice", "drums"} <= names


def test_bars_follow_the_onsets_where_the_tempo_changes(folder):
    slow = score_of(7, cycles=10).splitlines()
    fast = [line.split("\t") for line in score_of(7, cycles=20).splitlines()[72:]]
    lines = slow + [f"{17500 + 200 * (i + 1)}\t200\t{row[2]}\t{row[3]}" for i, row in enumerate(fast)]
    diffs = np.concatenate([np.diff(played(folder("\n".join(lines)), seed).facts.beats) for seed in range(8)])
    assert set(np.round(diffs, 3)) == {0.2, 0.25}


def test_a_tempo_that_the_table_has_wrong_is_measured(folder):
    assert played(folder(quarter_bpm="90.0"), seconds=12.0).facts.tempo_bpm == pytest.approx(120.0, rel=1e-4)


def test_long_cycles_and_slow_ones_are_left_out(packaged):
    changes = ({}, {"signature": "28/4"}, {"signature": "13/8"}, {"seconds": "9"}, {"quarter_bpm": "30"})
    rows = [ROW | {"grouping": ""} | change for change in changes]
    pieces = read(packaged(rows, "scores.zip", {}))
    assert len(pieces) == 1
    assert pieces.left_out == {"long cycle": 2, "shorter": 1, "too slow": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time\tpitch\n", r"begins with 'time\\tpitch', expected 'onset_ms"),
        (HEADER + "\n0\t250\t69\n", r"a--dede.tsv, line 2: got 3 fields, expected 4"),
        (HEADER + "\n0\t250\thigh\t0\n", r"line 2: midi_pitch='high', expected a number"),
        (HEADER + "\n500\t250\t69\t0\n250\t250\t69\t0.5\n", r"line 3: begins before the note above it"),
        (HEADER + "\n0\t250\t\t0\n", r"has no notes: is it the published file"),
    ],
)
def test_malformed_scores_are_refused(folder, text, message):
    with pytest.raises(ManifestError, match=message):
        played(folder(text))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"grouping": "3+2"}, r"line 2: grouping='3\+2', expected such as 3\+2\+2, summing to 7"),
        ({"quarter_bpm": "fast"}, r"quarter_bpm='fast', expected a number"),
        ({"signature": "7-8"}, r"signature '7-8', expected such as 7/8"),
    ],
)
def test_malformed_rows_are_refused(folder, row, message):
    with pytest.raises(ManifestError, match=message):
        read(folder(**row))
