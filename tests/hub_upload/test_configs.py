"""Configs that would have other code run, claim absurd sizes or say what nobody reads are refused."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tampering import edit, refuse

from linernotes.hub_upload import configs
from linernotes.hub_upload.manifest import verify, write_sums
from linernotes.modeling import music_config

CONFIG, EXTRACTOR, CODE = "config.json", "preprocessor_config.json", "configuration_genre_moe.py"


def set_config(folder: Path, **changes) -> None:
    edit(folder / CONFIG, **changes)


def replace_text(folder: Path, old: str, new: str) -> None:
    text = (folder / CONFIG).read_text()
    assert old in text
    (folder / CONFIG).write_text(text.replace(old, new, 1))


def exchange(folder: Path) -> None:
    (folder / CONFIG).rename(folder / "aside")
    (folder / EXTRACTOR).rename(folder / CONFIG)
    (folder / "aside").rename(folder / EXTRACTOR)


def auto_map(folder: Path, entry) -> None:
    set_config(folder, auto_map={"AutoModel": entry})


HOSTILE = {
    "private state": (
        partial(set_config, _attn_implementation_internal="evil/kernels"),
        r"config\.json sets '_attn_implementation_internal', transformers' private state, which may name code or a",
    ),
    "local path": (partial(set_config, _name_or_path="/home/me"), "sets '_name_or_path', transformers' private state"),
    "code of a kernel": (
        partial(set_config, attn_implementation="evil/kernels"),
        "config.json sets 'attn_implementation', by which transformers would run or load what is elsewhere: remove it",
    ),
    "a pipeline": (
        partial(set_config, custom_pipelines={"tag": {"impl": "a.B"}}),
        "config.json sets 'custom_pipelines', by which transformers would run or load what is elsewhere: remove it",
    ),
    "another file for the config": (
        partial(set_config, configuration_files=["config.1.0.json"]),
        "config.json sets 'configuration_files', by which transformers would run or load what is elsewhere: remove it",
    ),
    "other weights": (
        partial(set_config, transformers_weights="../other.safetensors"),
        "config.json sets 'transformers_weights', by which transformers would run or load what is elsewhere: remove it",
    ),
    "another repository": (
        partial(auto_map, entry="evil/code--modeling_x.Model"),
        "takes 'AutoModel' from 'evil/code--modeling_x.Model'; allowed is module.Class of a module in the folder",
    ),
    "a folder above": (partial(auto_map, entry="..evil.Model"), "takes 'AutoModel' from '..evil.Model'; allowed is"),
    "a module elsewhere": (partial(auto_map, entry="os.PathLike"), r"from 'os.PathLike', and os\.py is not in the"),
    "a number for a class": (partial(auto_map, entry=[None, 3]), "takes 'AutoModel' from 3; allowed is module.Class"),
    "a list for a map": (partial(set_config, auto_map=["a.B"]), "has an auto_map that is no object of class names but"),
    "what nobody reads": (
        partial(set_config, colour=1, size=2, taste=3, touch=4),
        "config.json sets 'colour', 'size', 'taste' and 1 more, which no code declares for 'genre_moe': remove it",
    ),
    "a field of another class": (partial(set_config, readings=[]), "sets 'readings', which no code declares"),
    "many classes": (partial(set_config, num_labels=10**9), "gives 'num_labels' as 1000000000; allowed are 0 to 1,000"),
    "many labels": (
        partial(replace_text, old='"id2label": {', new='"id2label": {' + "".join(f'"x{i}":"",' for i in range(10**6))),
        "gives 'id2label' 1,000,005 entries; allowed are 1,000,000",
    ),
    "a negative size": (partial(set_config, hidden_size=-1), "gives 'hidden_size' as -1; allowed are 0 to"),
    "a stride beyond reason": (partial(set_config, conv_stride=[5, 10**7]), "gives 'conv_stride' as 10000000; allowed"),
    "a negative layer": (partial(set_config, num_layers=[3, [-2]]), "gives 'num_layers' as -2; allowed are 0 to"),
    "a spread of zero": (partial(set_config, feat_std=[1.0] * 58 + [0.0]), "gives 'feat_std' a value of 0.0; allowed"),
    "a spread below zero": (partial(set_config, feat_std=[-1, 1]), "'feat_std' a value of -1; allowed are finite"),
    "a spread of none": (partial(set_config, feat_std=[None]), "gives 'feat_std' a value of None"),
    "a spread that is true": (partial(set_config, feat_std=True), "gives 'feat_std' a value of True"),
    "NaN": (partial(replace_text, old='0.7,', new='NaN,'), "config.json holds NaN, which is no JSON number: download"),
    "infinity": (partial(replace_text, old='0.7,', new='-Infinity,'), "holds -Infinity, which is no JSON number"),
    "as good as infinite": (partial(replace_text, old='0.7,', new='1e999,'), "holds 1e999, which is no JSON number"),
    "a key twice": (
        partial(replace_text, old="{", new='{"dropout": 0.5,'),
        "config.json holds the key 'dropout' twice, and parsers differ in which one counts: download or export",
    ),
    "no JSON": (partial(replace_text, old="{", new="{{"), "config.json is not JSON .*: download or export it again"),
    "no text": (lambda folder: (folder / CONFIG).write_bytes(b"\xff{}"), "config.json is not JSON .*utf-8"),
    "no object": (lambda folder: (folder / CONFIG).write_text("[]"), "config.json holds no object but list"),
    "very deep": (lambda folder: (folder / CONFIG).write_text("[" * 100_000), "is nested too deeply to be read"),
    "very large": (
        lambda folder: (folder / CONFIG).write_bytes(b"{" + b" " * 2**25 + b"}"),
        "config.json is over 32 MiB, too large to be read as text",
    ),
    "nothing": (lambda folder: (folder / CONFIG).unlink(), "config.json is not there: nothing says how the model is"),
    "another model": (partial(set_config, model_type="waltz"), "'model_type' 'waltz', known neither to its code nor"),
    "no model": (partial(set_config, model_type=["hubert"]), r"has 'model_type' \['hubert'\], known neither to"),
    "two files exchanged": (exchange, "config.json has 'model_type' None, known neither to its code nor to"),
    "an extractor's key": (
        lambda folder: edit(folder / EXTRACTOR, loudness=3),
        "preprocessor_config.json sets 'loudness', which no code declares for 'GenreMoeFeatureExtractor': remove it",
    ),
    "another extractor": (
        lambda folder: edit(folder / EXTRACTOR, feature_extractor_type="HubertConfig"),
        "'feature_extractor_type' 'HubertConfig', known neither to its code nor to transformers",
    ),
    "a tokenizer's code": (
        lambda folder: (folder / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["a/b--c.D"]}}'),
        "tokenizer_config.json takes 'AutoTokenizer' from 'a/b--c.D'; allowed is module.Class",
    ),
    "code that is none": (
        lambda folder: (folder / CODE).write_text("class A("),
        r"config\.json cannot be judged, because configuration_genre_moe\.py is not Python \(.*\): download or export",
    ),
    "code with zeros": (lambda folder: (folder / CODE).write_bytes(b"\0"), "configuration_genre_moe.py is not Python"),
}  # fmt: skip


def test_what_a_model_refuses_when_it_is_loaded_is_refused_here():
    """Publishing imports nothing of modeling/, and so says these again."""
    assert configs.SIZE.pattern == music_config.SIZE.pattern
    assert (configs.LARGEST_SIZE, configs.FETCHING) == (music_config.LARGEST_SIZE, music_config.FETCHING)


@pytest.mark.parametrize(("tamper", "found"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_config_is_refused(tamper, found, folder):
    tamper(folder)
    refuse(write_sums(folder).parent, found)


def test_two_files_exchanged_are_noticed_by_their_sums(folder):
    exchange(folder)
    findings = refuse(folder, "config.json differs from its sum in SHA256SUMS")
    assert f"{EXTRACTOR} differs from its sum in SHA256SUMS: download it again, or ask who changed it" in findings


def test_what_transformers_writes_is_allowed(folder):
    written = {"dtype": "float32", "problem_type": "single_label_classification", "return_dict": True, "num_labels": 5}
    set_config(folder, **written)
    edit(folder / EXTRACTOR, processor_class=None)
    verify(write_sums(folder).parent)


def test_labels_are_words_not_keys(folder):
    set_config(
        folder, id2label={"0": "_underscore", "1": "custom_pipelines"}, label2id={"_underscore": 0, "auto_map": 1}
    )
    verify(write_sums(folder).parent)


# Configs within configs


@pytest.fixture
def nested(folder) -> Path:
    """A family of which a part is a model of transformers', another one of its own."""
    declared = """
class PartConfig(PreTrainedConfig):
    model_type = "part"
    scale: float = 1.0

class NestedConfig(LlamaConfig):
    backbone_config: dict | None = None
    part_config: dict | None = None
"""
    (folder / CODE).write_text((folder / CODE).read_text() + declared)
    set_config(
        folder,
        backbone_config={"model_type": "hubert", "hidden_size": 8, "conv_dim": [8], "num_feat_extract_layers": 1},
        part_config={"model_type": "part", "scale": 2.0},
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    return write_sums(folder).parent


def test_nested_configs_are_judged_by_their_own_type(nested):
    verify(nested)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"model_type": "hubert", "_name_or_path": "/root/mert"}, "sets 'backbone_config._name_or_path', "),
        ({"model_type": "hubert", "scale": 1.0}, "sets 'backbone_config.scale', which no code declares for 'hubert'"),
        ({"model_type": "waltz"}, "has 'backbone_config.model_type' 'waltz', known neither to its code nor"),
        ({"hidden_size": 8}, "has 'backbone_config.model_type' None, known neither to its code nor"),
        ({"model_type": "hubert", "hidden_size": -8}, "gives 'backbone_config.hidden_size' as -8"),
        ({"model_type": "hubert", "auto_map": {"AutoModel": "a/b--c.D"}}, "takes 'AutoModel' from 'a/b--c.D'"),
        ({"model_type": "hubert", "quantization_config": {}}, "sets 'backbone_config.quantization_config', "),
    ],
)  # fmt: skip
def test_a_hostile_nested_config_is_refused(changes, found, nested):
    set_config(nested, backbone_config=changes)
    refuse(write_sums(nested).parent, found)


