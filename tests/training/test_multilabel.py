"""Figures of answers with several labels: known answers first, then scikit-learn's, then what must hold of any."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import logit
from sklearn import metrics as sk
from torch import nn

from linernotes.training.calibration import best_thresholds, fit_sigmoids
from linernotes.training.multilabel import (
    average_precisions,
    calibrate,
    confidence_gap,
    figures,
    highest_losses,
    measure_epoch,
    predictions,
    probabilities_of,
    resampled_average_precision,
    truths_of,
)
from linernotes.training.rows import BASELINE

LABELS = ["3", "4", "5"]
CONFIG = SimpleNamespace(labels=LABELS, thresholds=None)


def answer_of(rows: list[tuple[list[str], list[float]]], **columns) -> dict:
    """(labels, probabilities) of each row as answers, every row a group of its own."""
    names = [f"clip {number}" for number in range(len(rows))]
    told = {"labels": [row[0] for row in rows], "logits": [logit(row[1]).tolist() for row in rows]}
    return told | {"clip": names, "group": names, "source": ["composer"] * len(rows)} | columns


KNOWN = answer_of(
    [
        (["3"], [0.9, 0.2, 0.1]),
        (["3"], [0.4, 0.6, 0.1]),  # taken for 4
        (["4"], [0.3, 0.8, 0.1]),
        (["5"], [0.1, 0.2, 0.7]),
        (["3", "4"], [0.8, 0.7, 0.1]),  # both found
        (["4", "5"], [0.1, 0.6, 0.4]),  # one found
    ],
    source=["composer", "symbtr", "composer", "composer", "composer", "composer"],
    grouping=[None, None, None, "5: 3+2", None, None],
)


def test_figures_of_known_answers():
    measured = figures(KNOWN, CONFIG)
    assert (measured["n"], measured["n_several"], measured["sources"]) == (4, 2, ["composer", "symbtr"])
    assert measured["accuracy"]["value"] == 0.75
    assert measured["balanced_accuracy"]["value"] == pytest.approx((0.5 + 1 + 1) / 3, abs=1e-6)
    assert measured["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert measured["per_class"]["5"]["average_precision"]["value"] == 1.0
    assert measured["map"]["majority_baseline"] == pytest.approx((3 + 3 + 2) / 18, abs=1e-6)
    assert measured["by_source"]["symbtr"]["accuracy"]["value"] == 0.0
    assert list(measured["by_grouping"]) == ["5: 3+2"]
    assert measured["baselines"] == {}


def test_headings_are_in_the_order_of_their_numbers():
    rows = [([label], [0.5, 0.6, 0.7]) for label in ("3", "4", "5", "3", "4", "5")]
    tempi = ["150 bpm and more", "90 to 120 bpm", "120 to 150 bpm", "0 to 90 bpm", "90 to 120 bpm", None]
    groupings = ["11: 3+3+3+2", "5: 3+2", "11: 2+2+3+2+2", "7: 2+2+3", "5: 2+3", None]
    measured = figures(answer_of(rows, tempo=tempi, grouping=groupings), CONFIG)
    assert list(measured["by_tempo"]) == ["0 to 90 bpm", "90 to 120 bpm", "120 to 150 bpm", "150 bpm and more"]
    assert list(measured["by_grouping"]) == ["5: 2+3", "5: 3+2", "7: 2+2+3", "11: 2+2+3+2+2", "11: 3+3+3+2"]


def test_several_labels_are_right_where_all_are_found():
    several = figures(KNOWN, CONFIG)["several"]
    assert (several["n"], several["recall"]["value"], several["all_found"]["value"]) == (2, 0.75, 0.5)
    assert several["false_alarms"]["value"] == 0.0
    # by the second largest probability: 0.7, 0.4 of rows with several; 0.4, 0.3, 0.2, 0.2 of the others
    assert several["told_apart"]["value"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-6)


def test_as_published_the_lowest_of_several_labels_is_the_truth():
    published = figures(KNOWN, CONFIG)["as_published"]
    assert (published["n"], published["accuracy"]["value"]) == (6, pytest.approx(5 / 6, abs=1e-6))
    assert published["per_class"]["3"]["accuracy"]["value"] == pytest.approx(2 / 3, abs=1e-6)


def test_figures_are_json_and_thresholds_decide_what_is_said():
    strict = SimpleNamespace(labels=LABELS, thresholds=[0.95, 0.95, 0.95])
    measured = figures(KNOWN, strict)
    assert json.loads(json.dumps(measured, allow_nan=False))["several"]["recall"]["value"] == 0.0
    assert measured["labelwise_f1"]["value"] == 0.0
    assert measured["as_published"]["macro_f1"]["value"] > 0.7  # from 0.5 on, whatever the config says


def test_the_gap_is_between_the_two_largest():
    gap = confidence_gap(np.array([[0.9, 0.2, 0.1], [0.4, 0.6, 0.1], [0.1, 0.2, 0.7]]))
    assert gap == {"mean": pytest.approx(1.4 / 3, abs=1e-6), "median": 0.5}


def test_baselines_stand_beside_on_the_same_rows():
    other = np.array([[0.9, 0.1, 0.1]] * 6)
    beside = figures(KNOWN | {f"{BASELINE}threes": other.tolist()}, CONFIG)["baselines"]["threes"]
    assert beside["accuracy"]["value"] == 0.5
    assert beside["our_accuracy_minus_its"]["value"] == 0.25
    assert beside["our_balanced_accuracy_minus_its"]["value"] == pytest.approx(5 / 6 - 1 / 3, abs=1e-6)


def test_a_label_that_is_never_true_has_no_precision_and_counts_in_no_mean():
    measured = figures(answer_of([(["3"], [0.9, 0.1, 0.1]), (["4"], [0.1, 0.9, 0.1])]), CONFIG)
    assert measured["per_class"]["5"]["average_precision"]["value"] is None
    assert measured["map"]["value"] == 1.0
    assert "several" not in measured


def test_resampled_precision_is_sklearns_with_weights():
    rng = np.random.default_rng(0)
    groups, members = rng.integers(0, 8, 60), rng.random(60) < 0.4
    scores = rng.integers(0, 10, 60) / 10  # with ties
    counts = rng.integers(0, 3, (5, 8)).astype(float)
    ours = resampled_average_precision(counts, groups, members, scores)
    theirs = [sk.average_precision_score(members, scores, sample_weight=count[groups]) for count in counts]
    np.testing.assert_allclose(ours, theirs)
    once = resampled_average_precision(np.ones((1, 8)), groups, members, scores)
    np.testing.assert_allclose(once, average_precisions(members[:, None], scores[:, None]))


def test_after_an_epoch_smooth_labels_count_as_what_they_smooth():
    labels = np.array([[1.0, 0.1, 0.1], [0.1, 1.0, 0.1], [1.0, 1.0, 0.1]])
    logits = np.array([[2.0, 0.0, -1.0], [1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])
    measured = measure_epoch(None)(SimpleNamespace(predictions=(logits, None), label_ids=labels))
    assert measured["accuracy"] == pytest.approx(2 / 3)
    assert measured["balanced_accuracy"] == 0.5
    assert measured["map"] == pytest.approx((5 / 6 + 5 / 6) / 2)


def test_predictions_and_worst_rows_are_told_by_clip():
    told = list(predictions(KNOWN, CONFIG))
    assert told[4]["labels"] == ["3", "4"]
    assert told[1]["probabilities"] == pytest.approx({"3": 0.4, "4": 0.6, "5": 0.1})
    worst = highest_losses(KNOWN, LABELS, 2)
    assert [row["clip"] for row in worst] == ["clip 1", "clip 5"]
    assert worst[0]["loss"] == pytest.approx(-np.log([0.4, 0.4, 0.9]).mean(), abs=1e-4)


def raised(temperature: float, offsets: list[float], rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose probabilities are right after division by a temperature, once offsets are taken back."""
    rng = np.random.default_rng(0)
    true_logits = rng.normal(-1, 2, (rows, len(offsets)))
    truths = rng.random(true_logits.shape) < 1 / (1 + np.exp(-true_logits))
    return true_logits * temperature - offsets, truths


