"""Neural Math Rock's recipe: rows and what is heard of them, who learns how fast, and a run from end to end."""

import json
from pathlib import Path

import numpy as np
import pytest
import small_experiments
import torch
from killing import train_and_kill
from published_mathrock import TINY_WAVLM
from safetensors.torch import load_file

import linernotes
from linernotes.corpora.affect_rows import ROW
from linernotes.modeling.affect import CHOICES, EMOTIONS
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect
from linernotes.training.arguments import precision
from linernotes.training.checkpoints import LEARNED, frozen_weights, last_whole_checkpoint
from linernotes.training.config import ConfigError, load_experiment
from linernotes.training.constant_q import constant_q_filters
from linernotes.training.evaluate import evaluate_folder
from linernotes.training.plain_affect import RATE_HZ, beat_tracker_tempo
from linernotes.training.recipes import mathrock_affect
from linernotes.training.rows import Data
from linernotes.training.train import train

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return small_experiments.mathrock_affect_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return small_experiments.mathrock_affect_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def data(config, data_dir) -> Data:
    return mathrock_affect.load_data(load_experiment(config), [data_dir])


@pytest.fixture(scope="module")
def trained(config, data_dir, tmp_path_factory) -> Path:
    return train(config, [data_dir], ["training.epochs=12"], tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def metrics(trained, data_dir) -> dict:
    return evaluate_folder(trained, [data_dir], trained.parent / "predictions.jsonl", trained.parent / "metrics.json")


# Rows


def test_rows_come_from_corpora_and_timed_recordings(data):
    assert (len(data.train), len(data.validation), len(data.test)) == (30, 12, 14)
    assert [source["name"] for source in data.sources] == ["riffs", "songs"]
    assert data.sources[1]["rows"] == {"test": 2}
    assert set(ROW) == set(data.train.column_names)
    assert sorted(set(data.test["origin"])) == ["composed", "recordings"]


def test_a_view_has_both_inputs_and_what_is_known(config, data):
    experiment = load_experiment(config)
    plain, varied = (
        make(data.test, experiment) for make in (mathrock_affect.plain_view, mathrock_affect.training_view)
    )
    riff, song = plain[0], plain[12]
    assert (riff["input_values"].shape, riff["input_features"].shape) == ((40_000,), (1, 251, 64))
    assert riff["labels"][EMOTIONS.index("excitement")] > 0.5
    assert [int(riff[f"{task}_labels"]) for task in CHOICES] == [0, 2, 2]
    assert song["labels"].isnan().all()
    assert song["writing_labels"].isnan().all()
    assert riff["writing_labels"][0] == pytest.approx(np.log2(170), abs=0.05)
    assert [int(song[f"{task}_labels"]) for task in CHOICES] == [-100, -100, 0]
    assert riff["input_values"].equal(plain[0]["input_values"])
    assert not varied[0]["input_values"].equal(varied[0]["input_values"])


def test_what_is_shorter_than_a_window_is_masked(config, data):
    item = mathrock_affect.plain_view(data.test, load_experiment(config, ["model.window_seconds=4.0"]))[0]
    assert item["input_values"].shape == (64_000,)
    assert item["attention_mask"].sum() == 48_000
    assert not item["input_values"][48_000:].any()


def test_shares_or_truths_are_learned(config, data):
    hard = mathrock_affect.plain_view(data.train, load_experiment(config, ["data.soft_emotions=false"]))[0]["labels"]
    soft = mathrock_affect.plain_view(data.train, load_experiment(config))[0]["labels"]
    assert set(hard.tolist()) == {0.0, 1.0}
    assert hard.bool().equal(soft >= 0.5)


def test_recordings_are_drawn_as_often_as_is_asked(data):
    rows = data.train.select(range(4)).map(lambda row, n: {"tags": [0.1] * 50 if n else []}, with_indices=True)
    options = mathrock_affect.DataOptions(recordings_share=0.25)
    assert mathrock_affect.row_weights(rows, options) == pytest.approx([0.75, *[0.25 / 3] * 3])
    assert mathrock_affect.row_weights(data.train, options) is None
    assert mathrock_affect.row_weights(rows, mathrock_affect.DataOptions()) is None


# What learns


def test_towers_and_heads_have_their_own_rates(config, data):
    experiment = load_experiment(config)
    model = mathrock_affect.create_model(experiment, data.train)
    heads, towers = mathrock_affect.parameter_groups(model, experiment)
    assert (heads["lr"], towers["lr"]) == (0.003, 0.002)
    assert len(heads["params"]) + len(towers["params"]) == len(list(model.parameters()))
    assert any(parameter is model.writing_head.weight for parameter in heads["params"])
    assert any(parameter is model.tmp_head.weight for parameter in heads["params"])


def test_rare_classes_weigh_more(config, data):
    assert mathrock_affect.class_weights(data.train)["tempo_class_weights"] == [1.0, 1.0, 1.0]
    seen = data.train.select([0, 1, 2, 5, 8, 11])  # one riff, one held, four laments
    assert mathrock_affect.class_weights(seen)["tempo_class_weights"] == [0.5, 2.0, 2.0]
    assert mathrock_affect.class_weights(seen)["vibe_class_weights"][3] == 1.0
    weighed = mathrock_affect.create_model(load_experiment(config), seen).config
    assert weighed.tempo_class_weights == [0.5, 2.0, 2.0]
    plain = load_experiment(config, ["training.class_weights=false"])
    assert mathrock_affect.create_model(plain, seen).config.tempo_class_weights is None


def test_a_long_first_convolution_is_a_filter_bank_that_stays(config, data):
    experiment = load_experiment(config)
    experiment.model["wavlm_config"] = TINY_WAVLM | {
        "conv_dim": (72, 72), "conv_kernel": (1024, 2), "conv_stride": (160, 4), "feat_extract_norm": "group",
        "conv_bias": True,
    }  # fmt: skip
    model = mathrock_affect.create_model(experiment, data.train)
    filters = model.wavlm.feature_extractor.conv_layers[0].conv
    assert filters.weight.equal(constant_q_filters(72, 1024, 16_000))
    first = "wavlm.feature_extractor.conv_layers.0.conv"
    assert frozen_weights(model) == {f"{first}.weight", f"{first}.bias"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.wavlm_name=microsoft/wavlm-base", r"give model\.wavlm_name \(pretrained\) or model\.wavlm_config"),
        ("model.clap_config=null", r"give model\.clap_name \(pretrained\) or model\.clap_config \(new\), one of them"),
        ("model.labels=[joy]", r"model\.labels must be left out: the rules have the 28 emotions"),
        ("model.text_config={vocab_size: 9}", r"model\.text_config is set, but no set here has lyrics.*leave it out"),
        ("model.text_config={}", r"model\.text_config is set, but no set here has lyrics"),
        ("model.text_name=xlm-roberta-base", r"model\.text_name is set, but no set here has lyrics"),
        ("data.corpora=null", "the data block names nothing to learn from; set corpora or neural_mathrock"),
        ("training.folds=3", "training.folds must be 0"),
        ("data.recordings_share=1.5", "recordings_share is 1.5; it is a share of 1"),
        ("data.band_limit_odds=2", "band_limit_odds is 2.0; it is a share of 1"),
        ("data.recordings=[riffs]", "data names 'riffs' twice; each set can be one thing only"),
        ("model.clap_config={foo: 3}", r"model\.clap_config has no key 'foo'; known are .*depths"),
        ("model.wavlm_config=5", r"model\.wavlm_config is 5; it must be a block of fields"),
        ("model.vibe_labels=[a, b]", r"model\.vibe_labels must be left out: the rules have aggressive, atmospheric"),
        ("model.mel_hop_length=0", "mel_hop_length 0; both must be 1 or more"),
        ("model.head_dropout=2", "cannot be run: head_dropout is 2.0; it must be from 0 to 1"),
        ("data.slow_below_bpm=140", "the bounds of the tempo classes are"),
        ("training.best_metric=accuracy", "allowed are map, vibe_macro_f1, intensity_macro_f1, tempo_macro_f1"),
    ],
)
def test_what_cannot_be_run_is_refused(config, override, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment(config, [override])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.wavlm_config={hidden_size: 16, num_attention_heads: 7}"],
            "cannot be built: .*embed_dim must be divisible",
        ),
        (
            [
                "model.wavlm_config=null",
                "model.clap_config=null",
                "model.wavlm_name=absent/one",
                "model.clap_name=absent/other",
            ],
            r"model\.wavlm_name is 'absent/one' and clap_name 'absent/other'; one of them cannot be had: give folders",
        ),
    ],
)
def test_a_model_that_cannot_be_made_is_named(config, data_dir, overrides, message, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises((ConfigError, FileNotFoundError), match=message):
        train(config, [data_dir], overrides, tmp_path)


def test_a_corpus_without_training_rows_is_named(config, data_dir):
    experiment = load_experiment(config, ["data.test_corpora=[riffs]"])
    with pytest.raises(FileNotFoundError, match="there is nothing to learn from in riffs, songs"):
        mathrock_affect.load_data(experiment, [data_dir])


@pytest.mark.parametrize("name", ["pocket", "base"])
def test_published_experiments_can_be_run(name):
    experiment = load_experiment(ROOT / "configs/mathrock_affect" / f"{name}.yaml")
    assert experiment.name == f"mathrock-{name}"
    assert experiment.training.max_grad_norm == 1.0
    if name == "base":
        options = experiment.training
        assert (options.learning_rate, options.backbone_learning_rate, options.epochs) == (1e-4, 3e-5, 20)
        assert (options.weight_decay, options.mixed_precision) == (0.01, True)


def test_the_beat_tracker_finds_the_tempo_of_clicks():
    clicks = np.zeros(10 * RATE_HZ, np.float32)
    clicks[:: round(RATE_HZ * 60 / 110)] = 1.0
    assert beat_tracker_tempo(clicks) == pytest.approx(110, rel=0.05)
    assert beat_tracker_tempo(np.zeros(10 * RATE_HZ, np.float32)) == 0.0


def test_numbers_are_kept_short_where_that_is_faster(config, monkeypatch):
    asked, not_asked = (load_experiment(config, [f"training.mixed_precision={on}"]).training for on in (True, False))
    for instructions, expected in (
        ({}, {}),
        ({"avx512_bf16": True}, {"bf16": True, "use_cpu": True}),
        ({"amx_bf16": True}, {"bf16": True, "use_cpu": True}),
    ):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda found=instructions: found)
        assert precision(asked) == expected
        assert precision(not_asked) == {}
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for is_supported, name in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda is_supported=is_supported: is_supported)
        assert precision(asked) == {name: True}
        assert precision(not_asked) == {}


