"""`linernotes corpus`: from a recipe to a manifest, what is wrong with one, and where public sets come from."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile
import yaml
from datasets import Dataset
from typer.testing import CliRunner, Result

from linernotes import cli
from linernotes.corpora import build as building
from linernotes.corpora.manifest import read_manifest, write_manifest
from linernotes.corpora.readers import READERS
from linernotes.corpora.readers import hub as readers_hub

FONTS = Path(pretty_midi.__file__).parent  # it brings TimGM6mb
RECIPE = {
    "name": "small",
    "clips": {"test": 2},
    "fonts": {"test": ["timgm"]},
    "parts": [{"style": "pop"}],
    "seconds": [3.0, 3.5],
}


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(cli.app, ["corpus", *(str(argument) for argument in arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def build(tmp_path: Path, **changes) -> Result:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE | changes))
    where = ("--out", tmp_path / "out", "--workers", 1, "--font-folder", FONTS)
    return run("build", tmp_path / "recipe.yaml", *where)


def test_a_recipe_becomes_a_corpus_in_which_nothing_is_wrong(tmp_path):
    built = build(tmp_path)
    assert built.exit_code == 0, built.stderr
    assert built.stdout.strip() == str(tmp_path / "out" / "manifest.jsonl")
    assert "2/2" in built.stderr
    checked = run("check", tmp_path / "out", "--workers", 1)
    assert (checked.exit_code, checked.stdout) == (0, "")


def test_a_trial_is_the_first_clips_of_the_whole(tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    where = (tmp_path / "recipe.yaml", "--workers", 1, "--font-folder", FONTS)
    tried = run("build", *where, "--out", tmp_path / "trial", "--clips", "test=1")
    assert tried.exit_code == 0, tried.stderr
    whole = run("build", *where, "--out", tmp_path / "whole")
    assert whole.exit_code == 0, whole.stderr
    few, all_of_them = ((tmp_path / out / "manifest.jsonl").read_text() for out in ("trial", "whole"))
    assert few
    assert all_of_them.startswith(few)
    assert len(all_of_them.splitlines()) == 2
    for wrong, message in (
        ("8", "--clips 8 has '8': give SPLIT=COUNT, such as train=8"),
        ("test=-2", "has 'test=-2': give SPLIT=COUNT"),
        ("test=0", "clips.test is 0; give a whole number of 1 or more"),
        ("exam=1", "it maps splits: train, validation, test"),
    ):
        refused = run("build", *where, "--out", tmp_path / "refused", "--clips", wrong)
        assert refused.exit_code == 2
        assert message in refused.stderr
    assert not (tmp_path / "refused").exists()


def test_a_bad_recipe_is_refused(tmp_path):
    refused = build(tmp_path, parts=[{"style": "polka"}])
    assert refused.exit_code == 2
    assert "polka" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_says_how_to_go_on(sent, tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)

    def stop_itself(*_, **__) -> None:
        os.kill(os.getpid(), sent)
        time.sleep(10)  # until the signal is taken notice of, which may be a moment later

    monkeypatch.setattr(building, "build_corpus", stop_itself)
    stopped = build(tmp_path)
    assert stopped.exit_code == 130
    assert "stopped; the same command goes on where it was stopped" in stopped.stderr
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_build_on_two_processes_ends_in_good_order(sent, tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE | {"clips": {"test": 500}}))
    where = ("--out", tmp_path / "out", "--workers", "2", "--font-folder", FONTS)
    command = [sys.executable, "-m", "linernotes", "corpus", "build", tmp_path / "recipe.yaml", *where]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            until = time.monotonic() + 300
            while not any(tmp_path.glob("out/rows/test/*.json")):
                assert time.monotonic() < until, "no clip was made"
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.1)
            # Ctrl-C is sent to all of the processes
            (os.killpg if sent == signal.SIGINT else os.kill)(process.pid, sent)
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "stopped; the same command goes on" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_wrong_is_said_and_ends_with_1(tmp_path, as_json):
    soundfile.write(tmp_path / "silent.wav", np.zeros(24_000), 24_000)
    row = {"path": "silent.wav", "labels": ["pop"], "group": "nobody", "split": "train", "licence": "none"}
    write_manifest([row], tmp_path / "manifest.jsonl")
    found = run("check", tmp_path, "--workers", 1, *(["--json"] if as_json else []))
    assert found.exit_code == 1
    if as_json:
        (finding,) = map(json.loads, found.stdout.splitlines())
        assert (finding["kind"], finding["rows"]) == ("silent", [1])
    else:
        assert found.stdout.startswith("silent: ")
        assert "silent.wav" in found.stdout


def test_no_manifest_is_no_corpus(tmp_path):
    refused = run("check", tmp_path)
    assert refused.exit_code == 2
    assert "manifest" in refused.stderr


def test_every_set_that_can_be_read_is_among_the_sources(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown, listed = run("sources"), run("sources", "--json")
    assert (shown.exit_code, listed.exit_code) == (0, 0)
    assert all(name.split("-")[0] in shown.stdout for name in READERS)
    sources = [json.loads(line) for line in listed.stdout.splitlines()]
    assert all(source["page"] in shown.stdout for source in sources)
    assert all(file in shown.stdout for source in sources for file in source["download"])


def test_a_public_set_becomes_a_manifest(tmp_path):
    for name in ("music_wav/bach.wav", "speech_wav/allison.wav"):
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        soundfile.write(tmp_path / "set" / name, np.random.default_rng(0).normal(0, 0.1, 4_800), 24_000)
    out = run("read", "gtzan-music-speech", tmp_path / "set", "--out", tmp_path / "rows.jsonl")
    assert out.exit_code == 0, out.stderr
    assert {label for row in read_manifest(tmp_path / "rows.jsonl") for label in row["labels"]} == {"music", "speech"}


def test_a_set_is_read_from_the_hub(tmp_path, monkeypatch):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).normal(0, 0.1, 4_800), 24_000, format="WAV")
    asked, columns = [], {"audio": [{"path": "rock.00001.wav", "bytes": buffer.getvalue()}], "genre": ["rock"]}

    def load_dataset(*given, **options):
        asked.append((given, options))
        return {"validation": Dataset.from_dict(columns)}

    monkeypatch.setattr(readers_hub, "load_dataset", load_dataset)
    place = ("read", "gtzan", tmp_path / "set", "--hub", "someone/copy")
    out = run(*place, "--out", tmp_path / "rows.jsonl")
    assert out.exit_code == 0, out.stderr
    assert asked == [(("someone/copy",), {})]
    (row,) = read_manifest(tmp_path / "rows.jsonl")
    assert (row["labels"], row["split"]) == (["rock"], "validation")
    assert Path(row["audio"]["path"]).is_relative_to(tmp_path / "set")


def test_without_the_hub_its_message_ends_the_command(tmp_path, monkeypatch):
    def load_dataset(*given, **options):
        raise ConnectionError("no route")

    monkeypatch.setattr(readers_hub, "load_dataset", load_dataset)
    refused = run("read", "musiccaps", tmp_path, "--hub", "google/MusicCaps", "--out", tmp_path / "rows.jsonl")
    assert refused.exit_code == 2
    assert "google/MusicCaps cannot be had from the Hub (no route)" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("read", "nothing", "x", "--out", "y.jsonl"), "no reader for 'nothing'"), (("read", "gtzan", "x"), "--out")],
)
def test_what_cannot_be_read(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert message in refused.stderr
