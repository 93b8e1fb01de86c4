"""Figures of the heads on answers whose figures are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from linernotes.corpora.music_facts import MusicFacts
from linernotes.modeling.music_tags import KEYS, VOCALS
from linernotes.training.head_figures import figures_of_heads


def config(**tasks):
    return SimpleNamespace(tasks=tasks)


def one_hot(indices, size):
    return np.eye(size)[indices]


def test_a_key_is_scored_where_it_is_known():
    truths = [MusicFacts(key="C major"), MusicFacts(key="C major"), MusicFacts(key="G major"), MusicFacts()]
    said = one_hot([KEYS.index(key) for key in ("C major", "G major", "E minor", "C major")], 24)
    found = figures_of_heads({"key_detection": said}, truths, np.arange(4), config(key_detection={"classes": KEYS}))
    assert found["key"]["n"] == 3
    assert found["key"]["weighted_score"]["value"] == pytest.approx((1.0 + 0.5 + 0.3) / 3)
    assert found["key"]["accuracy"]["value"] == pytest.approx(1 / 3)
    assert found["key"]["accuracy"]["majority_baseline"] == pytest.approx(2 / 3)
    assert found["key"]["weighted_score"]["majority_baseline"] >= 2 / 3


def test_a_voice_without_a_gender_counts_for_singing_alone():
    truths = [MusicFacts(vocals=name) for name in ("instrumental", "female", "male", "voice", "voice", None)]
    said = one_hot([0, 1, 1, 2, 0, 0], 3)
    found = figures_of_heads(
        {"vocals_detection": said}, truths, np.arange(6), config(vocals_detection={"classes": VOCALS})
    )
    assert found["vocals"]["n"] == 3
    assert found["vocals"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert (found["singing"]["n"], found["singing"]["n_groups"]) == (5, 5)
    assert found["singing"]["accuracy"]["value"] == pytest.approx(4 / 5)
    assert found["singing"]["accuracy"]["majority_baseline"] == pytest.approx(4 / 5)


def test_instruments_are_averaged_over_classes_that_are_there_and_not_always():
    classes = ["drums", "piano", "strings", "violin"]
    truths = [
        MusicFacts(instruments=names) for names in (("drums",), ("drums", "piano"), ("drums", "violin"), ("drums",))
    ]
    said = np.array([[0.9, 0.1, 0.1, 0.3], [0.9, 0.8, 0.1, 0.4], [0.9, 0.2, 0.9, 0.9], [0.9, 0.9, 0.1, 0.1]])
    told = config(instrument_detection={"classes": classes})
    found = figures_of_heads({"instrument_detection": said}, truths, np.arange(4), told)["instruments"]
    assert set(found["per_class"]) == {"piano", "violin"}, "drums are everywhere, a string section nowhere"
    assert found["per_class"]["piano"]["average_precision"]["value"] == 0.5
    assert found["map"]["value"] == pytest.approx(0.75)
    assert found["map"]["majority_baseline"] == pytest.approx(0.25)


def test_of_what_nobody_knows_there_are_no_figures():
    said = {"genre_detection": np.ones((2, 1))}
    assert figures_of_heads(said, [MusicFacts()] * 2, np.arange(2), config(genre_detection={"classes": ["jazz"]})) == {}