# From end to end


@pytest.mark.slow
def test_it_learns_what_is_beyond_doubt(metrics):
    figures = metrics["results"]["test"]
    assert (figures["n"], figures["emotion"]["n"], figures["tempo"]["n"]) == (14, 12, 14)
    for task in ("vibe", "intensity"):
        assert figures[task]["macro_f1"]["value"] > 0.9
        assert figures[task]["ece"]["value"] < 0.3
    assert figures["tempo"]["by_origin"]["composed"]["macro_f1"]["value"] > 0.9
    assert figures["tempo"]["by_origin"]["recordings"]["n"] == 2
    emotions = figures["emotion"]
    assert emotions["map"]["value"] > emotions["map"]["majority_baseline"] + 0.2
    assert set(figures["tempo"]["baselines"]) == {"logistic regression on the log-mel", "beat tracker"}
    assert set(figures["vibe"]["baselines"]) == {"logistic regression on the log-mel"}
    assert set(emotions["baselines"]) == {"logistic regression on the log-mel"}
    assert "agreement" not in figures


@pytest.mark.slow
def test_the_result_is_a_calibrated_folder(trained, metrics):
    model, info = MathRockForAffect.from_pretrained(trained, output_loading_info=True)
    assert not any(info.values())
    assert model.dtype == torch.float32
    assert model.config.model_name == "mathrock-test"
    assert all(0 < threshold <= 1 for threshold in model.config.thresholds)
    assert {model.config.vibe_temperature, model.config.tempo_temperature} != {1.0}
    names = {path.stem for path in (trained.parent / "plots").glob("*.png")}
    assert names >= {"confusion_matrix_of_tempo_test", "reliability_of_vibe_test", "training_curves"}
    rows = [json.loads(line) for line in (trained.parent / "predictions.jsonl").read_text().splitlines()]
    right = [row["tempo"]["label"] == max(p := row["tempo"]["probabilities"], key=p.get) for row in rows]
    assert np.mean(right) == pytest.approx(metrics["results"]["test"]["tempo"]["accuracy"]["value"], abs=1e-5)
    assert sum(rows[0]["vibe"]["probabilities"].values()) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_checkpoint_is_a_whole_folder_without_what_learning_alone_needs(trained):
    checkpoint = last_whole_checkpoint(trained.parent)
    model = linernotes.load(checkpoint)
    assert type(model) is MathRockForAffect
    assert model.missing_keys == ()
    assert any(name.startswith("writing_head") for name in load_file(checkpoint / LEARNED))
    facts = json.loads((trained / "training.json").read_text())
    assert facts["parameters"] == sum(each.numel() for each in model.parameters())


def test_a_killed_run_resumes_to_the_same_weights(config, data_dir, tmp_path):
    unbroken = train(config, [data_dir], ["training.epochs=3"], tmp_path / "unbroken")
    train_and_kill(config, data_dir, ["training.epochs=3"], tmp_path / "killed")
    resumed = train(config, [data_dir], ["training.epochs=3"], tmp_path / "killed", resume=True)
    assert (resumed / "model.safetensors").read_bytes() == (unbroken / "model.safetensors").read_bytes()
    assert (resumed / "config.json").read_bytes() == (unbroken / "config.json").read_bytes()
