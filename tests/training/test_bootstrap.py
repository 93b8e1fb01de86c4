"""Resampling by groups: counted by hand, against a loop that draws rows one by one, and by its properties."""

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.metrics import f1_score, recall_score, roc_auc_score

from linernotes.training.bootstrap import (
    classifier_draws,
    mean_of_known,
    plain,
    resample,
    resampled_auc,
    share_with_interval,
    sum_by_group,
    with_interval,
)


def answers(seed=0, n=80, classes=3, num_groups=20):
    generator = np.random.default_rng(seed)
    references = generator.integers(0, classes, n)
    probabilities = generator.dirichlet(np.ones(classes), n) + 0.7 * np.eye(classes)[references]
    probabilities = (probabilities / probabilities.sum(1, keepdims=True)).round(2)  # rounded: equal scores occur
    return references, probabilities, np.unique(generator.integers(0, num_groups, n), return_inverse=True)[1]


def test_every_resample_draws_as_many_groups_as_there_are():
    counts = resample(7, seed=0)
    assert counts.shape == (1000, 7)
    assert (counts.sum(1) == 7).all()
    assert counts.mean(0) == pytest.approx(np.ones(7), abs=0.1)


def test_same_seed_same_resamples():
    np.testing.assert_array_equal(resample(5, seed=1), resample(5, seed=1))
    assert (resample(5, seed=1) != resample(5, seed=2)).any()


def test_one_group_is_one_resample():
    np.testing.assert_array_equal(resample(1, seed=0), [[1.0]])


def test_sum_by_group_by_hand():
    sums = sum_by_group(np.array([0, 1, 1, 1]), np.array([2, 0, 0, 1]), 3, np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(sums, [[0, 0, 1], [5, 4, 0]])


def test_auc_by_hand():
    """Members score 3 and 1, others 2 and 1. Pairs: 3>2, 3>1, 1<2, 1=1 make 2.5 of 4.

    With the group of the score 3 drawn twice and that of the others' 1 left out: 3>2, 3>2, 1<2 make 2 of 3.
    """
    scores, members = np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False])
    counts = np.array([[1.0, 1, 1, 1], [2, 1, 1, 0], [2, 2, 0, 0]])
    np.testing.assert_allclose(resampled_auc(counts, np.arange(4), scores, members), [2.5 / 4, 2 / 3, np.nan])


def test_auc_of_a_class_without_members_or_others_is_not_known():
    counts = np.ones((2, 3))
    for members in (np.zeros(3, bool), np.ones(3, bool)):
        assert np.isnan(resampled_auc(counts, np.arange(3), np.arange(3.0), members)).all()


@pytest.mark.parametrize("num_groups", [20, 10_000], ids=["artists", "one row a group"])
def test_every_figure_is_that_of_the_rows_drawn_one_by_one(num_groups):
    """The reference: rows of the drawn groups copied out, scikit-learn on the copies. One row a group: rows drawn."""
    references, probabilities, groups = answers(num_groups=num_groups)
    bins = np.minimum((probabilities.max(1) * 5).astype(int), 4)
    draws = classifier_draws(references, probabilities, groups, bins, probabilities[:, 0], seed=5)
    drawn = np.random.default_rng(5).integers(0, groups.max() + 1, (1000, groups.max() + 1))
    for index in range(0, 1000, 100):
        rows = np.concatenate([np.flatnonzero(groups == group) for group in drawn[index]])
        truth, scores = references[rows], probabilities[rows]
        guess, present = scores.argmax(1), np.unique(truth)
        assert draws["accuracy"][index] == pytest.approx((truth == guess).mean())
        options = {"labels": present, "average": "macro", "zero_division": 0}
        assert draws["macro_f1"][index] == pytest.approx(f1_score(truth, guess, **options))
        assert draws["balanced_accuracy"][index] == pytest.approx(recall_score(truth, guess, **options))
        areas = [roc_auc_score(truth == label, scores[:, label]) for label in range(3)]
        assert draws["class_roc_auc"][index] == pytest.approx(areas)
        gaps = [(scores.max(1) - (guess == truth))[bins[rows] == b].sum() for b in range(5)]
        assert draws["ece"][index] == pytest.approx(np.abs(gaps).sum() / len(rows))
        own = [scores[truth == label, 0].mean() for label in range(3)]
        assert draws["self_activation"][index] == pytest.approx(own)


def test_copies_of_rows_inside_their_groups_leave_the_interval_as_it_was():
    """Ten copies of every song of an artist are no new evidence."""
    references, probabilities, groups = answers()
    once = classifier_draws(references, probabilities, groups, 0 * groups, probabilities[:, 0], seed=0)
    tenfold = classifier_draws(
        *(
            np.repeat(array, 10, axis=0)
            for array in (references, probabilities, groups, 0 * groups, probabilities[:, 0])
        ),
        seed=0,
    )
    for name, draws in once.items():
        np.testing.assert_allclose(tenfold[name], draws, atol=1e-12)


def test_interval_by_hand():
    """Of the draws 0, 1, ..., 1000 the middle 95 % are 25 to 975."""
    assert with_interval(500.0, np.arange(1001.0)) == {"value": 500.0, "low": 25.0, "high": 975.0}


def test_the_value_is_inside_where_all_resamples_are_above_it():
    assert with_interval(0.1, np.linspace(0.2, 0.3, 50))["low"] == 0.1
    assert with_interval(0.9, np.linspace(0.2, 0.3, 50))["high"] == 0.9


@pytest.mark.parametrize(
    ("value", "draws"),
    [(0.5, [0.5]), (np.nan, [0.1, 0.2]), (0.5, [np.nan, np.nan])],
    ids=["one group", "no value", "-"],
)
def test_without_resamples_or_value_there_is_no_interval(value, draws):
    figure = with_interval(value, np.array(draws))
    assert (figure["low"], figure["high"]) == (None, None)


def test_no_error_in_twenty_groups_is_no_proof_of_perfection():
    """The exact (Clopper-Pearson) limit of 20 successes in 20 is a quantile of the Beta distribution (20, 1)."""
    limit = beta.ppf(0.025, 20, 1)
    expected = {"value": 1.0, "low": limit, "high": 1.0}
    assert share_with_interval(1.0, np.ones(1000), 20) == pytest.approx(expected, abs=1e-6)
    expected = {"value": 0.0, "low": 0.0, "high": 1 - limit}
    assert share_with_interval(0.0, np.zeros(1000), 20) == pytest.approx(expected, abs=1e-6)


def test_mean_of_known():
    np.testing.assert_array_equal(mean_of_known(np.array([[1.0, np.nan, 3.0], [np.nan] * 3])), [2.0, np.nan])


def test_plain_is_json():
    value = {"a": np.float32(0.5), "b": np.array([1, 2]), "c": [np.nan, 1 / 3], "d": np.int64(3), "e": "x"}
    assert plain(value) == {"a": 0.5, "b": [1, 2], "c": [None, 0.333333], "d": 3, "e": "x"}
