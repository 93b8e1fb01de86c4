"""A `.pt` checkpoint becomes a folder with the same answers; whatever is no such checkpoint is refused, and not run."""

import json
import os
import pickle
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModel
from typer.testing import CliRunner

import linernotes
from linernotes import cli
from linernotes.hub_upload import checkpoint
from linernotes.hub_upload.checkpoint import convert_checkpoint
from linernotes.hub_upload.errors import PublishError
from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification

GENRES = ["reggae", "polka", "fado"]
MEAN, STD = [0.5 * i for i in range(59)], [1.0 + i / 10 for i in range(59)]
TENSOR = "encoder.0.weight"


@pytest.fixture(scope="module")
def trained() -> GenreMoeForAudioClassification:
    """A network of other sizes than the template's, with more experts than genres."""
    torch.manual_seed(1)
    sizes = {"hidden_size": 24, "expert_hidden_size": 12, "expert_output_size": 6, "num_experts": 4}
    return GenreMoeForAudioClassification(GenreMoeConfig(**sizes, id2label=dict(enumerate(GENRES)))).eval()


@pytest.fixture
def weights(trained) -> dict[str, torch.Tensor]:
    """What the network's authors saved: no buffers with statistics."""
    return {
        name: value.clone() for name, value in trained.state_dict().items() if name not in ("feat_mean", "feat_std")
    }


@pytest.fixture
def convert(tmp_path, tiny_folder, weights):
    """convert(key=value, ...): the checkpoint with these entries changed, as a folder."""

    def run(template: Path = tiny_folder, **changes) -> Path:
        stored = {"model_state_dict": weights, "feat_mean": MEAN, "feat_std": STD, "genres": GENRES} | changes
        torch.save(stored, tmp_path / "checkpoint.pt")
        return convert_checkpoint(tmp_path / "checkpoint.pt", template, tmp_path / "polka-moe")

    return run


def test_the_folder_answers_as_the_checkpoint_would(convert, trained):
    folder = convert()
    model = AutoModel.from_pretrained(folder, trust_remote_code=True)
    raw = torch.randn(5, 59, generator=torch.Generator().manual_seed(2)) * 9
    z_scores = (raw - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.inference_mode():
        torch.testing.assert_close(
            model(raw).logits, trained(z_scores, already_normalised=True).logits, rtol=0, atol=1e-5
        )
    answer = model.predict(raw[:1], already_normalised=False)
    assert answer["model"] == "polka-moe"
    assert list(answer["probabilities"]) == GENRES
    assert answer["uncertain"] is False


def test_the_config_says_plain_z_scores_and_no_calibration(convert):
    config = json.loads((convert() / "config.json").read_text())
    assert (config["log_features"], config["max_z_score"]) == ([], None)
    assert (config["temperature"], config["abstain_below"], config["frontend"]) == (1.0, 0.0, "none")
    assert (config["feat_mean"], config["feat_std"]) == (MEAN, STD)
    sizes = {"num_features": 59, "hidden_size": 24, "expert_hidden_size": 12, "expert_output_size": 6, "num_experts": 4}
    assert {name: config[name] for name in sizes} == sizes
    assert set(config) <= {field.name for field in fields(GenreMoeConfig)} | {"auto_map", "model_type"}


def test_the_folder_is_whole(convert, tiny_folder, tone):
    folder = convert()
    assert {path.name for path in folder.iterdir()} == {path.name for path in tiny_folder.iterdir()}
    extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=True)
    assert extractor(tone(2.0, 22050), sampling_rate=22050)["input_values"].shape == (1, 59)


def test_the_command_writes_the_folder(convert, tmp_path):
    folder = convert()
    command = ["convert", "genre-moe", str(tmp_path / "checkpoint.pt"), "--out", str(tmp_path / "mine" / "polka-moe")]
    done = CliRunner().invoke(cli.app, command)
    assert (done.exit_code, done.stdout.strip()) == (0, command[-1]), done.output
    ours, theirs = (json.loads(Path(place, "config.json").read_text()) for place in (command[-1], folder))
    assert ours == theirs
    assert linernotes.load(command[-1]).config.labels == GENRES
    again = CliRunner().invoke(cli.app, command)
    assert again.exit_code == 2
    assert "polka-moe holds something else; name a new or empty folder" in " ".join(again.stderr.split())


@pytest.mark.parametrize(
    "form", [torch.tensor, lambda row: torch.tensor(row, dtype=torch.float64), np.float32, np.array, tuple]
)
def test_statistics_may_be_tensors_arrays_and_rows(form, convert):
    config = json.loads((convert(feat_mean=form(MEAN), feat_std=form(STD)) / "config.json").read_text())
    assert config["feat_std"] == pytest.approx(STD, rel=1e-6)


