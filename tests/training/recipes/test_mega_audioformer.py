"""Pre-training and fine-tuning on seconds of noise and tones: what is taken over, what is written, an exact resume."""

import json
import math
from pathlib import Path

import pytest
import small_experiments
import torch
from datasets import Dataset
from killing import train_and_kill
from pocket_codec import tiny_codec
from safetensors.torch import load_file

import linernotes
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerForMaskedLM
from linernotes.training.config import ConfigError, load_experiment
from linernotes.training.evaluate import evaluate_folder
from linernotes.training.recipes import mega_audioformer, mega_audioformer_pretraining
from linernotes.training.train import fit, train

pytestmark = pytest.mark.usefixtures("own_cache")
ROWS = Dataset.from_dict({"label": ["noise", "tone"]})


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return small_experiments.mega_audioformer_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def configs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("configs")
    return {
        "pretraining": small_experiments.mega_audioformer_pretraining_config(folder),
        "fine_tuning": small_experiments.mega_audioformer_config(folder),
    }


@pytest.fixture(scope="module")
def pretrained(configs, data_dir, tmp_path_factory) -> Path:
    return train(configs["pretraining"], [data_dir], out=tmp_path_factory.mktemp("pretraining"))


@pytest.fixture(scope="module")
def tuned(configs, data_dir, pretrained, tmp_path_factory) -> Path:
    overrides = [f"training.pretrained={pretrained}"]
    return train(configs["fine_tuning"], [data_dir], overrides, tmp_path_factory.mktemp("fine_tuning"))


