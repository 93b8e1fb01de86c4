"""Names that end lines, turn colours, look like options or markup, or are no text: shown, kept, never obeyed."""

import csv
import html
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import posix_only
from pyarrow import parquet
from tampering import edit
from typer.testing import CliRunner

from linernotes import cli, terminal
from linernotes.hub_upload.card import build_card
from linernotes.hub_upload.errors import PublishError
from linernotes.journal import Journal
from linernotes.rendering import printable

pytestmark = posix_only
BYTES = [
    b"a\nb.wav", b"\x1b[2J\x1b[31mred.wav", b"--out.wav", b"[red]x[bold].wav", b"[bold.wav", b"caf\xe9 \xff.wav",
    b"<script>alert(1)<&\">'.wav", "\u202egpj.wav".encode(), b"$(touch canary);`id`|x.wav", b"{{ 7 * 7 }}{% x %}.wav",
    b"x" * 251 + b".wav", b" .wav", b"%s%n{0}.wav", "e\u0301 \u97f3.wav".encode(),
]  # fmt: skip
NAMES = [os.fsdecode(name) for name in BYTES]
TABLES = pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])


@pytest.fixture(scope="module")
def music(tmp_path_factory, tone) -> Path:
    """A recording of each name."""
    folder = tmp_path_factory.mktemp("music")
    soundfile.write(folder / "song", tone(1.2, 22_050), 22_050, format="WAV")
    for name in NAMES:
        (folder / name).write_bytes((folder / "song").read_bytes())
    (folder / "song").unlink()
    return folder


@pytest.fixture(autouse=True)
def standing_there(music, monkeypatch):
    """Names are given as they are, without a folder before them; nothing is made there."""
    monkeypatch.chdir(music)
    yield
    assert sorted(os.listdir(music)) == sorted(NAMES)


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def assert_plain(text: str) -> None:
    """Nothing in it moves a terminal's cursor, turns its colours or the direction of its text."""
    assert not [line for line in text.split("\n") if not line.isprintable()]


def test_answers_name_each_file_in_json_and_on_the_page(music, tiny_folder):
    code, out, _ = run("predict", "--json", "--model", tiny_folder, "--", *NAMES)
    assert code == 0
    assert out.isascii()
    assert [json.loads(line)["path"] for line in out.splitlines()] == NAMES
    code, out, _ = run("predict", "--model", tiny_folder, "--", *NAMES)
    assert code == 0
    assert_plain(out)
    assert [line.split(" ", 1)[1] for line in out.splitlines() if line.startswith("🎵")] == list(map(printable, NAMES))


def test_refusals_name_each_file_in_a_line(tiny_folder):
    missing = [f"no {name}" for name in NAMES]
    code, out, err = run("predict", "--json", "--model", tiny_folder, "--", *missing)
    assert code == 1
    assert [json.loads(line)["error"]["path"] for line in out.splitlines()] == missing
    assert len(err.splitlines()) == len(missing)
    assert_plain(err)


def test_the_joint_report_names_them_on_paper_and_in_html(tiny_folder, tmp_path):
    page = tmp_path / "page.html"
    code, out, _ = run("listen", "--models", tiny_folder, "--html", page, "--", *NAMES)
    assert code == 0
    assert_plain(out)
    text = page.read_text(encoding="utf-8")
    assert_plain(text)
    assert "<script" not in text
    titles = [html.unescape(title) for title in re.findall(r"<h2[^>]*>(.*?)</h2>", text, re.DOTALL)]
    assert [name for name in map(printable, NAMES) if name not in "\n".join(titles) + html.unescape(text)] == []
    code, out, _ = run("listen", "--json", "--models", tiny_folder, "--", *NAMES)
    assert [json.loads(line)["path"] for line in out.splitlines()] == NAMES


