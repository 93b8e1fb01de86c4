"""The Nottingham set in miniature, and books of folk tunes as they lie in music21's corpus."""

import numpy as np
import pytest

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.sources import folk, nottingham
from linernotes.corpora.score.sources.excerpt import ExcerptError

SLIP = """X: 1
T:Drops of Brandy
% Nottingham Music Database
S:Trad
Y:AB
M:9/8
K:G
P:A
B/2c/2|:"G"d2c BGB BGB|"G"d2c BGB "D7"cBA|"G"d2c BGB BGB|"C"cBc A2B "D7"cBA:|
P:B
"G"GBd gdB gdB|"G"GBd gdB "D7"cBA|"G"GBd gdB gdB|"C"cBc A2B "D7"cBA:|
"""
WALTZ = """X: 2
T:A Waltz
M:3/4
L:1/4
Q:1/4=150
K:Am
"Am"ABc|"E7"^GBe|"Am"ABc|"Dm"d2f|"Am"ABc|"E7"^GBe|"Am"Ace|"Am"A3:|
"""
ROW = {"file_name": "slip.abc", "tune": "1", "title": "Drops of Brandy", "label": "9", "meter": "9/8",
       "constant_meter": "True", "key": "G", "split": "train", "group": "Drops of Brandy"}  # fmt: skip


@pytest.fixture
def folder(packaged):
    def made(book=SLIP + "\n\n" + WALTZ, **row):
        return packaged([ROW | row], "abc.zip", {"slip.abc": book})

    return made


def played(folder, seed=0, seconds=10.0):
    (piece,) = nottingham.read(folder)
    return piece.score(np.random.default_rng(seed), seconds)


def test_a_slip_jig(folder):
    (piece,) = nottingham.read(folder())
    assert (piece.meter, nottingham.read(folder(constant_meter="False"))[0].meter) == (9, None)
    assert (piece.name, piece.group) == ("slip 1 Drops of Brandy", "tune drops of brandy")
    for seed in range(12):
        score = piece.score(np.random.default_rng(seed), 10.0)
        facts = score.facts
        assert (facts.style, facts.meter, facts.grouping, facts.pulse) == ("folk", 9, (3, 3, 3), 0.5)
        assert (facts.key, facts.swing_ratio) == ("G major", 1.0)
        assert 140.0 / 1.5 <= facts.tempo_bpm <= 190.0 / 1.5
        assert np.diff(facts.downbeats) == pytest.approx(3 * 60.0 / facts.tempo_bpm)
        assert len(facts.beats) == pytest.approx(10.0 * facts.tempo_bpm / 20.0, abs=1.01)
        melody = next(p for p in score.midi.instruments if p.name in ("lead", "voice"))
        starts = np.array([note.start for note in melody.notes])
        assert max(np.abs(starts - d).min() for d in facts.downbeats if 0.02 < d < 9.9) <= 0.01


def test_chords_are_the_symbols_and_what_is_heard(folder):
    told = [f for f in (played(folder(), seed).facts for seed in range(30)) if f.chords]
    assert 15 < len(told) < 30  # sometimes the tune is alone
    assert {span.label for f in told for span in f.chords} == {"G", "C", "D7"}
    for facts in told:
        pulse = 60.0 / facts.tempo_bpm / 3.0
        inner = [span.start_seconds for span in facts.chords[1:]]
        beats = np.array(facts.beats)
        assert max((np.abs(beats - start).min() for start in inner), default=0.0) < 1e-6
        assert min(np.diff(inner), default=9.0) > 2.9 * pulse


def test_a_tune_in_the_minor_with_a_tempo(folder):
    facts = played(folder(tune="2")).facts
    assert (facts.meter, facts.grouping, facts.key, facts.tempo_bpm) == (3, (3,), "A minor", 150.0)


def test_a_tune_sounds_in_several_ways(folder):
    bands = {tuple(played(folder(), seed).facts.instruments) for seed in range(20)}
    assert len(bands) > 15
    assert {2, 3} & {len(band) for band in bands}


def test_what_is_too_short_or_not_read_is_another_tune(folder):
    with pytest.raises(ExcerptError, match="no place has 60 s"):
        played(folder(), seconds=60.0)
    with pytest.raises(
        ExcerptError, match=r"slip 1 Drops of Brandy: '\?.*is nothing that is read here; choose another"
    ):
        played(folder(SLIP.replace("d2c", "?")))
    with pytest.raises(ExcerptError, match=r"slip 1 Drops of Brandy has no notes"):
        played(folder("X: 1\nT:Rest\nM:4/4\nK:G\nz8|"))


def test_a_tune_that_the_book_lacks_is_refused(folder):
    with pytest.raises(ManifestError, match=r"metadata.csv, line 2: slip.abc has no tune X:7"):
        nottingham.read(folder(tune="7"))


def test_books_of_folk_tunes(tmp_path):
    for book, tunes in (("ryansMammoth", (SLIP,)), ("oneills1850", (SLIP, WALTZ, "X:3\nT:Air\nM:none\nK:G\nABc"))):
        (tmp_path / book).mkdir()
        (tmp_path / book / "0001-0050.abc").write_text("\n\n".join(tunes))
    pieces = folk.read(tmp_path)
    assert [piece.name for piece in pieces] == [
        "oneills1850/0001-0050 1 Drops of Brandy",
        "oneills1850/0001-0050 2 A Waltz",
        "ryansMammoth/0001-0050 1 Drops of Brandy",
    ]
    assert [piece.meter for piece in pieces] == [9, 3, 9]
    assert pieces.left_out == {"no meter or no key": 1}
    assert pieces[0].group == pieces[2].group == "tune drops of brandy"  # one tune in two books
    assert pieces[0].split is None
    assert pieces[1].score(np.random.default_rng(0), 8.0).facts.tempo_bpm == 150.0


def test_the_essen_collection_is_not_for_commercial_use_and_left_out(tmp_path):
    (tmp_path / "essenFolksong").mkdir()
    (tmp_path / "essenFolksong" / "altdeu10.abc").write_text(SLIP)
    with pytest.raises(FileNotFoundError, match="no piece of folk is left"):
        folk.read(tmp_path)
