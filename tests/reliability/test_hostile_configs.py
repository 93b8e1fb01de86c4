"""A config.json from anybody: refused before anything is allocated, with what was got, what is allowed, what to do."""

import json
import resource
import shutil
from pathlib import Path

import pytest
from audio_files import posix_only
from every_family import EVERY_FAMILY
from typer.testing import CliRunner

import linernotes
from linernotes import cli
from linernotes.modeling.configuration_beatmeter import BeatMeterConfig
from linernotes.modeling.music_config import MOST_LABELS, MusicConfig, checked_labels
from linernotes.modeling.music_model import MOST_PARAMETERS

NAN, INFINITY = float("nan"), float("inf")
ROOM_BYTES = 2**28  # a refusal may take so much more memory than there was
FETCHED = r"transformers would run or load what is not in the folder; .*: remove it"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A folder of each family."""
    place = tmp_path_factory.mktemp("models")
    for family, make in EVERY_FAMILY.items():
        make().save_pretrained(place / family)
    return {family: place / family for family in EVERY_FAMILY}


@pytest.fixture
def loading(folders, tmp_path):
    """Loads a family's folder with other values in its config.json; "part.name" is a field of a part."""

    def load(family: str, **changes):
        folder = shutil.copytree(folders[family], tmp_path / "model", dirs_exist_ok=True)
        settings = json.loads((folder / "config.json").read_text())
        for name, value in changes.items():
            *parts, last = name.split("__")
            block = settings
            for part in parts:
                block = block[part]
            block[last] = value
        (folder / "config.json").write_text(json.dumps(settings))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            return linernotes.load(folder)
        finally:
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < ROOM_BYTES / 1024

    return load


FETCHING = {
    "_attn_implementation_internal": "evil/kernels",
    "_attn_implementation": "evil/kernels",
    "attn_implementation": "evil/kernels",
    "_experts_implementation_internal": "evil/kernels",
    "experts_implementation": "evil/kernels",
    "quantization_config": {"quant_method": "awq"},
    "custom_pipelines": {"x": {"impl": "evil.Pipeline"}},
    "transformers_weights": "pytorch_model.bin",
}


@posix_only
@pytest.mark.parametrize("family", EVERY_FAMILY)
@pytest.mark.parametrize("name", FETCHING)
def test_what_would_be_taken_from_elsewhere_is_refused(family, name, loading):
    with pytest.raises(ValueError, match=f"config.json sets '{name}', by which {FETCHED}"):
        loading(family, **{name: FETCHING[name]})


@posix_only
@pytest.mark.parametrize("name", ["to_dict", "to_json_string", "sub_configs", "save_pretrained", "validate_numbers"])
def test_a_setting_that_would_hide_code_of_a_config_is_refused(name, loading):
    with pytest.raises(ValueError, match=f"config.json sets '{name}', which is code of a config and no setting"):
        loading("genre_moe", **{name: 1})


def test_and_in_a_part_of_a_config(loading):
    with pytest.raises(ValueError, match=r"sets 'backbone_config\._attn_implementation_internal'"):
        loading("beatmeter", backbone_config___attn_implementation_internal="evil/kernels")


def test_code_of_another_repository_is_never_fetched(loading):
    evil = {"AutoConfig": "evil/code--configuration_x.X", "AutoModel": "evil/code--modeling_x.X"}
    with pytest.raises(ValueError, match=r"model_type is 'genre_moe'; this version of linernotes has beatmeter, "):
        loading("genre_moe", auto_map=evil)


