"""What is fitted on the answers of the heads."""

from types import SimpleNamespace

import numpy as np
import pytest

from linernotes.modeling.music_tags import VOCALS
from linernotes.training.caption_answers import calibrate, threshold_of


def test_thresholds_and_temperatures_are_fitted_where_something_is_known():
    tasks = {
        "genre_detection": {"classes": ["jazz", "rock"], "exclusive": False},
        "vocals_detection": {"classes": list(VOCALS), "exclusive": True},
    }
    labels = {
        "genre_detection": np.array([[1, np.nan], [0, np.nan], [1, np.nan]]),
        "vocals_detection": np.array([[1, 0, 0], [0, 1, 0], [0, np.nan, np.nan]]),
    }
    logits = {
        "genre_detection": np.array([[0.0, 0], [-2.0, 0], [1.0, 0]]),
        "vocals_detection": np.array([[30.0, 0, 0], [30.0, 0, 0], [0, 0, 0]]),
    }
    calibrate(SimpleNamespace(tasks=tasks, confident_below=0.05), logits, labels)
    low, high = 1 / (1 + np.exp(2.0)), 0.5
    assert tasks["genre_detection"]["thresholds"] == [pytest.approx((low + high) / 2, abs=1e-4), 0.5]
    assert tasks["vocals_detection"]["temperature"] > 10.0, "sure and wrong half of the time"
    assert tasks["vocals_detection"]["abstain_below"] == 1.0, "no answer was right nine times out of ten"
    sure = np.array([[8.0, 0, 0]] * 19 + [[0.4, 0, 0]])
    known = np.array([[1.0, 0, 0]] * 19 + [[0.0, 1, 0]])
    calibrate(
        SimpleNamespace(tasks=tasks, confident_below=0.05),
        logits | {"vocals_detection": sure},
        labels | {"vocals_detection": known},
    )
    assert tasks["vocals_detection"]["abstain_below"] == 0.0, "19 of 20 are right"
    assert threshold_of(np.array([0.3]), np.array([np.nan])) == 0.5


def test_what_may_not_be_claimed_is_not_listed_and_what_is_likelier_than_not_is():
    tasks = {"genre_detection": {"classes": ["folk", "pop"], "exclusive": False}}
    said = {"genre_detection": np.array([[-5.0, 4.0], [-6.0, 3.0]])}
    calibrate(
        SimpleNamespace(tasks=tasks, confident_below=0.2), said, {"genre_detection": np.array([[1.0, 1], [0, 0]])}
    )
    assert tasks["genre_detection"]["thresholds"] == [0.2, 0.5]
