"""`linernotes.load` by name, folder and Hub id, and what it refuses; the list of bundled models."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers.utils import logging

import linernotes
from linernotes import api
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification


@pytest.fixture
def bundled(tmp_path, tiny_folder, monkeypatch) -> Path:
    """The tiny model under the name `tiny` in place of the models that come with the package."""
    shutil.copytree(tiny_folder, tmp_path / "models" / "tiny")
    monkeypatch.setattr(api, "BUNDLED", tmp_path / "models")
    return tmp_path / "models" / "tiny"


def with_config(folder: Path, **changes) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


def test_a_bundled_name_gives_the_class_of_this_package_in_eval_mode(bundled):
    model = linernotes.load("tiny")
    assert type(model) is GenreMoeForAudioClassification
    assert not model.training
    assert model.config.model_name == "tiny-moe"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_is_loaded_by_its_path(tiny_folder, kind):
    assert linernotes.load(kind(tiny_folder)).config.temperature == 0.7


@pytest.mark.parametrize("shown", [True, False])
def test_weights_on_disk_are_loaded_without_a_bar_and_the_setting_stays(tiny_folder, capfd, shown):
    before = logging.is_progress_bar_enabled()
    (logging.enable_progress_bar if shown else logging.disable_progress_bar)()
    try:
        linernotes.load(tiny_folder)
        assert logging.is_progress_bar_enabled() is shown
    finally:
        (logging.enable_progress_bar if before else logging.disable_progress_bar)()
    assert "Loading weights" not in capfd.readouterr().err


def test_a_bundled_name_comes_before_a_folder_of_that_name(bundled, tiny_folder, tmp_path, monkeypatch):
    with_config(shutil.copytree(tiny_folder, tmp_path / "here" / "tiny"), temperature=2.0)
    monkeypatch.chdir(tmp_path / "here")
    assert linernotes.load("tiny").config.temperature == 0.7
    assert linernotes.load("./tiny").config.temperature == 2.0
    assert linernotes.load(Path.cwd() / "tiny").config.temperature == 2.0


def test_code_in_the_folder_is_never_run(bundled):
    for file in bundled.glob("*.py"):
        file.write_text("raise SystemExit('code of the folder was run')")
    assert type(linernotes.load("tiny")) is GenreMoeForAudioClassification
    assert type(linernotes.load(bundled, trust_remote_code=True)) is GenreMoeForAudioClassification


def test_a_hub_id_is_loaded_from_the_hub_cache(tiny_folder, tmp_path):
    cached = tmp_path / "models--someone--tiny"
    commit = "0" * 40
    shutil.copytree(tiny_folder, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    model = linernotes.load("someone/tiny", cache_dir=tmp_path, local_files_only=True)
    assert type(model) is GenreMoeForAudioClassification
    with pytest.raises(OSError, match="couldn't find them in the cached files"):
        linernotes.load("someone/other", cache_dir=tmp_path, local_files_only=True)


@pytest.mark.parametrize("name", ["tiny-typo", "", "../tiny-typo", "a/b/c", "https://hub/a", "~nobody/a", "/a/b"])
def test_what_is_no_model_is_refused_with_the_bundled_names(bundled, name):
    with pytest.raises(ValueError, match=r"is no model: bundled are tiny; allowed besides are a folder"):
        linernotes.load(name)


def test_a_folder_without_a_model_is_refused(bundled, tmp_path):
    with pytest.raises(ValueError, match=r"a folder without config.json; name the one that holds it"):
        linernotes.load(tmp_path)


@pytest.mark.parametrize(
    "auto_map",
    [
        None,
        "modeling_genre_moe.GenreMoeForAudioClassification",
        {},
        {"AutoModel": "modeling_other.Other"},
        {"AutoModel": "os.system"},
        {"AutoModel": "modeling_genre_moe"},
        {"AutoModel": "modeling_genre_moe.math"},
        {"AutoModel": "modeling_genre_moe.GenreMoeOutput"},
        {"AutoModel": ["modeling_genre_moe", None]},
        {"AutoModel": "../modeling_genre_moe.GenreMoeForAudioClassification"},
    ],
)
def test_a_model_of_no_family_of_ours_is_refused(bundled, auto_map):
    with pytest.raises(ValueError, match=r"model_type is 'genre_moe'; this version of linernotes has .*genre_moe"):
        linernotes.load(with_config(bundled, auto_map=auto_map))


def test_an_entry_that_names_a_repository_is_read_without_it(bundled):
    entry = "someone/elsewhere--modeling_genre_moe.GenreMoeForAudioClassification"
    assert type(linernotes.load(with_config(bundled, auto_map={"AutoModel": entry}))) is GenreMoeForAudioClassification


@pytest.mark.parametrize("device", ["nowhere", "cuda:77"])
def test_a_device_that_is_not_there_is_refused(tiny_folder, device):
    with pytest.raises(ValueError, match=rf"device is '{device}': .*'cpu' always works"):
        linernotes.load(tiny_folder, device=device)


def test_facts_of_bundled_models_are_read_from_their_files(bundled):
    (facts,) = linernotes.bundled_models()
    assert facts["name"] == "tiny"
    assert facts["family"] == "genre_moe"
    assert facts["labels"] == ["jazz", "blues", "rock", "pop", "classical"]
    assert facts["size_bytes"] == (bundled / "model.safetensors").stat().st_size
    assert facts["results"] == {}
    (bundled / "metrics.json").write_text(json.dumps({"results": {"test": {"n": 1}}}))
    assert linernotes.bundled_models()[0]["results"] == {"test": {"n": 1}}


def test_a_backbone_is_not_among_the_models(bundled):
    with_config(bundled, model_type="hubert")
    assert linernotes.bundled_models() == []


def test_no_bundled_models_is_an_empty_list(tmp_path, monkeypatch):
    monkeypatch.setattr(api, "BUNDLED", tmp_path / "none")
    assert linernotes.bundled_models() == []


def test_importing_the_package_imports_no_torch():
    code = "import sys, linernotes; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert run.stdout.strip() == "[]"
