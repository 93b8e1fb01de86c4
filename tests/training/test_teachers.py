"""Linear teachers: what theory says of two Gaussian genres, scikit-learn's answer, and the arithmetic of blending."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from linernotes.training.teachers import LinearTeacher, blend, logistic, shrinkage_lda


@pytest.fixture(scope="module")
def songs():
    rng = np.random.default_rng(0)
    targets = np.arange(300) % 3
    return rng.normal(size=(300, 4)) + 2 * np.eye(3, 4)[targets], targets


def test_unshrunk_lda_is_scikit_learns(songs):
    z_scores, targets = songs
    ours = shrinkage_lda(z_scores, targets, np.ones(300), shrinkage=0.0)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(z_scores, targets)
    probabilities = np.exp(z_scores @ ours.weights + ours.bias)
    probabilities /= probabilities.sum(1, keepdims=True)
    assert np.abs(probabilities - theirs.predict_proba(z_scores)).max() < 1e-6


def test_full_shrinkage_points_from_centre_to_centre(songs):
    z_scores, targets = songs
    teacher = shrinkage_lda(z_scores, targets, np.ones(300), shrinkage=1.0)
    means = np.stack([z_scores[targets == genre].mean(0) for genre in range(3)]).T
    assert np.allclose(teacher.weights / np.linalg.norm(teacher.weights), means / np.linalg.norm(means))


@pytest.mark.parametrize(("fit", "option"), [(logistic, 1.0), (shrinkage_lda, 0.2)])
def test_a_row_of_weight_two_counts_as_two_rows(songs, fit, option):
    z_scores, targets = songs
    weights = np.where(np.arange(300) < 30, 2.0, 1.0)
    repeated = np.r_[np.arange(300), np.arange(30)]
    weighted = fit(z_scores, targets, weights, option)
    doubled = fit(z_scores[repeated], targets[repeated], np.ones(330), option)
    assert np.allclose(weighted.weights, doubled.weights, atol=1e-3)


def test_a_blend_adds_the_centred_logits_of_the_second():
    first = LinearTeacher(np.ones((1, 2)), np.array([0.0, 1.0]))
    second = LinearTeacher(np.array([[4.0, 2.0]]), np.array([3.0, 1.0]))
    teacher = blend(first, second, share=0.5)
    assert teacher.weights.tolist() == [[1, 1], [0.5, -0.5]]
    assert teacher.bias.tolist() == [0.5, 0.5]
