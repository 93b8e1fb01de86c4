"""`linernotes corpus wikimeter`: what it prints, and how it ends."""

import json
import shutil
import sys

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from linernotes import cli
from linernotes.corpora.manifest import read_manifest
from linernotes.corpora.wikimeter import download
from linernotes.corpora.wikimeter.download import Downloads

WORK = {"artist": "A", "title": "Waltz", "meters": {"3": 1.0}, "video_id": None, "source": "score: 3/4"}
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is NOT INSTALLED: nothing is cut")


def run(*arguments) -> Result:
    result = CliRunner().invoke(cli.app, ["corpus", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def catalog(tmp_path):
    (tmp_path / "catalog.json").write_text(json.dumps([WORK, WORK | {"title": "Minuet"}]))
    return tmp_path / "catalog.json"


@needs_ffmpeg
def test_recordings_become_a_manifest(tmp_path, catalog):
    (tmp_path / "set" / "full").mkdir(parents=True)
    soundfile.write(tmp_path / "set" / "full" / "a_waltz.wav", np.random.default_rng(0).normal(0, 0.1, 320_000), 8_000)
    cut = run("wikimeter", "segment", tmp_path / "set", "--catalog", catalog)
    assert (cut.exit_code, cut.stdout.strip()) == (0, str(tmp_path / "set" / "data_wikimeter.tab"))
    assert "left out 1: no recording" in cut.stderr
    assert run("read", "wikimeter", tmp_path / "set", "--out", tmp_path / "rows.jsonl").exit_code == 0
    (row,) = read_manifest(tmp_path / "rows.jsonl")
    assert (row["labels"], row["group"], row["split"]) == (["3"], "a_waltz", "train")


@needs_ffmpeg
def test_nothing_to_cut_is_refused(tmp_path, catalog):
    refused = run("wikimeter", "segment", tmp_path / "set", "--catalog", catalog)
    assert refused.exit_code == 2
    assert "download them first" in refused.stderr


def test_downloads_are_counted_and_failures_end_with_1(tmp_path, catalog, monkeypatch):
    asked = []

    def fetch(works, folder, *, pause_seconds, progress):
        asked.append(([work.stem for work in works], folder, pause_seconds))
        return Downloads(fetched=1, failed={} if len(works) == 1 else {"a_minuet": "HTTP Error 404"})

    monkeypatch.setattr(download, "download", fetch)
    ended = run("wikimeter", "download", tmp_path, "--catalog", catalog, "--limit", 1, "--pause-seconds", 9)
    assert (ended.exit_code, ended.stdout.strip()) == (0, "1 fetched, 0 there already, 0 failed")
    ended = run("wikimeter", "download", tmp_path, "--catalog", catalog)
    assert ended.exit_code == 1
    assert "a_minuet: HTTP Error 404" in ended.stderr
    assert asked == [(["a_waltz"], tmp_path, 9.0), (["a_waltz", "a_minuet"], tmp_path, 5.0)]


def test_without_yt_dlp_the_command_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    refused = run("wikimeter", "download", tmp_path)
    assert refused.exit_code == 2
    assert 'yt-dlp is not installed: pip install "linernotes[wikimeter]"' in refused.stderr


def test_a_catalog_that_is_none_is_refused(tmp_path):
    (tmp_path / "catalog.json").write_text("{}")
    refused = run("wikimeter", "download", tmp_path, "--catalog", tmp_path / "catalog.json")
    assert refused.exit_code == 2
    assert "has no works" in refused.stderr