EVERYWHERE = {
    "a billion classes": ({"num_labels": 10**9, "id2label": None}, r"num_labels is 1,000,000,000; allowed are 0 to"),
    "classes below none": ({"num_labels": -1, "id2label": None}, r"num_labels is -1; allowed are 0 to"),
    "a hole in the classes": ({"id2label": {"0": "a", "2": "b"}}, r"id2label holds 2 of them; it must give a text"),
    "classes that are numbers": ({"id2label": {"0": 1, "1": 2}}, r"id2label holds 2 of them; it must give a text"),
    "classes in a list": ({"id2label": ["a", "b"]}, r"id2label holds 2 of them; it must give a text"),
    "a name that is no dtype": ({"dtype": "hub"}, r"dtype is 'hub'; allowed are float32, float16, bfloat16"),
    "temperature NaN": ({"temperature": NAN}, r"temperature (is|holds) nan; it must"),
    "temperature 0": ({"temperature": 0.0}, r"temperature is 0.0; it must be finite and above 0"),
    "an endless window": ({"window_seconds": INFINITY}, r"window_seconds,? inf"),
    "a window of a year": (
        {"window_seconds": 3.2e7},
        r"not above 3,600|1024 mel frames|below window_seconds",
    ),
    "a window below nothing": ({"window_seconds": -5.0}, r"window_seconds -5.0; both must be above 0"),
    "doubt of everything": ({"abstain_below": 1.5}, r"abstain_below is 1\.5; (it|key)"),
    "doubt below nothing": ({"abstain_below": -0.1}, r"abstain_below is -0\.1; (it|key)"),
    "a class twice": ({"id2label": {"0": "a", "1": "a"}}, r"id2label holds 'a' more than once; an answer names each"),
    "no number for doubt": ({"abstain_below": NAN}, r"abstain_below (holds nan; it must hold finite|is nan; key)"),
    "a rate of 1 Hz": (
        {"sampling_rate": 1},
        r"is 1 Hz; allowed are 4,000 to 768,000 Hz|mel_max_hz",
    ),
    "a text for a number": ({"window_seconds": "30"}, r"'window_seconds' expected float, got str"),
}


@posix_only
@pytest.mark.parametrize("family", EVERY_FAMILY)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_no_family_takes_numbers_that_are_none(family, name, loading):
    changes, message = EVERYWHERE[name]
    with pytest.raises(ValueError, match=message):
        loading(family, **changes)


OWN = [
    ("genre_moe", {"feat_std": [NAN] * 59}, r"feat_std has 59 numbers; it must have 59 .* above 0, not nan"),
    ("genre_moe", {"feat_std": [1.0] * 58 + [0.0]}, r"all finite and above 0, not 0\.0"),
    ("genre_moe", {"feat_mean": [INFINITY] * 59}, r"all finite, not inf"),
    ("genre_moe", {"hidden_size": -5}, r"hidden_size is -5; allowed are 1 to 65,536"),
    ("genre_moe", {"num_features": 10**9}, r"num_features is 1000000000; allowed are 1 to 65,536|feat_mean"),
    ("genre_moe", {"max_z_score": -1.0}, r"max_z_score is -1\.0; allowed are numbers above 0, or None"),
    ("beatmeter", {"backbone_config__num_hidden_layers": 10**9}, r"num_hidden_layers is 1000000000; allowed .* 1,000 "),
    ("beatmeter", {"backbone_config__hidden_size": -16}, r"hidden_size is -16; allowed are 1 to 1,000,000 \(backbone_"),
    ("beatmeter", {"backbone_config__conv_dim": [10**9] * 2}, r"conv_dim is 1000000000; allowed are 0 to 1,000,000"),
    ("beatmeter", {"backbone_config": "evil"}, r"backbone_config"),
    ("beatmeter", {"head_hidden_size": 10**9}, r"head_hidden_size is 1000000000; allowed are 1 to 1,000,000"),
    ("beatmeter", {"lags_per_octave": 10**9}, r"lags_per_octave is 1000000000; allowed are 1 to 1,000"),
    ("beatmeter", {"chunk_seconds": NAN}, r"chunk_seconds is nan; allowed are 0\.01 to 3,600"),
    ("beatmeter", {"thresholds": [NAN] * 6}, r"thresholds is \[nan, .*; it must be None, or 6 numbers above 0"),
    ("mathrock_affect", {"wavlm_config__hidden_size": 0}, r"hidden_size is 0; allowed are 1 to .* \(wavlm_config"),
    ("mathrock_affect", {"projection_size": -1}, r"projection_size is -1; allowed are 0 to 1,000,000"),
    ("mathrock_affect", {"focal_gamma": INFINITY}, r"focal_gamma holds inf; it must hold finite numbers"),
    ("mega_audioformer", {"codec_config__codebook_size": 10**9}, r"codebook_size is 1000000000; allowed are 0 to"),
    ("mega_audioformer", {"num_hidden_layers": 10**6}, r"num_hidden_layers is 1000000; allowed are 0 to 1,000"),
    ("mega_audioformer", {"rope_theta": NAN}, r"rope_theta holds nan; it must hold finite numbers"),
    ("sonicverse", {"text_config__vocab_size": 10**9}, r"vocab_size is 1000000000; allowed are 0 to 1,000,000"),
    ("sonicverse", {"content_tokens": 10**9}, r"content_tokens is 1000000000; allowed are 0 to 1,000,000"),
    ("sonicverse", {"text_config__model_type": "evil"}, r"text_config is a 'evil', which transformers does not have"),
    ("sonicverse", {"audio_config__model_type": "llama"}, r"audio_config is a 'llama'; allowed are 'hubert'"),
]  # fmt: skip


