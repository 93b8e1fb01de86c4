"""BeatMeter from an experiment to a measured folder: it learns, resumes bit by bit, and merges its adapters."""

import json
from pathlib import Path

import pytest
import small_experiments
import torch
from clicks import write_corpus
from killing import train_and_kill
from safetensors.torch import load_file

from linernotes.modeling.modeling_beatmeter import BeatMeterForMeterClassification
from linernotes.training.checkpoints import LEARNED, frozen_weights, load_learned
from linernotes.training.compare import compare_files, told
from linernotes.training.config import load_experiment
from linernotes.training.evaluate import evaluate_folder
from linernotes.training.lora import load_adapter, merge_lora
from linernotes.training.recipes import beatmeter
from linernotes.training.train import train

pytestmark = pytest.mark.slow

HEAD_FIRST = ("training.head_epochs=16", "training.head_batch_size=15", "training.head_learning_rate=0.003")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return small_experiments.beatmeter_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return small_experiments.beatmeter_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def trained(config, data_dir, tmp_path_factory) -> Path:
    return train(config, [data_dir], HEAD_FIRST, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def metrics(trained, data_dir) -> dict:
    return evaluate_folder(trained, [data_dir], trained.parent / "predictions.jsonl", trained.parent / "metrics.json")


def model_of(config: Path, data_dir: Path, *overrides: str) -> BeatMeterForMeterClassification:
    experiment = load_experiment(config, overrides)
    torch.manual_seed(0)
    return beatmeter.create_model(experiment, beatmeter.load_data(experiment, [data_dir]).train)


def test_it_learns_the_meter_of_clicks(metrics):
    figures = metrics["results"]["test"]
    assert (figures["n"], figures["n_groups"], figures["n_several"]) == (18, 18, 0)
    assert figures["balanced_accuracy"]["value"] > 0.9
    assert figures["map"]["value"] > 0.9
    assert figures["balanced_accuracy"]["majority_baseline"] == pytest.approx(1 / 3, abs=1e-5)
    assert figures["by_origin"]["composed"]["n"] == 18
    assert figures["by_novelty"]["grouping learned"]["n"] == 6  # of fives; threes and fours have no groups
    assert set(figures["by_grouping"]) == {"5: 3+2"}
    baseline = figures["baselines"]["logistic regression on the tempogram"]
    assert baseline["accuracy"]["value"] > 0.5
    expected = figures["accuracy"]["value"] - baseline["accuracy"]["value"]
    assert baseline["our_accuracy_minus_its"]["value"] == pytest.approx(expected, abs=1e-5)


def test_the_result_is_a_plain_calibrated_folder_and_the_adapter_beside_it(trained, config, data_dir):
    model, info = BeatMeterForMeterClassification.from_pretrained(trained, output_loading_info=True)
    assert not any(info.values())
    assert model.config.backbone_name == "tiny-mert"
    assert model.config.pos_weight == [2.0, 2.0, 2.0]
    assert all(0 < threshold < 1 for threshold in model.config.thresholds)
    run = trained.parent
    listed = json.loads((run / "highest_loss.json").read_text())
    assert len(listed) == 5
    assert [row["loss"] for row in listed] == sorted((row["loss"] for row in listed), reverse=True)
    assert all(row["clip"].startswith("clicks/train") for row in listed)
    with_adapter = merge_lora(load_adapter(model_of(config, data_dir, "training.tuning=full"), run / "adapter"))
    for name, weight in with_adapter.state_dict().items():
        if name != "head.4.bias":  # calibration moves it
            torch.testing.assert_close(weight, model.state_dict()[name])


def test_pictures_and_predictions_are_written(trained, metrics):
    names = {path.stem for path in (trained.parent / "plots").glob("*.png")}
    assert names >= {"confusion_matrix_test", "reliability_test", "layer_weights", "training_curves"}
    rows = [json.loads(line) for line in (trained.parent / "predictions.jsonl").read_text().splitlines()]
    right = [max(row["probabilities"], key=row["probabilities"].get) in row["labels"] for row in rows]
    assert sum(right) / len(rows) == pytest.approx(metrics["results"]["test"]["accuracy"]["value"], abs=1e-5)
    compared = compare_files(trained.parent / "predictions.jsonl", trained.parent / "predictions.jsonl")
    assert (compared["agreement"]["value"], compared["worth_having"]) == (1.0, False)
    assert "agreement 100.0% (gate: below 85%)" in told(compared)


def test_the_log_begins_with_the_stage_of_the_head(trained):
    records = [json.loads(line) for line in (trained / "training_log.jsonl").read_text().splitlines()]
    assert [(record.get("stage"), record["epoch"]) for record in records[:16]] == [("head", n) for n in range(1, 17)]
    assert records[15]["loss"] < records[0]["loss"]
    assert not any("stage" in record for record in records[16:])


def test_a_checkpoint_holds_what_learns_and_nothing_else_is_taken_for_it(config, data_dir, tmp_path):
    train(config, [data_dir], ["training.epochs=1", "training.highest_losses=0"], tmp_path)
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    state = load_file(checkpoint / LEARNED)
    assert any(".lora_A." in name for name in state)
    assert not any("feature_extractor" in name for name in state)
    model = model_of(config, data_dir)
    assert load_learned(model, checkpoint)
    assert model.head[-1].bias.equal(state["head.4.bias"])
    assert frozen_weights(model).isdisjoint(state)
    with pytest.raises(ValueError, match=r"is of another model: .*lora_A.* differ"):
        load_learned(model_of(config, data_dir, "training.tuning=full"), checkpoint)


def test_extra_data_is_learned_from_besides(config, data_dir, tmp_path):
    songs = tmp_path / "songs"
    write_corpus(songs, {"train": 4}, meters=(3, 5))
    lines = [f'"/{path.name}"\t"word"\t{(3, 5)[n % 2]}\t6' for n, path in enumerate(sorted(songs.glob("*.flac")))]
    (songs / "data_wikimeter.tab").write_text("\n".join(["filename\tlabel\tmeter\talt_meter", *lines]) + "\n")
    overrides = ["training.epochs=1", "training.highest_losses=0", "training.tuning=frozen"]
    folder = train(config, [data_dir], overrides, tmp_path / "run", extra_data=[songs])
    facts = json.loads((folder / "training.json").read_text())
    assert facts["experiment"]["data"]["extra_data"] == ["songs"]
    assert str(tmp_path) not in json.dumps(facts["data"])
    assert facts["data"][1]["rows"] == {"train": 6, "validation": 2}


def test_a_killed_run_resumes_to_the_same_weights(config, data_dir, tmp_path):
    overrides = small_experiments.BEATMETER_STAGES
    unbroken = train(config, [data_dir], overrides, tmp_path / "unbroken")
    run = tmp_path / "killed"
    train_and_kill(config, data_dir, overrides, run)
    resumed = train(config, [data_dir], overrides, run, resume=True)
    assert (resumed / "model.safetensors").read_bytes() == (unbroken / "model.safetensors").read_bytes()
    assert (resumed / "config.json").read_bytes() == (unbroken / "config.json").read_bytes()
