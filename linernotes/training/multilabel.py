"""What a classifier with several labels a recording says of rows, how good that is, and what is fitted on such answers.

`linernotes.training.answers` is for classifiers with one label a recording, and says which functions take the same.

A recording with one label is one question with one right answer, the most probable label: of those are accuracy,
balanced accuracy and the confusion matrix. Average precision and F1 are of all recordings, label by label. A recording
with several labels is right where all of them, and not just one, are found: `several` has the figures of those alone.
Conventions: truths (n, labels) are True or False; probabilities (n, labels) are independent of each other; rows that
fall under a heading of `BREAKDOWNS` are measured apart besides.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.special import expit
from sklearn import metrics as sk

from linernotes.modeling.music_model import MusicModel
from linernotes.report import pictures
from linernotes.training.asking import BREAKDOWNS, answer_rows  # noqa: F401 (of this name in `answers` too)
from linernotes.training.bootstrap import classifier_draws, mean_of_known, plain, ratio, resample, with_interval
from linernotes.training.calibration import best_thresholds, choose_abstain_threshold, fit_sigmoids
from linernotes.training.metrics import balanced_accuracy, calibration_bin, measure, paired_difference
from linernotes.training.rows import BASELINE

BRIEF = ("n", "n_groups", "accuracy", "balanced_accuracy")


# Answers


def probabilities_of(answer: dict[str, Any]) -> np.ndarray:
    """The logits of a loaded model already hold its temperature."""
    return expit(np.array(answer["logits"]))


def truths_of(answer: dict[str, Any], labels: Sequence[str]) -> np.ndarray:
    return np.array([[label in stated for label in labels] for stated in answer["labels"]])


def predictions(answer: dict[str, Any], config: Any) -> Iterator[dict[str, Any]]:
    """The answer to every clip: clip, group, labels, probabilities."""
    for index, row in enumerate(probabilities_of(answer)):
        clip = {column: answer[column][index] for column in ("clip", "group", "labels")}
        yield clip | {"probabilities": dict(zip(config.labels, map(float, row), strict=True))}


# What is fitted


def measure_epoch(experiment: Any) -> Callable[[Any], dict[str, float]]:
    """What transformers' Trainer measures after an epoch: accuracy (the most probable label is one of the row's),
    balanced accuracy over rows with one label, and mean average precision."""

    def measure_answers(predicted: Any) -> dict[str, float]:
        logits = predicted.predictions[0] if isinstance(predicted.predictions, tuple) else predicted.predictions
        truths, scores = predicted.label_ids > 0.5, np.asarray(logits, np.float64)
        alone = truths.sum(1) == 1
        return {
            "accuracy": float(truths[np.arange(len(truths)), scores.argmax(1)].mean()),
            "balanced_accuracy": balanced_accuracy(truths[alone].argmax(1), scores[alone]) if alone.any() else 0.0,
            "map": float(mean_of_known(average_precisions(truths, scores))),
        }

    return measure_answers


def calibrate(model: MusicModel, answer: dict[str, Any]) -> None:
    """Temperature, thresholds and `abstain_below`, from a model's answers to rows that it has not learned from.

    The offsets of the labels go into the bias of the head's last layer. Temperature must be 1 before.
    """
    truths, logits = truths_of(answer, model.config.labels), np.array(answer["logits"])
    temperature, offsets = fit_sigmoids(logits, truths)
    model.config.temperature = round(temperature, 4)
    with torch.no_grad():
        model.head[-1].bias += torch.tensor(offsets, dtype=torch.float32, device=model.device)
    probabilities = expit((logits + offsets) / model.config.temperature)
    model.config.thresholds = [round(threshold, 4) or 1e-4 for threshold in best_thresholds(probabilities, truths)]
    top = probabilities.argmax(1)
    right = np.where(truths[np.arange(len(top)), top], top, truths.argmax(1))
    model.config.abstain_below = round(choose_abstain_threshold(probabilities, right), 4)


def highest_losses(answer: dict[str, Any], labels: Sequence[str], count: int) -> list[dict[str, Any]]:
    """The rows that a model answers worst, by binary cross-entropy, worst first: wrong labels are among them."""
    truths, logits = truths_of(answer, labels), np.array(answer["logits"])
    losses = (np.logaddexp(0.0, logits) - truths * logits).mean(1)
    probabilities = expit(logits)
    return [
        {
            "clip": answer["clip"][index],
            "labels": answer["labels"][index],
            "loss": round(float(losses[index]), 4),
            "probabilities": dict(zip(labels, probabilities[index].round(4).tolist(), strict=True)),
        }
        for index in np.argsort(-losses, kind="stable")[:count]
    ]


# Figures


def average_precisions(truths: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Average precision of each label (labels,); NaN of one that is never true."""
    pairs = zip(truths.T, scores.T, strict=True)
    return np.array([sk.average_precision_score(*pair) if pair[0].any() else np.nan for pair in pairs])


