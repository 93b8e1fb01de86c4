"""The clean process finds what a user would find, and reports of two copies are told apart."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tampering import edit
from transformers import EncodecModel, HubertModel

from linernotes.hub_upload.asking import sound
from linernotes.hub_upload.clean import ask, clean_environment, differences
from linernotes.hub_upload.errors import PublishError

ROOT = Path(__file__).parents[2]
slow = pytest.mark.slow  # every question starts a process that imports transformers


@pytest.fixture
def folder(tiny_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "tiny-moe"))


@pytest.fixture
def backbone(tiny_backbone, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_backbone, tmp_path / "tiny-backbone"))


def change_weights(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@slow
def test_a_whole_folder_is_loaded_and_asked(folder):
    report = ask(folder)
    assert report["predict"]["model"] == "tiny-moe"
    assert set(report["pipeline"]) == set(report["classifier"]) == set(report["predict"]["probabilities"])
    assert len(report["weights"]) == 64


@slow
def test_a_model_of_short_windows_is_asked_about_one_window(folder):
    edit(folder / "config.json", window_seconds=1.5)
    assert ask(folder)["predict"]["duration_seconds"] == 1.5


@slow
def test_other_weights_are_other_answers(folder):
    before = ask(folder)
    change_weights(folder, lambda weights: weights["classifier.0.bias"][0].add_(0.5))
    found = differences(before, ask(folder))
    assert any(line.startswith("weights") for line in found)
    assert any("probabilities" in line for line in found)


@slow
def test_a_lost_weight_is_refused(folder):
    change_weights(folder, lambda weights: weights.pop("classifier.0.bias"))
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


@slow
def test_an_own_model_without_predict_is_refused(folder):
    code = (folder / "music_model.py").read_text()
    (folder / "music_model.py").write_text(code.replace("    def predict(", "    def foretell("))
    with pytest.raises(PublishError, match=r"could not load and ask it.*has no attribute 'predict'"):
        ask(folder)


@slow
def test_a_backbone_says_what_it_makes_of_the_sound(tiny_backbone):
    report = ask(tiny_backbone)
    samples = torch.from_numpy(sound(4.0, 24_000))
    with torch.no_grad():
        model = HubertModel.from_pretrained(tiny_backbone)
        normalised = (samples - samples.mean()) / samples.std(correction=0)
        heard, silent = (model(given[None]).last_hidden_state for given in (normalised, 0 * samples))
    assert "predict" not in report
    assert report["parameters"] == 45_240
    assert report["heard"] == {
        "answer": "last_hidden_state",
        "shape": [1, 297, 16],  # 96,000 samples make 597 windows of 512 every 160, and 297 of 4 every 2
        "magnitude": pytest.approx(heard.abs().mean().item(), abs=1e-5),
        "deviation": pytest.approx(heard.std().item(), abs=1e-5),
        "from_silence": pytest.approx((heard - silent).abs().mean().item(), abs=1e-5),
        "first_of_the_middle": pytest.approx(heard[0, 148, 0].item(), abs=1e-5),
    }


@slow
def test_a_codec_says_the_sound_again():
    folder = ROOT / "models" / "pocket-codec"
    codec, report = EncodecModel.from_pretrained(folder), ask(folder)
    samples = torch.from_numpy(sound(4.0, 24_000))[None, None]
    with torch.no_grad():
        heard, silent = (codec(given).audio_values for given in (samples, 0 * samples))
    assert "predict" not in report
    assert report["heard"] == {
        "answer": "audio_values",
        "shape": [1, 1, 96_000],
        "magnitude": pytest.approx(heard.abs().mean().item(), abs=1e-5),
        "deviation": pytest.approx(heard.std().item(), abs=1e-5),
        "from_silence": pytest.approx((heard - silent).abs().mean().item(), abs=1e-5),
        "first_of_the_middle": pytest.approx(heard[0, 0, 0].item(), abs=1e-5),
    }


@slow
def test_another_backbone_makes_something_else_of_it(backbone):
    before = ask(backbone)
    change_weights(backbone, lambda weights: weights["encoder.layer_norm.weight"].mul_(2))
    found = differences(before, ask(backbone))
    assert any(line.startswith("weights: ") for line in found)
    assert any(line.startswith("heard.deviation: ") for line in found)


LAST = "encoder.layer_norm.bias"
SPOILT = {
    "missing": (lambda folder: change_weights(folder, lambda weights: weights.pop(LAST)), f"1 missing keys, '{LAST}' "),
    "unexpected": (
        lambda folder: change_weights(folder, lambda weights: weights.update(more=torch.ones(3))),
        "1 unexpected keys, 'more' first; config.json and the weights are not of one model: save both again",
    ),
    "other sizes": (
        lambda folder: edit(folder / "config.json", intermediate_size=64),
        r"3 mismatched keys, 'encoder\.layers\.0\.feed_forward\.intermediate_dense\.bias' first",
    ),
    "deaf": (
        lambda folder: change_weights(folder, lambda weights: weights["feature_projection.projection.weight"].zero_()),
        "it makes the same of a sound and of silence; train or save it again",
    ),
    "no number": (
        lambda folder: change_weights(folder, lambda weights: weights[LAST].fill_(float("nan"))),
        "not all is finite that it makes of a sound; train or save it again",
    ),
    "no extractor": (lambda folder: (folder / "preprocessor_config.json").unlink(), "preprocessor_config.json"),
    "code of an extractor": (
        lambda folder: edit(
            folder / "preprocessor_config.json",
            feature_extractor_type="OwnFeatureExtractor",
            auto_map={"AutoFeatureExtractor": "own.OwnFeatureExtractor"},
        ),
        "could not load and ask it: .*trust_remote_code",
    ),
}  # fmt: skip


@slow
@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=SPOILT)
def test_a_backbone_that_does_not_hear_is_refused(spoil, message, backbone):
    spoil(backbone)
    with pytest.raises(PublishError, match=message):
        ask(backbone)


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
        ({"a": 1.0}, {"a": 1.0 + 2e-5}, ["a: 1.0 and 1.00002"]),
        ({"a": [1.0, {"b": "x"}]}, {"a": [1.0, {"b": "y"}]}, ["a[1].b: 'x' and 'y'"]),
        ({"a": 1}, {"b": 1}, ["the keys: ['a', 'b']"]),
        ([1, 2], [1], [": [1, 2] and [1]"]),
        (float("nan"), float("nan"), [": nan and nan"]),
    ],
)
def test_differences(one, other, found):
    assert differences(one, other) == found
