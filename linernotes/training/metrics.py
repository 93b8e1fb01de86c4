"""How good the answers are: figures of a classifier with one label a recording, each with its uncertainty.

Three layers: plain functions of arrays (scikit-learn does the arithmetic), the same figures as `evaluate.Metric`
classes, which work offline, and `measure`, which puts everything that metrics.json holds into one dict.
Conventions: references are class indices (n,); probabilities are (n, classes) and each row sums to 1; the prediction is
the most probable class. Averages over classes are over the classes that occur in the references; a class that does not
occur has no recall and no ROC: NaN in arrays, None in dicts.
Intervals: see `linernotes.training.bootstrap`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import evaluate
import numpy as np
from datasets import Features, List, Value
from sklearn import metrics as sk

from linernotes.training.bootstrap import (
    LEVEL,
    RESAMPLES,
    classifier_draws,
    mean_of_known,
    plain,
    ratio,
    resample,
    share_with_interval,
    with_interval,
)

CALIBRATION_BINS = 15
AVERAGED = ("accuracy", "macro_f1", "balanced_accuracy", "roc_auc", "ece")
PER_CLASS = ("precision", "recall", "f1")


# Plain figures


def accuracy(references: np.ndarray, probabilities: np.ndarray) -> float:
    return float(sk.accuracy_score(references, probabilities.argmax(1)))


def macro_f1(references: np.ndarray, probabilities: np.ndarray) -> float:
    return float(np.nanmean(per_class(references, probabilities)["f1"]))


def balanced_accuracy(references: np.ndarray, probabilities: np.ndarray) -> float:
    return float(np.nanmean(per_class(references, probabilities)["recall"]))


def per_class(references: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """precision, recall and f1 of each class, and its support: arrays (classes,)."""
    *figures, support = sk.precision_recall_fscore_support(
        references, probabilities.argmax(1), labels=range(probabilities.shape[1]), zero_division=0
    )
    named = zip(PER_CLASS, figures, strict=True)
    return {name: np.where(support > 0, values, np.nan) for name, values in named} | {"support": support}


def roc_auc(references: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each class against all others, (classes,)."""
    areas = np.full(probabilities.shape[1], np.nan)
    for index, scores in enumerate(probabilities.T):
        members = references == index
        if members.any() and not members.all():
            areas[index] = sk.roc_auc_score(members, scores)
    return areas


def reliability(references: np.ndarray, probabilities: np.ndarray, bins: int = CALIBRATION_BINS) -> dict:
    """Answers by their top probability, in equal-width bins ((i - 1) / bins, i / bins].

    Returns arrays (bins,): count, mean confidence and accuracy, the last two NaN in an empty bin.
    """
    chosen = calibration_bin(probabilities, bins)
    count = np.bincount(chosen, minlength=bins)
    confidence = np.bincount(chosen, weights=probabilities.max(1), minlength=bins)
    hits = np.bincount(chosen, weights=probabilities.argmax(1) == references, minlength=bins)
    return {"count": count, "confidence": ratio(confidence, count), "accuracy": ratio(hits, count)}


def calibration_bin(probabilities: np.ndarray, bins: int = CALIBRATION_BINS) -> np.ndarray:
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities.max(1), side="left")


def expected_calibration_error(
    references: np.ndarray, probabilities: np.ndarray, bins: int = CALIBRATION_BINS
) -> float:
    """Mean distance of confidence and accuracy over the bins, weighted by count (Guo et al. 2017, arXiv 1706.04599)."""
    binned = reliability(references, probabilities, bins)
    gaps = np.nan_to_num(np.abs(binned["confidence"] - binned["accuracy"]))
    return float((binned["count"] * gaps).sum() / len(references))


def gate_profile(references: np.ndarray, gate_weights: np.ndarray, num_classes: int) -> np.ndarray:
    """Mean gate weight of every expert over the rows of each class, (classes, experts)."""
    members = references == np.arange(num_classes)[:, None]
    return ratio(members @ gate_weights, members.sum(1, keepdims=True))


def self_activation(references: np.ndarray, gate_weights: np.ndarray) -> np.ndarray:
    """Mean gate weight of a class's own expert over the rows of that class, (classes,); one expert a class."""
    return np.diagonal(gate_profile(references, gate_weights, gate_weights.shape[1])).copy()


# The same as metrics of `evaluate`


class ProbabilityMetric(evaluate.Metric):
    """A figure of references (class indices) and predictions (rows of probabilities)."""

    key: ClassVar[str]
    figure: ClassVar[Callable]

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=type(self).__doc__,
            citation="",
            inputs_description=ProbabilityMetric.__doc__,
            features=Features({"predictions": List(Value("float64")), "references": Value("int64")}),
        )

    def _compute(self, predictions, references) -> dict[str, Any]:
        figure = type(self).figure(np.asarray(references), np.asarray(predictions))
        return {self.key: figure if isinstance(figure, float) else plain(figure)}