def test_arrays_that_numpy_1_wrote_are_read(tmp_path, weights, tiny_folder):
    stored = {"model_state_dict": weights, "feat_mean": np.array(MEAN), "feat_std": np.array(STD), "genres": GENRES}
    torch.save(stored, tmp_path / "new.pt", _use_new_zipfile_serialization=False)
    data = (tmp_path / "new.pt").read_bytes()
    assert b"cnumpy._core.multiarray\n_reconstruct" in data
    (tmp_path / "old.pt").write_bytes(data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    folder = convert_checkpoint(tmp_path / "old.pt", tiny_folder, tmp_path / "old-moe")
    assert json.loads((folder / "config.json").read_text())["feat_mean"] == MEAN


@pytest.mark.parametrize("wrap", ["module.{}", "_orig_mod.{}", "_orig_mod.module.{}"])
def test_names_of_wrapped_networks_are_read(wrap, convert, weights):
    assert convert(model_state_dict={wrap.format(name): value for name, value in weights.items()}).is_dir()


def test_statistics_among_the_weights_must_be_the_same(convert, weights):
    buffers = {"feat_mean": torch.tensor(MEAN), "feat_std": torch.tensor(STD)}
    assert convert(model_state_dict=weights | buffers).is_dir()


def test_other_statistics_among_the_weights_are_refused(convert, weights):
    with pytest.raises(PublishError, match=r"checkpoint\.pt: feat_std differs from the buffer of that name"):
        convert(model_state_dict=weights | {"feat_std": torch.ones(59)})


def without(weights: dict, name: str) -> dict:
    return {key: value for key, value in weights.items() if key != name}


SPOILED = {
    "a matrix that shows the sizes is missing": (
        lambda w: without(w, TENSOR),
        r"lacks the matrices 'encoder\.0\.weight', which show the sizes; it holds 'encoder\.0\.bias', .* and \d+ more",
    ),
    "a tensor is missing": (
        lambda w: without(w, "gate.layers.0.bias"),
        r"does not fit; missing: 'gate\.layers\.0\.bias'\. The model's names are 'feat_mean', ",
    ),
    "a tensor too many": (lambda w: w | {"head.weight": torch.ones(2)}, r"does not fit; unexpected: 'head\.weight'"),
    "another shape": (
        lambda w: w | {"gate.layers.0.bias": torch.ones(65)},
        r"of another shape: 'gate\.layers\.0\.bias \(65,\) for \(64,\)'",
    ),
    "NaN": (lambda w: w | {TENSOR: w[TENSOR] * torch.nan}, r"'encoder\.0\.weight' .* NaN or infinite"),
    "whole numbers": (lambda w: w | {TENSOR: w[TENSOR].int()}, r"'encoder\.0\.weight' .* is no tensor of floats"),
    "twice the same": (lambda w: w | {f"module.{TENSOR}": w[TENSOR]}, "tensors twice, with and without"),
    "a list": (lambda w: list(w.values()), "model_state_dict is a list, not tensors by name; save it again"),
    "nothing inside": (lambda w: w | {TENSOR: torch.zeros(0, 59)}, "its sizes fit no model: .*hidden_size is 0"),
}


@pytest.mark.parametrize(("spoil", "found"), SPOILED.values(), ids=SPOILED)
def test_weights_that_do_not_fit_are_refused(spoil, found, convert, weights):
    with pytest.raises(PublishError, match=rf"checkpoint\.pt: .*{found}"):
        convert(model_state_dict=spoil(weights))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"feat_mean": MEAN[1:]}, r"feat_mean has 58 entries; it must have 59, as 'encoder\.0\.weight' shows"),
        ({"feat_mean": [float("inf"), *MEAN[1:]]}, r"feat_mean holds inf; all must be finite: "),
        ({"feat_std": [0.0, *STD[1:]]}, r"feat_std holds 0\.0; all must be finite and above 0"),
        ({"feat_std": torch.tensor([-1.0, *STD[1:]])}, r"feat_std holds -1\.0; all must be finite and above 0"),
        ({"feat_std": np.array([np.nan, *STD[1:]])}, r"feat_std holds nan; all must be finite and above 0"),
        ({"feat_std": torch.ones(59, 1)}, r"feat_std is no row of numbers; save it again with torch\.save as a dict"),
        ({"feat_mean": "0.5"}, r"feat_mean is no row of numbers"),
        ({"genres": GENRES[:2]}, r"genres has 2 entries; it must have 3, as 'classifier\.3\.weight' shows"),
        ({"genres": ["reggae", "", "fado"]}, r"genres is \['reggae', '', 'fado'\]; .* names that are not empty"),
        ({"genres": ["fado", "polka", "fado"]}, r"genres is .*; no name may stand twice"),
        ({"genres": 3}, r"genres is 3; it must be a list of names"),
        ({"epoch": 7}, r"holds a dict of 'epoch', .* and 1 more; wanted are exactly model_state_dict, .*: save"),
    ],
)  # fmt: skip
def test_entries_that_are_wrong_are_refused(changes, found, convert):
    with pytest.raises(PublishError, match=rf"checkpoint\.pt.* {found}"):
        convert(**changes)