def resampled_average_precision(counts: np.ndarray, groups: np.ndarray, members: np.ndarray, scores) -> np.ndarray:
    """Average precision in every resample, (resamples,), where group g has counts[:, g] copies of its rows."""
    order = np.argsort(-scores, kind="stable")
    scores, weights = scores[order], counts[:, groups[order]]
    last_of_ties = np.searchsorted(-scores, -scores, side="right") - 1
    found = weights * members[order]
    precision = ratio(found.cumsum(1)[:, last_of_ties], weights.cumsum(1)[:, last_of_ties])
    return ratio((found * np.nan_to_num(precision)).sum(1), found.sum(1))


def figures(answer: dict[str, Any], config: Any) -> dict[str, Any]:
    """The figures of one set of answers, and those of the baselines on the same rows.

    Returns:
        What `metrics.measure` does, of the rows with one label; n_several, how many have more; map and labelwise_f1
        (by the config's thresholds) of all rows, and per_class with average_precision; several; confidence_gap;
        as_published; a table for each of BREAKDOWNS; baselines.
    """
    labels, probabilities = list(config.labels), probabilities_of(answer)
    truths, groups = truths_of(answer, labels), np.array(answer["group"])
    alone = truths.sum(1) == 1
    measured = {"sources": sorted(set(answer["source"]))}
    measured |= measure(truths[alone].argmax(1), probabilities[alone], groups[alone], labels, exclusive=False)
    precision = figures_of_precision(truths, probabilities, groups, labels)
    measured |= {"n_several": int((~alone).sum()), "map": precision.pop("map")}
    measured["labelwise_f1"] = figure_of_f1(truths, probabilities >= (config.thresholds or 0.5), groups)
    for label, figure in precision.items():
        measured["per_class"][label]["average_precision"] = figure
    if not alone.all():
        measured["several"] = figures_of_several(answer, truths, probabilities, config)
    measured["confidence_gap"] = confidence_gap(probabilities)
    measured["as_published"] = as_published(truths, probabilities, groups, labels)
    for column in BREAKDOWNS:
        if column in answer:
            rows = np.where(alone, np.array(answer[column], object), None)
            measured[f"by_{column}"] = broken_down(rows, truths, probabilities, groups, labels)
    names = [name for name in answer if name.startswith(BASELINE)]
    measured["baselines"] = {
        name.removeprefix(BASELINE): beside(np.array(answer[name]), probabilities, truths, groups, labels)
        for name in names
    }
    return measured


def figures_of_precision(truths, probabilities, groups, labels: list[str]) -> dict[str, dict[str, Any]]:
    """Average precision of each label that is ever true, and `map`, their mean. The baseline says one thing of all."""
    numbers = np.unique(groups, return_inverse=True)[1]
    counts = resample(int(numbers.max()) + 1, seed=0)
    pairs = zip(truths.T, probabilities.T, strict=True)
    draws = np.stack([resampled_average_precision(counts, numbers, *pair) for pair in pairs], axis=1)
    values, shares = average_precisions(truths, probabilities), np.where(truths.any(0), truths.mean(0), np.nan)
    found = {
        label: with_interval(values[i], draws[:, i], majority_baseline=float(shares[i]))
        for i, label in enumerate(labels)
    }
    mean = float(mean_of_known(values))
    return found | {"map": with_interval(mean, mean_of_known(draws), majority_baseline=float(mean_of_known(shares)))}


