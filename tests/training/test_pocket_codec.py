"""The pocket codec's recipe, on seconds of noise: what is held out, what is saved, an exact resume."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from killing import train_and_kill
from safetensors.torch import load_file
from transformers import AutoFeatureExtractor, EncodecModel

from linernotes.corpora.manifest import write_manifest
from linernotes.corpora.splits import split_of
from linernotes.training.codec_training import said_again
from linernotes.training.config import ConfigError, load_experiment
from linernotes.training.recipes import pocket_codec
from linernotes.training.train import train

RATE = 24_000
EXPERIMENT = """
family: pocket_codec
name: codec-test
model: {target_bandwidths: [1.5, 3.0], num_filters: 8, upsampling_ratios: [10, 8, 4], hidden_size: 8,
        num_lstm_layers: 1, use_causal_conv: false, codebook_size: 32}
data: {recordings: [heard], rendered: [played], crop_seconds: 0.2, first_excerpts: 8}
training: {epochs: 3, batch_size: 4, learning_rate: 0.0003, best_metric: null, patience: null}
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    names = [f"song {number}" for number in range(40)]
    songs = [name for name in names if split_of("pocket-codec", name) == "train"][:6]
    songs += [name for name in names if split_of("pocket-codec", name) == "test"][:2]
    for name, groups in (("heard", songs), ("played", ["a", "b"])):
        (folder / name).mkdir()
        rows = []
        for number, group in enumerate(groups):
            soundfile.write(folder / name / f"{number}.flac", 0.1 * rng.standard_normal(RATE), RATE)
            rows.append({"path": f"{number}.flac", "labels": [], "group": group, "split": "train", "licence": "CC0"})
        write_manifest(rows, folder / name / "manifest.jsonl")
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "experiment.yaml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture(scope="module")
def trained(config, data_dir, tmp_path_factory) -> Path:
    return train(config, [data_dir], out=tmp_path_factory.mktemp("run"))


def test_songs_are_held_out_whole(config, data_dir):
    experiment = load_experiment(config)
    data = pocket_codec.load_data(experiment, [data_dir])
    assert len(data.train) == 8
    assert len(data.test) == 2
    assert not set(data.train["group"]) & set(data.test["group"])
    assert data.sources[0] == {"name": "heard", "licence": "CC0", "rows": {"train": 6, "test": 2}}
    weights = pocket_codec.row_weights(data.train, experiment.data)
    assert sum(weights[6:]) == pytest.approx(0.3)


def test_the_result_is_a_plain_codec_in_half_precision(trained):
    state = load_file(trained / "model.safetensors")
    assert {str(part.dtype) for part in state.values() if part.is_floating_point()} == {"torch.float16"}
    codec = EncodecModel.from_pretrained(trained)
    assert codec.dtype == torch.float32
    assert codec.config.num_quantizers == len(codec.quantizer.layers)
    assert AutoFeatureExtractor.from_pretrained(trained).sampling_rate == RATE
    sound = 0.1 * torch.randn(2, 9_600)
    again, codes = said_again(codec, sound, 1.5)
    assert again.shape == sound.shape
    assert codes.shape == (2, 4, 30)  # 75 frames a second of 5 bits: four books are 1.5 kbit/s
    assert json.loads((trained / "training.json").read_text())["data"][1]["name"] == "played"


def test_a_killed_run_goes_on_as_if_nothing_had_happened(config, data_dir, trained, tmp_path):
    train_and_kill(config, data_dir, [], tmp_path)
    resumed = train(config, [data_dir], out=tmp_path, resume=True)
    expected, found = (load_file(folder / "model.safetensors") for folder in (trained, resumed))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.recordings=[]", "data.recordings names no corpus"),
        ("data.loss_weights={pitch: 1}", "names 'pitch'; there are losses wave, mel, commitment"),
        ("data.rendered_share=1", "rendered_share is 1.0; it is a share of 1"),
        ("data.crop_seconds=0.005", "it must hold a frame of 320 samples"),
        ("model.audio_channels=2", "the codec is to be mono"),
    ],
)
def test_what_cannot_be_trained_is_refused(config, override, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment(config, [override])
