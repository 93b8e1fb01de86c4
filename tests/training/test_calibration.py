"""Temperature and abstention threshold: known answers, then a plain search as reference, then properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from linernotes.training.calibration import choose_abstain_threshold, fit_temperature


def drawn(seed=0, n=2000, classes=5, scale=1.5):
    """Logits, and labels drawn from exactly the probabilities that the logits say: the right temperature is 1."""
    generator = np.random.default_rng(seed)
    logits = scale * generator.normal(size=(n, classes))
    labels = (softmax(logits, 1).cumsum(1) < generator.random((n, 1))).sum(1)
    return logits, labels


def two_classes(confidences, right):
    """Probabilities whose top is `confidences`, always for class 0, and labels that agree where `right`."""
    confidences = np.array(confidences)
    return np.stack([confidences, 1 - confidences], axis=1), np.where(right, 0, 1)


def test_three_of_four_right_at_logit_two_is_temperature_two_over_log_three():
    """One logit difference d = 2 everywhere: the best probability is 3/4, the logit of which is log 3 = d / T."""
    logits = np.array([[2.0, 0.0]] * 4)
    assert fit_temperature(logits, [0, 0, 0, 1]) == pytest.approx(2 / np.log(3), rel=1e-9)


def test_logits_that_say_the_truth_need_no_temperature():
    assert fit_temperature(*drawn(n=40_000)) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("factor", [3.0, 0.4])
def test_scaled_logits_scale_the_temperature(factor):
    logits, labels = drawn()
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor * fit_temperature(logits, labels), rel=1e-9)


def test_agrees_with_a_search_over_all_temperatures():
    logits, labels = drawn(seed=3, n=300, scale=4.0)
    labels[:60] = 0  # some answers are plainly wrong
    temperatures = np.geomspace(0.05, 20, 4001)
    losses = [
        torch.nn.functional.cross_entropy(torch.tensor(logits / t), torch.tensor(labels)).item() for t in temperatures
    ]
    assert fit_temperature(logits, labels) == pytest.approx(temperatures[np.argmin(losses)], rel=2e-3)


@pytest.mark.parametrize(
    ("labels", "bound"), [([0, 1], 0.05), ([1, 0], 20.0)], ids=["always right", "worse than guessing"]
)
def test_without_an_optimum_the_bound_is_the_answer(labels, bound):
    assert fit_temperature([[5.0, 0.0], [0.0, 5.0]], labels) == bound


def test_huge_logits_do_not_overflow():
    logits, labels = drawn()
    assert 0.05 <= fit_temperature(logits + 1e6, labels) <= 20
    assert fit_temperature(logits * 1e5, labels) == 20.0


@pytest.mark.parametrize(
    ("confidences", "right", "threshold"),
    [
        ([0.9, 0.8, 0.7, 0.6], [True, True, False, False], 0.75),  # 2 of 2; a third would make it 2 of 3
        ([0.9, 0.8, 0.7, 0.6], [True] * 4, 0.0),
        ([0.9, 0.8], [False, False], 1.0),
        ([0.6, 0.9, 0.7, 0.8], [False, True, False, True], 0.75),  # order of rows does not matter
        ([0.9, 0.8, 0.8, 0.7], [True, True, False, False], 0.85),  # equal confidences go together
    ],
)
def test_threshold_by_hand(confidences, right, threshold):
    assert choose_abstain_threshold(*two_classes(confidences, right), target_accuracy=0.9) == pytest.approx(threshold)


def test_the_largest_part_counts_even_where_the_most_confident_answer_is_wrong():
    """Kept 1: 0 of 1, kept 2: 1 of 2, kept 3: 2 of 3, kept 4: 3 of 4 = the target, kept 5: 3 of 5."""
    confidences, right = [0.95, 0.9, 0.85, 0.8, 0.6], [False, True, True, True, False]
    threshold = choose_abstain_threshold(*two_classes(confidences, right), target_accuracy=0.75)
    assert threshold == pytest.approx(0.7)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.3, 1.0))
def test_kept_answers_reach_the_target_and_no_lower_threshold_does(seed, target):
    logits, labels = drawn(seed, n=60)
    probabilities = softmax(logits, 1)
    threshold = choose_abstain_threshold(probabilities, labels, target)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    kept = confidence >= threshold
    assert not kept.any() or right[kept].mean() >= target
    for lower in confidence[confidence < threshold]:
        assert right[confidence >= lower].mean() < target


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([[1.0, 0.0]], [0, 1], r"logits are \(1, 2\) and labels \(2,\); they must be \(n, classes\) and \(n,\)"),
        (np.empty((0, 2)), np.empty(0, int), r"n > 0"),
        ([[np.nan, 0.0]], [0], "logits hold NaN or infinity"),
        ([[1.0, 0.0]], [2], r"class indices from 0 to 1, got \[2\]"),
        ([[1.0, 0.0]], [0.5], "class indices from 0 to 1"),
    ],
)
def test_bad_logits_are_refused(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(scores, labels)


@pytest.mark.parametrize("target", [0.0, 1.1, float("nan")])
def test_a_target_that_is_no_share_is_refused(target):
    with pytest.raises(ValueError, match=r"target_accuracy is .*; it must be above 0 and at most 1"):
        choose_abstain_threshold([[1.0, 0.0]], [0], target)