def test_sigmoids_find_the_temperature_and_offsets_that_were_put_in():
    temperature, offsets = fit_sigmoids(*raised(2.0, [1.5, 0.0, -3.0]))
    assert temperature == pytest.approx(2.0, rel=0.08)
    np.testing.assert_allclose(offsets, [1.5, 0.0, -3.0], atol=0.3)


def test_a_label_without_examples_has_no_offset():
    logits, truths = raised(1.0, [0.0, 0.0])
    truths[:, 1] = False
    assert fit_sigmoids(logits, truths)[1][1] == 0.0
    assert best_thresholds(1 / (1 + np.exp(-logits)), truths)[1] == 0.5


def test_thresholds_are_those_of_the_highest_f1():
    scores = np.array([[0.9], [0.8], [0.7], [0.4], [0.2]])
    assert best_thresholds(scores, [[1], [1], [0], [1], [0]]) == [pytest.approx(0.3)]
    assert best_thresholds(scores, [[1], [0], [0], [0], [0]]) == [pytest.approx(0.85)]


def test_calibrated_probabilities_are_the_right_ones():
    logits, truths = raised(2.0, [1.5, 0.0, -3.0])
    answer = {"logits": logits.tolist(), "labels": [[LABELS[i] for i in np.flatnonzero(row)] for row in truths]}
    config = SimpleNamespace(labels=LABELS, temperature=1.0, thresholds=None, abstain_below=0.0)
    model = SimpleNamespace(config=config, head=nn.Sequential(nn.Linear(3, 3)), device="cpu")
    before = model.head[-1].bias.detach().clone()
    calibrate(model, answer)
    moved = (model.head[-1].bias - before).detach().numpy()
    probabilities = 1 / (1 + np.exp(-(logits + moved) / config.temperature))
    assert np.abs(probabilities.mean(0) - truths.mean(0)).max() < 0.01
    assert 0 < config.abstain_below <= 1
    assert truths_of(answer, LABELS).tolist() == truths.tolist()
    assert probabilities_of({"logits": [[0.0]]}) == [[0.5]]


@pytest.mark.parametrize("function", [fit_sigmoids, best_thresholds])
@pytest.mark.parametrize(
    ("scores", "truths", "message"),
    [([[0.1]], [[1, 0]], r"both must be \(n, labels\), n > 0"), ([[torch.nan]], [[1]], "hold NaN or infinity")],
)
def test_answers_that_cannot_be_fitted_are_refused(function, scores, truths, message):
    with pytest.raises(ValueError, match=message):
        function(scores, truths)
