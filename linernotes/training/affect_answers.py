"""What a model of affect says of rows: emotions, of which several hold, and three questions with one answer each.

It has the functions that training and `evaluate` call of `linernotes.training.answers`, and uses its figures and those
of `linernotes.training.multilabel` head by head: those of one label a recording for vibe, intensity and tempo, average
precision for the emotions. What nobody knows of a row is measured by nobody: each head has its own n.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from matplotlib.figure import Figure
from scipy.special import expit, softmax
from scipy.stats import rankdata
from torch.utils.data import DataLoader

from linernotes.corpora.affect import TAGS_KEPT_APART
from linernotes.modeling.affect import CHOICES, TASKS
from linernotes.modeling.music_model import MusicModel
from linernotes.modeling.musicnn import MSD_TAGS
from linernotes.report import pictures
from linernotes.training.bootstrap import LEVEL, RESAMPLES, mean_of_known, resample, sum_by_group, with_interval
from linernotes.training.calibration import best_thresholds, choose_abstain_threshold, fit_sigmoids, fit_temperature
from linernotes.training.metrics import (
    CALIBRATION_BINS,
    calibration_bin,
    expected_calibration_error,
    macro_f1,
    measure,
    paired_difference,
)
from linernotes.training.multilabel import average_precisions, figure_of_f1, figures_of_precision
from linernotes.training.rows import BASELINE

COLUMNS = ("labels", "emotions", *CHOICES, "tags", "group", "clip", "source", "origin")
BRIEF = ("n", "n_groups", "accuracy", "macro_f1", "balanced_accuracy")
UNKNOWN = -100
# Of 28 emotions that mix the leading one is seldom beyond doubt: it counts as sure where it is right as often as not.
SURE_OF_EMOTIONS = 0.5
# Which emotion is compared with which of the tags that nothing was learned from.
COMPARED = dict(zip(TAGS_KEPT_APART, ("joy", "sadness"), strict=True))


# Asking


def answer_rows(model: MusicModel, rows: Dataset, experiment: Any) -> dict[str, Any]:
    """What a model says of rows, JSON-ready: <task>_logits of each head, and what is known of the rows."""
    view = experiment.recipe.plain_view(rows, experiment)
    answers: dict[str, list] = {f"{task}_logits": [] for task in TASKS}
    model.eval()
    with torch.inference_mode():
        for batch in DataLoader(view, batch_size=experiment.training.eval_batch_size):
            inputs = {name: values.to(model.device) for name, values in batch.items() if not name.endswith("labels")}
            outputs = model(**inputs)
            for name, said in answers.items():
                said.extend(outputs[name].double().cpu().numpy().round(5).tolist())
    return answers | {column: list(rows[column]) for column in COLUMNS}


def labels_of(config: Any) -> dict[str, list[str]]:
    """The labels of each task."""
    return {"emotion": list(config.labels), **{task: list(getattr(config, f"{task}_labels")) for task in CHOICES}}


def probabilities_of(answer: dict[str, Any]) -> dict[str, np.ndarray]:
    """By task; the logits of a loaded model already hold its temperatures."""
    emotions = expit(np.array(answer["emotion_logits"]))
    return {"emotion": emotions} | {task: softmax(np.array(answer[f"{task}_logits"]), axis=1) for task in CHOICES}


def truths_of(answer: dict[str, Any], config: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Emotions (rows, labels), and by task which rows are known."""
    known = {"emotion": np.array([len(shares) > 0 for shares in answer["emotions"]])}
    known |= {task: np.array([label is not None for label in answer[task]]) for task in CHOICES}
    return np.array([[label in stated for label in config.labels] for stated in answer["labels"]]), known


def predictions(answer: dict[str, Any], config: Any) -> Iterator[dict[str, Any]]:
    """The answer to every clip: clip, group, labels (emotions), probabilities; and each other task with its own."""
    said, labels = probabilities_of(answer), labels_of(config)
    for index, clip in enumerate(answer["clip"]):
        told = {task: dict(zip(labels[task], map(float, said[task][index]), strict=True)) for task in TASKS}
        row = {"clip": clip, "group": answer["group"][index], "labels": answer["labels"][index]}
        row["probabilities"] = told.pop("emotion")
        yield row | {task: {"label": answer[task][index], "probabilities": told[task]} for task in CHOICES}


# What is fitted


