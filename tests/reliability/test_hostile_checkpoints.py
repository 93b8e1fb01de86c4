"""Files that run code when they are unpickled, behind every door through which files of others come in: none runs."""

import io
import json
import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from published_mathrock import TINY_CLAP, TINY_WAVLM
from safetensors import SafetensorError
from safetensors.torch import save_file
from tampering import CANARY, Hostile
from transformers import AutoModel, ClapAudioConfig, ClapConfig, HubertConfig, HubertModel, WavLMConfig
from typer.testing import CliRunner

import linernotes
from linernotes import cli
from linernotes.corpora import gtzan
from linernotes.modeling.modeling_beatmeter import BeatMeterForMeterClassification
from linernotes.training.probe_features import Ears, kept
from linernotes.training.probe_tasks import Recording

KINDS = ("pt", "pth", "bin", "ckpt", "pkl", "npy")


def hostile_bytes(form: str) -> bytes:
    """What runs code when it is read carelessly: as torch, pickle or numpy write it."""
    file = io.BytesIO()
    if form == "torch":
        torch.save({"model_state_dict": Hostile(), "weight": torch.zeros(2)}, file)
    elif form == "old torch":
        torch.save({"head_state_dict": Hostile()}, file, _use_new_zipfile_serialization=False)
    elif form == "numpy":
        np.save(file, np.array([Hostile()], dtype=object))
    else:
        pickle.dump({"state_dict": Hostile()}, file, protocol=2)
    return file.getvalue()


FORMS = {form: hostile_bytes(form) for form in ("torch", "old torch", "pickle", "numpy")}
EVERY_FORM = pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)


