"""Drawing weights worked out by hand, and epochs that can be drawn again."""

from collections import Counter

import pytest

from linernotes.training.sampling import WeightedSampler, balanced_weights


def test_genres_count_alike_and_artists_by_the_root_of_their_rows():
    labels = ["jazz"] * 5 + ["rock"]
    groups = ["Monk", "Monk", "Monk", "Monk", "Bley", "Sonic Youth"]
    weights = balanced_weights(labels, groups, [1.0] * 6, group_exponent=0.5)
    assert sum(weights[:5]) == pytest.approx(weights[5]) == pytest.approx(0.5)
    # four songs count twice as much as one
    assert sum(weights[:4]) == pytest.approx(2 * weights[4])


def test_sources_are_drawn_in_their_shares():
    labels = ["jazz", "jazz", "jazz", "rock"]
    weights = balanced_weights(labels, ["a", "b", "c", "d"], [0.25, 0.25, 0.75, 0.75], group_exponent=0.5)
    assert weights == pytest.approx([0.125, 0.125, 0.375, 0.375])


def test_an_epoch_can_be_drawn_again_and_the_next_differs():
    sampler = WeightedSampler([1.0, 2.0, 0.0, 1.0] * 50, seed=3)
    sampler.set_epoch(4)
    fourth = list(sampler)
    sampler.set_epoch(5)
    fifth = list(sampler)
    sampler.set_epoch(4)
    assert list(sampler) == fourth != fifth
    assert len(fourth) == 200
    drawn = Counter(index % 4 for index in fourth + fifth)
    assert drawn[2] == 0
    assert drawn[1] > drawn[0]
