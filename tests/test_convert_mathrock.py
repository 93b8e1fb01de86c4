"""Checkpoints written here as Neural Math Rock wrote them, against the document's own class."""

import shutil

import pytest
import torch
from published_mathrock import RATE, TINY_CLAP, TINY_WAVLM, noise, published
from transformers import ClapAudioConfig, ClapConfig, ClapTextConfig, WavLMConfig
from typer.testing import CliRunner

import linernotes
from linernotes import cli
from linernotes.convert_mathrock import convert, options
from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig

OLD = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    """Folders of configs without weights: a checkpoint has its own. The last name of each is the tower's."""
    folder = tmp_path_factory.mktemp("towers")
    WavLMConfig(**TINY_WAVLM).save_pretrained(folder / "tiny-wavlm")
    text = ClapTextConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    ClapConfig(text_config=text, audio_config=ClapAudioConfig(**TINY_CLAP)).save_pretrained(folder / "tiny-clap")
    return {"wavlm": folder / "tiny-wavlm", "clap": folder / "tiny-clap"}


def checkpoint(state: dict) -> dict:
    """What a training loop saves beside the weights."""
    return {"model_state_dict": state, "optimizer_state_dict": {"state": {}}, "epoch": 20, "val_loss": 0.31}


def old_names(state: dict) -> dict:
    """As transformers named the weights before torch 2."""
    names = {name: name for name in state}
    for new, old in OLD.items():
        names |= {name: other.replace(new, old) for name, other in names.items()}
    return {names[name]: tensor for name, tensor in state.items()}


@pytest.mark.parametrize("form", ["checkpoint", "bare", "old names"])
def test_a_checkpoint_says_what_it_said(towers, tmp_path, form):
    theirs = published(seed=3)
    state = old_names(theirs.state_dict()) if form == "old names" else theirs.state_dict()
    torch.save(state if form == "bare" else checkpoint(state), tmp_path / "model.pth")
    model = linernotes.load(convert(tmp_path / "model.pth", tmp_path / "out", **towers))
    samples = noise(3.0)
    inputs = model.feature_extractor(samples, sampling_rate=RATE, return_tensors="pt")
    assert inputs.input_values.shape == (1, 160_000)
    with torch.no_grad():
        expected, output = theirs(inputs.input_values, inputs.input_features), model(**inputs)
    for one, name in zip(expected, ("logits", "vibe_logits", "intensity_logits", "tempo_logits"), strict=True):
        assert torch.allclose(one, output[name], atol=1e-5)
    answer = model.predict(samples, sampling_rate=RATE)
    assert list(answer["emotions"].values()) == pytest.approx(expected[0][0].sigmoid().tolist(), abs=1e-5)
    assert list(answer["tempo"]["probabilities"].values()) == pytest.approx(
        expected[3][0].softmax(-1).tolist(), abs=1e-5
    )
    assert (model.config.wavlm_name, model.config.clap_name) == ("tiny-wavlm", "tiny-clap")
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()


def test_by_default_the_towers_are_the_published_ones_and_nothing_is_fetched():
    config = MathRockAffectConfig(**options(None, None))
    assert (config.wavlm_name, config.clap_name) == ("microsoft/wavlm-base", "laion/clap-htsat-unfused")
    assert (config.wavlm_config.hidden_size, config.clap_config.hidden_size) == (768, 768)
    assert config.original_pooling


def test_weights_that_do_not_fit_are_refused(towers, tmp_path):
    state = published().state_dict()
    torch.save(checkpoint(state), tmp_path / "small.pth")
    with pytest.raises(
        ValueError, match=r"small.pth does not fit the towers: clap\..* name the towers .*\(--wavlm, --cla"
    ):
        convert(tmp_path / "small.pth", tmp_path / "out")
    del state["vibe_head.bias"]
    torch.save(state, tmp_path / "headless.pth")
    message = r"vibe_head.bias should have shape \(4,\), there is none \(1 such weights\)"
    with pytest.raises(ValueError, match=message):
        convert(tmp_path / "headless.pth", tmp_path / "out", **towers)
    assert not (tmp_path / "out").exists()


class Trap:
    """Unpickling it would run something."""

    def __reduce__(self):
        return shutil.rmtree, ("nowhere",)


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    torch.save({"model_state_dict": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "notes.pth").write_text("not a checkpoint")
    for name in ("trap.pth", "notes.pth"):
        with pytest.raises(ValueError, match=rf"{name} is no checkpoint that can be read safely: \w"):
            convert(tmp_path / name, tmp_path / "out")
    for saved, found in (({"model": {}, "epoch": 3}, "epoch, model"), ([1], "list"), ({}, "nothing")):
        torch.save(saved, tmp_path / "other.pth")
        with pytest.raises(
            ValueError, match=rf"other\.pth holds {found}; a checkpoint has model_state_dict, or weights"
        ):
            convert(tmp_path / "other.pth", tmp_path / "out")


def test_the_command_prints_the_folder_or_says_what_is_wrong(towers, tmp_path):
    torch.save(checkpoint(published().state_dict()), tmp_path / "model.pth")
    command = ["convert", "mathrock", str(tmp_path / "model.pth"), "--out", str(tmp_path / "out")]
    given = ["--wavlm", str(towers["wavlm"]), "--clap", str(towers["clap"])]
    result = CliRunner().invoke(cli.app, [*command, *given])
    assert (result.exit_code, result.stdout.strip().splitlines()[-1]) == (0, str(tmp_path / "out"))
    assert "vibe" in linernotes.load(tmp_path / "out").predict(noise(2.0), sampling_rate=RATE)
    missing = CliRunner().invoke(cli.app, ["convert", "mathrock", "nowhere.pth", "--out", str(tmp_path / "out")])
    assert missing.exit_code == 2
    assert "nowhere.pth" in missing.stderr
