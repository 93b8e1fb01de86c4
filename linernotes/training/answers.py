"""What a classifier with one label a recording says of rows, how good that is, and what is fitted on such answers.

`linernotes.training.multilabel` is for classifiers with several labels a recording. What training and `evaluate` call
(measure_epoch, answer_rows, figures, predictions, draw) takes the same there; calibrate, probabilities_of and beside,
which recipes and the modules themselves call, do not.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from linernotes.modeling.music_model import MusicModel
from linernotes.report import pictures
from linernotes.training.asking import answer_rows
from linernotes.training.calibration import choose_abstain_threshold, fit_temperature
from linernotes.training.metrics import measure, paired_difference
from linernotes.training.rows import BASELINE


def measure_epoch(experiment: Any) -> Callable[[Any], dict[str, float]]:
    """What transformers' Trainer measures after an epoch: the share of rows whose label has the largest logit."""

    def measure(predicted: Any) -> dict[str, float]:
        logits = predicted.predictions[0] if isinstance(predicted.predictions, tuple) else predicted.predictions
        return {"accuracy": float((logits.argmax(-1) == predicted.label_ids).mean())}

    return measure


def calibrate(model: MusicModel, data: Any, experiment: Any, crossed: dict[str, Any] | None, run: Path) -> None:
    """Temperature and abstention threshold, from answers on rows that the model (or its fold) has not learned from."""
    held_out = crossed
    if held_out is None and data.validation is not None:
        held_out = answer_rows(model, data.validation, experiment)
    if held_out is None:
        return
    labels = np.array([model.config.label2id[label] for label in held_out["label"]])
    logits = np.array(held_out["logits"])
    model.config.temperature = round(fit_temperature(logits, labels), 4)
    probabilities = torch.tensor(logits / model.config.temperature).softmax(-1).numpy()
    model.config.abstain_below = round(choose_abstain_threshold(probabilities, labels), 4)


def probabilities_of(answer: dict[str, Any], config: Any) -> np.ndarray:
    """Calibrated probabilities; logits of the loaded model already hold its temperature, those of the folds do not."""
    temperature = config.temperature if "repetition" in answer else 1.0
    return (torch.tensor(answer["logits"], dtype=torch.float64) / temperature).softmax(-1).numpy()


def figures(answer: dict[str, Any], config: Any) -> dict[str, Any]:
    """The figures of one set of answers, beside those of the baselines on the same rows."""
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
    baselines = {
        name.removeprefix(BASELINE): beside(np.array(answer[name]), probabilities, references, answer["group"], labels)
        for name in answer
        if name.startswith(BASELINE)
    }
    if baselines:
        measured["baselines"] = baselines
    return measured


def beside(
    baseline: np.ndarray, ours: np.ndarray, references: np.ndarray, groups: list[str], labels: list[str]
) -> dict:
    """A baseline's figures, and by how much our accuracy differs from its own on the same rows."""
    difference = paired_difference(references, ours.argmax(1), baseline.argmax(1), groups)
    return {**measure(references, baseline, groups, labels), "our_accuracy_minus_its": difference}


def draw(results: dict[str, Any], answers: dict[str, Any], model: Any) -> dict[str, Figure]:
    """The pictures that every such classifier has, by name; of each kind one for every evaluation."""
    drawn, labels = {}, model.config.labels
    for name, measured in results.items():
        references = np.array([model.config.label2id[label] for label in answers[name]["label"]])
        probabilities = probabilities_of(answers[name], model.config)
        drawn[f"confusion_matrix_{name}"] = pictures.confusion_matrix(measured["confusion"], labels)
        drawn[f"roc_curves_{name}"] = pictures.roc_curves(references, probabilities, labels)
        drawn[f"reliability_{name}"] = pictures.reliability_diagram(**measured["reliability"])
        if "gate_profile" in measured:
            gates = measured["gate_profile"], labels, model.expert_names
            drawn[f"expert_gates_{name}"] = pictures.expert_gates(*gates)
            drawn[f"radar_charts_{name}"] = pictures.radar_charts(*gates)
    return drawn


def predictions(answer: dict[str, Any], config: Any) -> Iterator[dict[str, Any]]:
    """The answer to every clip: clip, group, label, probabilities."""
    for index, row in enumerate(probabilities_of(answer, config)):
        clip = {column: answer[column][index] for column in ("clip", "group", "label")}
        yield clip | {"probabilities": dict(zip(config.labels, map(float, row), strict=True))}