def measure_epoch(experiment: Any) -> Callable[[Any], dict[str, float]]:
    """What transformers' Trainer measures after an epoch: mean average precision of the emotions, macro F1 of the other
    three, and `mean_score`, the mean of the four."""

    def measure_answers(predicted: Any) -> dict[str, float]:
        logits, (shares, *answers) = predicted.predictions[1 : 1 + len(TASKS)], predicted.label_ids
        known = np.isfinite(shares).all(1)
        found = {"map": float(mean_of_known(average_precisions(shares[known] >= 0.5, logits[0][known])))}
        for task, scores, stated in zip(CHOICES, logits[1:], answers, strict=True):
            rows = stated != UNKNOWN
            found[f"{task}_macro_f1"] = macro_f1(stated[rows], scores[rows]) if rows.any() else 0.0
        found = {name: value if np.isfinite(value) else 0.0 for name, value in found.items()}
        return found | {"mean_score": sum(found.values()) / len(found)}

    return measure_answers


def calibrate(model: MusicModel, answer: dict[str, Any]) -> None:
    """Temperatures of all heads, thresholds of the emotions and `abstain_below`, from answers to rows not learned from.

    The offsets of the emotions go into the bias of their head. Temperatures must be 1 before. A head of which nothing
    is known stays as it is.
    """
    config, (truths, known) = model.config, truths_of(answer, model.config)
    for task in CHOICES:
        if known[task].any():
            logits, stated = np.array(answer[f"{task}_logits"])[known[task]], indices(answer, task, config)
            temperature = round(fit_temperature(logits, stated), 4)
            setattr(config, f"{task}_temperature", temperature)
            least = choose_abstain_threshold(softmax(logits / temperature, axis=1), stated)
            setattr(config, f"{task}_abstain_below", round(least, 4))
    if not known["emotion"].any():
        return
    logits, truths = np.array(answer["emotion_logits"])[known["emotion"]], truths[known["emotion"]]
    temperature, offsets = fit_sigmoids(logits, truths)
    config.temperature = round(temperature, 4)
    with torch.no_grad():
        model.emo_head[-1].bias += torch.tensor(offsets, dtype=torch.float32, device=model.device)
    probabilities = expit((logits + offsets) / config.temperature)
    config.thresholds = [round(threshold, 4) or 1e-4 for threshold in best_thresholds(probabilities, truths)]
    top = probabilities.argmax(1)
    right = np.where(truths[np.arange(len(top)), top], top, truths.argmax(1))
    config.abstain_below = round(choose_abstain_threshold(probabilities, right, SURE_OF_EMOTIONS), 4)


def indices(answer: dict[str, Any], task: str, config: Any) -> np.ndarray:
    """The classes of the rows of which one is known."""
    labels = labels_of(config)[task]
    return np.array([labels.index(label) for label in answer[task] if label is not None])


# Figures


def figures(answer: dict[str, Any], config: Any) -> dict[str, Any]:
    """The figures of one set of answers, head by head, and those of the baselines on the same rows.

    Returns:
        n, n_groups, sources, interval (how all were made); emotion: map and labelwise_f1, ece over all yes-or-no
        answers, per_class with average_precision (its baseline is the label's share); vibe, intensity and tempo: what
        `metrics.measure` gives, by_origin where there are several, baselines; agreement: of the rows that a tagger has
        heard, Spearman's correlation of an emotion with a tag that nothing was learned from.
    """
    said, groups = probabilities_of(answer), np.array(answer["group"])
    baselines = {
        name.removeprefix(BASELINE): split_columns(np.array(answer[name], float), config)
        for name in answer
        if name.startswith(BASELINE)
    }
    measured = {"sources": sorted(set(answer["source"])), "n": len(groups), "n_groups": len(set(groups))}
    measured["interval"] = {"level": LEVEL, "method": "bootstrap over groups", "resamples": RESAMPLES, "seed": 0}
    truths, known = truths_of(answer, config)
    if known["emotion"].any():
        rows = known["emotion"]
        beside = {name: parts["emotion"][rows] for name, parts in baselines.items() if "emotion" in parts}
        measured["emotion"] = figures_of_emotions(truths[rows], said["emotion"][rows], groups[rows], config, beside)
    for task in CHOICES:
        if known[task].any():
            rows = known[task]
            beside = {name: parts[task][rows] for name, parts in baselines.items() if task in parts}
            origins = np.array(answer["origin"])[rows]
            stated, labels = indices(answer, task, config), labels_of(config)[task]
            measured[task] = figures_of_choice(stated, said[task][rows], groups[rows], labels, origins, beside)
    if agreed := agreement(answer, said["emotion"], list(config.labels)):
        measured["agreement"] = agreed
    return measured


def split_columns(columns: np.ndarray, config: Any) -> dict[str, np.ndarray]:
    """Columns (rows, all labels of all tasks) by task; of a task that a method does not answer, NaN, nothing."""
    sizes = np.cumsum([len(labels) for labels in labels_of(config).values()])[:-1]
    parts = dict(zip(TASKS, np.split(columns, sizes, axis=1), strict=True))
    return {task: part for task, part in parts.items() if np.isfinite(part).all()}