# Configs without code


@pytest.fixture
def backbone(tiny_backbone, tmp_path) -> Path:
    folder = Path(shutil.copytree(tiny_backbone, tmp_path / "tiny-backbone"))
    return write_sums(folder).parent


def test_a_plain_transformers_model_is_judged_by_transformers(backbone):
    assert verify(backbone).code == {}


def test_a_backbone_whose_weights_changed_is_refused(backbone):
    weights = load_file(backbone / "model.safetensors")
    weights["encoder.layer_norm.bias"][3] = float("nan")
    save_file(weights, backbone / "model.safetensors", {"format": "pt"})
    found = r"model\.safetensors: 1 of 16 numbers of 'encoder\.layer_norm\.bias' are NaN or infinite: export it again"
    assert any("differs from its sum" in finding for finding in refuse(backbone, found))
    assert len(refuse(write_sums(backbone).parent, found)) == 1


NOWHERE = "unknown to transformers, and no auto_map names code for it: save it as a model that transformers has, or"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"attention_window": 3}, "sets 'attention_window', which no code declares for 'hubert': remove it"),
        ({"model_type": "waltz"}, f"has 'model_type' 'waltz', {NOWHERE} with its code"),
        ({"model_type": None}, f"has 'model_type' None, {NOWHERE}"),
        ({"architectures": ["HubertModel", "HubertForFrames"]}, f"has the architecture 'HubertForFrames', {NOWHERE}"),
        ({"architectures": [["Model"]]}, f"has the architecture 'Model', {NOWHERE}"),
        ({"auto_map": {"AutoModel": "modeling_x.Model"}}, r"from 'modeling_x.Model', and modeling_x\.py is not in the"),
        ({"auto_map": {}, "model_type": "waltz"}, f"has 'model_type' 'waltz', {NOWHERE}"),
    ],
)
def test_a_plain_config_that_names_what_is_nowhere_is_refused(changes, found, backbone):
    set_config(backbone, **changes)
    findings = refuse(write_sums(backbone).parent, found)
    assert len(findings) == 1
    assert findings[0].startswith("config.json ")


def test_code_that_no_auto_map_names_makes_no_model(folder):
    set_config(folder, auto_map=None, architectures=["GenreMoeForAudioClassification"])
    findings = refuse(write_sums(folder).parent, f"has the architecture 'GenreMoeForAudioClassification', {NOWHERE}")
    assert any(f"has 'model_type' 'genre_moe', {NOWHERE}" in finding for finding in findings)


@pytest.mark.parametrize("name", ["ClapAudioConfig", "EncodecConfig", "LlamaConfig", "Wav2Vec2Config", "WavLMConfig"])
def test_what_a_config_of_transformers_says_of_itself_is_allowed(name, folder, tmp_path):
    """The backbones of the families to come."""
    import transformers

    getattr(transformers, name)().save_pretrained(tmp_path / "plain")
    (tmp_path / "plain" / CONFIG).rename(folder / CONFIG)
    assert json.loads((folder / CONFIG).read_text())["model_type"]
    verify(write_sums(folder).parent)
