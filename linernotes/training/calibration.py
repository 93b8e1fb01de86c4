"""Making a confidence mean what it says: a temperature for the logits, and a threshold under which to abstain.

All is fitted on answers to recordings that the model has not learned from. Sources: Guo et al. 2017 (temperature
scaling, arXiv 1706.04599), Platt 1999 (sigmoids with an offset), Geifman and El-Yaniv 2017 (selective classification at
a wanted risk, arXiv 1705.08500).
"""

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, softmax

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
MAX_LOG_ODDS = 10.0  # that an offset may add
RIDGE = 1e-4  # on offsets: labels that are told apart without an error would have infinite ones


def fit_temperature(logits, labels) -> float:
    """The T between 0.05 and 20 for which softmax(logits / T) has the lowest negative log likelihood.

    The likelihood is concave in 1 / T, so the root of its slope is the only optimum. Where there is none between the
    bounds, the nearer bound is the answer: 0.05 for logits that are right about every row (any sharpening then helps,
    and the rows cannot tell how confident to be), 20 for logits that are worse than guessing.

    Args:
        logits: (n, classes), finite.
        labels: (n,) class indices.

    Raises:
        ValueError: the arrays do not fit each other or are not what they should be.
    """
    logits, labels = checked(logits, labels, "logits")
    rows = np.arange(len(labels))
    logits = logits - logits.max(1, keepdims=True)

    def slope(sharpness: float) -> float:
        """Of the negative log likelihood, by 1 / T: the expected logit minus the right one's."""
        return float(((softmax(sharpness * logits, axis=1) * logits).sum(1) - logits[rows, labels]).mean())

    sharpest, flattest = 1 / MIN_TEMPERATURE, 1 / MAX_TEMPERATURE
    if slope(sharpest) <= 0:
        return MIN_TEMPERATURE
    if slope(flattest) >= 0:
        return MAX_TEMPERATURE
    return float(1 / brentq(slope, flattest, sharpest, xtol=1e-12))


def fit_sigmoids(logits, truths) -> tuple[float, np.ndarray]:
    """The T and the offsets (labels,) for which sigmoid((logits + offsets) / T) has the lowest binary cross-entropy.

    One T for all labels. Smooth labels and weighted positives raise all logits of a model, each label's by another
    amount; temperature alone does not bring them back. A label that is always or never true has no offset.

    Args:
        logits: (n, labels), finite.
        truths: (n, labels), what is true of each row.

    Raises ValueError where the arrays do not fit each other.
    """
    logits, truths = checked_pair(logits, truths, "logits")
    known = truths.any(0) & ~truths.all(0)

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        sharpness, shifts = parameters[0], parameters[1:] * known
        odds = sharpness * logits + shifts
        excess = (expit(odds) - truths)[:, known]
        entropy = (np.logaddexp(0.0, odds) - truths * odds)[:, known].mean() if known.any() else 0.0
        slopes = np.zeros(len(parameters))
        slopes[0] = (excess * logits[:, known]).sum() / max(excess.size, 1)
        slopes[1:][known] = excess.sum(0) / max(excess.size, 1) + 2 * RIDGE * shifts[known]
        return entropy + RIDGE * (shifts**2).sum(), slopes

    start = np.array([1.0, *np.zeros(logits.shape[1])])
    bounds = [(1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE), *[(-MAX_LOG_ODDS, MAX_LOG_ODDS)] * logits.shape[1]]
    found = minimize(cost, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-12, "maxiter": 1000})
    temperature = 1 / found.x[0]
    return float(temperature), found.x[1:] * known * temperature


def best_thresholds(probabilities, truths) -> list[float]:
    """For each label the probability from which it is said to be true, such that F1 is highest; 0.5 if it never is.

    A threshold lies midway between two probabilities that were given, so that rounding changes no answer. Arguments and
    errors: as `fit_sigmoids`.
    """
    probabilities, truths = checked_pair(probabilities, truths, "probabilities")
    thresholds = []
    for scores, members in zip(probabilities.T, truths.T, strict=True):
        order = np.argsort(-scores, kind="stable")
        scores, found = scores[order], members[order].cumsum()
        following = np.append(scores[1:], 0.0)
        f1 = np.where(scores > following, 2 * found / (np.arange(1, len(scores) + 1) + max(members.sum(), 1)), -1.0)
        last = int(f1.argmax())
        thresholds.append(float(scores[last] + following[last]) / 2 if members.any() else 0.5)
    return thresholds


def choose_abstain_threshold(probabilities, labels, target_accuracy: float = 0.9) -> float:
    """The top probability under which an answer is called uncertain, such that the others are right often enough.

    Of all thresholds at which the answers kept (top probability at or above it) reach `target_accuracy`, the one that
    keeps most. It lies midway between the least confident answer kept and the most confident one left out, so that
    rounding moves neither. 0.0 where all answers together reach the target, 1.0 where no part of them does.

    Args:
        probabilities: (n, classes), calibrated.
        labels: (n,) class indices.
        target_accuracy: above 0, at most 1.

    Raises:
        ValueError: the arrays do not fit each other, or the target is out of range.
    """
    if not 0 < target_accuracy <= 1:
        raise ValueError(f"target_accuracy is {target_accuracy}; it must be above 0 and at most 1")
    probabilities, labels = checked(probabilities, labels, "probabilities")
    confidence = probabilities.max(1)
    order = np.argsort(-confidence, kind="stable")
    confidence, right = confidence[order], (probabilities.argmax(1) == labels)[order]
    kept_accuracy = right.cumsum() / np.arange(1, len(right) + 1)
    following = np.append(confidence[1:], -np.inf)
    # answers of equal confidence are kept or left together: a cut is possible only where the confidence falls
    cuts = np.flatnonzero((confidence > following) & (kept_accuracy >= target_accuracy))
    if not len(cuts):
        return 1.0
    last = cuts[-1]
    return 0.0 if last == len(right) - 1 else float((confidence[last] + following[last]) / 2)


def checked_pair(scores, truths, name: str) -> tuple[np.ndarray, np.ndarray]:
    scores, truths = np.asarray(scores, np.float64), np.asarray(truths, bool)
    if scores.ndim != 2 or truths.shape != scores.shape or not len(scores):
        raise ValueError(f"{name} are {scores.shape} and truths {truths.shape}; both must be (n, labels), n > 0")
    if not np.isfinite(scores).all():
        raise ValueError(f"{name} hold NaN or infinity; they must be finite: the model's answers are broken")
    return scores, truths


def checked(scores, labels, name: str) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise ValueError(
            f"{name} are {scores.shape} and labels {labels.shape}; they must be (n, classes) and (n,), n > 0"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"{name} hold NaN or infinity; they must be finite: the model's answers are broken")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(
            f"labels must be class indices from 0 to {scores.shape[1] - 1}, got {np.unique(labels)[:5]} ..."
        )
    return scores, labels