def figures_of_emotions(
    truths: np.ndarray, probabilities: np.ndarray, groups: np.ndarray, config: Any, baselines: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    labels = list(config.labels)
    precision = figures_of_precision(truths, probabilities, groups, labels)
    return {
        "n": len(truths),
        "n_groups": len(set(groups)),
        "map": precision.pop("map"),
        "labelwise_f1": figure_of_f1(truths, probabilities >= (config.thresholds or 0.5), groups),
        "ece": figure_of_calibration(truths, probabilities, groups),
        "per_class": {
            label: {"average_precision": figure, "support": int(truths[:, index].sum())}
            for index, (label, figure) in enumerate(precision.items())
        },
        "baselines": {
            name: {"map": figures_of_precision(truths, said, groups, labels)["map"]} for name, said in baselines.items()
        },
    }


def figure_of_calibration(truths: np.ndarray, probabilities: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """Calibration error over all yes-or-no answers (rows x labels); the baseline says the more frequent of the two."""
    both = np.stack([1.0 - probabilities.ravel(), probabilities.ravel()], axis=1)
    stated, bins = truths.ravel().astype(int), calibration_bin(both)
    numbers = np.repeat(np.unique(groups, return_inverse=True)[1], truths.shape[1])
    gaps = sum_by_group(numbers, bins, CALIBRATION_BINS, both.max(1) - (both.argmax(1) == stated))
    counts = resample(int(numbers.max()) + 1, seed=0)
    draws = np.abs(counts @ gaps).sum(1) / (counts @ np.bincount(numbers))
    always = min(truths.mean(), 1.0 - truths.mean())
    return with_interval(expected_calibration_error(stated, both), draws, majority_baseline=float(always))


def figures_of_choice(
    stated: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray,
    labels: list[str],
    origins: np.ndarray,
    baselines: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """What `measure` gives of a task, of each origin apart, and beside it the baselines, on all rows and by origin."""

    def brief(said: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        measured = measure(stated[rows], said[rows], groups[rows], labels)
        return {key: measured[key] for key in BRIEF}

    everywhere, measured = np.ones(len(stated), bool), measure(stated, probabilities, groups, labels)
    places = {origin: origins == origin for origin in sorted(set(origins))}
    if len(places) > 1:
        measured["by_origin"] = {origin: brief(probabilities, rows) for origin, rows in places.items()}
        for name, said in baselines.items():
            measured[f"by_origin_of_{name.replace(' ', '_')}"] = {o: brief(said, rows) for o, rows in places.items()}
    measured["baselines"] = {
        name: {
            **brief(said, everywhere),
            "our_accuracy_minus_its": paired_difference(stated, probabilities.argmax(1), said.argmax(1), groups),
        }
        for name, said in baselines.items()
    }
    return measured


def agreement(answer: dict[str, Any], emotions: np.ndarray, labels: list[str]) -> dict[str, Any]:
    """Spearman's correlation of an emotion's probability with a tagger's of a tag kept apart; {} without such rows."""
    rows = np.flatnonzero([len(tags) > 0 for tags in answer["tags"]])
    if len(rows) < 3:
        return {}
    tags, groups = np.array([answer["tags"][row] for row in rows]), np.array(answer["group"])[rows]
    numbers = np.unique(groups, return_inverse=True)[1]
    weights = resample(int(numbers.max()) + 1, seed=0)[:, numbers]
    found = {"n": len(rows), "n_groups": len(set(groups))}
    for tag, emotion in COMPARED.items():
        ours, theirs = (rankdata(s) for s in (emotions[rows, labels.index(emotion)], tags[:, MSD_TAGS.index(tag)]))
        value = correlation(np.ones((1, len(rows))), ours, theirs)[0]
        found[f"{emotion}_with_tag_{tag}"] = with_interval(float(value), correlation(weights, ours, theirs))
    return found


def correlation(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's, of (n,) and (n,) for each row of weights (resamples, n); NaN where one of them never changes."""
    total = weights.sum(1)
    means = [(weights @ values) / total for values in (x, y, x * y, x * x, y * y)]
    spread = (means[3] - means[0] ** 2).clip(0.0) * (means[4] - means[1] ** 2).clip(0.0)
    return np.divide(means[2] - means[0] * means[1], np.sqrt(spread), where=spread > 0, out=np.full(len(total), np.nan))


# Pictures


def draw(results: dict[str, Any], answers: dict[str, Any], model: Any) -> dict[str, Figure]:
    """Of each evaluation and task with one answer the confusion matrix and the reliability."""
    drawn, labels = {}, labels_of(model.config)
    for name, measured in results.items():
        for task in CHOICES:
            if task in measured:
                part = measured[task]
                drawn[f"confusion_matrix_of_{task}_{name}"] = pictures.confusion_matrix(part["confusion"], labels[task])
                drawn[f"reliability_of_{task}_{name}"] = pictures.reliability_diagram(**part["reliability"])
    return drawn
