"""Tags are read from any container, written with a backup, put back, and never the end of a run."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from audio_files import encode, needs_ffmpeg, transcode

from linernotes import tags
from linernotes.modeling.audio import read_audio
from linernotes.report.rows import COLUMNS
from linernotes.tags import read_tags, restore_tags, tags_of, write_row_tags

OLD = {"title": "A Song", "artist": "Somebody; Else", "genre": "Rock", "mood": "angry"}


def row(genre="jazz", emotions="calm; joy", **more) -> dict:
    certain = {"genre_uncertain": False, "emotions_uncertain": False, "moods_uncertain": False}
    return dict.fromkeys(COLUMNS) | certain | {"genre": genre, "emotions": emotions} | more


@pytest.fixture(params=["WAV", "FLAC", "OGG", "MP3", "AIFF", pytest.param("m4a", marks=needs_ffmpeg)])
def song(request, tmp_path):
    """A recording that says OLD of itself."""
    path = tmp_path / f"song.{request.param.lower()}"
    path.write_bytes(
        transcode(".m4a", "-c:a", "aac", tmp_path=tmp_path) if request.param == "m4a" else encode(request.param)
    )
    file = tags._opened(path)
    if file.tags is None:
        file.add_tags()
    for name, value in OLD.items():
        tags._put(file.tags, name, value.split("; "))
    file.save()
    return path


def test_tags_are_read(song):
    assert read_tags(song) == OLD


def test_genre_and_moods_are_written_and_put_back(song, tmp_path):
    before, sound = song.stat(), read_audio(song, 22050)
    backup = tmp_path / "backup.jsonl"
    assert write_row_tags([(song, row())], backup) == []
    assert read_tags(song) == OLD | {"genre": "jazz", "mood": "calm; joy"}
    np.testing.assert_array_equal(read_audio(song, 22050), sound)
    assert song.stat().st_mode == before.st_mode
    assert json.loads(backup.read_text()) == {"path": str(song), "tags": {"genre": ["Rock"], "mood": ["angry"]}}
    write_row_tags([(song, row(genre="blues"))], backup)  # the oldest tags are the ones to go back to
    assert read_tags(song)["genre"] == "blues"
    assert restore_tags(backup) == []
    assert read_tags(song) == OLD


def test_a_file_without_tags_gets_some_and_loses_them_again(tmp_path):
    song, backup = tmp_path / "song.mp3", tmp_path / "backup.jsonl"
    song.write_bytes(encode("MP3"))
    assert read_tags(song) == {}
    write_row_tags([(song, row())], backup)
    assert read_tags(song) == {"genre": "jazz", "mood": "calm; joy"}
    subprocess.run([sys.executable, "-m", "linernotes.tags", backup], check=True)
    assert read_tags(song) == {}


def test_what_is_said_already_is_not_written_again(song, tmp_path):
    write_row_tags([(song, row())], tmp_path / "first.jsonl")
    content = song.read_bytes()
    write_row_tags([(song, row())], tmp_path / "second.jsonl")
    assert song.read_bytes() == content
    assert not (tmp_path / "second.jsonl").exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"genre": ["jazz"], "mood": ["calm", "joy"]}),
        ({"moods": "calm; deep"}, {"genre": ["jazz"], "mood": ["calm", "joy", "deep"]}),
        ({"genre_uncertain": True}, {"mood": ["calm", "joy"]}),
        ({"emotions_uncertain": True, "moods": "deep"}, {"genre": ["jazz"], "mood": ["deep"]}),
        ({"genre": None, "emotions": ""}, {}),
    ],
)
def test_only_what_is_certain_is_written(changes, expected):
    assert tags_of(row(**changes)) == expected


@pytest.mark.skipif(os.name != "posix", reason="made by POSIX calls")
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_pipes_and_devices_are_not_waited_for(kind, tmp_path):
    path = tmp_path / "song.wav"
    os.mkfifo(path) if kind == "fifo" else path.symlink_to("/dev/zero")
    assert read_tags(path) == {}


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "song.mp3").write_bytes(encode("MP3"))
    (tmp_path / "link.mp3").symlink_to(tmp_path / "song.mp3")
    write_row_tags([(tmp_path / "link.mp3", row())], tmp_path / "backup.jsonl")
    assert (tmp_path / "link.mp3").is_symlink()
    assert read_tags(tmp_path / "song.mp3")["genre"] == "jazz"


@pytest.mark.parametrize(
    ("content", "arguments", "code", "message"),
    [
        (None, ["nosuch"], 2, "No such file or directory: 'nosuch'"),
        ("notes\n", ["backup"], 2, "backup: line 1 holds no old tags; name a file that --write-tags left, as notes"),
        ('{"path": "x.mp3", "tags": {}}\n[]\n', ["backup"], 2, "backup: line 2 holds no old tags"),
        (None, ["a", "b"], 2, "2 files are named, one is allowed: python -m linernotes.tags notes.parquet.old-tags"),
        ('{"path": "x.mp3", "tags": {}}\n', ["backup"], 1, "x.mp3: its old tags could not be put back"),
    ],
)
def test_what_cannot_be_put_back_is_one_line(tmp_path, monkeypatch, capsys, content, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "backup").write_text(content)
    assert tags.main(arguments) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_files_whose_tags_cannot_be_written_are_named_and_left_alone(tmp_path):
    text = tmp_path / "song.mp3"
    text.write_bytes(b"no sound in here")
    assert write_row_tags([(text, row()), (tmp_path / "absent.mp3", row())], tmp_path / "b.jsonl") == [
        text, tmp_path / "absent.mp3",
    ]  # fmt: skip
    assert text.read_bytes() == b"no sound in here"
    assert [file.name for file in tmp_path.iterdir()] == ["song.mp3"]


def test_damaged_tags_are_no_tags(song):
    """Every byte of the head is spoilt in turn: tags may be lost, nothing is raised."""
    content = song.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(0, 200, 3), *rng.integers(0, len(content), 60)]:
        song.write_bytes(content[:place] + bytes(rng.integers(0, 256, 4, np.uint8)) + content[place + 4 :])
        assert isinstance(read_tags(song), dict)
    song.write_bytes(content[: len(content) // 2])
    assert isinstance(read_tags(song), dict)


def test_without_mutagen_there_are_no_tags(monkeypatch, tmp_path):
    (tmp_path / "song.mp3").write_bytes(encode("MP3"))
    write_row_tags([(tmp_path / "song.mp3", row())], tmp_path / "b.jsonl")
    monkeypatch.setattr(tags, "can_read_tags", lambda: False)
    assert read_tags(tmp_path / "song.mp3") == {}


def test_mutagen_is_imported_in_one_place():
    code = (
        "import sys, linernotes.bulk, linernotes.listening, linernotes.cli, linernotes.tags\n"
        "assert 'mutagen' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
