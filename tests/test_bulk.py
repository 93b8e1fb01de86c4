"""A folder as one table: the rows, bad files, kills, several processes, three forms of table."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pyarrow import parquet
from typer.testing import CliRunner

import linernotes
from linernotes import bulk, cli
from linernotes.bulk import listen_to_folder, recordings
from linernotes.report.rows import COLUMNS, row_of
from linernotes.tags import read_tags, write_row_tags

GOOD = 14


@pytest.fixture(scope="module")
def music(tmp_path_factory, tone) -> Path:
    """Fourteen recordings in two folders, all different, two bad files and something else."""
    folder = tmp_path_factory.mktemp("music")
    (folder / "b é").mkdir()
    rng = np.random.default_rng(0)
    for number in range(GOOD):
        name = f"b é/{number:02d}.wav" if number % 2 else f"{number:02d}.FLAC"
        samples = tone(1.5 + 0.25 * number, 22_050)
        soundfile.write(folder / name, samples + rng.normal(scale=0.02 * (1 + number % 3), size=len(samples)), 22_050)
    (folder / "05 bad.mp3").write_bytes(b"no sound in here")
    soundfile.write(folder / "b é/short.ogg", tone(0.3, 22_050), 22_050)
    (folder / "cover.jpg").write_bytes(b"\xff\xd8")
    return folder


@pytest.fixture(scope="module")
def expected(music, tiny_folder) -> list[dict]:
    """The rows by way of `listen`, one file after the other."""
    listener = linernotes.Listener([tiny_folder])
    names = recordings(music)
    reports = [listener.listen(str(music / name), errors="record") for name in names]
    return [row_of(name, report, {}) for name, report in zip(names, reports, strict=True)]


def rows_of(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def command(music: Path, out: Path, model: Path, *more: str) -> list[str]:
    options = ["--out", str(out), "--models", str(model), "--quiet", *more]
    return [sys.executable, "-m", "linernotes.bulk", str(music), *options]


def parsed(rows: list[dict]) -> list[dict]:
    """Rows with the JSON in their cells as what it says."""
    return [{name: json.loads(v) if str(v).startswith("{") else v for name, v in row.items()} for row in rows]


def close(value):
    """To be compared with == but for rounding in the last digit that a row keeps."""
    if isinstance(value, (dict, list)):
        places = value.items() if isinstance(value, dict) else enumerate(value)
        return type(value)((name, close(each)) if isinstance(value, dict) else close(each) for name, each in places)
    return pytest.approx(value, abs=1.1e-5) if isinstance(value, float) else value


# The rows


def test_files_are_found_by_their_suffix_in_the_order_of_their_paths(music):
    names = recordings(music)
    assert len(names) == GOOD + 2
    assert names == sorted(names)
    assert names[0] == "00.FLAC"
    assert "b é/short.ogg" in names
    assert "cover.jpg" not in names


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        recordings(tmp_path / "absent")


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (4, 3), (100, 2)])
def test_rows_are_what_listen_says_whatever_the_batch(music, tiny_folder, expected, tmp_path, batch_size, workers):
    out, told = tmp_path / "notes.jsonl", []
    outcome = listen_to_folder(
        music,
        out,
        models=[str(tiny_folder)],
        batch_size=batch_size,
        workers=workers,
        progress=lambda *n: told.append(n),
    )
    assert parsed(rows_of(out)) == close(parsed(expected))
    assert (outcome.files, outcome.unheard) == (GOOD + 2, 2)
    assert told[-1] == (GOOD + 2, GOOD + 2)
    assert list(tmp_path.iterdir()) == [out]
    codes = {row["path"]: row["error_code"] for row in rows_of(out) if row["error_code"]}
    assert codes == {"05 bad.mp3": "not_audio", "b é/short.ogg": "too_short"}


def test_the_three_forms_hold_the_same(music, tiny_folder, tmp_path):
    for form in bulk.FORMS:
        listen_to_folder(music, tmp_path / f"notes{form}", models=[str(tiny_folder)])
    rows = rows_of(tmp_path / "notes.jsonl")
    assert parquet.read_table(tmp_path / "notes.parquet").to_pylist() == rows
    with open(tmp_path / "notes.csv", encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert list(cells[0]) == list(COLUMNS)
    assert cells == [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]


def test_names_that_are_no_unicode_have_rows(tiny_folder, recording, tmp_path):
    (tmp_path / "music").mkdir()
    for name in (b"\xff.wav", b'a\nb,"c".wav'):
        shutil.copy(os.fsencode(recording), os.path.join(os.fsencode(tmp_path), b"music", name))
    for form in bulk.FORMS:
        listen_to_folder(tmp_path / "music", tmp_path / f"notes{form}", models=[str(tiny_folder)])
    assert [row["path"] for row in rows_of(tmp_path / "notes.jsonl")] == ['a\nb,"c".wav', "\\udcff.wav"]
    assert parquet.read_table(tmp_path / "notes.parquet")["path"].to_pylist() == ['a\nb,"c".wav', "\\udcff.wav"]


def test_a_folder_without_recordings_is_refused_and_nothing_written(tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "Listener", lambda *_, **__: pytest.fail("models were loaded"))
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "notes.txt").write_text("no music")
    command = ["listen", str(tmp_path / "music"), "--out", str(tmp_path / "out" / "notes.csv")]
    result = CliRunner().invoke(cli.app, command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"no recordings in {tmp_path / 'music'}: looked for .aac, .aif, " in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["music"]


def test_tags_stand_beside(music, tiny_folder, tmp_path):
    shutil.copytree(music, tmp_path / "music")
    song = tmp_path / "music" / "00.FLAC"
    row = dict.fromkeys(COLUMNS) | {"genre": "Polka", "genre_uncertain": False}
    write_row_tags([(song, row)], tmp_path / "b.jsonl")
    listen_to_folder(tmp_path / "music", tmp_path / "notes.jsonl", models=[str(tiny_folder)], write_tags=True)
    first = rows_of(tmp_path / "notes.jsonl")[0]
    assert first["tag_genre"] == "Polka"
    assert read_tags(song)["genre"] == first["genre"]
    backup = [json.loads(line) for line in (tmp_path / "notes.jsonl.old-tags.jsonl").read_text().splitlines()]
    assert backup[0] == {"path": str(song), "tags": {"genre": ["Polka"]}}
    assert len(backup) == GOOD


def test_what_would_overwrite_or_cannot_be_written_is_refused(music, tiny_folder, tmp_path, monkeypatch):
    (tmp_path / "notes.csv").write_text("mine")
    with pytest.raises(ValueError, match=r"notes\.csv is there already: delete it"):
        listen_to_folder(music, tmp_path / "notes.csv", models=[str(tiny_folder)])
    monkeypatch.setattr(bulk, "can_read_tags", lambda: False)
    with pytest.raises(ValueError, match="--write-tags needs mutagen"):
        listen_to_folder(music, tmp_path / "notes.jsonl", models=[str(tiny_folder)], write_tags=True)
    assert (tmp_path / "notes.csv").read_text() == "mine"


def test_the_command_says_what_it_did(music, tiny_folder, tmp_path):
    arguments = ["listen", str(music), "--out", str(tmp_path / "notes.csv"), "--models", str(tiny_folder)]
    done = CliRunner().invoke(cli.app, arguments)
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'notes.csv'}\n")
    assert "2 of 16 files could not be heard: see error_code in" in done.stderr
    assert "16/16" in done.stderr
    assert "/s " in done.stderr
    again = CliRunner().invoke(cli.app, arguments)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "is there already" in again.stderr


# Kills


def journal_keys(out: Path) -> list[str]:
    lines = [
        line
        for file in out.with_name(f"{out.name}.journal").glob("*.jsonl")
        for line in file.read_bytes().split(b"\n")[:-1]
    ]
    return [json.loads(line)[0] for line in lines]


@pytest.mark.slow
def test_after_any_number_of_kills_no_row_is_lost_or_made_twice(music, tiny_folder, expected, tmp_path):
    out = tmp_path / "notes.jsonl"
    (tmp_path / "scratch").mkdir()  # what a killed process leaves is gone with the test
    options = {"env": os.environ | {"TMPDIR": str(tmp_path / "scratch")}, "stderr": subprocess.DEVNULL}
    kept: set[str] = set()
    for _ in range(3):
        process = subprocess.Popen(command(music, out, tiny_folder, "--batch-size", "1"), **options)
        while process.poll() is None and len(journal_keys(out)) < len(kept) + 3:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if out.exists():
            break
        keys = journal_keys(out)
        assert len(keys) == len(set(keys))
        assert set(keys) >= kept
        kept = set(keys)
    assert kept
    subprocess.run(command(music, out, tiny_folder, "--batch-size", "1"), check=True, **options)
    assert parsed(rows_of(out)) == close(parsed(expected))


def test_what_is_done_is_not_done_again_and_other_models_are_refused(music, tiny_folder, tmp_path, monkeypatch):
    out, heard = tmp_path / "notes.jsonl", []
    native = bulk.decode_into

    def stopping(file, recording):
        heard.append(recording.relative_to(music).as_posix())
        if len(heard) == 9:
            raise KeyboardInterrupt
        return native(file, recording)

    monkeypatch.setattr(bulk, "decode_into", stopping)
    with pytest.raises(KeyboardInterrupt):
        listen_to_folder(music, out, models=[str(tiny_folder)], batch_size=2)
    done = journal_keys(out)
    assert 2 <= len(done) <= 8
    copy = shutil.copytree(tiny_folder, tmp_path / "other")
    with pytest.raises(ValueError, match=r"was begun with models .* name the same models"):
        listen_to_folder(music, out, models=[str(copy)], batch_size=2)
    heard.clear()
    monkeypatch.setattr(bulk, "decode_into", lambda file, path: heard.append(path) or native(file, path))
    listen_to_folder(music, out, models=[str(tiny_folder)], batch_size=2)
    assert len(heard) == GOOD + 2 - len(done)
    assert [row["path"] for row in rows_of(out)] == recordings(music)


# Several processes


@pytest.mark.slow
def test_two_processes_write_the_rows_of_one(music, tiny_folder, tmp_path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command(music, one, tiny_folder, "--batch-size", "3"), check=True, env=environment)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    arguments = command(music, two, tiny_folder, "--batch-size", "3")[2:]
    process = subprocess.run([*launch, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stderr.count("could not be heard") == 1
    assert two.read_bytes() == one.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one.jsonl", "two.jsonl"]
