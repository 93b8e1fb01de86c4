"""ONNX graphs answer as the models that they were made of, at any length, alone and together; and what has no graph."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ecdc_files import write_ecdc
from pocket_codec import HOP, random_codes, tiny
from published_beatmeter import make
from published_mathrock import TINY_CLAP, TINY_WAVLM
from typer.testing import CliRunner

import linernotes
from linernotes import cli
from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerForAudioClassification
from linernotes.onnx_models import export_onnx, load_onnx

RATE = 24_000
SLOW = pytest.mark.slow


def played(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise in pulses, at a rate and a level of its own, of whole frames of every codec and backbone."""
    rng, times = np.random.default_rng(seed), np.arange(round(seconds * RATE) // HOP * HOP) / RATE
    pulses = np.exp(-8 * (times * (2 + seed) % 1))
    return (0.3 * pulses * rng.normal(size=len(times))).astype(np.float32)


def differences(answer, expected, place: str = "") -> list[str]:
    """Where two answers differ: numbers by more than 1e-4."""
    if isinstance(expected, dict):
        assert answer.keys() == expected.keys()
        return [d for name in expected for d in differences(answer[name], expected[name], f"{place}.{name}")]
    if isinstance(expected, list):
        assert len(answer) == len(expected)
        return [d for i, each in enumerate(expected) for d in differences(answer[i], each, f"{place}[{i}]")]
    same = abs(answer - expected) <= 1e-4 if isinstance(expected, float) else answer == expected
    return [] if same else [f"{place}: {answer!r}, not {expected!r}"]


def saved_meter(folder: Path, **options) -> Path:
    torch.manual_seed(0)
    sizes = {"chunk_seconds": 3.0, "window_seconds": 3.0, "head_type": "tempogram"}
    make(model_name="tiny-meter", **sizes | options).save_pretrained(folder)
    return folder


def saved_kind(folder: Path, **options) -> Path:
    labels = {0: "speech", 1: "music"}
    model = tiny(MegaAudioFormerForAudioClassification, id2label=labels, model_name="tiny-kind", **options)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(
    scope="module",
    params=[
        "moe",
        pytest.param("meter", marks=SLOW),
        pytest.param("meter with pooled layers", marks=SLOW),
        pytest.param("kind", marks=SLOW),
        pytest.param("kind at 12 kbit/s, scaled", marks=SLOW),
        pytest.param("genre-moe-tags", marks=SLOW),
        pytest.param("beatmeter-pocket", marks=SLOW),
    ],
)
def pair(request, tiny_folder, tmp_path_factory):
    """A model, and the folder of its graphs."""
    folder = tmp_path_factory.mktemp("graphs")
    source = {
        "moe": lambda: tiny_folder,
        "meter": lambda: saved_meter(folder / "model"),
        "meter with pooled layers": lambda: saved_meter(folder / "model", tempogram_pooled=True),
        "kind": lambda: saved_kind(folder / "model"),
        "kind at 12 kbit/s, scaled": lambda: saved_kind(folder / "model", bandwidth_kbps=12.0),
    }.get(request.param, lambda: request.param)()
    return linernotes.load(source), export_onnx(source, folder / "onnx")


def test_a_graph_answers_as_its_model_at_any_length_alone_and_together(pair, monkeypatch):
    model, folder = pair
    graphs = load_onnx(folder)
    if model.config.model_type == "mega_audioformer":  # of two entries equally far from the sound either may be chosen
        monkeypatch.setattr(model, "_codes", graphs._codes)
    for seconds in (1.5, 3.0, 7.44):
        heard = graphs.predict(played(seconds), sampling_rate=RATE, timeline=True)
        assert differences(heard, model.predict(played(seconds), sampling_rate=RATE, timeline=True)) == []
    songs = [played(2.0, 1), played(8.0, 2), played(2.0, 3)]
    together = graphs.predict(songs, sampling_rate=RATE, batch_size=4)
    assert differences(together, model.predict(songs, sampling_rate=RATE)) == []
    assert len({tuple(answer["probabilities"].values()) for answer in together}) == 3


def test_a_graph_explains_nothing(pair):
    graphs = load_onnx(pair[1])
    with pytest.raises(ValueError, match="knows no gradients and no layers; ask the model that it was made of"):
        graphs.explain(played(2.0), sampling_rate=RATE)


@SLOW
def test_codes_of_a_graph_are_those_of_the_codec_or_as_near(tmp_path):
    source = saved_kind(tmp_path / "model")
    model, graphs = linernotes.load(source), load_onnx(export_onnx(source, tmp_path / "onnx"))
    expected, codes = model._codes(played(7.44)), graphs._codes(played(7.44))
    assert codes.shape == expected.shape
    assert (codes == expected).float().mean() > 0.9  # the entries of this codec, which nobody trained, lie close
    said, wanted = (model.model.codec.quantizer.decode(each[:, None]) for each in (codes, expected))
    assert (said - wanted).norm() < 0.02 * wanted.norm()


@SLOW
def test_ecdc_files_and_codes_are_heard_by_a_graph_too(tmp_path):
    source = saved_kind(tmp_path / "model")
    model, graphs = linernotes.load(source), load_onnx(export_onnx(source, tmp_path / "onnx"))
    codes, file = random_codes(1, 2, 400)[0], io.BytesIO()
    write_ecdc(file, codes.numpy(), codec_name=model.config.codec_name, num_samples=400 * HOP)
    assert differences(graphs.predict(file.getvalue()), model.predict(file.getvalue())) == []
    assert differences(graphs.predict(codes=codes.tolist()), model.predict(codes=codes)) == []
    assert graphs.codes_of(file.getvalue()).tolist() == codes.tolist()
    with pytest.raises(ValueError, match="give either a recording or codes=, one of the two"):
        graphs.predict()


def test_bad_recordings_are_recorded(tmp_path, tiny_folder):
    graphs = load_onnx(export_onnx(tiny_folder, tmp_path / "onnx"))
    bad, good = graphs.predict([b"no sound", {"array": played(2.0), "sampling_rate": RATE}], errors="record")
    assert bad["error"]["code"] == "not_audio"
    assert good["predicted_genre"] in good["probabilities"]


def test_int8_is_smaller_and_answers_nearly_the_same(tmp_path, tiny_folder):
    whole, eighth = export_onnx("genre-moe", tmp_path / "whole"), export_onnx("genre-moe", tmp_path / "8", int8=True)
    sizes = [(folder / "model.onnx").stat().st_size for folder in (whole, eighth)]
    assert sizes[1] < 0.6 * sizes[0]
    answers = [
        load_onnx(folder).predict(played(6.0), sampling_rate=RATE)["probabilities"] for folder in (whole, eighth)
    ]
    assert max(abs(answers[0][label] - answers[1][label]) for label in answers[0]) < 0.1
    assert answers[0] != answers[1]


def test_what_has_no_graph_is_refused(tmp_path, tiny_folder):
    sizes = {"projection_size": 8, "fusion_size": 8, "head_hidden_size": 8}
    config = MathRockAffectConfig(**sizes, wavlm_config=TINY_WAVLM, clap_config=TINY_CLAP)
    MathRockForAffect(config).save_pretrained(tmp_path / "affect")
    with pytest.raises(ValueError, match=r"is a mathrock_affect; graphs are written of genre_moe, beatmeter, mega_aud"):
        export_onnx(tmp_path / "affect", tmp_path / "out")
    meter = saved_meter(tmp_path / "meter", chunk_seconds=2.0)
    with pytest.raises(ValueError, match=r"window_seconds is 3.0, chunk_seconds 2.0, .*a graph takes windows of one"):
        export_onnx(meter, tmp_path / "out")
    with pytest.raises(ValueError, match="affect holds something else; name a new folder"):
        export_onnx(tiny_folder, tmp_path / "affect")
    with pytest.raises(FileNotFoundError, match=r"holds no model\.onnx; write one by `linernotes onnx MODEL"):
        load_onnx(tmp_path / "affect")


def test_the_command_writes_a_folder_and_writes_it_again(tmp_path, tiny_folder):
    arguments = ["onnx", str(tiny_folder), str(tmp_path / "onnx")]
    # a process of its own, because torch's exporter speaks where nobody has caught its words before
    first = subprocess.run([sys.executable, "-m", "linernotes", *arguments], capture_output=True, text=True)
    assert (first.returncode, first.stdout.strip(), first.stderr) == (0, str(tmp_path / "onnx"), "")
    result = CliRunner().invoke(cli.app, arguments)
    assert (result.exit_code, result.stdout.strip()) == (0, str(tmp_path / "onnx"))
    names = sorted(file.name for file in (tmp_path / "onnx").iterdir())
    assert names == ["config.json", "model.onnx", "preprocessor_config.json"]
    result = CliRunner().invoke(cli.app, ["onnx", "nothing", str(tmp_path / "onnx")])
    assert result.exit_code == 2
    assert "'nothing' is no model" in result.stderr
