"""The pocket codec's recipe, on seconds of noise: what is held out, what is saved, an exact resume."""

import json
from pathlib import Path

import pytest
import small_experiments
import torch
from killing import train_and_kill
from safetensors.torch import load_file
from transformers import AutoFeatureExtractor, EncodecModel

from linernotes.training.codec_training import said_again
from linernotes.training.config import ConfigError, load_experiment
from linernotes.training.recipes import pocket_codec
from linernotes.training.train import train

RATE = 24_000


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return small_experiments.pocket_codec_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return small_experiments.pocket_codec_config(tmp_path_factory.mktemp("config"))


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
