"""ASAP in miniature: beats are where the pianist put them."""

import numpy as np
import pytest

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.score import Span
from linernotes.corpora.score.sources.asap import read
from linernotes.corpora.score.sources.excerpt import ExcerptError

ROW = {"file_name": "midi/Chopin__Nocturne__A01.mid", "label": "classical", "split": "validation", "group": "Chopin",
       "title": "Nocturne_1", "meter": "3/4", "meters": "3/4", "n_beats": "120"}  # fmt: skip


def rubato(count, seconds=0.5):
    """Times that hurry and linger, always within a fifth of the beat."""
    return np.cumsum(seconds * (1.0 + 0.2 * np.sin(np.arange(count) * 0.7)))


def annotation(times, signature="3/4", beats=3):
    """As published: an upbeat, then bars; the first downbeat carries the signature and the number of sharps."""
    lines = []
    for i, time in enumerate(times):
        first = (i - 1) % beats == 0
        tag = f"db,{signature},-3" if i == 1 else "db" if first else "b"
        lines.append(f"{time}\t{time}\t{tag}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(packaged, midi_file):
    def made(text=None, times=None, **row):
        times = rubato(120) if times is None else times
        notes = [(t, t + 0.3, 60 + i % 12) for i, t in enumerate(times)]
        midi = midi_file([("Piano", 0, notes, [(64, 127, 0.0), (64, 0, 30.0), (67, 90, 3.0), (0, 1, 0.1)])])
        text = annotation(times) if text is None else text
        files = {ROW["file_name"]: midi, "annotations/Chopin__Nocturne__A01.txt": text}
        return packaged([ROW | row], "asap.zip", files)

    return made


def played(folder, seed=0, seconds=10.0):
    (piece,) = read(folder)
    return piece.score(np.random.default_rng(seed), seconds)


def test_beats_are_as_annotated(folder):
    (piece,) = read(folder())
    assert piece.meter == 3
    assert (piece.name, piece.group, piece.split) == ("Chopin__Nocturne__A01", "asap Chopin Nocturne_1", "validation")
    score = piece.score(np.random.default_rng(2), 10.0)
    facts, times = score.facts, rubato(120)
    assert (facts.style, facts.meter, facts.grouping, facts.key, facts.swing_ratio) == (
        "classical",
        3,
        (3,),
        None,
        None,
    )
    first = int(np.argmin([np.abs(times[i : i + 10] - times[i] - (np.array(facts.beats[:10]) - facts.beats[0])).sum()
                           for i in range(100)]))  # fmt: skip
    assert facts.beats == pytest.approx(times[first : first + len(facts.beats)] - times[first] + facts.beats[0])
    assert facts.downbeats == [beat for i, beat in enumerate(facts.beats, start=first) if (i - 1) % 3 == 0]
    assert facts.tempo_bpm == pytest.approx(
        60.0 / np.median(np.diff(times[first - 1 : first + len(facts.beats)])), rel=0.05
    )
    notes = [note.start for note in score.midi.instruments[0].notes]
    assert max(min(abs(note - beat) for note in notes) for beat in facts.beats if beat < 9.9) < 0.002  # a MIDI tick


def test_the_pedal_is_kept_and_nothing_else(folder):
    changes = played(folder(), seconds=40.0).midi.instruments[0].control_changes
    assert {change.number for change in changes} == {64}
    assert changes[0].time == 0.0


def test_compound_beats_have_three_pulses_evenly(folder):
    facts = played(folder(annotation(rubato(120), "6/8", 2))).facts
    assert (facts.meter, facts.grouping, facts.pulse) == (6, (3, 3), 0.5)
    starts = np.searchsorted(facts.beats, facts.downbeats)
    assert np.diff(starts) == pytest.approx(6)
    for start in starts[:-1]:
        times = np.array(facts.beats[start : start + 7])
        assert np.diff(times[:4]) == pytest.approx((times[3] - times[0]) / 3)


def test_signatures_change(folder):
    lines = annotation(rubato(120)).splitlines()
    lines[61] = lines[61].replace("db", "db,6/4,0")  # the beats go on as halves of 6/4, dotted
    for i in range(61, 120):
        time = lines[i].split("\t")[0]
        lines[i] = lines[i] if i == 61 else f"{time}\t{time}\t{'db' if (i - 61) % 2 == 0 else 'b'}"
    facts = [played(folder("\n".join(lines)), seed, 12.0).facts for seed in range(20)]
    labels = {span.label for f in facts for span in f.meters}
    assert labels == {"3/4 3", "6/4 3+3"}
    assert any(len(f.meters) == 2 for f in facts)


def test_doubtful_and_odd_bars_are_in_no_clip(folder):
    lines = annotation(rubato(120)).splitlines()
    lines[50] = lines[50].replace("\tb", "\tbR")
    lines[70] = lines[70].replace("\tdb", "\tb")  # a bar of six beats under 3/4
    forbidden = [float(lines[i].split("\t")[0]) for i in (50, 68)]
    times = rubato(120)
    for seed in range(20):
        score = played(folder("\n".join(lines)), seed, 8.0)
        assert score.facts.meters == [Span(0.0, 8.0, "3/4 3")]
        beats = np.array(score.facts.beats)
        fits = [np.abs(times[i : i + 12] - times[i] - (beats[:12] - beats[0])).max() for i in range(105)]
        begin = times[int(np.argmin(fits))] - beats[0]
        assert not any(begin < time < begin + 8.0 for time in forbidden)


def test_without_a_signature_there_is_no_clip(folder):
    with pytest.raises(ExcerptError, match=r"no place has 10 s of whole bars"):
        played(folder(annotation(rubato(120)).replace("db,3/4,-3", "db,,-3")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.5\t0.5\n", r"Chopin__Nocturne__A01.txt, line 1: got 2 fields, expected time, time, tag"),
        ("0.5\t0.5\tx\n", r"line 1: tag 'x', expected one of b, db, bR"),
        ("0.5\t0.5\tdb,3-4\n", r"line 1: signature '3-4', expected such as 7/8"),
        ("0.5\t0.5\tdb,3/4\n0.4\t0.4\tb\n", r"line 2: 0.4 s is not after the beat above it"),
        ("soon\tsoon\tdb,3/4\n", r"time='soon', expected a number"),
        ("0.5\t0.5\tb\n", r"has 0 downbeats, expected two at least"),
    ],
)
def test_malformed_annotations_are_refused(folder, text, message):
    with pytest.raises(ManifestError, match=message):
        played(folder(text))


def test_malformed_rows_are_refused(folder):
    assert read(folder(meter=""))[0].meter is None
    with pytest.raises(ManifestError, match=r"line 2: signature 'waltz', expected such as 7/8"):
        read(folder(meter="waltz"))
    with pytest.raises(ManifestError, match=r"file_name='a.wav', expected midi/NAME.mid"):
        read(folder(file_name="a.wav"))
