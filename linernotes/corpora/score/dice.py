"""Draws for plans and players, from one `numpy.random.Generator`.

A player draws thousands of times a clip, one number at a time, for which numpy's own methods take 30 times as long.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar
from zlib import crc32

import numpy as np

Item = TypeVar("Item")


class Dice:
    """One seed's draws; `of` gives each player dice of his own, so that nobody's playing depends on who else plays."""

    def __init__(self, seed: int, name: str = "") -> None:
        self.seed = seed
        self._draws = _uniforms(np.random.default_rng([seed, crc32(name.encode())]))

    def of(self, name: str) -> "Dice":
        return Dice(self.seed, name)

    def random(self) -> float:
        """From 0 to 1, 1 excluded."""
        return next(self._draws)

    def chance(self, odds: float) -> bool:
        return next(self._draws) < odds

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * next(self._draws)

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int((high - low + 1) * next(self._draws))

    def pick(self, items: Sequence[Item]) -> Item:
        return items[int(len(items) * next(self._draws))]

    def weigh(self, odds: dict[Item, float]) -> Item:
        """One of the keys; the values are its odds, of whatever sum."""
        left = next(self._draws) * sum(odds.values())
        for item, share in odds.items():
            left -= share
            if left < 0.0:
                return item
        return item

    def some(self, items: Sequence[Item], count: int) -> list[Item]:
        """`count` different ones, in the order drawn."""
        left = list(items)
        return [left.pop(int(len(left) * next(self._draws))) for _ in range(count)]


def _uniforms(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(512).tolist()
