"""What all sources share: the list of them, their tables and archives, and splits without leaks."""

import sys

import pytest

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.sources import SOURCES, read
from linernotes.corpora.score.sources.pieces import Pieces, content, signature, table
from linernotes.corpora.splits import SplitLeakError

ROW = {"file_name": "notes/a.tsv", "signature": "7/8", "usul": "devrihindi", "grouping": "", "group": "dede",
       "split": "train", "seconds": "60", "quarter_bpm": "120"}  # fmt: skip


def test_an_unknown_source_is_refused():
    with pytest.raises(ValueError, match=r"source='lakh' is not known: choose from symbtr, asap, groove"):
        read("lakh", ".")


@pytest.mark.parametrize("source", SOURCES)
def test_an_empty_folder_is_refused(source, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"name the folder that holds|no piece of .* is left in"):
        read(source, tmp_path)


def test_where_everything_is_left_out_the_reasons_are_told(packaged):
    folder = packaged([ROW | {"seconds": "3"}, ROW | {"signature": "28/4"}], "scores.zip", {})
    with pytest.raises(FileNotFoundError, match=r"no piece of symbtr is left in .* \(long cycle: 1, shorter: 1\)"):
        read("symbtr", folder)


def test_a_group_on_two_sides_is_refused(packaged):
    folder = packaged([ROW, ROW | {"split": "validation"}], "scores.zip", {})
    with pytest.raises(SplitLeakError, match=r"group 'symbtr dede' is in train and validation"):
        read("symbtr", folder)


def test_an_unknown_split_is_refused(packaged):
    folder = packaged([ROW | {"split": "dev"}], "scores.zip", {})
    with pytest.raises(ManifestError, match=r"metadata.csv, line 2: split='dev': choose from train, validation, test"):
        read("symbtr", folder)


def test_a_table_without_a_column_is_refused(packaged):
    folder = packaged([{"file_name": "a"}], "scores.zip", {})
    with pytest.raises(ManifestError, match=r"lacks signature, usul.*is it the published file"):
        read("symbtr", folder)


def test_an_archive_may_be_unpacked(packaged):
    folder = packaged([ROW], "scores.zip", {"notes/a.tsv": "packed"})
    assert content(folder, "scores.zip", "notes/a.tsv") == b"packed"
    (folder / "notes").mkdir()
    (folder / "notes" / "a.tsv").write_text("unpacked")
    assert content(folder, "scores.zip", "notes/a.tsv") == b"unpacked"


def test_what_is_not_in_the_archive_is_told(packaged):
    folder = packaged([ROW], "scores.zip", {})
    with pytest.raises(FileNotFoundError, match=r"scores.zip has no notes/a.tsv, though metadata.csv lists it"):
        content(folder, "scores.zip", "notes/a.tsv")
    with pytest.raises(FileNotFoundError, match=r"has neither other.zip nor notes/a.tsv"):
        content(folder, "other.zip", "notes/a.tsv")
    (folder / "broken.zip").write_bytes(b"no zip")
    with pytest.raises(ManifestError, match=r"broken.zip is no zip archive .*: download it again"):
        content(folder, "broken.zip", "notes/a.tsv")


def test_no_table_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"metadata.csv is not there: name the folder that holds symbtr"):
        list(table(tmp_path, "symbtr", ("split",)))


@pytest.mark.parametrize(
    ("text", "message"), [("7", "expected such as 7/8"), ("0/4", "expected such"), ("7/9", "counts in no note value")]
)
def test_signatures(text, message):
    assert signature("12/16", "here") == (12, 16)
    with pytest.raises(ManifestError, match=f"here: signature '{text}'.*{message}"):
        signature(text, "here")


def test_no_piece_is_left():
    with pytest.raises(FileNotFoundError, match=r"no piece of asap is left in here \(it lists none\)"):
        Pieces("asap").checked("here")


def test_without_music21_the_scores_that_need_it_say_so(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "music21", None)
    monkeypatch.delitem(sys.modules, "linernotes.corpora.score.sources.classical", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"reading MusicXML needs music21: `pip install music21`"):
        read("classical", tmp_path)
