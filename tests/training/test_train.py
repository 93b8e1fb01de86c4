"""Training from an experiment file to a Hub folder, on miniature tables: what it writes, and a resume after a kill."""

import json
import math
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import small_experiments
import torch
from killing import train_and_kill
from safetensors.torch import load_file
from tampering import CANARY, Hostile

from linernotes.modeling.feature_extraction_genre_moe import FEATURE_NAMES
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification
from linernotes.training.checkpoints import last_whole_checkpoint
from linernotes.training.config import ConfigError, load_experiment
from linernotes.training.evaluate import evaluate_folder, stages_before
from linernotes.training.publish import publish
from linernotes.training.recipes import genre_moe
from linernotes.training.train import train


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return small_experiments.genre_moe_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return small_experiments.genre_moe_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def trained(data_dir, config, tmp_path_factory) -> Path:
    overrides = ["training.folds=3", "training.epochs=25"]
    return train(config, [data_dir], overrides, tmp_path_factory.mktemp("run"))


def test_generated_clips_are_as_long_as_is_asked(monkeypatch, config):
    asked = []

    def generated_set(*given):
        asked.append(given)
        raise InterruptedError

    monkeypatch.setattr(genre_moe, "generated_set", generated_set)
    overrides = ["data.generated_per_genre=6", "data.generated_seconds=2", "training.seed=3"]
    experiment = load_experiment(config, overrides)
    with pytest.raises(InterruptedError):
        genre_moe.load_data(experiment, [])
    assert [given[1:] for given in asked] == [(6, 2.0, 3)]


def test_the_result_is_a_whole_hub_folder(trained):
    assert {path.name for path in trained.iterdir()} >= {
        *("config.json", "preprocessor_config.json", "model.safetensors", "modeling_genre_moe.py", "mixture.py"),
        *("training.json", "training_log.jsonl", "out_of_fold.json"),
    }
    facts = json.loads((trained / "training.json").read_text())
    assert facts["data"] == [
        {"name": "tables", "licence": facts["data"][0]["licence"], "rows": {"real": 48, "others": 24}}
    ]
    assert facts["experiment"]["training"]["epochs"] == 25
    losses = [json.loads(line).get("loss") for line in (trained / "training_log.jsonl").read_text().splitlines()]
    assert losses[24] < losses[0]


def test_a_published_folder_links_its_code(trained, tmp_path):
    publish(trained, tmp_path / "models" / "genre-test")
    links = {path.name for path in (tmp_path / "models" / "genre-test").glob("*.py") if path.is_symlink()}
    assert links == {path.name for path in trained.glob("*.py")}
    assert all((tmp_path / "models" / "genre-test" / name).is_file() for name in links)
    with pytest.raises(FileNotFoundError, match=r"holds no model\.safetensors"):
        publish(tmp_path, tmp_path / "other")


def test_evaluation_writes_figures_pictures_and_predictions(trained, data_dir, tmp_path):
    out, predictions = tmp_path / "metrics.json", tmp_path / "predictions.jsonl"
    metrics = evaluate_folder(trained, [data_dir], predictions, out)
    assert json.loads(out.read_text()) == metrics
    figures = metrics["results"]["cross_validation"]
    assert figures["n"] == 48
    assert figures["n_groups"] == 12
    # the two genres differ in every column: out of fold, artists apart, both methods must find it
    assert figures["accuracy"]["value"] > 0.9
    assert [baseline["accuracy"]["value"] > 0.9 for baseline in figures["baselines"].values()] == [True, True]
    assert figures["self_activation"]["min"]["value"] > 0.6
    rows = [json.loads(line) for line in predictions.read_text().splitlines()]
    assert len({row["clip"] for row in rows}) == 48
    correct = np.mean([max(row["probabilities"], key=row["probabilities"].get) == row["label"] for row in rows])
    assert correct == pytest.approx(figures["accuracy"]["value"], abs=1e-5)
    assert {path.stem for path in (tmp_path / "plots").glob("*.png")} >= {
        *("confusion_matrix_cross_validation", "roc_curves_cross_validation", "training_curves", "feature_importance"),
    }


def test_rows_of_one_level_have_no_deviation_of_their_level(data_dir, config):
    """Not even by rounding: a z-score would make a feature of it."""
    experiment = load_experiment(config, ["model.level_db=-16.0"])
    rows = genre_moe.load_data(experiment, [data_dir]).crossed
    mean, deviation = genre_moe.statistics(rows, genre_moe.config_of(experiment))
    rms = FEATURE_NAMES.index("rms")
    assert mean[rms] == pytest.approx(math.log(10 ** (-16 / 20)), abs=1e-6)
    assert deviation[rms] == 1.0
    assert deviation[0] != genre_moe.statistics(rows, genre_moe.config_of(load_experiment(config)))[1][0]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(data_dir, config, tmp_path):
    runs = [train(config, [data_dir], [f"training.seed={seed}"], tmp_path / str(i)) for i, seed in enumerate((0, 0, 1))]
    first, second, other = ((run / "model.safetensors").read_bytes() for run in runs)
    assert first == second != other


def test_a_run_that_was_stopped_is_not_begun_anew_by_mistake(data_dir, config, tmp_path):
    finished = train(config, [data_dir], out=tmp_path / "run")
    train(config, [data_dir], out=tmp_path / "run")  # what is finished may be done again
    shutil.rmtree(finished)
    with pytest.raises(ConfigError, match=r"run holds checkpoint-\d+ of a run that was stopped; go on with --resume"):
        train(config, [data_dir], out=tmp_path / "run")
    assert train(config, [data_dir], out=tmp_path / "run", resume=True) == finished