@posix_only
@pytest.mark.parametrize(("family", "changes", "message"), OWN, ids=[f"{f} {next(iter(c))}" for f, c, _ in OWN])
def test_sizes_that_no_memory_holds_are_refused(family, changes, message, loading):
    with pytest.raises(ValueError, match=message):
        loading(family, **changes)


@posix_only
def test_sizes_that_are_too_much_together_are_refused_before_they_are_allocated(loading):
    with pytest.raises(ValueError, match=rf"asks for [\d,]+ weights; allowed are {MOST_PARAMETERS:,}: correct it"):
        loading("beatmeter", backbone_config__hidden_size=512_000, backbone_config__intermediate_size=512_000)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (b"[]", "holds no object of settings; download or export it again"),
        (b"null", "holds no object of settings"),
        (b'"x"', "holds no object of settings"),
        (b'{"a":' * 100_000, "holds no object of settings"),
        (b"{}", "model_type is None; this version of linernotes has"),
        (b"nonsense", "not a valid JSON file"),
        (b"\xff\xfe", "not a valid JSON file"),
    ],
)
def test_what_is_no_config_is_refused(written, message, folders, tmp_path):
    folder = shutil.copytree(folders["genre_moe"], tmp_path / "model")
    (folder / "config.json").write_bytes(written)
    with pytest.raises((ValueError, OSError), match=message):
        linernotes.load(folder)


def test_the_command_line_says_so_in_a_line(folders, tmp_path, recording):
    folder = shutil.copytree(folders["genre_moe"], tmp_path / "model")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"feat_std": [0.0] * 59}))
    done = CliRunner().invoke(cli.app, ["predict", str(recording), "--model", str(folder)])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert "its config.json is refused: feat_std has 59 numbers; it must have 59" in line


def test_what_is_ours_is_let_through():
    config = BeatMeterConfig(model_name="x")
    assert BeatMeterConfig.from_dict(config.to_dict()).to_dict() == config.to_dict()
    assert BeatMeterConfig.from_dict(config.to_dict(), attn_implementation="eager")._attn_implementation == "eager"
    assert MusicConfig(id2label={"1": "b", "0": "a"}).labels == ["a", "b"]
    assert checked_labels({str(index): f"x{index}" for index in range(12)})[11] == "x11"
    with pytest.raises(ValueError, match=rf"{MOST_LABELS:,} at most"):
        checked_labels({str(index): "x" for index in range(MOST_LABELS + 1)})
