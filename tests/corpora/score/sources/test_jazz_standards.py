"""Jazz standards in miniature: given changes, played by the composer's band."""

import json

import numpy as np
import pytest

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.sources.excerpt import ExcerptError
from linernotes.corpora.score.sources.jazz_standards import read

ROW = {"title": "Autumn", "composer": "Kosma", "key": "Gmin", "rhythm": "Medium Swing", "time_signature": "4/4",
       "label": "jazz", "split": "train", "group": "Kosma"}  # fmt: skip
SONG = {"Title": "Autumn", "Composer": "Kosma", "Key": "Gmin", "Rhythm": "Medium Swing", "TimeSignature": "4/4",
        "Sections": [
            {"Label": "A", "MainSegment": {"Chords": "Cm7|F7#11|Bbmaj7(Dm7)|Ebmaj7,,Em7b5,A7alt"}},
        ]}  # fmt: skip


@pytest.fixture
def folder(packaged):
    def made(chords=None, song=(), **row):
        sections = {} if chords is None else {"Sections": [{"MainSegment": {"Chords": chords}}]}
        written = json.dumps([SONG | sections | dict(song)])
        return packaged([ROW | row], "JazzStandards.zip", {"JazzStandards.json": written})

    return made


def played(folder, seed=0, seconds=12.0):
    (piece,) = read(folder)
    return piece.score(np.random.default_rng(seed), seconds)


def progression(folder):
    """The labels of two rounds and their lengths in quarters, without the broken ends."""
    facts = played(folder, seconds=40.0).facts
    quarter = 60.0 / facts.tempo_bpm
    return [(s.label, round((s.end_seconds - s.start_seconds) / quarter, 3)) for s in facts.chords[1:-1]]


def rounds(labels, form):
    """Whether the labels are the form, over and over, from anywhere in it."""
    return any((form * (len(labels) // len(form) + 2))[i : i + len(labels)] == labels for i in range(len(form)))


def test_the_changes_are_those_of_the_song(folder):
    (piece,) = read(folder())
    assert (piece.name, piece.group, piece.split) == ("Autumn", "jazz-standards Kosma", "train")
    facts = piece.score(np.random.default_rng(0), 12.0).facts
    assert (facts.style, facts.meter, facts.grouping, facts.key) == ("jazz", 4, (2, 2), "G minor")
    assert 110.0 <= facts.tempo_bpm <= 165.0
    assert facts.swing_ratio > 1.5
    form = [("Cm7", 4.0), ("F7", 4.0), ("Bbmaj7", 4.0), ("Ebmaj7", 2.0), ("Em7b5", 1.0), ("A7", 1.0)]
    assert rounds(progression(folder()), form)


def test_sections_repeat_with_their_endings(folder):
    sections = [
        {"Label": "A", "MainSegment": {"Chords": "C6"}, "Endings": [{"Chords": "G7"}, {"Chords": "F6"}]},
        {"Label": "B", "Repeats": 1, "MainSegment": {"Chords": "Dm7"}},
    ]
    song = {"Sections": sections, "Key": "C"}
    labels = [(label, length) for label, length in progression(folder(song=song))]
    assert rounds(labels, [("C6", 4.0), ("G7", 4.0), ("C6", 4.0), ("F6", 4.0), ("Dm7", 8.0)])
    assert {s.label for s in played(folder(song=song), seconds=40.0).facts.sections} == {"A", "B"}


@pytest.mark.parametrize(
    ("written", "label"),
    [("F#m7b5", "F#m7b5"), ("Bb07", "Bbdim7"), ("Cm/maj7", "Cmmaj7"), ("A13#9", "A7#9"), ("Dbmaj7#11", "C#maj7"),
     ("G13b9", "G7b9"), ("A7sus", "Asus4"), ("Ebm11", "Ebm9"), ("D69", "D6"), ("E7#5#9/G#", "E7"), ("Caug", "Caug"),
     ("Gb", "F#")],
)  # fmt: skip
def test_chords_come_down_to_what_the_band_plays(folder, written, label):
    assert {span.label for span in played(folder(written)).facts.chords} == {label}


def test_a_waltz_is_in_quarters(folder):
    song = {"TimeSignature": "3/4", "Rhythm": "Waltz"}
    for seed in range(20):
        facts = played(folder("Gm6|D7,,Cm7,", song, time_signature="3/4"), seed).facts
        assert (facts.meter, facts.pulse) == (3, 1.0)
        assert np.diff(facts.downbeats) == pytest.approx(180.0 / facts.tempo_bpm)


def test_bossa_novas_do_not_swing(folder):
    assert played(folder(song={"Rhythm": "Bossa Nova"})).facts.swing_ratio == 1.0


def test_clips_begin_anywhere_in_the_form(folder):
    starts = {played(folder(), seed).facts.chords[0].label for seed in range(30)}
    assert len(starts) > 3


def test_songs_without_a_key_and_in_other_meters_are_left_out(packaged):
    rows = [ROW, ROW | {"key": ""}, ROW | {"time_signature": "6/4"}, ROW | {"time_signature": ""}]
    pieces = read(packaged(rows, "JazzStandards.zip", {"JazzStandards.json": json.dumps([SONG])}))
    assert (len(pieces), pieces.left_out) == (1, {"no key": 1, "another meter": 2})


def test_a_song_that_begins_without_a_chord_is_another_song(folder):
    with pytest.raises(ExcerptError, match="Autumn begins without a chord: choose another song"):
        played(folder("|Cm7"))


def test_malformed_songs_are_refused(folder, packaged):
    with pytest.raises(ManifestError, match=r"Autumn: chord 'H7', expected such as Bbm7 or F#7b9"):
        played(folder("Cm7|H7"))
    with pytest.raises(ManifestError, match=r"Autumn: chord 'C\?', expected such as"):
        played(folder("C?"))
    with pytest.raises(ManifestError, match=r"Autumn: key 'Gdor', expected such as Bb or C#min"):
        played(folder(song={"Key": "Gdor"}))
    with pytest.raises(ManifestError, match=r"line 2: JazzStandards.json has no 'Winter' by 'Kosma'"):
        read(folder(title="Winter"))
    with pytest.raises(ManifestError, match=r"JazzStandards.json is not JSON .*: download it again"):
        read(packaged([ROW], "JazzStandards.zip", {"JazzStandards.json": "{"}))
