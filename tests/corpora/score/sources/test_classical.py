"""MusicXML as it lies in music21's corpus: a chorale in miniature."""

from zipfile import ZipFile

import numpy as np
import pytest

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.sources import read

PITCHES = (("G", 4), ("D", 4), ("B", 3), ("G", 2))


def measure(number, step, octave, quarters, attributes="", tie=""):
    """A measure of quarter notes."""
    note = (
        f"<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>2</duration>{tie}"
        "<voice>1</voice><type>quarter</type></note>"
    )
    return f'<measure number="{number}">{attributes}{note * quarters}</measure>'


def chorale(bars=12, beats=3, mode="<mode>minor</mode>"):
    """Four parts in 3/4 with an upbeat; a repeat cuts the bar in the middle."""
    signed = (
        f"<attributes><divisions>2</divisions><key><fifths>1</fifths>{mode}</key>"
        f"<time><beats>{beats}</beats><beat-type>4</beat-type></time></attributes>"
    )
    names, parts = "", ""
    for i, (step, octave) in enumerate(PITCHES, start=1):
        names += f'<score-part id="P{i}"><part-name>Part {i}</part-name></score-part>'
        measures = measure(0, step, octave, 1, signed)
        for number in range(1, bars):
            halves = (2, 1) if number == bars // 2 else (3,)
            measures += "".join(measure(f"{number}{'ab'[k]}", step, octave, n) for k, n in enumerate(halves))
        parts += f'<part id="P{i}">{measures}</part>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="3.1">'
        f"<part-list>{names}</part-list>{parts}</score-partwise>"
    )


@pytest.fixture
def folder(tmp_path):
    def made(xml=None, name="bach/bwv66.6.mxl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with ZipFile(path, "w") as packed:
            packed.writestr("score.xml", chorale() if xml is None else xml)
        return tmp_path

    return made


def played(folder, seed=0, seconds=10.0):
    (piece,) = read("classical", folder)
    return piece.score(np.random.default_rng(seed), seconds)


def test_a_chorale(folder):
    (piece,) = read("classical", folder())
    assert (piece.name, piece.group) == ("bach/bwv66.6", "classical bach/bwv66")
    assert (piece.split, piece.meter) == (None, 3)
    score = piece.score(np.random.default_rng(0), 10.0)
    facts = score.facts
    assert (facts.style, facts.meter, facts.grouping, facts.key) == ("classical", 3, (3,), "E minor")
    assert 60.0 <= facts.tempo_bpm <= 120.0
    assert np.diff(facts.downbeats) == pytest.approx(180.0 / facts.tempo_bpm)  # also where the repeat is
    assert len(score.midi.instruments) == 4
    lows = sorted(min(note.pitch for note in part.notes) for part in score.midi.instruments)
    assert lows == [43, 59, 62, 67]  # where they are written


def test_ensembles_change_and_sometimes_sing(folder):
    facts = [played(folder(), seed).facts for seed in range(40)]
    assert len({tuple(f.instruments) for f in facts}) > 6
    assert 0 < sum(f.has_voice for f in facts) < 20


def test_a_signature_without_a_mode_is_no_key(folder):
    assert played(folder(chorale(mode=""), name="haydn/opus1no1/movement1.mxl")).facts.key is None


def test_movements_of_a_work_are_a_group(folder):
    folder(name="mozart/k155/movement1.mxl")
    pieces = read("classical", folder(name="mozart/k155/movement2.mxl"))
    assert {piece.group for piece in pieces} == {"classical mozart/k155"}


def test_what_is_not_free_is_left_out(folder):
    for name in ("palestrina/Agnus_0.mxl", "beethoven/opus132.mxl", "schoenberg/opus19/movement2.mxl"):
        folder(name=name)
    assert [piece.name for piece in read("classical", folder())] == ["bach/bwv66.6"]


@pytest.mark.parametrize("xml", ["<score-partwise>", "no xml"])
def test_what_is_no_musicxml_is_refused(folder, xml):
    with pytest.raises(
        ManifestError, match=r"bach/bwv66.6 is no MusicXML that can be read .*: is it the published file"
    ):
        played(folder(xml))
