"""The kinds of tasks that probes have: how each is learned by one linear layer, and the figures it is measured by.

Conventions: references and answers are (n, ...); weights (resamples, n) say how often each row counts; a figure is
(resamples,). Tempi are logarithms to base two of beats a minute.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline

from linernotes.training.bootstrap import mean_of_known, ratio

WITHIN = np.log2(1.04)  # a tempo is right within 4 %
MULTIPLES = np.log2([1 / 3, 1 / 2, 1, 2, 3])  # and these of it are levels of the same beat


# Figures


def weighted_share(hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ hits.astype(float) / weights.sum(1)


def accuracy(references: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weighted_share(references == answers, weights)


def balanced_accuracy(references: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Recall averaged over the classes that occur."""
    members = (references[:, None] == np.unique(references)).astype(float)
    hits = members * (references == answers)[:, None]
    return mean_of_known(ratio(weights @ hits, weights @ members))


def mean_average_precision(references: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision over the tags (columns); equal scores are one threshold."""
    columns = zip(references.T, answers.T, strict=True)
    return mean_of_known(np.stack([average_precision(*column, weights) for column in columns], axis=1))


def average_precision(members: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    order = np.argsort(-scores, kind="stable")
    thresholds = np.append(np.diff(scores[order]) != 0, True)
    heard = weights[:, order].cumsum(1)[:, thresholds]
    right = (weights[:, order] * members[order]).cumsum(1)[:, thresholds]
    gained = np.diff(right, prepend=0, axis=1)
    return ratio((np.nan_to_num(ratio(right, heard)) * gained).sum(1), right[:, -1])


def r_squared(references: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the variance explained, 0 for whoever always says the mean."""
    count = weights.sum(1)
    spread = weights @ references**2 - (weights @ references) ** 2 / count
    return 1 - ratio(weights @ (references - answers) ** 2, spread)


def within_4_percent(references: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weighted_share(np.abs(references - answers) <= WITHIN, weights)


def within_4_percent_of_a_multiple(references: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Also right: a third, half, twice or three times the tempo (accuracy 2 of Gouyon et al. 2006)."""
    errors = np.abs((answers - references)[:, None] - MULTIPLES).min(1)
    return weighted_share(errors <= WITHIN, weights)


# Kinds of tasks


@dataclass(frozen=True)
class Kind:
    """How a kind of task is learned, answered and measured.

    Args:
        learner: strength (C) -> a linear estimator.
        answer: fitted pipeline, vectors -> answers.
        figures: by name; the first decides between vectors and strengths.
        constant: references -> the answer that is right most often.
    """

    learner: Callable[[float], Any]
    answer: Callable[[Pipeline, np.ndarray], np.ndarray]
    figures: dict[str, Callable]
    constant: Callable[[np.ndarray], Any]

    def score(self, references: np.ndarray, answers: np.ndarray) -> float:
        return float(next(iter(self.figures.values()))(references, answers, np.ones((1, len(references))))[0])


def logistic(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, tol=1e-3, max_iter=1000)


def commonest_tempo(references: np.ndarray) -> float:
    """The one that is within 4 % of most."""
    return references[(np.abs(references[:, None] - references) <= WITHIN).sum(1).argmax()]


KINDS = {
    "classes": Kind(
        logistic,
        lambda probe, vectors: probe.predict(vectors),
        {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy},
        lambda references: np.bincount(references).argmax(),
    ),
    "tags": Kind(
        lambda strength: OneVsRestClassifier(logistic(strength)),
        lambda probe, vectors: probe.decision_function(vectors).reshape(len(vectors), -1),  # one tag: (n,)
        {"map": mean_average_precision},
        lambda references: np.zeros(references.shape[1]),
    ),
    "tempo": Kind(
        lambda strength: Ridge(1 / strength),
        lambda probe, vectors: probe.predict(vectors),
        {
            "within_4_percent": within_4_percent,
            "within_4_percent_of_a_multiple": within_4_percent_of_a_multiple,
            "r_squared": r_squared,
        },
        commonest_tempo,
    ),
}