class Accuracy(ProbabilityMetric):
    """Share of right answers."""

    key, figure = "accuracy", staticmethod(accuracy)


class MacroF1(ProbabilityMetric):
    """F1 averaged over classes."""

    key, figure = "macro_f1", staticmethod(macro_f1)


class BalancedAccuracy(ProbabilityMetric):
    """Recall averaged over classes."""

    key, figure = "balanced_accuracy", staticmethod(balanced_accuracy)


class PerClass(ProbabilityMetric):
    """Precision, recall, F1 and support of each class, as lists in the order of the classes."""

    key, figure = "per_class", staticmethod(per_class)


class RocAuc(ProbabilityMetric):
    """Area under the one-against-all ROC curve of each class, as a list in the order of the classes."""

    key, figure = "roc_auc", staticmethod(roc_auc)


class ExpectedCalibrationError(ProbabilityMetric):
    """Distance of confidence and accuracy over 15 equal-width bins of the top probability."""

    key, figure = "ece", staticmethod(expected_calibration_error)


class SelfActivation(ProbabilityMetric):
    """Mean weight of each class's own expert; the predictions are gate weights, one expert a class."""

    key, figure = "self_activation", staticmethod(self_activation)


# Everything at once


@dataclass(frozen=True)
class Answers:
    """Checked arrays. `groups` holds indices from 0 in the sorted order of the groups' names."""

    references: np.ndarray
    probabilities: np.ndarray
    groups: np.ndarray
    gate_weights: np.ndarray | None

    @property
    def num_classes(self) -> int:
        return self.probabilities.shape[1]

    @property
    def num_groups(self) -> int:
        return int(self.groups.max()) + 1

    @property
    def own_experts(self) -> bool:
        return self.gate_weights is not None and self.gate_weights.shape[1] == self.num_classes


def measure(
    references, probabilities, groups, labels, gate_weights=None, seed: int = 0, exclusive: bool = True
) -> dict[str, Any]:
    """All figures of a set of answers, JSON-ready, rounded to six places.

    Args:
        references: (n,) class indices.
        probabilities: (n, classes).
        groups: (n,) the artist, song ... of each row, names or numbers; they are resampled for the intervals.
        labels: the classes' names.
        gate_weights: (n, experts); self-activation is measured where there is one expert a class, in the same order.
        seed: of the bootstrap.
        exclusive: False where probabilities are independent of each other and need not sum to 1 (sigmoids).

    Returns:
        n, n_groups, labels, interval (how intervals were made); accuracy, macro_f1, balanced_accuracy, roc_auc and ece
        as {"value", "low", "high", "majority_baseline"}, ece with its number of bins; per_class {label: {precision,
        recall, f1 and roc_auc as {"value", "low", "high"}, support, groups}}; confusion [reference][prediction];
        reliability {count, confidence, accuracy}; with gate weights gate_profile [class][expert], and self_activation
        {mean, min, per_class}.
        The baseline always says the most frequent class of the references, with certainty; for self-activation it is a
        gate that weighs all experts alike. `low` and `high` are None where there is only one group.

    Raises:
        ValueError: arrays do not fit each other, or are no class indices or probabilities.
    """
    answers = check(references, probabilities, groups, list(labels), gate_weights, exclusive)
    values, draws = point_values(answers), draws_of(answers, seed)
    always = point_values(majority(answers))
    result: dict[str, Any] = {
        "n": len(answers.references),
        "n_groups": answers.num_groups,
        "labels": list(labels),
        "interval": {"level": LEVEL, "method": "bootstrap over groups", "resamples": RESAMPLES, "seed": seed},
        "accuracy": share_with_interval(values["accuracy"], draws["accuracy"], answers.num_groups),
        **{name: with_interval(values[name], draws[name]) for name in AVERAGED[1:]},
    }
    for name in AVERAGED:
        result[name]["majority_baseline"] = plain(always[name])
    result["ece"]["bins"] = CALIBRATION_BINS
    result["per_class"] = figures_by_class(answers, list(labels), values, draws)
    result["confusion"] = sk.confusion_matrix(
        answers.references, answers.probabilities.argmax(1), labels=range(answers.num_classes)
    ).tolist()
    result["reliability"] = plain(reliability(answers.references, answers.probabilities))
    if answers.gate_weights is not None:
        result["gate_profile"] = plain(gate_profile(answers.references, answers.gate_weights, answers.num_classes))
    if answers.own_experts:
        result["self_activation"] = figures_of_gate(list(labels), values, draws)
    return result


