"""What a journal has promised is there after any kill, and belongs to one job."""

import json
import os

import pytest

from linernotes.journal import Journal, write_whole


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.begin({"models": ["a"]}, "name the same models")
    return journal


def test_entries_of_all_processes_and_runs_are_read(journal):
    journal.add([("a", 1), ("b", {"x": None})])
    other = Journal(journal.folder)
    other.begin({"models": ["a"]}, "")
    other.add([("c", "é\udcff\n")])
    journal.add([("d", 4)])
    assert Journal(journal.folder).read() == {"a": 1, "b": {"x": None}, "c": "é\udcff\n", "d": 4}


def test_a_line_that_was_cut_short_is_left_out_wherever_it_was_cut(journal):
    journal.add([("a", 1), ("b", 22)])
    (file,) = journal.folder.glob("*.jsonl")
    content = file.read_bytes()
    first = content.index(b"\n") + 1
    for length in range(len(content) + 1):
        file.write_bytes(content[:length])
        expected = {} if length < first else {"a": 1} if length < len(content) else {"a": 1, "b": 22}
        assert Journal(journal.folder).read() == expected


def test_a_journal_of_another_job_is_refused(journal):
    with pytest.raises(ValueError, match=r"begun with models \['a'\], and now it is \['b'\]: name the same models, or"):
        Journal(journal.folder).begin({"models": ["b"]}, "name the same models")


def test_a_journal_is_removed_with_its_folder(journal):
    journal.add([("a", 1)])
    journal.remove()
    assert not journal.folder.exists()


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "x.json"
    write_whole(file, b"before")

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is full"):
        write_whole(file, json.dumps(list(range(1000))).encode())
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]
