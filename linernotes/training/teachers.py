"""A linear teacher: on a few hundred songs a linear rule generalises best to unknown artists; a network can learn it.

The teacher is fitted on the training rows alone and then answers mixed and noisy songs that no data set holds; the
network learns those answers ("function matching", Beyer et al. 2022, arXiv 2106.05237).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class LinearTeacher:
    """logits = z-scores @ weights + bias; weights (num_features, genres), bias (genres,)."""

    weights: np.ndarray
    bias: np.ndarray


def logistic(z_scores: np.ndarray, targets: np.ndarray, row_weights: np.ndarray, strength: float) -> LinearTeacher:
    """Weighted multinomial regression; `strength` is scikit-learn's C, smaller is smoother."""
    fitted = LogisticRegression(C=strength, max_iter=3000).fit(z_scores, targets, sample_weight=row_weights)
    return LinearTeacher(fitted.coef_.T, fitted.intercept_)


def shrinkage_lda(
    z_scores: np.ndarray, targets: np.ndarray, row_weights: np.ndarray, shrinkage: float
) -> LinearTeacher:
    """Linear discriminant analysis with row weights, the covariance drawn towards a sphere by `shrinkage` (0 to 1).

    scikit-learn's takes no row weights, and they carry the artists. Targets are 0 to genres - 1, all present.
    """
    share = row_weights / row_weights.sum()
    members = [targets == genre for genre in range(targets.max() + 1)]
    means = np.stack([np.average(z_scores[of_genre], axis=0, weights=share[of_genre]) for of_genre in members])
    residuals = z_scores - means[targets]
    covariance = (share[:, None] * residuals).T @ residuals
    size = len(covariance)
    covariance = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / size * np.eye(size)
    weights = np.linalg.solve(covariance, means.T)
    return LinearTeacher(weights, -0.5 * (weights * means.T).sum(0))


def blend(first: LinearTeacher, second: LinearTeacher, share: float) -> LinearTeacher:
    """The first teacher plus `share` of the second's centred logits, over the features of both, in this order."""
    centred = second.weights - second.weights.mean(1, keepdims=True)
    return LinearTeacher(
        np.concatenate([first.weights, share * centred]),
        first.bias + share * (second.bias - second.bias.mean()),
    )
