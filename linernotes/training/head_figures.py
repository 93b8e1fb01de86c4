"""How good the heads of a captioning model are: key by MIREX's score, voices, and classes of which several hold.

Labels are numbers (rows, classes): 1 it holds, 0 it does not, NaN where nobody knows, and such rows are in no figure.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from linernotes.corpora.music_facts import MusicFacts, task_labels
from linernotes.modeling.music_tags import ANSWER_KEYS
from linernotes.training.bootstrap import mean_of_known, resample, share_with_interval, with_interval
from linernotes.training.fact_scores import key_scores
from linernotes.training.metrics import measure
from linernotes.training.multilabel import average_precisions, figures_of_precision, resampled_average_precision


def figures_of_heads(
    said: dict[str, np.ndarray], truths: Sequence[MusicFacts], groups: np.ndarray, config: Any
) -> dict[str, Any]:
    """By the answers' names (key, vocals, instruments, moods, genres) the figures of each head of which something is
    known; said: by task probabilities (rows, classes)."""
    labels, measured = labels_of(truths, config), {}
    for task, told in config.tasks.items():
        name = ANSWER_KEYS[task]
        found = HEADS.get(name, figures_of_several)(said[task], labels[task], groups, list(told["classes"]))
        if found:
            measured[name] = found
        if name == "vocals" and (heard := figures_of_singing(said[task], labels[task], groups, list(told["classes"]))):
            measured["singing"] = heard
    return measured


def labels_of(truths: Sequence[MusicFacts], config: Any) -> dict[str, np.ndarray]:
    """What the heads should say of each row, by task (rows, classes), NaN where nobody knows."""
    rows = [task_labels(facts, config.tasks) for facts in truths]
    return {task: np.array([row[task] for row in rows]) for task in config.tasks}


def figures_of_key(said: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """MIREX's weighted score and accuracy over rows with a key; the baseline is the one key that scores best."""
    rows = np.isfinite(labels).all(1) & (labels == 1).any(1)
    if not rows.any():
        return {}
    stated, answers = labels[rows].argmax(1), said[rows].argmax(1)
    scores = key_scores([classes[i] for i in stated], [classes[i] for i in answers])
    constant = max(key_scores([classes[i] for i in stated], [key] * len(stated)).mean() for key in classes)
    right, most = (answers == stated).astype(float), np.bincount(stated).max() / len(stated)
    return {
        "n": int(rows.sum()),
        "n_groups": len(set(groups[rows])),
        "weighted_score": mean_with_interval(scores, groups[rows], float(constant)),
        "accuracy": mean_with_interval(right, groups[rows], float(most)),
    }


def figures_of_vocals(said: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Who sings, where that is known."""
    rows = np.isfinite(labels).all(1) & (labels == 1).any(1)
    return measure(labels[rows].argmax(1), said[rows], groups[rows], classes) if rows.any() else {}


def figures_of_singing(said: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Whether anybody sings, also where nobody knows who."""
    column = classes.index("instrumental") if "instrumental" in classes else None
    if column is None or not (rows := np.isfinite(labels[:, column])).any():
        return {}
    truth = labels[rows, column] == 1
    right = ((said[rows].argmax(1) == column) == truth).astype(float)
    figure = mean_with_interval(right, groups[rows], float(max(truth.mean(), 1 - truth.mean())))
    return {"n": int(rows.sum()), "n_groups": len(set(groups[rows])), "accuracy": figure}


def figures_of_several(said: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Average precision of each class over the rows where it is known, and `map`, their mean."""
    per_class, values, weights = {}, [], []
    names, numbers = np.unique(groups, return_inverse=True)
    for index, name in enumerate(classes):
        rows = np.isfinite(labels[:, index])
        truths = labels[rows, index, None] == 1
        if not truths.any() or truths.all():
            continue
        figure = figures_of_precision(truths, said[rows, index, None], groups[rows], [name])[name]
        per_class[name] = {"average_precision": figure, "support": int(truths.sum())}
        values.append(average_precisions(truths, said[rows, index, None])[0])
        weights.append(truths.mean())
    if not values:
        return {}
    draws = drawn_map(said, labels, numbers, len(names), [classes.index(name) for name in per_class])
    mean = with_interval(float(np.mean(values)), draws, majority_baseline=float(np.mean(weights)))
    known = np.isfinite(labels).any(1)
    return {"n": int(known.sum()), "n_groups": len(set(groups[known])), "map": mean, "per_class": per_class}


def drawn_map(
    said: np.ndarray, labels: np.ndarray, numbers: np.ndarray, num_groups: int, columns: Sequence[int]
) -> np.ndarray:
    """The mean average precision of the columns in every resample."""
    counts, drawn = resample(num_groups, seed=0), []
    for column in columns:
        rows = np.isfinite(labels[:, column])
        drawn.append(resampled_average_precision(counts, numbers[rows], labels[rows, column] == 1, said[rows, column]))
    return mean_of_known(np.stack(drawn, axis=1))


HEADS = {"key": figures_of_key, "vocals": figures_of_vocals}


def mean_with_interval(values: np.ndarray, groups: np.ndarray, baseline: float) -> dict[str, Any]:
    numbers = np.unique(groups, return_inverse=True)[1]
    num_groups = int(numbers.max()) + 1
    weights = resample(num_groups, seed=0)[:, numbers]
    draws = weights @ values / weights.sum(1)
    return share_with_interval(float(values.mean()), draws, num_groups, majority_baseline=baseline)
