"""An export is whole, holds nothing of this machine, and loads where nothing of ours is."""

import json
import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tampering import edit

from linernotes.hub_upload.clean import ask, differences
from linernotes.hub_upload.errors import PublishError
from linernotes.hub_upload.export import export
from linernotes.hub_upload.manifest import verify

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture
def source(tiny_folder, tmp_path) -> Path:
    """A freshly saved model, which a test may spoil."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "tiny-moe"))


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_freshly_trained_folder_becomes_a_repository(source, tmp_path):
    code = {path.name for path in source.glob("*.py")}
    out = export(source, tmp_path / "new" / "out")
    configs = {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert names(out) == code | configs | {"README.md", "SHA256SUMS"}
    assert verify(out).files == len(names(out)) - 1


def test_a_backbone_becomes_a_repository_without_code(tiny_backbone, tmp_path):
    out = export(tiny_backbone, tmp_path / "out", "me/tiny-backbone")
    assert names(out) == (names(tiny_backbone) - {"card.md"}) | {"README.md", "SHA256SUMS"}
    card = (out / "README.md").read_text()
    assert 'model = AutoModel.from_pretrained("me/tiny-backbone")' in card
    assert not {"trust_remote_code", "custom_code", "predict", "walkthrough"} & set(re.findall(r"\w+", card))
    assert (out / "model.safetensors").read_bytes() == (tiny_backbone / "model.safetensors").read_bytes()
    report = verify(out)
    assert (report.parameters, report.code, report.notes) == (45_240, {}, [])


def test_an_own_model_whose_config_names_no_code_is_refused(source, tmp_path):
    settings = json.loads((source / "config.json").read_text())
    del settings["auto_map"]
    (source / "config.json").write_text(json.dumps(settings))
    with pytest.raises(PublishError, match=r"'model_type' 'genre_moe', unknown to transformers, and no auto_map names"):
        export(source, tmp_path / "out")


def test_links_become_files_and_sources_stay_behind(tmp_path):
    shutil.copytree(MODELS / "genre-moe", tmp_path / "models" / "genre-moe", symlinks=True)
    shutil.copytree(MODELS.parent / "modeling", tmp_path / "modeling")
    source = tmp_path / "models" / "genre-moe"
    (source / "walkthrough.py").unlink()
    out = export(source, tmp_path / "out")
    assert not [path for path in out.rglob("*") if path.is_symlink()]
    assert {"metrics.json", "training.json", "plots/training_curves.png"} <= names(out)
    assert not {"card.md", "walkthrough.py"} & names(out)
    for path in out.glob("*.py"):
        assert path.read_bytes() == (source / path.name).read_bytes()
    assert set(json.loads((out / "config.json").read_text())["auto_map"]) == {
        "AutoConfig",
        "AutoModel",
        "AutoModelForAudioClassification",
    }


@pytest.mark.slow
def test_what_leaves_answers_as_what_was_there(source, tmp_path):
    assert not differences(ask(source), ask(export(source, tmp_path / "out")))


def test_only_what_belongs_to_a_model_leaves(source, tmp_path):
    strangers = ("training_args.bin", "optimizer.pt", "notes.txt", "helper.py", ".env", "plots/song.wav")
    deeper = ("LICENSES/key.pem", "tokenizer_old/tok.json", "checkpoint-1/model.safetensors", "plots/old/a.png")
    for name in (*strangers, *deeper):
        (source / name).parent.mkdir(exist_ok=True, parents=True)
        (source / name).write_text("secret")
    assert not {*strangers, *deeper} & names(export(source, tmp_path / "out"))


@pytest.mark.parametrize("name", ["LICENSE-x", "plots/x.png", "training.json"])
def test_a_link_to_a_file_elsewhere_is_refused(source, tmp_path, name):
    (tmp_path / "secret.txt").write_text("{}")
    (source / "plots").mkdir()
    (source / name).symlink_to(tmp_path / "secret.txt")
    with pytest.raises(PublishError, match=f"{name} is a link to a file elsewhere"):
        export(source, tmp_path / "out")


def test_where_a_model_came_from_is_scrubbed_at_any_depth(source, tmp_path):
    backbone = {"model_type": "hubert", "_name_or_path": "/home/me/mert", "hidden_size": 8}
    edit(source / "config.json", _name_or_path="/home/me/run", backbone_config=backbone)
    with pytest.raises(PublishError, match="backbone_config"):  # no field of this family: the keys, not the paths
        export(source, tmp_path / "out")
    edit(source / "config.json", _name_or_path="/home/me/run")
    settings = json.loads((source / "config.json").read_text())
    del settings["backbone_config"]
    (source / "config.json").write_text(json.dumps(settings))
    assert "_name_or_path" not in (export(source, tmp_path / "out") / "config.json").read_text()


@pytest.mark.parametrize("name", ["training_log.jsonl", "LICENSE"])
@pytest.mark.parametrize(
    "text", ["/home/somebody/data", "file:///home/me/x", "C:\\\\Users\\\\me", "~/music", "/scratch/x"]
)
def test_a_local_path_anywhere_is_refused(source, tmp_path, text, name):
    (source / name).write_text('{"data": "' + text + '"}')
    with pytest.raises(PublishError, match=rf"{name} names .*, a place on this machine"):
        export(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_the_weights_say_of_themselves_is_read_too(source, tmp_path):
    weights = source / "model.safetensors"
    save_file(load_file(weights), weights, {"format": "pt", "made_in": "/home/me/runs"})
    with pytest.raises(PublishError, match=r"model\.safetensors names '/home/me'"):
        export(source, tmp_path / "out")


def test_a_token_in_a_file_is_refused_and_not_shown(source, tmp_path):
    token = "hf_" + "a1B2" * 9
    (source / "LICENSE").write_text(f"use {token}")
    with pytest.raises(PublishError, match="LICENSE names a token of the Hub") as caught:
        export(source, tmp_path / "out")
    assert token not in str(caught.value)


def test_addresses_are_no_local_paths(source, tmp_path):
    (source / "training_log.jsonl").write_text('{"data": "https://example.org/home/page, a/tmp/b, either/or"}')
    assert "training_log.jsonl" in names(export(source, tmp_path / "out"))


def test_an_adapter_beside_whole_weights_is_refused(source, tmp_path):
    (source / "adapter_config.json").write_text("{}")
    with pytest.raises(PublishError, match=r"adapter_config\.json.*merge the adapter"):
        export(source, tmp_path / "out")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_without_a_model_is_refused(source, tmp_path, name):
    (source / name).unlink()
    with pytest.raises(PublishError, match=f"holds no {name}"):
        export(source, tmp_path / "out")


def test_missing_code_is_refused(source, tmp_path):
    (source / "windows.py").unlink()
    with pytest.raises(PublishError, match=r"lacks windows\.py"):
        export(source, tmp_path / "out")


def test_an_earlier_export_is_replaced_and_anything_else_is_not(source, tmp_path):
    out = export(source, tmp_path / "out")
    before = {name: (out / name).read_bytes() for name in names(out)}
    assert {name: (path / name).read_bytes() for path in [export(source, out)] for name in names(path)} == before
    for place, name in ((tmp_path / "mine", "SHA256SUMS"), (tmp_path / "mine", "thesis.txt"), (out, ".git/config")):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("years of work")
        with pytest.raises(PublishError, match="which is no export's"):
            export(source, place)
        assert (place / name).read_text() == "years of work"


def test_an_export_can_be_exported_as_it_is(source, tmp_path):
    first = export(source, tmp_path / "first", "me/tiny-moe")
    again = export(first, tmp_path / "again", "me/tiny-moe")
    assert {name: (again / name).read_bytes() for name in names(again)} == {
        name: (first / name).read_bytes() for name in names(first)
    }
    with pytest.raises(PublishError, match="was exported for another repository than you/other"):
        export(first, tmp_path / "other", "you/other")
    (first / "config.json").write_text("{}")
    with pytest.raises(PublishError, match=r"config\.json differs from its sum"):
        export(first, tmp_path / "spoilt", "me/tiny-moe")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "windows.py").write_text("def ("), r"windows\.py is not Python"),
        (lambda folder: (folder / "windows.py").write_bytes(b"x = '\xe9'"), r"windows\.py is not Python"),
        (lambda folder: (folder / "windows.py").write_text("from . import audio"), "copies siblings only where"),
        (lambda folder: edit(folder / "config.json", auto_map=["x"]), "auto_map is"),
        (lambda folder: edit(folder / "config.json", auto_map={"AutoModel": "/tmp/x.Y"}), r"allowed is module\.Class"),
        (lambda folder: edit(folder / "config.json", auto_map={"AutoModel": "a/b--x.Y"}), r"allowed is module\.Class"),
        (lambda folder: (folder / "card.md").write_bytes(b"\xe9"), r"card\.md"),
        (lambda folder: (folder / "card.md").write_text("---\n---\n{{ 1/0 }}"), r"division by zero"),
        (lambda folder: (folder / "metrics.json").write_text('{"results": [1]}'), r"card"),
        (lambda folder: (folder / "training.json").write_text('{"data": 3}'), r"card"),
        (lambda folder: edit(folder / "config.json", id2label=["a", "b"]), r"id2label|card"),
    ],
)
def test_what_is_wrong_in_a_folder_is_an_error_of_ours(source, tmp_path, spoil, message):
    spoil(source)
    with pytest.raises(PublishError, match=message):
        export(source, tmp_path / "out")


def test_a_place_that_cannot_be_written(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match="cannot be written"):
        export(source, tmp_path / "file" / "out")


def test_a_failed_export_leaves_the_earlier_one(source, tmp_path):
    out = export(source, tmp_path / "out")
    (source / "training_log.jsonl").write_text('{"data": "/home/me/data"}')
    with pytest.raises(PublishError, match="a place on this machine"):
        export(source, out)
    verify(out)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]
