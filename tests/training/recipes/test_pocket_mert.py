"""Pre-training of the backbone, on a corpus of a few clips: targets that fit their frames, and an exact resume."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import small_experiments
import soundfile
import torch
import torch.nn.functional as F
from killing import train_and_kill
from safetensors.torch import load_file
from transformers import AutoFeatureExtractor, AutoModel, HubertModel

from linernotes.corpora.frame_targets import CLASSES, FLAGS, UNKNOWN
from linernotes.corpora.manifest import write_manifest
from linernotes.training.config import ConfigError, load_experiment
from linernotes.training.constant_q import PHASE_GAINS
from linernotes.training.frame_heads import WEIGHTS, smeared
from linernotes.training.recipes import pocket_mert
from linernotes.training.train import train

RATE = 24_000


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return small_experiments.pocket_mert_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return small_experiments.pocket_mert_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def data(config, data_dir):
    return pocket_mert.load_data(load_experiment(config), [data_dir])


@pytest.fixture(scope="module")
def trained(config, data_dir, tmp_path_factory) -> Path:
    return train(config, [data_dir], out=tmp_path_factory.mktemp("run"))


def batch_of(data, config, rows=(0, 1, 8, 9)) -> dict[str, torch.Tensor]:
    view = pocket_mert.plain_view(data.train, load_experiment(config))
    items = [view[index] for index in rows]
    return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in items[0]}


def test_rows_come_of_both_kinds(data, data_dir):
    assert len(data.train) == 10
    assert len(data.validation) == 2
    assert [facts is None for facts in data.train["facts"]] == [False] * 8 + [True] * 2
    assert [len(tags) for tags in data.train["tags"]] == [0] * 8 + [50] * 2
    assert [len(embedding) for embedding in data.train["embedding"]] == [0] * 8 + [200] * 2
    assert data.sources == [
        {"name": "clips", "licence": "CC0", "rows": {"train": 8}},
        {"name": "heard", "licence": "CC0", "rows": {"train": 2}},
    ]
    assert list((data_dir / "heard").glob("heard-by-genre-moe-tags-*.arrow")), "the teacher would listen again"


def test_recordings_are_drawn_as_often_as_asked(data, config):
    weights = pocket_mert.row_weights(data.train, load_experiment(config).data)
    assert sum(weights[8:]) == pytest.approx(0.25)
    assert sum(weights) == pytest.approx(1.0)


def test_targets_have_a_row_for_every_frame_of_the_model(data, config):
    experiment, batch = load_experiment(config), batch_of(data, config)
    model = pocket_mert.create_model(experiment, data.train).eval()
    frames = model.hubert(batch["input_values"]).last_hidden_state.shape[1]
    assert frames == pocket_mert.frame_count(experiment_config(config), RATE)
    for name, size in FLAGS.items():
        assert batch[name].shape == (4, frames, size)
    for name in CLASSES:
        assert batch[name].shape == (4, frames)
    assert batch["scored"].tolist() == [1, 1, 0, 0]
    assert batch["tagged"].tolist() == [0, 0, 1, 1]
    assert (batch["key"][2:] == UNKNOWN).all()
    assert batch["input_values"].std(1).tolist() == pytest.approx([1.0] * 4, abs=1e-3)


def experiment_config(config):
    return pocket_mert.config_of(load_experiment(config))


def test_frames_are_centred_on_what_they_hear(config):
    """A click is heard by the frames around it: the middle of those is the frame whose centre is nearest."""
    hubert = experiment_config(config)
    frames = pocket_mert.frame_count(hubert, RATE)
    model = HubertModel(hubert).eval()
    silence, click = torch.zeros(1, RATE), torch.zeros(1, RATE)
    click[0, 12_345] = 1.0
    with torch.no_grad():
        heard = [model.feature_extractor(signal)[0] for signal in (silence, click)]
    touched = (heard[0] - heard[1]).abs().sum(0).nonzero().squeeze(-1).numpy()
    nearest = np.abs(pocket_mert.frame_centres(hubert, frames) - 12_345).argmin()
    assert abs(np.median(touched) - nearest) <= 0.5


def test_what_has_no_truth_takes_no_part_in_the_loss(data, config):
    model = pocket_mert.create_model(load_experiment(config), data.train).eval()
    batch = batch_of(data, config)
    losses = model(**batch).losses
    assert set(losses) == set(WEIGHTS)
    changed = {**batch, "chroma": batch["chroma"].clone(), "tags": batch["tags"].clone()}
    changed["chroma"][2:] = 1
    changed["tags"][:2] = 1.0
    for name, value in model(**changed).losses.items():
        torch.testing.assert_close(value, losses[name])
    changed["chroma"][:2] = 1 - batch["chroma"][:2]
    assert not model(**changed).losses["chroma"].isclose(losses["chroma"])


def test_a_batch_of_recordings_only_has_a_loss(data, config):
    model = pocket_mert.create_model(load_experiment(config), data.train).eval()
    output = model(**batch_of(data, config, rows=(8, 9)))
    assert torch.isfinite(output.loss)
    assert output.losses["chroma"] == 0
    assert output.losses["key"] == 0


def test_the_neighbours_of_an_event_are_half_right():
    events = torch.zeros(1, 6, 1)
    events[0, 2] = 1.0
    assert smeared(events)[0, :, 0].tolist() == [0, 0.5, 1, 0.5, 0, 0]


def test_the_filters_are_not_trained(trained, config, data):
    model = pocket_mert.create_model(load_experiment(config), data.train)
    weights = load_file(trained / "model.safetensors")
    name = "feature_extractor.conv_layers.0.conv.weight"
    torch.testing.assert_close(weights[name].float(), model.filters.weight, atol=1e-3, rtol=1e-3)
    assert weights[name].dtype == torch.float16


def test_bands_that_are_normalised_by_themselves_start_with_three_gains(data, config):
    experiment = load_experiment(config, ["model.feat_extract_norm=group", "model.feat_extract_activation=relu6"])
    model = pocket_mert.create_model(experiment, data.train)
    first = model.hubert.feature_extractor.conv_layers[0]
    assert first.layer_norm.weight[:6].tolist() == [*PHASE_GAINS, *PHASE_GAINS]
    assert first.layer_norm.weight.requires_grad
    assert torch.isfinite(model(**batch_of(data, config)).loss)


def test_the_result_is_a_plain_backbone(trained):
    model, info = AutoModel.from_pretrained(trained, output_loading_info=True)
    assert type(model) is HubertModel
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert model.dtype == torch.float32
    extractor = AutoFeatureExtractor.from_pretrained(trained)
    assert (extractor.sampling_rate, extractor.do_normalize) == (RATE, True)
    assert model(torch.zeros(1, RATE)).last_hidden_state.isfinite().all()


def test_heads_weigh_as_the_experiment_says(data, config):
    model = pocket_mert.create_model(load_experiment(config, ["data.loss_weights={beat: 3.0}"]), data.train)
    assert model.weights == WEIGHTS | {"beat": 3.0}


def test_the_first_hidden_state_starts_as_a_spectrum(data, config):
    """As wide as there are filters, it is what these hear, averaged over four of their frames and normalised."""
    experiment = load_experiment(config, ["model.conv_dim=[72, 72]", "model.hidden_size=72"])
    model = pocket_mert.create_model(experiment, data.train).eval()
    first, second = model.hubert.feature_extractor.conv_layers
    with torch.no_grad():
        filtered = first(torch.sin(2 * torch.pi * 440 * torch.arange(RATE) / RATE)[None, None])
        averaged = F.avg_pool1d(filtered, 4, stride=2).transpose(1, 2)
        torch.testing.assert_close(second(filtered).transpose(1, 2), F.gelu(F.layer_norm(averaged, (72,))))
    assert model.hubert.feature_projection.projection.weight.equal(torch.eye(72))


def test_a_teacher_listens_again_when_the_recordings_are_others(config, data_dir, tmp_path):
    for name in ("clips", "heard"):
        shutil.copytree(data_dir / name, tmp_path / name)
    louder = 0.1 * np.random.default_rng(1).standard_normal(4 * RATE)
    soundfile.write(tmp_path / "heard/audio/new.flac", louder, RATE)
    write_manifest([small_experiments.row("audio/new.flac", "song")], tmp_path / "heard/manifest.jsonl")
    kept = set((tmp_path / "heard").glob("heard-by-*.arrow"))
    data = pocket_mert.load_data(load_experiment(config), [tmp_path])
    assert len(data.train) == 9
    assert len(set((tmp_path / "heard").glob("heard-by-*.arrow")) - kept) == 1


def test_it_learns(trained):
    losses = [json.loads(line).get("loss") for line in (trained / "training_log.jsonl").read_text().splitlines()]
    losses = [loss for loss in losses if loss is not None]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.rendered=[]", "names no corpus"),
        ("data.crop_seconds=0.02", "need more for two frames"),
        ("data.recordings_share=1.0", "it is a share of 1"),
        ("data.loss_weights={swing: 1.0}", "names 'swing'; there are heads for"),
    ],
)
def test_what_cannot_be_trained_is_refused(config, override, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment(config, [override])


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(config, data_dir, trained, tmp_path):
    run = tmp_path / "killed"
    train_and_kill(config, data_dir, [], run)
    resumed = train(config, [data_dir], out=run, resume=True)
    assert (resumed / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
