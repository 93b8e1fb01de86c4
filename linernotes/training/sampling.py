"""Which rows an epoch draws: artists less than in proportion to their rows, genres alike, sources in given shares."""

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class WeightedSampler(Sampler[int]):
    """Draws as many rows as there are, with replacement, by weight; an epoch has its own seed: a resume repeats it."""

    def __init__(self, weights: Sequence[float], seed: int):
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.weights)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        return iter(torch.multinomial(self.weights, len(self), replacement=True, generator=generator).tolist())


def balanced_weights(
    labels: Sequence[str],
    groups: Sequence[str],
    shares: Sequence[float],
    group_exponent: float,
) -> list[float]:
    """Drawing weights: within a genre an artist counts (rows of the artist)^(1 - group_exponent); genres count alike.

    `shares` gives each row the share of its source among all draws: one number for all rows of a source.
    An artist with ten similar songs teaches little more than one with two: without this the classifier learns artists.
    """
    rows_of_group = Counter(zip(shares, groups, strict=True))
    weights = [rows_of_group[key] ** -group_exponent for key in zip(shares, groups, strict=True)]
    total = Counter()
    for weight, share, label in zip(weights, shares, labels, strict=True):
        total[share, label] += weight
    genres_of = Counter(share for share, _ in total)
    return [
        weight * share / (total[share, label] * genres_of[share])
        for weight, share, label in zip(weights, shares, labels, strict=True)
    ]