def test_pre_training_starts_at_chance_and_learns(pretrained, configs, data_dir):
    log = [json.loads(line) for line in (pretrained / "training_log.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in log if "loss" in record]
    assert losses[0] == pytest.approx(math.log(1024), abs=0.2)
    assert losses[-1] < losses[0]
    assert any("eval_loss" in record for record in log)
    facts = json.loads((pretrained / "training.json").read_text())
    rows = facts["data"][0]["rows"]
    assert rows["train"] + rows["validation"] == 20, "validation and test clips of the set are not pre-trained on"


def test_a_model_that_is_not_kept_is_that_of_the_last_epoch(configs, data_dir, tmp_path):
    experiment = load_experiment(configs["fine_tuning"], ["training.best_metric=accuracy", "training.epochs=2"])
    data = mega_audioformer.load_data(experiment, [data_dir])
    model = fit(experiment, data.train, data.validation, tmp_path, seed=0, kept=False)
    assert not list(tmp_path.glob("checkpoint-*"))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sum("eval_accuracy" in record for record in log) == 2
    assert model.config.labels == ["noise", "tone"]


def test_what_is_not_learned_from_is_heard_at_the_model_s_level(configs):
    plain, level = (load_experiment(configs["fine_tuning"], over) for over in ([], ["model.level_db=-21"]))
    of = mega_audioformer.preparation_of
    assert [of(plain).level_db, of(level, learned=True).level_db, of(level).level_db] == [
        (-22, -20),
        (-22, -20),
        (-21, -21),
    ]


def test_the_same_tokens_are_asked_for_in_every_validation(configs, data_dir):
    experiment = load_experiment(configs["pretraining"])
    rows = mega_audioformer_pretraining.load_data(experiment, [data_dir]).validation
    first, second = (mega_audioformer_pretraining.plain_view(rows, experiment)[:] for _ in range(2))
    assert torch.equal(torch.as_tensor(first["codes"]), torch.as_tensor(second["codes"]))
    labels = torch.as_tensor(first["labels"])
    assert (labels != -100).float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_fine_tuning_begins_with_what_pre_training_learned(configs, data_dir, pretrained):
    overrides = [f"training.pretrained={pretrained}"]
    model = mega_audioformer.create_model(load_experiment(configs["fine_tuning"], overrides), ROWS)
    learned = MegaAudioFormerForMaskedLM.from_pretrained(pretrained).model.state_dict()
    assert all(torch.equal(part, learned[name]) for name, part in model.model.state_dict().items())
    scratch = mega_audioformer.create_model(load_experiment(configs["fine_tuning"]), ROWS).model.state_dict()
    assert not torch.equal(scratch["pack.weight"], learned["pack.weight"])


def test_the_result_is_calibrated_and_evaluated(tuned, data_dir):
    model = linernotes.load(tuned)
    assert model.config.labels == ["noise", "tone"]
    state = load_file(tuned / "model.safetensors")
    assert {str(part.dtype) for part in state.values() if part.is_floating_point()} == {"torch.float16"}
    results = evaluate_folder(tuned, [data_dir], predictions=tuned.parent / "said.jsonl")["results"]
    assert set(results) == {"test", "other"}
    assert results["test"]["n"] == 8
    assert results["other"]["n"] == 4
    assert results["test"]["accuracy"]["value"] >= 0.75, "noise and tones are not alike"
    assert "logistic regression on code counts" in results["test"]["baselines"]
    said = [json.loads(line) for line in (tuned.parent / "said.jsonl").read_text().splitlines()]
    assert {line["evaluation"] for line in said} == {"test", "other"}


def test_a_recording_is_heard_as_its_codes_were(tuned, data_dir):
    answer = linernotes.load(tuned).predict(data_dir / "clips" / "31.wav")
    assert set(answer["probabilities"]) == {"noise", "tone"}


@pytest.mark.parametrize("stage", ["pretraining", "fine_tuning"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(stage, configs, data_dir, tmp_path, own_cache, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(own_cache))
    whole = train(configs[stage], [data_dir], out=tmp_path / "whole")
    train_and_kill(configs[stage], data_dir, [], tmp_path / "killed")
    resumed = train(configs[stage], [data_dir], out=tmp_path / "killed", resume=True)
    expected, found = (load_file(folder / "model.safetensors") for folder in (whole, resumed))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_another_form_or_codec_is_refused(configs, pretrained, tmp_path):
    wider = [f"training.pretrained={pretrained}", "model.hidden_size=48"]
    with pytest.raises(ValueError, match="was pre-trained in another form"):
        mega_audioformer.create_model(load_experiment(configs["fine_tuning"], wider), ROWS)
    other = tiny_codec()
    other.quantizer.layers[0].codebook.embed += 1.0
    other.save_pretrained(tmp_path / "other")
    changed = [f"training.pretrained={pretrained}", f"data.codec={tmp_path / 'other'}"]
    with pytest.raises(ValueError, match="was pre-trained on another codec"):
        mega_audioformer.create_model(load_experiment(configs["fine_tuning"], changed), ROWS)
    missing = load_experiment(configs["fine_tuning"], ["training.pretrained=no such model"])
    with pytest.raises(FileNotFoundError, match=r"train configs/mega_audioformer_pretraining/pocket\.yaml first"):
        mega_audioformer.create_model(missing, ROWS)


def test_a_share_of_the_labels_is_learned_from(configs, data_dir):
    experiment = load_experiment(configs["fine_tuning"], ["data.label_share=0.2", "data.copies=0"])
    data = mega_audioformer.load_data(experiment, [data_dir])
    assert sorted(data.train["label"]) == ["noise"] * 2 + ["tone"] * 2
    assert len(data.test) == 8


def test_a_label_that_no_row_teaches_is_refused_unless_it_is_named(configs, data_dir, tmp_path):
    labels = ["model.labels=[noise, bells, tone]", "data.copies=0", "training.max_steps=1"]
    with pytest.raises(ConfigError, match=r"no training row is labelled 'bells'; .*\(noise, tone\): take it out, give"):
        train(configs["fine_tuning"], [data_dir], labels, tmp_path / "refused")
    folder = train(configs["fine_tuning"], [data_dir], [*labels, "data.untaught=[bells]"], tmp_path / "named")
    assert linernotes.load(folder).config.labels == ["noise", "bells", "tone"]


@pytest.mark.parametrize(
    ("stage", "override", "message"),
    [
        ("fine_tuning", "data.sets=[]", "data.sets names nothing to learn from"),
        ("fine_tuning", "data.sets=[{name: clips, colour: red}]", "set clips has no key 'colour'"),
        ("fine_tuning", "data.label_share=0", "label_share is 0.0, mask_share 0.2; they are shares of 1"),
        ("fine_tuning", "model.labels=[tone]", "give a list of two or more"),
        ("fine_tuning", "training.folds=3", "training.folds must be 0"),
        ("fine_tuning", "model.labels=[tone, tone]", "id2label holds 'tone' more than once"),
        ("fine_tuning", "data.untaught=[bells]", "data.untaught names 'bells', which is none of model.labels: noise"),
        ("fine_tuning", "data.highest_hz=0", "highest_hz is 0.0; it must be above 60 Hz, or null"),
        ("fine_tuning", "data.seconds=0", "seconds is 0.0; it must be above 0"),
        ("fine_tuning", "data.level_db=[-14, -30]", r"level_db is \[-14, -30\]; give two levels, the lower one first"),
        ("fine_tuning", "data.level_db=[-30, loud]", r"level_db is \[-30, 'loud'\]; give two levels"),
        ("fine_tuning", "data.level_db=[-14]", r"level_db is \[-14\]; give two levels"),
        ("fine_tuning", "data.processes=0", "data.processes is 0; it must be 1 or more"),
        ("pretraining", "data.seconds=0", "seconds is 0.0; it must be above 0"),
        ("pretraining", "data.level_db=[-14, -30]", r"level_db is \[-14, -30\]; give two levels, the lower one first"),
        ("pretraining", "data.processes=0", "data.processes is 0; it must be 1 or more"),
        ("pretraining", "data.crop_seconds=0", "data.crop_seconds is 0.0; it must be above 0"),
        ("pretraining", "data.sets=[]", "data.sets names nothing to learn from"),
        ("pretraining", "data.weights={bells: 2}", "data.weights names 'bells', which is none of data.sets: clips"),
    ],
)
def test_what_cannot_be_trained_is_refused(stage, override, message, configs):
    with pytest.raises(ConfigError, match=message):
        load_experiment(configs[stage], [override])
