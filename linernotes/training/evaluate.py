"""Measures a published or trained folder and writes its metrics.json and pictures.

    linernotes evaluate models/genre-moe --data-dir DATA

The folder (or Hub id) is loaded by its Auto class, as a user would. Two kinds of results go into metrics.json: `test`,
answers on the test split of what the folder learned from, and, where training cross-validated, `cross_validation`, the
out-of-fold answers on real rows beside a plain baseline's. Every figure has n, a 95 % interval (bootstrap over groups)
and the majority baseline.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import snapshot_download
from matplotlib.figure import Figure
from transformers import AutoModel

from linernotes.report import pictures
from linernotes.training.config import parse_experiment
from linernotes.training.metrics import measure, paired_difference
from linernotes.training.train import BASELINE, answer_rows


def evaluate_folder(
    folder: str | Path,
    data_dirs: list[str | Path] | tuple[str | Path, ...] = (),
    predictions: str | Path | None = None,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Measures a folder or Hub id and returns what it wrote to metrics.json.

    Args:
        folder: a folder that `linernotes train` made, or a Hub id of one.
        data_dirs: folders in which the recipe looks for the data sets that the training named.
        predictions: a JSON-lines file for the answer to every clip.
        out: where the figures go; FOLDER/metrics.json by default, pictures beside it in plots/.
    """
    folder = Path(folder) if Path(folder).is_dir() else Path(snapshot_download(str(folder)))
    facts = json.loads((folder / "training.json").read_text())
    experiment = parse_experiment(facts["experiment"])
    model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    data = experiment.recipe.load_data(experiment, [Path(place) for place in data_dirs])
    answers = {}
    if data.test is not None:
        answers["test"] = answer_rows(model, data.test, experiment)
    if (folder / "out_of_fold.json").is_file():
        answers["cross_validation"] = json.loads((folder / "out_of_fold.json").read_text())
    results = {name: figures(answer, model.config) for name, answer in answers.items()}
    metrics = {"model": model.config.model_name, "training": provenance(facts), "results": results}
    out = Path(out or folder / "metrics.json")
    out.write_text(json.dumps(metrics, indent=1) + "\n")
    if predictions:
        write_predictions(Path(predictions), answers, model.config)
    drawn = draw(results, answers, model, folder) | experiment.recipe.pictures(model, data, experiment)
    for name, figure in drawn.items():
        pictures.save(figure, out.parent / "plots" / f"{name}.png")
    return metrics


def provenance(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: facts[key] for key in ("commit", "duration_seconds", "machine", "versions", "parameters", "data")}


def probabilities_of(answer: dict[str, Any], config: Any) -> np.ndarray:
    """Calibrated probabilities; logits of the loaded model already hold its temperature, those of the folds do not."""
    temperature = config.temperature if "repetition" in answer else 1.0
    return (torch.tensor(answer["logits"], dtype=torch.float64) / temperature).softmax(-1).numpy()


def figures(answer: dict[str, Any], config: Any) -> dict[str, Any]:
    """The figures of one set of answers; those of a cross-validation beside the baselines' on the same folds."""
    labels = config.labels
    references = np.array([config.label2id[label] for label in answer["label"]])
    probabilities = probabilities_of(answer, config)
    gates = np.array(answer["gate_weights"]) if "gate_weights" in answer else None
    measured = {"sources": sorted(set(answer["source"]))}
    measured |= measure(references, probabilities, answer["group"], labels, gate_weights=gates)
    if "repetition" in answer:
        measured |= {"n": len(set(answer["clip"])), "repetitions": 1 + max(answer["repetition"])}
        measured["uncalibrated_ece"] = measure(
            references, torch.tensor(answer["logits"]).softmax(-1).numpy(), answer["group"], labels
        )["ece"]
        measured["baselines"] = {
            name.removeprefix(BASELINE): beside(
                np.array(answer[name]), probabilities, references, answer["group"], labels
            )
            for name in answer
            if name.startswith(BASELINE)
        }
    return measured


def beside(
    baseline: np.ndarray, ours: np.ndarray, references: np.ndarray, groups: list[str], labels: list[str]
) -> dict:
    """A baseline's figures, and by how much our accuracy differs from its own on the same rows."""
    difference = paired_difference(references, ours.argmax(1), baseline.argmax(1), groups)
    return {**measure(references, baseline, groups, labels), "our_accuracy_minus_its": difference}


def draw(results: dict, answers: dict, model: Any, folder: Path) -> dict[str, Figure]:
    """The pictures that every classifier has, by name; of each kind one for every evaluation."""
    drawn, config = {}, model.config
    for name, measured in results.items():
        references = np.array([config.label2id[label] for label in answers[name]["label"]])
        drawn[f"confusion_matrix_{name}"] = pictures.confusion_matrix(measured["confusion"], config.labels)
        drawn[f"roc_curves_{name}"] = pictures.roc_curves(
            references, probabilities_of(answers[name], config), config.labels
        )
        drawn[f"reliability_{name}"] = pictures.reliability_diagram(**measured["reliability"])
        if "gate_profile" in measured:
            drawn[f"expert_gates_{name}"] = pictures.expert_gates(
                measured["gate_profile"], config.labels, model.expert_names
            )
            drawn[f"radar_charts_{name}"] = pictures.radar_charts(
                measured["gate_profile"], config.labels, model.expert_names
            )
    log = folder / "training_log.jsonl"
    if log.is_file():
        records = [json.loads(line) for line in log.read_text().splitlines()]
        drawn["training_curves"] = pictures.training_curves(records)
    return drawn


def write_predictions(path: Path, answers: dict[str, dict[str, Any]], config: Any) -> None:
    """One JSON object a clip: evaluation, clip, group, label, probabilities."""
    with path.open("w") as file:
        for name, answer in answers.items():
            for index, row in enumerate(probabilities_of(answer, config)):
                clip = {column: answer[column][index] for column in ("clip", "group", "label")}
                probabilities = dict(zip(config.labels, map(float, row), strict=True))
                file.write(json.dumps({"evaluation": name, **clip, "probabilities": probabilities}) + "\n")