def paired_difference(references, predictions_a, predictions_b, groups) -> dict[str, Any]:
    """Accuracy of a minus accuracy of b on the same rows: value, low, high, n, n_groups.

    All arguments are (n,); predictions are class indices. An interval that leaves out 0 is a difference.
    """
    arrays = [np.asarray(array) for array in (references, predictions_a, predictions_b, groups)]
    if any(array.ndim != 1 or len(array) != len(arrays[0]) or not len(array) for array in arrays):
        raise ValueError(
            f"references, predictions_a, predictions_b and groups are {[array.shape for array in arrays]}; "
            "all must be (n,) with the same n above 0, predictions as class indices"
        )
    references, predictions_a, predictions_b, groups = arrays
    groups = np.unique(groups, return_inverse=True)[1]
    differences = (predictions_a == references).astype(float) - (predictions_b == references)
    table = np.stack([np.bincount(groups, differences), np.bincount(groups)], axis=1)
    sums = resample(len(table), seed=0) @ table
    figure = with_interval(float(differences.mean()), sums[:, 0] / sums[:, 1])
    return figure | {"n": len(references), "n_groups": len(table)}


def check(references, probabilities, groups, labels: list[str], gate_weights, exclusive: bool = True) -> Answers:
    references, groups = np.asarray(references), np.asarray(groups)
    probabilities = np.asarray(probabilities, np.float64)
    if references.ndim != 1 or not len(references) or groups.shape != references.shape:
        raise ValueError(
            f"references are {references.shape} and groups {groups.shape}; both must be (n,) with the same n above 0"
        )
    shape = (len(references), len(labels))
    if probabilities.shape != shape:
        raise ValueError(f"probabilities are {probabilities.shape}; these references and labels need {shape}")
    if not np.issubdtype(references.dtype, np.integer) or references.min() < 0 or references.max() >= len(labels):
        raise ValueError(
            f"references are {references.dtype} from {references.min()} to {references.max()}; "
            f"they must be class indices from 0 to {len(labels) - 1}"
        )
    if not (probabilities >= 0).all() or (exclusive and np.abs(probabilities.sum(1) - 1).max() > 1e-3):
        raise ValueError("probabilities must be 0 or more and each row must sum to 1: apply a softmax to logits first")
    if gate_weights is not None:
        gate_weights = np.asarray(gate_weights, np.float64)
        if gate_weights.ndim != 2 or len(gate_weights) != len(references) or not np.isfinite(gate_weights).all():
            raise ValueError(
                f"gate_weights are {gate_weights.shape}; they must be ({len(references)}, experts) and finite"
            )
    return Answers(references, probabilities, np.unique(groups, return_inverse=True)[1], gate_weights)


def majority(answers: Answers) -> Answers:
    """The answers of one who always says the most frequent class, with certainty."""
    winner = np.bincount(answers.references).argmax()
    always = np.tile(np.eye(answers.num_classes)[winner], (len(answers.references), 1))
    return replace(answers, probabilities=always, gate_weights=None)


def point_values(answers: Answers) -> dict[str, Any]:
    references, probabilities = answers.references, answers.probabilities
    areas = roc_auc(references, probabilities)
    values = {
        "accuracy": accuracy(references, probabilities),
        "macro_f1": macro_f1(references, probabilities),
        "balanced_accuracy": balanced_accuracy(references, probabilities),
        "roc_auc": float(mean_of_known(areas)),
        "ece": expected_calibration_error(references, probabilities),
        "class_roc_auc": areas,
        **per_class(references, probabilities),
    }
    if answers.own_experts:
        values["self_activation"] = self_activation(references, answers.gate_weights)
    return values


def draws_of(answers: Answers, seed: int) -> dict[str, np.ndarray]:
    """The figures of `point_values` in every resample."""
    references = answers.references
    own_gates = (
        answers.gate_weights[np.arange(len(references)), references] if answers.own_experts else 0.0 * references
    )
    bins = calibration_bin(answers.probabilities)
    return classifier_draws(references, answers.probabilities, answers.groups, bins, own_gates, seed)


def figures_by_class(answers: Answers, labels: list[str], values: dict, draws: dict) -> dict[str, dict[str, Any]]:
    result = {}
    for index, label in enumerate(labels):
        shown = {name: with_interval(values[name][index], draws[name][:, index]) for name in PER_CLASS}
        shown["roc_auc"] = with_interval(values["class_roc_auc"][index], draws["class_roc_auc"][:, index])
        shown["support"] = int(values["support"][index])
        shown["groups"] = len(np.unique(answers.groups[answers.references == index]))
        result[label] = shown
    return result


def figures_of_gate(labels: list[str], values: dict, draws: dict) -> dict[str, Any]:
    """Self-activation: mean and lowest over the classes, and each class."""
    own, drawn, alike = values["self_activation"], draws["self_activation"], 1 / len(labels)
    return {
        "mean": with_interval(np.nanmean(own), mean_of_known(drawn), uniform_baseline=alike),
        "min": with_interval(np.nanmin(own), np.nanmin(drawn, axis=1), uniform_baseline=alike),
        "per_class": {label: with_interval(own[i], drawn[:, i]) for i, label in enumerate(labels)},
    }