def figure_of_f1(truths: np.ndarray, said: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """F1 of each label, averaged over those that are ever true; the baseline says every label of every row."""
    numbers = np.unique(groups, return_inverse=True)[1]
    counts = resample(int(numbers.max()) + 1, seed=0)
    known = truths.any(0)

    def f1(weights: np.ndarray, said: np.ndarray) -> np.ndarray:
        both, of_truth, of_said = (weights @ part[:, known].astype(float) for part in (truths & said, truths, said))
        return mean_of_known(np.where(of_truth > 0, ratio(2 * both, of_truth + of_said), np.nan))

    weights, once = counts[:, numbers], np.ones((1, len(truths)))
    baseline = float(f1(once, np.ones_like(truths))[0])
    return with_interval(float(f1(once, said)[0]), f1(weights, said), majority_baseline=baseline)


def figures_of_several(answer: dict[str, Any], truths, probabilities, config: Any) -> dict[str, Any]:
    """Of the rows with several labels alone, by the config's thresholds.

    map: average precision over the labels, among these rows. recall: share of their labels that are found; all_found:
    share of rows of which all are. told_apart: average precision of telling them from rows with one label, by the
    second largest probability. false_alarms: share of rows with one label of which several are said.
    """
    groups, several = np.array(answer["group"]), truths.sum(1) > 1
    said = probabilities >= (config.thresholds or 0.5)
    second = np.sort(probabilities, axis=1)[:, -2]
    found = (truths & said).sum(1) / np.maximum(truths.sum(1), 1)
    precision = figures_of_precision(truths[several], probabilities[several], groups[several], list(config.labels))
    told_apart = figures_of_precision(several[:, None], second[:, None], groups, ["several"])["several"]
    result = {
        "n": int(several.sum()),
        "n_groups": len(set(groups[several])),
        "map": precision["map"],
        "recall": mean_figure(found[several], groups[several]),
        "all_found": mean_figure(found[several] == 1, groups[several]),
        "told_apart": told_apart,
    }
    if not several.all():
        result["false_alarms"] = mean_figure(said[~several].sum(1) > 1, groups[~several])
    return result


def mean_figure(values: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """The mean over rows (n,), with its interval."""
    numbers = np.unique(groups, return_inverse=True)[1]
    sums = resample(int(numbers.max()) + 1, seed=0) @ np.stack([np.bincount(numbers, values), np.bincount(numbers)], 1)
    return with_interval(float(np.mean(values)), sums[:, 0] / sums[:, 1])


def confidence_gap(probabilities: np.ndarray) -> dict[str, float]:
    """Mean and median of the largest less the second largest probability."""
    ordered = np.sort(probabilities, axis=1)
    gap = ordered[:, -1] - ordered[:, -2]
    return plain({"mean": float(gap.mean()), "median": float(np.median(gap))})


def as_published(truths, probabilities, groups, labels: list[str]) -> dict[str, Any]:
    """BeatMeter's own figures: of several labels the first counts as the truth, and a label is said from 0.5 on."""
    first = truths.argmax(1)
    measured = measure(first, probabilities, groups, labels, exclusive=False)
    precision = figures_of_precision(truths, probabilities, groups, labels)
    return {
        "n": len(first),
        "accuracy": measured["accuracy"],
        "map": precision.pop("map"),
        "macro_f1": figure_of_f1(truths, probabilities > 0.5, groups),
        "per_class": {
            label: {"accuracy": measured["per_class"][label]["recall"], "average_precision": precision[label]}
            for label in labels
        },
    }


def broken_down(headings: np.ndarray, truths, probabilities, groups, labels: list[str]) -> dict[str, dict[str, Any]]:
    """n, n_groups, accuracy and balanced accuracy of the rows under each heading, in order; None is no heading."""
    found = {}
    for heading in sorted({heading for heading in headings if heading is not None}, key=by_numbers):
        rows = headings == heading
        measured = measure(truths[rows].argmax(1), probabilities[rows], groups[rows], labels, exclusive=False)
        found[heading] = {key: measured[key] for key in BRIEF}
    return found


def by_numbers(heading: str) -> list[str | int]:
    """A key to sort by: the numbers in a text as numbers, so that "90 to 120 bpm" comes before "120 to 150 bpm"."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", heading)]


def beside(baseline, ours, truths, groups, labels: list[str]) -> dict[str, Any]:
    """A baseline's figures, and by how much ours differ on the same rows."""
    alone = truths.sum(1) == 1
    references, groups_alone = truths[alone].argmax(1), groups[alone]
    measured = measure(references, baseline[alone], groups_alone, labels, exclusive=False)
    accuracy = paired_difference(references, ours[alone].argmax(1), baseline[alone].argmax(1), groups_alone)
    return {
        **{key: measured[key] for key in BRIEF},
        "map": figures_of_precision(truths, baseline, groups, labels)["map"],
        "our_accuracy_minus_its": accuracy,
        "our_balanced_accuracy_minus_its": balanced_difference(references, ours[alone], baseline[alone], groups_alone),
    }


def balanced_difference(references: np.ndarray, ours: np.ndarray, baseline: np.ndarray, groups) -> dict[str, Any]:
    """Balanced accuracy of ours less that of the baseline, in the same resamples."""
    numbers, none = np.unique(groups, return_inverse=True)[1], np.zeros(len(references))
    values, draws = [], []
    for scores in (ours, baseline):
        values.append(balanced_accuracy(references, scores))
        draws.append(classifier_draws(references, scores, numbers, calibration_bin(scores), none, seed=0))
    difference = draws[0]["balanced_accuracy"] - draws[1]["balanced_accuracy"]
    size = {"n": len(references), "n_groups": int(numbers.max()) + 1}
    return with_interval(values[0] - values[1], difference) | size


# Pictures


def draw(results: dict[str, Any], answers: dict[str, Any], model: Any) -> dict[str, Figure]:
    """The pictures that every such classifier has, by name; of each kind one for every evaluation."""
    drawn, labels = {}, list(model.config.labels)
    for name, measured in results.items():
        truths = truths_of(answers[name], labels)
        alone = truths.sum(1) == 1
        scores = probabilities_of(answers[name])[alone]
        drawn[f"confusion_matrix_{name}"] = pictures.confusion_matrix(measured["confusion"], labels)
        drawn[f"roc_curves_{name}"] = pictures.roc_curves(truths[alone].argmax(1), scores, labels)
        drawn[f"reliability_{name}"] = pictures.reliability_diagram(**measured["reliability"])
    return drawn