def test_a_network_of_other_features_than_recordings_give_is_refused(convert):
    network = GenreMoeForAudioClassification(GenreMoeConfig(num_features=40, id2label=dict(enumerate(GENRES))))
    weights = without(without(network.state_dict(), "feat_mean"), "feat_std")
    with pytest.raises(PublishError, match="trained on 40 features; recordings give 59: train on these"):
        convert(model_state_dict=weights, feat_mean=[0.0] * 40, feat_std=[1.0] * 40)


def test_a_bare_state_dict_is_refused(tmp_path, tiny_folder, weights):
    torch.save(weights, tmp_path / "moe_genre_model.pt")
    with pytest.raises(PublishError, match=r"is a bare state dict .* without feat_mean, feat_std and genres, so that"):
        convert_checkpoint(tmp_path / "moe_genre_model.pt", tiny_folder, tmp_path / "out")


def test_a_folder_in_use_is_not_overwritten(convert, tmp_path):
    (tmp_path / "polka-moe").mkdir()
    (tmp_path / "polka-moe" / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(PublishError, match="polka-moe holds something else; name a new or empty folder"):
        convert()
    assert (tmp_path / "polka-moe" / "model.safetensors").read_bytes() == b"mine"


def test_a_folder_that_gives_other_logits_is_refused(convert, monkeypatch):
    def load(folder: Path):
        model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
        model.classifier[3].bias.data += 2e-6 if folder.name == "polka-moe" else 0.0
        return model

    monkeypatch.setattr(checkpoint, "_load", load)
    with pytest.raises(
        PublishError, match=r"polka-moe gives other logits than .*checkpoint\.pt \(by .*\): do not publish"
    ):
        convert()


# Files that are no checkpoint


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.mark.parametrize(
    ("save", "load"),
    [
        (torch.save, partial(torch.load, weights_only=False)),
        (lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2)), lambda p: pickle.loads(p.read_bytes())),
    ],
    ids=["torch.save", "pickle.dumps"],
)
@pytest.mark.parametrize("place", ["model_state_dict", "feat_mean", "genres"])
def test_a_file_that_needs_code_to_be_read_is_refused_and_none_runs(save, load, place, tmp_path, tiny_folder):
    stored = {"model_state_dict": {}, "feat_mean": MEAN, "feat_std": STD, "genres": GENRES}
    save(stored | {place: Hostile(tmp_path / "canary")}, tmp_path / "hostile.pt")
    with pytest.raises(PublishError, match=r"needs posix\.mkdir to be run, which is not done; save it again with"):
        convert_checkpoint(tmp_path / "hostile.pt", tiny_folder, tmp_path / "out")
    assert not (tmp_path / "canary").exists()
    load(tmp_path / "hostile.pt")
    assert (tmp_path / "canary").exists(), "it runs nothing even when it is read carelessly"


@pytest.mark.parametrize("array", [np.array([{}], dtype=object), np.array(["a"])], ids=["objects", "text"])
def test_arrays_of_anything_but_floats_are_refused(array, convert):
    with pytest.raises(PublishError, match="cannot be read: it is damaged, or holds more than numbers; save it again"):
        convert(feat_mean=array)


def test_a_whole_pickled_model_is_refused(tmp_path, tiny_folder):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
    with pytest.raises(PublishError, match=r"needs torch\.nn\.modules\.linear\.Linear to be run, which is not done"):
        convert_checkpoint(tmp_path / "model.pt", tiny_folder, tmp_path / "out")


NO_CHECKPOINTS = {
    "empty": b"",
    "text": b"hello world",
    "cut zip": b"PK\x03\x04",
    "cut pickle": pickle.dumps([1], 2)[:-3],
}


@pytest.mark.parametrize("data", NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS)
def test_a_file_that_is_no_checkpoint_is_refused(data, tmp_path, tiny_folder):
    (tmp_path / "odd.pt").write_bytes(data)
    with pytest.raises(PublishError, match=r"odd\.pt cannot be read: it is damaged, or holds more than numbers; save"):
        convert_checkpoint(tmp_path / "odd.pt", tiny_folder, tmp_path / "out")


def test_a_value_that_is_no_dict_and_a_missing_file_are_refused(tmp_path, tiny_folder):
    torch.save([torch.ones(2)], tmp_path / "list.pt")
    with pytest.raises(PublishError, match=r"list\.pt holds a list and no keys; wanted are exactly model_state_dict"):
        convert_checkpoint(tmp_path / "list.pt", tiny_folder, tmp_path / "out")
    with pytest.raises(PublishError, match=r"nowhere\.pt is not a file; give a moe_genre_checkpoint\.pt"):
        convert_checkpoint(tmp_path / "nowhere.pt", tiny_folder, tmp_path / "out")
