"""How sure a figure is: 95 % percentile intervals of 1,000 bootstrap resamples of whole groups.

Two recordings of one artist are no independent evidence, so artists (songs, soundfonts ...) are drawn, with all their
rows (cluster bootstrap: Field and Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x). With one row a group it is the
ordinary bootstrap. A resample is a row of counts, how often each group was drawn: whatever is a function of sums over
rows needs one matrix product for all resamples.
Conventions: groups (n,) are indices from 0; counts are (resamples, groups); NaN is what a resample cannot say.
"""

from typing import Any

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95


def resample(num_groups: int, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Counts (resamples, num_groups). One group can be drawn in one way only: one resample."""
    resamples = resamples if num_groups > 1 else 1
    drawn = np.random.default_rng(seed).integers(0, num_groups, (resamples, num_groups))
    cells = (drawn + num_groups * np.arange(resamples)[:, None]).ravel()
    return np.bincount(cells, minlength=resamples * num_groups).reshape(drawn.shape).astype(np.float64)


def sum_by_group(
    groups: np.ndarray, columns: np.ndarray, num_columns: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Sum of the rows' weights (their number without) in every group and column, (groups, num_columns)."""
    num_groups = int(groups.max()) + 1
    sums = np.bincount(groups * num_columns + columns, weights, minlength=num_groups * num_columns)
    return sums.reshape(num_groups, num_columns)


def with_interval(value: float, draws: np.ndarray, **more: float) -> dict[str, float | None]:
    """{"value", "low", "high"} and what else is given, rounded; None for what cannot be said.

    The value is always inside: where a figure is biased in resamples (a calibration error rises, a minimum falls) and
    all of them lie on one side, the value is that end.
    """
    known = draws[np.isfinite(draws)]
    low = high = np.nan
    if len(draws) > 1 and len(known) and np.isfinite(value):
        low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return plain({"value": value, "low": min(low, value), "high": max(high, value), **more})


def share_with_interval(value: float, draws: np.ndarray, num_groups: int, **more: float) -> dict[str, float | None]:
    """As `with_interval`, for a share of right answers.

    Without a single error no resample holds one, which proves nothing: the Clopper-Pearson limit of the share of groups
    without an error stands in (0.83 for 20 groups); likewise without a single right answer.
    """
    figure = with_interval(value, draws, **more)
    if figure["low"] is not None and value in (0.0, 1.0):
        limit = ((1 - LEVEL) / 2) ** (1 / num_groups)
        figure |= plain({"low": limit} if value == 1.0 else {"high": 1 - limit})
    return figure


def classifier_draws(
    references: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray,
    calibration_bins: np.ndarray,
    own_gates: np.ndarray,
    seed: int,
) -> dict[str, np.ndarray]:
    """A classifier's figures in every resample, by name: (resamples,) or (resamples, classes).

    Args:
        references, groups: (n,). probabilities: (n, classes).
        calibration_bins: (n,) bin of each row's top probability.
        own_gates: (n,) gate weight of the expert of each row's class.
    """
    num_classes, predictions = probabilities.shape[1], probabilities.argmax(1)
    counts = resample(int(groups.max()) + 1, seed)
    cells = counts @ sum_by_group(groups, references * num_classes + predictions, num_classes**2)
    gaps = probabilities.max(1) - (predictions == references)
    gaps = counts @ sum_by_group(groups, calibration_bins, int(calibration_bins.max()) + 1, gaps)
    gates = counts @ sum_by_group(groups, references, num_classes, own_gates)
    areas = [resampled_auc(counts, groups, scores, references == i) for i, scores in enumerate(probabilities.T)]
    tables = cells.reshape(-1, num_classes, num_classes)
    support = tables.sum(2)
    return {
        **figures_of_confusion(tables),
        "ece": np.abs(gaps).sum(1) / support.sum(1),
        "class_roc_auc": np.stack(areas, axis=1),
        "roc_auc": mean_of_known(np.stack(areas, axis=1)),
        "self_activation": ratio(gates, support),
    }


def figures_of_confusion(tables: np.ndarray) -> dict[str, np.ndarray]:
    """Of tables (resamples, classes, classes), [reference][prediction]: what can be read off them."""
    hits, support, predicted = np.diagonal(tables, axis1=1, axis2=2), tables.sum(2), tables.sum(1)
    recall, f1 = ratio(hits, support), np.where(support > 0, ratio(2 * hits, support + predicted), np.nan)
    return {
        "accuracy": hits.sum(1) / support.sum(1),
        "macro_f1": mean_of_known(f1),
        "balanced_accuracy": mean_of_known(recall),
        "precision": np.where(support > 0, np.nan_to_num(ratio(hits, predicted)), np.nan),
        "recall": recall,
        "f1": f1,
    }


def resampled_auc(counts: np.ndarray, groups: np.ndarray, scores: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of the rows that are `members` (n,) against all others, by `scores` (n,): (resamples,).

    The area is the share of pairs (member, other) in the right order (Hanley and McNeil 1982). A pair of groups that
    are drawn a and b times brings each of its pairs a * b times.
    """
    order = np.argsort(groups, kind="stable")
    inside, outside = order[members[order]], order[~members[order]]
    if not len(inside) or not len(outside):
        return np.full(len(counts), np.nan)
    starts_outside = np.flatnonzero(np.diff(groups[outside], prepend=-1))
    won = []
    for rows in np.split(inside, np.flatnonzero(np.diff(groups[inside])) + 1):
        member_scores = scores[rows, None]
        wins = (member_scores > scores[outside]).sum(0) + (member_scores == scores[outside]).sum(0) / 2
        won.append(np.add.reduceat(wins, starts_outside))
    drawn_inside, drawn_outside = counts[:, np.unique(groups[inside])], counts[:, np.unique(groups[outside])]
    pairs = [counts @ np.bincount(groups[rows], minlength=counts.shape[1]) for rows in (inside, outside)]
    return ratio(((drawn_inside @ np.stack(won)) * drawn_outside).sum(1), pairs[0] * pairs[1])


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN where nothing is known."""
    return ratio(np.nansum(values, axis=-1), np.isfinite(values).sum(-1))


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """NaN where the denominator is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(denominator) > 0, np.divide(numerator, denominator), np.nan)


def plain(value: Any, places: int = 6) -> Any:
    """JSON types: lists, ints, floats rounded to `places`; None for NaN."""
    if isinstance(value, dict):
        return {name: plain(item, places) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, places) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist(), places)
    if isinstance(value, float):
        return round(value, places) if np.isfinite(value) else None
    return value
