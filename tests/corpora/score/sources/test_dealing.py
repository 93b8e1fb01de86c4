"""Which piece may be heard in which split, whatever else a recipe draws from, and where sets are found."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from linernotes.corpora.score.sources import dealing
from linernotes.corpora.score.sources.dealing import candidates, deal, digests, find_folders, own_split
from linernotes.corpora.score.sources.pieces import Piece, Pieces
from linernotes.corpora.score.sources.tunes import tune_group


def piece(group: str, split: str | None, name: str = "", **more) -> Piece:
    return Piece(name or group, group, split, "none", lambda rng, seconds: None, **more)


@pytest.fixture
def dealt(monkeypatch):
    """dealt({source: pieces}) -> as `deal` has it, of sets that lie nowhere."""

    def made(sets: dict[str, list[Piece]]):
        def read(source, folder, *, seconds):
            pieces = Pieces(source)
            pieces.extend(sets[source])
            return pieces

        monkeypatch.setattr(dealing, "read", read)
        deal.cache_clear()
        return deal(tuple((source, Path()) for source in sets), 10.0)

    yield made
    deal.cache_clear()


def groups(pieces) -> set[str]:
    return {piece.group for piece in pieces}


def test_marked_for_training_is_divided_marked_for_validation_is_the_test(dealt):
    marks = {f"piece {n}": ("train", "train", "train", "validation", "test")[n % 5] for n in range(1000)}
    splits = dealt({"asap": [piece(group, mark) for group, mark in marks.items()]})
    assert groups(splits["test"]["asap"]) == {group for group, mark in marks.items() if mark == "validation"}
    learnt = groups(splits["train"]["asap"]), groups(splits["validation"]["asap"])
    assert learnt[0] | learnt[1] == {group for group, mark in marks.items() if mark == "train"}
    assert not learnt[0] & learnt[1]
    assert 30 < len(learnt[1]) < 90  # a tenth of 600


def test_without_marks_a_set_is_divided_in_three():
    counts = Counter(own_split(piece(f"tune {n}", None)) for n in range(2000))
    assert 1540 < counts["train"] < 1660
    assert 150 < counts["validation"] < 250
    assert 150 < counts["test"] < 250


def test_a_tune_in_two_books_is_where_the_stricter_puts_it(dealt):
    names = [f"tune {n}" for n in range(200)]
    folk = [piece(name, None, f"folk {name}") for name in names]
    book = [piece(name, "validation" if n % 2 else "train", f"book {name}") for n, name in enumerate(names)]
    for order in ({"folk": folk, "nottingham": book}, {"nottingham": book, "folk": folk}):
        splits = dealt(order)
        heard = {split: [piece.group for pieces in sets.values() for piece in pieces] for split, sets in splits.items()}
        assert sum(map(len, heard.values())) == 400
        assert not set(heard["train"]) & set(heard["validation"]) | set(heard["train"]) & set(heard["test"])
        assert set(names[1::2]) <= set(heard["test"])
        own = {name for name in names[::2] if own_split(piece(name, None)) == "test"}
        assert own
        assert own <= set(heard["test"])


@pytest.mark.parametrize(
    "title",
    ["The Soldier's Joy", "Soldier’s Joy, The", "SOLDIERS JOY", "A Soldier's Joy (reel)"],  # noqa: RUF001
)
def test_a_tune_is_known_by_its_title_however_spelt(title):
    assert tune_group(title, "book 1") == "tune soldiers joy"


def test_tunes_without_a_title_are_groups_of_their_own():
    assert tune_group("", "book 1") != tune_group("", "book 2")
    assert tune_group("The", "book 1") != tune_group("The", "book 2")


def test_candidates_are_what_the_tables_do_not_rule_out():
    pieces = [
        piece("seven", "train", meter=7, grouping=(3, 2, 2)),
        piece("other seven", "train", meter=7, grouping=(2, 2, 3)),
        piece("nine", "train", meter=9),
        piece("unknown", "train"),
    ]
    assert groups(candidates(pieces, 7, None, frozenset())) == {"seven", "other seven", "unknown"}
    assert groups(candidates(pieces, 7, None, frozenset({(3, 2, 2)}))) == {"other seven", "unknown"}
    assert groups(candidates(pieces, None, (3, 2, 2), frozenset())) == {"seven", "nine", "unknown"}
    assert len(candidates(pieces, None, None, frozenset())) == 4


def test_digests_tell_sets_apart_and_no_folders(dealt):
    first = digests(dealt({"asap": [piece("a", "train"), piece("b", "train")]}))
    assert first == digests(dealt({"asap": [piece("b", "train"), piece("a", "train")]}))
    assert first["asap"].startswith("2 pieces, ")
    assert first != digests(dealt({"asap": [piece("a", "train"), piece("b", "validation")]}))
    assert first != digests(dealt({"asap": [piece("a", "train"), piece("c", "train")]}))


def test_folders_are_as_given_or_under_their_usual_names(tmp_path):
    (tmp_path / "data" / "groove-midi").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    found = find_folders(["asap", "groove"], {"asap": tmp_path / "mine"}, [tmp_path, tmp_path / "data"])
    assert found == {"asap": tmp_path / "mine", "groove": tmp_path / "data" / "groove-midi"}
    with pytest.raises(FileNotFoundError, match="draws from pop909, which is nowhere: give --source pop909=FOLDER"):
        find_folders(["pop909"], {}, [tmp_path])


def test_music21_brings_its_corpus(monkeypatch):
    assert (find_folders(["folk"])["folk"] / "ryansMammoth").is_dir()
    monkeypatch.setitem(sys.modules, "music21", None)
    monkeypatch.setattr(dealing, "find_spec", lambda name: None)
    with pytest.raises(
        FileNotFoundError, match="folk comes with music21, which is not installed: `pip install music21`"
    ):
        find_folders(["folk"])