@pytest.fixture(autouse=True)
def no_canary(tmp_path, monkeypatch):
    """The process stands where a canary would lie, and none may lie there afterwards."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(CANARY).exists(), "code in a file was run"


@EVERY_FORM
def test_the_files_are_live(content, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    if content is FORMS["numpy"]:
        np.load(io.BytesIO(content), allow_pickle=True)
    else:
        torch.load(io.BytesIO(content), weights_only=False) if "torch" in names(content) else pickle.loads(content)
    assert Path(CANARY).is_dir()
    monkeypatch.chdir(tmp_path)


def names(content: bytes) -> str:
    return next(name for name, other in FORMS.items() if other is content)


# Folders of models

LOADERS = {
    "linernotes.load": linernotes.load,
    "AutoModel": lambda folder: AutoModel.from_pretrained(folder, trust_remote_code=True),
}
EVERY_LOADER = pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)


@pytest.fixture
def folder(tiny_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


@EVERY_LOADER
@EVERY_FORM
def test_pickled_weights_of_a_folder_are_not_read(load, content, folder):
    (folder / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", *(f"model.{kind}" for kind in KINDS)):
        (folder / name).write_bytes(content)
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        load(folder)


@EVERY_LOADER
@EVERY_FORM
def test_weights_that_are_called_safetensors_and_are_a_pickle_are_refused(load, content, folder):
    (folder / "model.safetensors").write_bytes(content)
    kind = ValueError if load is linernotes.load else SafetensorError
    with pytest.raises(kind, match=r"(?i)header"):
        load(folder)


@EVERY_LOADER
@pytest.mark.parametrize("shard", ["evil.bin", "../evil.bin", "evil.pt"])
def test_an_index_does_not_lead_to_a_pickle(load, shard, folder):
    (folder / "model.safetensors").unlink()
    (folder / shard).write_bytes(FORMS["torch"])
    index = {"metadata": {"total_size": 8}, "weight_map": {"classifier.0.weight": shard}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(
        ValueError, match=rf"index\.json leads to '{re.escape(shard)}'; allowed are \.safetensors files"
    ):
        load(folder)


@EVERY_LOADER
def test_an_adapter_beside_the_weights_is_not_followed(load, folder, tmp_path):
    """transformers takes a folder with an adapter for one of the model that the adapter names."""
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    (other / "model.safetensors").write_bytes(b"nothing that loads")
    adapter = {"base_model_name_or_path": str(other), "peft_type": "LORA", "target_modules": ["0"]}
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    (folder / "adapter_model.bin").write_bytes(FORMS["torch"])
    with pytest.raises(ValueError, match=r"adapter_config\.json, which names other weights: merge"):
        load(folder)


@EVERY_FORM
def test_a_backbone_s_pickle_is_read_without_its_code(content, tmp_path):
    HubertModel(
        HubertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    ).config.save_pretrained(tmp_path / "backbone")
    (tmp_path / "backbone" / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        BeatMeterForMeterClassification.from_backbone(tmp_path / "backbone")


# Checkpoints of other projects


def run(*arguments: str) -> str:
    """What a command that must refuse says."""
    done = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    return done.stderr


@pytest.fixture(scope="module")
def towers(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("towers")
    WavLMConfig(**TINY_WAVLM).save_pretrained(folder / "wavlm")
    ClapConfig(audio_config=ClapAudioConfig(**TINY_CLAP)).save_pretrained(folder / "clap")
    return ["--wavlm", str(folder / "wavlm"), "--clap", str(folder / "clap")]


@EVERY_FORM
@pytest.mark.parametrize("kind", KINDS)
def test_no_conversion_runs_code(kind, content, towers, tmp_path):
    file = tmp_path / f"checkpoint.{kind}"
    file.write_bytes(content)
    for command, options in (("beatmeter", []), ("mathrock", towers)):
        assert "no checkpoint that can be read safely" in run("convert", command, file, "--out", "out", *options)
    assert "cannot be read: it " in run("convert", "genre-moe", file, "--out", "out")
    assert not Path("out").exists()


@EVERY_FORM
@pytest.mark.parametrize("name", ["non_lora_trainables.bin", "adapter_model.bin"])
def test_no_folder_of_another_project_runs_code(name, content, tmp_path):
    checkpoint = tmp_path / "sonicverse"
    checkpoint.mkdir()
    (checkpoint / "adapter_config.json").write_text('{"base_model_name_or_path": "nobody/nothing"}')
    torch.save({"x": torch.zeros(1)}, checkpoint / "non_lora_trainables.bin")
    (checkpoint / name).write_bytes(content)
    said = run("convert", "sonicverse", checkpoint, "--out", "out", "--audio", tmp_path, "--text", tmp_path)
    assert "linernotes: " in said
    assert not Path("out").exists()


# What is kept between runs


@pytest.mark.parametrize("content", [FORMS["numpy"], FORMS["pickle"]], ids=["npy", "pickle"])
def test_a_cache_of_numbers_holds_numbers_alone(content, tmp_path, recording):
    def hear(samples: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": samples.mean(1, keepdims=True)}

    ears = Ears("made", 22_050, "weights 1", hear)
    recordings = [Recording("made", str(recording))]
    kept(ears, recordings, tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    if content is FORMS["numpy"]:
        np.savez(file, mean=np.array([Hostile()], dtype=object))
    else:
        file.write_bytes(content)
    with pytest.raises(ValueError, match="allow_pickle"):
        kept(ears, recordings, tmp_path / "cache")


def test_a_table_of_tags_holds_numbers_alone(tmp_path):
    (tmp_path / "metadata.csv").write_text("clip,label,split,group\njazz.00000,jazz,train,somebody\n")
    np.savez(tmp_path / "musicnn_msd_taggram.npz", X=np.array([Hostile()], dtype=object), clip=np.array(["jazz.00000"]))
    with pytest.raises(ValueError, match="allow_pickle"):
        gtzan.load_taggrams(tmp_path)


def test_weights_that_a_checkpoint_learned_are_read_as_safetensors(tmp_path):
    from linernotes.training.checkpoints import LEARNED, load_learned

    module = torch.nn.Linear(2, 2)
    (tmp_path / LEARNED).write_bytes(FORMS["torch"])
    with pytest.raises(SafetensorError, match=r"(?i)header"):
        load_learned(module, tmp_path)
    save_file({name: tensor.detach() for name, tensor in module.named_parameters()}, tmp_path / LEARNED)
    assert load_learned(module, tmp_path)
    assert os.listdir(tmp_path) == [LEARNED]