def test_a_run_that_is_begun_anew_begins_without_the_checkpoints_of_the_last(data_dir, config, tmp_path, monkeypatch):
    """Killed before its own first, it would be resumed from them."""
    train(config, [data_dir], ["training.epochs=2"], tmp_path)
    monkeypatch.setattr(genre_moe, "load_data", lambda *given: pytest.fail("killed"))
    with pytest.raises(pytest.fail.Exception, match="killed"):
        train(config, [data_dir], ["training.epochs=2", "training.seed=1"], tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_result_that_was_not_written_to_its_end_is_none(data_dir, config, tmp_path):
    finished = train(config, [data_dir], out=tmp_path)
    (finished / "training.json").unlink()
    with pytest.raises(ConfigError, match="of a run that was stopped"):
        train(config, [data_dir], out=tmp_path)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"])
def test_a_run_is_not_resumed_with_code_from_a_checkpoint(name, data_dir, config, tmp_path, monkeypatch):
    """The Trainer's own state is a pickle; torch reads it without running any of it."""
    monkeypatch.chdir(tmp_path)
    overrides = ["training.epochs=2"]
    train(config, [data_dir], overrides, tmp_path / "run")
    shutil.rmtree(last_whole_checkpoint(tmp_path / "run"))  # there is something left to train
    planted = last_whole_checkpoint(tmp_path / "run") / name
    if name == "training_args.bin":  # which nobody reads again
        torch.save(Hostile(), planted)
        assert train(config, [data_dir], overrides, tmp_path / "run", resume=True)
    else:
        assert planted.is_file()
        torch.save(Hostile(), planted)
        with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
            train(config, [data_dir], overrides, tmp_path / "run", resume=True)
    assert not Path(CANARY).exists()


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights_and_log(data_dir, config, tmp_path):
    unbroken = train(config, [data_dir], out=tmp_path / "unbroken")
    run = tmp_path / "killed"
    train_and_kill(config, data_dir, [], run)
    resumed = train(config, [data_dir], out=run, resume=True)
    assert (resumed / "model.safetensors").read_bytes() == (unbroken / "model.safetensors").read_bytes()
    assert losses_of(resumed) == losses_of(unbroken)


def losses_of(folder: Path) -> list[tuple[float, float]]:
    records = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    return [(record["step"], record["loss"]) for record in records if "loss" in record]


def test_missing_data_is_named(config, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data set 'tables' was not found; looked in .*empty"):
        train(config, [tmp_path / "empty"], out=tmp_path / "run")


def test_pretrained_experts_are_an_option(data_dir, config, tmp_path):
    folder = train(config, [data_dir], ["data.pretrain_epochs=2", "training.epochs=1"], tmp_path)
    plain = train(config, [data_dir], ["training.epochs=1"], tmp_path / "plain")
    key = "experts.0.0.weight"
    assert not load_file(folder / "model.safetensors")[key].equal(load_file(plain / "model.safetensors")[key])
    assert GenreMoeForAudioClassification.from_pretrained(folder).config.labels == ["jazz", "rock"]
    assert [stage for stage, *_ in stages_of(folder)] == ["experts", "experts"]
    assert stages_of(plain) == []


def stages_of(folder: Path) -> list[tuple[str, float, float]]:
    """What a log holds of the stages before the training."""
    records = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    return [(record["stage"], record["epoch"], record["loss"]) for record in records if "stage" in record]


def test_a_resumed_run_still_knows_the_stages_before_it(data_dir, config, tmp_path):
    overrides = ["data.pretrain_epochs=2", "training.epochs=1"]
    begun = stages_of(train(config, [data_dir], overrides, tmp_path))
    assert [(stage, epoch) for stage, epoch, _ in begun] == [("experts", 1.0), ("experts", 2.0)]
    assert stages_of(train(config, [data_dir], overrides, tmp_path, resume=True)) == begun


@pytest.mark.parametrize(
    ("training", "data", "expected"),
    [
        ({"head_epochs": 20, "event_epochs": 5}, {}, ["events", "head"]),
        ({"head_epochs": 20, "event_epochs": 0}, {}, ["head"]),
        ({"head_epochs": 0, "event_epochs": 5}, {}, []),
        ({}, {"pretrain_epochs": 3}, ["experts"]),
        ({}, {}, []),
    ],
)
def test_an_experiment_tells_what_came_before_its_last_stage(training, data, expected):
    assert stages_before({"training": training, "data": data}) == expected


def test_accumulated_steps_have_the_loss_of_one_batch(data_dir, config, tmp_path):
    """Not their sum, which would be as many times the gradient."""
    losses = []
    for batch_size, steps in ((16, 1), (4, 4)):
        sizes = [f"training.batch_size={batch_size}", f"training.gradient_accumulation_steps={steps}"]
        train(config, [data_dir], [*sizes, "training.max_steps=1", "training.logging_steps=1"], tmp_path / str(steps))
        (line,) = (json.loads(line) for line in (tmp_path / str(steps) / "log.jsonl").read_text().splitlines()[:1])
        losses.append((line["loss"], line["grad_norm"]))
    assert losses[1] == pytest.approx(losses[0], rel=0.5)