@TABLES
def test_a_folder_of_them_becomes_a_table(form, music, tiny_folder, tmp_path):
    out = tmp_path / f"notes.{form}"
    code, said, _ = run("listen", music, "--out", out, "--models", tiny_folder)
    assert (code, said) == (0, f"{out}\n")
    rows = rows_of(out)
    assert sorted(row["path"] for row in rows) == sorted(clean(name) for name in NAMES)
    assert [row["path"] for row in rows if row["error_code"]] == []


def rows_of(table: Path) -> list[dict]:
    if table.suffix == ".parquet":
        return parquet.read_table(table).to_pylist()
    if table.suffix == ".csv":
        with table.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]


def clean(name: str) -> str:
    """As tables have it, which hold Unicode alone."""
    return name.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("name", [*NAMES, "x" * 230 + ".wav"])
def test_a_table_may_be_called_so(name, music, tiny_folder, tmp_path):
    out = tmp_path / Path(name).with_suffix(".jsonl")
    (tmp_path / "songs").mkdir()
    soundfile.write(tmp_path / "songs" / "a.wav", np.sin(np.arange(30_000) / 9), 22_050)
    code, _, err = run("listen", tmp_path / "songs", "--out", out, "--models", tiny_folder, "--quiet")
    if len(os.fsencode(out.name)) > 255 - len(".journal"):
        assert "File name too long" in err  # before anything is heard
        assert (code, os.listdir(tmp_path)) == (2, ["songs"])
    else:
        assert (code, len(rows_of(out)), err) == (0, 1, "")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([out.name, "songs"])


@pytest.mark.parametrize("name", NAMES)
def test_what_was_written_is_told_in_its_bytes_or_escaped_on_a_terminal(name, monkeypatch, capfdbinary):
    terminal.tell(name)
    assert capfdbinary.readouterr().out == os.fsencode(name) + b"\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    terminal.tell(name)
    assert capfdbinary.readouterr().out.decode() == f"{printable(name, sys.stdout.encoding)}\n"


def test_who_listens_is_no_markup(monkeypatch, capsys):
    """A model's folder may be called anything, and rich's status takes text for markup."""
    from rich import console

    from linernotes.cli_listen import _waiting

    monkeypatch.setattr(console.Console, "is_terminal", True)
    with _waiting(quiet=False) as say:
        for name in (*NAMES, "[/x]", "models/[red]"):
            say(name)


def test_a_journal_keeps_them(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.begin({"models": NAMES}, "nothing")
    journal.add((name, {"path": name}) for name in NAMES)
    assert journal.read() == {name: {"path": name} for name in NAMES}
    Journal(tmp_path / "journal").begin({"models": NAMES}, "nothing")


@pytest.mark.parametrize("name", ["[red]x[bold]", "<script>alert(1)<&\">'", "{{ 7 * 7 }}{% x %}", "a\nb", "caf\udce9"])
def test_a_model_s_folder_may_be_called_so(name, tiny_folder, tmp_path):
    folder = tmp_path / name
    os.symlink(tiny_folder, folder)
    code, out, err = run("predict", "--json", "--model", folder, "--", NAMES[0])
    assert_plain(err)
    if "\udce9" in name:  # safetensors opens text alone
        assert (code, "is not valid UTF-8" in err) == (2, True)
    else:
        assert (code, err) == (0, "")
        code, out, _ = run("listen", "--models", folder, "--", NAMES[0])
        assert code == 0
    assert_plain(out)
    code, _, err = run("verify", folder)
    assert code != 0  # it was never exported
    assert_plain(err)


@pytest.mark.parametrize("name", ['x"); import os; os.system("touch canary") #', "x; touch canary", "a b", "<script>"])
def test_a_name_in_a_config_reaches_no_code_of_a_card(name, tiny_folder, tmp_path):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    edit(folder / "config.json", model_name=name)
    with pytest.raises(PublishError, match="is no name for a repository"):
        build_card(folder)
    assert "is no name for a repository" in run("export", folder, tmp_path / "out")[2]
    assert build_card(folder, "someone/waltz")
    assert not (tmp_path / "out").exists()
