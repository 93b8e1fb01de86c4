"""POP909 in miniature: who sings the melody, bars of four, chords in Harte's words, one key."""

import numpy as np
import pytest

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.score import Span
from linernotes.corpora.score.sources.excerpt import ExcerptError
from linernotes.corpora.score.sources.pop909 import HARTE, read

ROW = {"file_name": "007/007.mid", "label": "pop", "split": "train", "group": "007", "main_key": "Gb:maj",
       "n_key_segments": "1"}  # fmt: skip
TRACKS = [
    ("MELODY", 0, [(t * 0.5, t * 0.5 + 0.4, 62 + t % 7) for t in range(120)], []),
    ("BRIDGE", 0, [(t * 2.0, t * 2.0 + 1.9, 60) for t in range(30)], []),
    ("PIANO", 0, [(t * 2.0, t * 2.0 + 1.9, 42 + 12 * k) for t in range(30) for k in range(3)], [(64, 127, 0.0)]),
]
BEATS = "".join(f"{t * 0.5} {float(t % 2 == 0)} {float(t % 4 == 0)}\n" for t in range(120))
CHORDS = "0.0\t20.0\tGb:maj\n20.0\t40.0\tD#:min7/b7\n40.0\t60.0\tN\n"
KEY = "0.5\t59.5\tGb:maj\n"


@pytest.fixture
def folder(packaged, midi_file):
    def made(tracks=TRACKS, beats=BEATS, chords=CHORDS, key=KEY, **row):
        files = {"007/007.mid": midi_file(tracks), "007/beat_midi.txt": beats, "007/chord_midi.txt": chords}
        return packaged([ROW | row], "pop909.zip", files | {"007/key_audio.txt": key})

    return made


def played(folder, seed=0, seconds=10.0):
    (piece,) = read(folder)
    return piece.score(np.random.default_rng(seed), seconds)


def test_a_song(folder):
    (piece,) = read(folder())
    assert (piece.name, piece.group, piece.split) == ("007", "pop909 007", "train")
    score = piece.score(np.random.default_rng(1), 10.0)
    facts = score.facts
    assert (facts.style, facts.meter, facts.grouping, facts.key) == ("pop", 4, (2, 2), "F# major")
    assert facts.tempo_bpm == pytest.approx(120.0)
    assert np.diff(facts.downbeats) == pytest.approx(2.0)
    parts = {part.name for part in score.midi.instruments}
    assert parts in ({"lead", "bridge", "chords"}, {"voice", "bridge", "chords"})
    melody = next(part for part in score.midi.instruments if part.name in ("lead", "voice"))
    assert all(min(abs(note.start - beat) for beat in facts.beats) < 0.002 for note in melody.notes if note.start)


def test_some_clips_are_sung(folder):
    facts = [played(folder(), seed).facts for seed in range(40)]
    sung = [f for f in facts if f.has_voice]
    assert 4 < len(sung) < 30
    assert all("voice" in f.instruments for f in sung)


def test_chords_are_those_of_the_set_and_none_where_one_is_missing(folder):
    for seed in range(30):
        facts = played(folder(), seed).facts
        labels = [span.label for span in facts.chords]
        assert labels in ([], ["F#"], ["F#", "Ebm7"], ["Ebm7"])
        if labels == ["F#", "Ebm7"]:
            change = facts.chords[0].end_seconds
            assert min(abs(change - beat) for beat in facts.downbeats) < 1e-9  # at 20 s, a downbeat
            assert facts.chords[1] == Span(change, 10.0, "Ebm7")
            return
    raise AssertionError("no clip has the change of chords")


@pytest.mark.parametrize(
    ("quality", "label"), [(":hdim7", "Am7b5"), (":sus4(b7)", "A7sus4"), (":min/b3", "Am"), (":aug", "Aaug")]
)
def test_the_words_of_harte(folder, quality, label):
    facts = played(folder(chords=f"0.0\t60.0\tA{quality}\n")).facts
    assert facts.chords == [Span(0.0, 10.0, label)]
    assert quality.partition("/")[0] in HARTE


def test_two_keys_are_none(folder):
    assert played(folder(key=KEY + "30.0\t59.0\tC:min\n")).facts.key is None


def test_bars_of_other_lengths_are_in_no_clip(folder):
    rows = BEATS.splitlines()
    rows[62] = f"{31.0} 1.0 1.0"  # two bars of two
    for seed in range(20):
        facts = played(folder(beats="\n".join(rows)), seed).facts
        assert len(facts.meters) == 1
        assert np.diff(facts.downbeats) == pytest.approx(2.0)
    sixes = "".join(f"{t * 0.5} {float(t % 3 == 0)} {float(t % 6 == 0)}\n" for t in range(120))
    with pytest.raises(ExcerptError, match="no place has 10 s of whole bars"):
        played(folder(beats=sixes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beats": "0.0 1.0\n"}, r"007/beat_midi.txt, line 1: got 2 fields, expected 3"),
        ({"beats": "0.0 1.0 yes\n"}, r"line 1: downbeat='yes', expected a number"),
        ({"beats": "0.0 1.0 1.0\n"}, r"007/beat_midi.txt: its beats do not rise from downbeat to downbeat"),
        (
            {"chords": "0.0\t60.0\tH:maj\n"},
            r"007/chord_midi.txt, line 1: chord 'H:maj', expected such as F#:min7, or N",
        ),
        ({"key": "0.5\t59.5\tC:dor\n"}, r"007/key_audio.txt, line 1: key 'C:dor', expected such as Gb:maj"),
        ({"tracks": [("VOX", 0, [(0.0, 1.0, 60)], [])]}, r"007.mid has a track 'VOX', expected MELODY, BRIDGE, PIANO"),
    ],
)
def test_malformed_songs_are_refused(folder, change, message):
    with pytest.raises(ManifestError, match=message):
        played(folder(**change))
