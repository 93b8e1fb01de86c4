"""The clean process finds what a user would find, and reports of two copies are told apart."""

import json
import os
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from linernotes.hub_upload.clean import ask, clean_environment, differences
from linernotes.hub_upload.errors import PublishError

slow = pytest.mark.slow  # every question starts a process that imports transformers


@pytest.fixture
def folder(tiny_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "tiny-moe"))


@slow
def test_a_whole_folder_is_loaded_and_asked(folder):
    report = ask(folder)
    assert report["predict"]["model"] == "tiny-moe"
    assert set(report["pipeline"]) == set(report["classifier"]) == set(report["predict"]["probabilities"])
    assert len(report["weights"]) == 64


@slow
def test_other_weights_are_other_answers(folder):
    before = ask(folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.0.bias"][0] += 0.5
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    found = differences(before, ask(folder))
    assert any(line.startswith("weights") for line in found)
    assert any("probabilities" in line for line in found)


@slow
def test_a_lost_weight_is_refused(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.0.bias"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(PublishError, match=r"1 weights were not in the checkpoint.*'classifier\.0\.bias'"):
        ask(folder)


@slow
def test_code_that_needs_this_package_is_refused(folder):
    code = (folder / "windows.py").read_text()
    (folder / "windows.py").write_text(code.replace("import numpy as np", "import linernotes\nimport numpy as np"))
    with pytest.raises(PublishError, match=r"could not load and ask it.*linernotes"):
        ask(folder)


@slow
def test_predict_and_pipeline_must_agree(folder):
    settings = json.loads((folder / "config.json").read_text()) | {"problem_type": "multi_label_classification"}
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(PublishError, match="different probabilities"):
        ask(folder)


def test_nothing_of_this_process_reaches_the_clean_one(monkeypatch, tmp_path):
    for name in ("PYTHONPATH", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_CACHE"):
        monkeypatch.setenv(name, "leak")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    environment = clean_environment(tmp_path)
    assert "leak" not in environment.values()
    assert environment["HF_ENDPOINT"] == "http://127.0.0.1:1"
    assert environment["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ({"a": 1.0}, {"a": 1.0 + 5e-7}, []),
        ({"a": 1.0}, {"a": 1.0 + 2e-6}, ["a: 1.0 and 1.000002"]),
        ({"a": [1.0, {"b": "x"}]}, {"a": [1.0, {"b": "y"}]}, ["a[1].b: 'x' and 'y'"]),
        ({"a": 1}, {"b": 1}, ["the keys: ['a', 'b']"]),
        ([1, 2], [1], [": [1, 2] and [1]"]),
        (float("nan"), float("nan"), [": nan and nan"]),
    ],
)
def test_differences(one, other, found):
    assert differences(one, other) == found
