"""Every folder in models/, and one freshly saved, is a Hub repository: whole, clean, and loadable without this package.

Loading is shown in a process of its own, in an empty folder, with `linernotes` hidden from it.
"""

import ast
import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from small_sonicverse import make as make_captioner

import linernotes
from linernotes.hub_upload.asking import sound
from linernotes.hub_upload.clean import SECONDS, ask, differences

ROOT = Path(__file__).resolve().parents[1]
MODELING = ROOT / "modeling"
WRITTEN_BY_TRANSFORMERS = {"architectures", "auto_map", "dtype", "model_type", "transformers_version"}


def published() -> list[Path]:
    """Folders of our own models; a plain backbone has no `auto_map` and needs no code."""
    configs = sorted((ROOT / "models").glob("*/config.json"))
    return [path.parent for path in configs if "auto_map" in json.loads(path.read_text())]


@pytest.fixture(scope="module")
def tiny_captioner(tmp_path_factory) -> Path:
    """A SonicVerse that nobody trained, without its language model, as one in models/ is kept."""
    folder = tmp_path_factory.mktemp("hub") / "tiny-captioner"
    make_captioner(model_name="tiny-captioner", has_language_model=False).save_pretrained(folder)
    return folder


@pytest.fixture(
    scope="module", params=[*published(), "tiny_folder", "tiny_captioner"], ids=lambda p: getattr(p, "name", p)
)
def folder(request) -> Path:
    return request.getfixturevalue(request.param) if isinstance(request.param, str) else request.param


@pytest.fixture(scope="module")
def found(folder) -> dict:
    """What a process without this package says of the folder and a few seconds of sound."""
    return ask(folder)


def config_of(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def code_closure(folder: Path) -> set[str]:
    """The files of modeling/ that the folder's Auto classes need, over any number of sibling imports."""
    entries = set(config_of(folder)["auto_map"].values())
    entries |= set(json.loads((folder / "preprocessor_config.json").read_text()).get("auto_map", {}).values())
    waiting, found = {entry.split(".")[0] for entry in entries}, set()
    while waiting:
        stem = waiting.pop()
        found.add(stem)
        tree = ast.walk(ast.parse((MODELING / f"{stem}.py").read_text(encoding="utf-8")))
        waiting |= {node.module for node in tree if isinstance(node, ast.ImportFrom) and node.level == 1} - found
    return {f"{stem}.py" for stem in found}


# The folder as it lies there


def test_the_code_is_the_closure_of_what_the_config_names(folder):
    assert {file.name for file in folder.glob("*.py") if file.name != "walkthrough.py"} == code_closure(folder)
    for name in code_closure(folder):
        assert (folder / name).read_bytes() == (MODELING / name).read_bytes()


@pytest.mark.parametrize("published_folder", published(), ids=lambda p: p.name)
def test_published_code_is_linked_not_copied(published_folder):
    for name in code_closure(published_folder):
        assert (published_folder / name).is_symlink()
        assert os.readlink(published_folder / name) == f"../../modeling/{name}"


def test_every_auto_class_is_named(folder):
    auto_map, model_class = config_of(folder)["auto_map"], type(linernotes.load(folder))
    assert set(auto_map) == {"AutoConfig", *model_class.auto_classes}
    assert {auto_map[name].split(".")[1] for name in model_class.auto_classes} == {model_class.__name__}


def test_the_config_has_only_keys_that_somebody_reads(folder):
    written = config_of(folder)
    known = {field.name for field in fields(type(linernotes.load(folder).config))}
    assert set(written) <= known | WRITTEN_BY_TRANSFORMERS
    assert written["dtype"] == "float32"
    numbers = written["label2id"] or {}  # a family that is no classifier has none
    assert sorted(numbers, key=numbers.get) == list((written["id2label"] or {}).values())


def test_no_local_path_is_written(folder):
    for name in ("config.json", "preprocessor_config.json", "training.json", "metrics.json"):
        if (folder / name).is_file():
            text = (folder / name).read_text(encoding="utf-8")
            assert "_name_or_path" not in text
            assert not [value for value in text.split('"') if value.startswith(("/home", "/root", "/tmp", str(ROOT)))]


def test_weights_are_all_there_and_finite(folder):
    _, info = type(linernotes.load(folder)).from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    with safe_open(folder / "model.safetensors", "np") as weights:
        for name in weights.keys():  # noqa: SIM118 (safe_open is no mapping)
            assert np.isfinite(weights.get_tensor(name)).all(), name


def test_a_loaded_model_saves_the_same_folder_again(folder, tmp_path):
    linernotes.load(folder).save_pretrained(tmp_path)
    stale = "the config class has changed since the folder was saved: load it and save it again"
    assert json.loads((tmp_path / "config.json").read_text()) == config_of(folder), stale
    assert {file.name for file in tmp_path.glob("*.py")} == code_closure(folder)


# The folder in a process that does not know this package


def test_auto_model_answers_as_the_class_here_does(found, folder):
    rate = config_of(folder)["sampling_rate"]
    here = linernotes.load(folder).predict(sound(SECONDS, rate), sampling_rate=rate)
    assert not differences(here, found["predict"])


def test_pipeline_and_classifier_agree_with_predict(found):
    if "classifier" not in found:
        pytest.skip("it is no classifier")
    labels, shares = list(found["classifier"]), [part for part in found["predict"].values() if isinstance(part, dict)]
    said = next(part for part in shares if list(part) == labels)  # "probabilities", or what the family calls them
    assert found["classifier"] == pytest.approx(said, abs=1e-6)
    assert found["pipeline"] == pytest.approx(said, abs=1e-6)
