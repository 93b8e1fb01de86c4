"""Meters with their groupings, and polyrhythms over them.

A meter is counted in pulses (quarters or eighths), grouped by accents: 7/8 may go 2+2+3 or 3+2+2. A *step* is half a
pulse, the finest place of a rhythm.
"""

from dataclasses import dataclass
from functools import cached_property

from linernotes.corpora.score.dice import Dice

GROUPINGS: dict[int, tuple[tuple[int, ...], ...]] = {
    3: ((3,), (2, 1), (1, 2)),
    4: ((2, 2), (4,), (3, 1)),
    5: ((3, 2), (2, 3)),
    6: ((3, 3), (2, 2, 2)),
    7: ((2, 2, 3), (3, 2, 2), (2, 3, 2)),
    8: ((3, 3, 2), (3, 2, 3), (2, 3, 3)),
    9: ((3, 3, 3), (2, 2, 2, 3), (2, 2, 3, 2), (2, 3, 2, 2), (3, 2, 2, 2)),
    10: ((3, 3, 2, 2), (2, 2, 3, 3), (3, 2, 3, 2), (2, 3, 2, 3), (3, 2, 2, 3)),
    11: ((2, 2, 3, 2, 2), (3, 3, 3, 2), (2, 2, 2, 2, 3), (3, 2, 2, 2, 2), (2, 3, 3, 3), (3, 3, 2, 3)),
}
# How often the pulse is a quarter. Four is counted in quarters; eight and ten in eighths, else they would be two bars.
QUARTER_ODDS = {3: 0.85, 4: 1.0, 5: 0.5, 6: 0.1, 7: 0.35, 8: 0.0, 9: 0.15, 10: 0.0, 11: 0.2}
COMMON_ODDS = {3: 0.7, 4: 0.7, 6: 0.85, 9: 0.4}  # of the first grouping; the others share the rest, elsewhere all alike
# Ratios and the meters that suit them: a layer of a polyrhythm goes with the pulses or the groups of the meter.
POLYRHYTHMS = {"3:2": (3, 4, 6), "4:3": (3, 4, 6, 9), "5:4": (4, 5, 8), "7:4": (4, 7, 8), "5:3": (3, 5, 6, 9)}


@dataclass(frozen=True)
class Meter:
    """A bar of `sum(grouping)` pulses of `pulse` quarter notes each (1.0 or 0.5)."""

    grouping: tuple[int, ...]
    pulse: float = 1.0

    def __post_init__(self) -> None:
        if not self.grouping or any(group not in (1, 2, 3, 4) for group in self.grouping):
            raise ValueError(f"grouping={self.grouping} is none: give groups of 1 to 4 pulses, such as (2, 2, 3)")
        check_pulse(self.pulse)

    @cached_property
    def numerator(self) -> int:
        return sum(self.grouping)

    @property
    def denominator(self) -> int:
        return int(4 / self.pulse)

    @property
    def quarters(self) -> float:
        """Length of the bar in quarter notes."""
        return self.numerator * self.pulse

    @property
    def label(self) -> str:
        """Such as "7/8 2+2+3"."""
        return f"{self.numerator}/{self.denominator} {'+'.join(map(str, self.grouping))}"

    @property
    def felt_quarters(self) -> float:
        """Length of the beat that a tempo counts: a dotted quarter where eighths go in threes only, else a quarter."""
        return 1.5 if self.pulse == 0.5 and set(self.grouping) == {3} else 1.0

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The pulses that groups start on, from 0."""
        return tuple(sum(self.grouping[:i]) for i in range(len(self.grouping)))

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """The accent of each step of the bar, 0 to 1: downbeat, group starts, other pulses, between the pulses."""
        return tuple(
            1.0 if step == 0 else 0.25 if step % 2 else 0.75 if step // 2 in self.starts else 0.4
            for step in range(2 * self.numerator)
        )

    def chord_starts(self, count: int) -> tuple[int, ...]:
        """Pulses at which `count` chords that share the bar come in: on groups, or failing those halfway."""
        if count > self.numerator:
            raise ValueError(f"{count} chords in a bar of {self.numerator} pulses: write one a pulse at most")
        places = self.starts if len(self.starts) >= count else range(self.numerator)
        wanted = [i * self.numerator / count for i in range(count)]
        chosen: list[int] = []
        for i, place in enumerate(wanted):
            free = [p for p in places if not chosen or p > chosen[-1]]
            free = free[: len(free) - (count - i - 1)]
            chosen.append(min(free, key=lambda p: abs(p - place)))
        return tuple(chosen)


def check_pulse(pulse: float) -> None:
    if pulse not in (1.0, 0.5):
        raise ValueError(f"pulse={pulse!r} is none: give 1.0 (quarters) or 0.5 (eighths)")


def check_meter(numerator: int, grouping: tuple[int, ...] | None) -> None:
    """Raises ValueError for numerators that are not in GROUPINGS and groupings that do not sum to the numerator."""
    if numerator not in GROUPINGS:
        raise ValueError(f"meter={numerator} is not known: choose from {', '.join(map(str, GROUPINGS))}")
    if grouping is not None and sum(grouping) != numerator:
        raise ValueError(f"grouping={grouping} sums to {sum(grouping)}, not to meter={numerator}")


def draw_meter(
    dice: Dice,
    numerator: int,
    grouping: tuple[int, ...] | None,
    longest_quarters: float,
    free: bool = True,
    pulse: float | None = None,
) -> Meter:
    """A meter of so many pulses; the grouping is drawn if it is None, the pulse so that a bar has that many quarters.

    free: whether 3 and 4 may be accented in unusual ways. pulse: in quarters, if it is not to be drawn.
    Raises ValueError as `check_meter`.
    """
    check_meter(numerator, grouping)
    quarter_pulse = dice.chance(QUARTER_ODDS[numerator])
    if grouping is None:
        common = not free and numerator in (3, 4)
        grouping = GROUPINGS[numerator][0] if common else _draw_grouping(dice, numerator)
    if numerator == 6:  # 6/8 is two groups, three groups are 6/4
        quarter_pulse = grouping != (3, 3)
    long = numerator > longest_quarters and numerator > 4
    drawn = 1.0 if quarter_pulse and not long else 0.5
    return Meter(tuple(grouping), drawn if pulse is None else pulse)


def _draw_grouping(dice: Dice, numerator: int) -> tuple[int, ...]:
    common, *others = GROUPINGS[numerator]
    odds = COMMON_ODDS.get(numerator, 1.0 / (1 + len(others)))
    return common if dice.chance(odds) else dice.pick(others)


def draw_changes(dice: Dice, meter: Meter) -> tuple[Meter, ...]:
    """A cycle of meters: a few bars of this one, then one that is longer or shorter, counted in the same pulse."""
    others = [n for n in (3, 4, 5, 6, 7, 8, 9) if n != meter.numerator and n * meter.pulse < 8]
    other = Meter(dice.pick(GROUPINGS[dice.pick(others)]), meter.pulse)
    return (meter,) * dice.whole(1, 3) + (other,)


@dataclass(frozen=True)
class Polyrhythm:
    """Two layers that divide `bars` bars into `many` and into `few` equal parts.

    alone: nothing else plays.
    """

    many: int
    few: int
    bars: int = 1
    alone: bool = False

    @property
    def ratio(self) -> str:
        return f"{self.many}:{self.few}"


def draw_polyrhythm(dice: Dice, ratio: str, bar_seconds: float) -> Polyrhythm:
    """Layers for a ratio over one bar or two: the faster still a rhythm, the slower not a rare landmark."""
    if ratio not in POLYRHYTHMS:
        raise ValueError(f"polyrhythm={ratio!r} is not known: choose from {', '.join(POLYRHYTHMS)}, or None")
    many, few = map(int, ratio.split(":"))
    playable = [bars for bars in (1, 2) if bars * bar_seconds / few <= 1.6 and bars * bar_seconds / many >= 0.12]
    return Polyrhythm(many, few, dice.pick(playable) if playable else 1, alone=dice.chance(0.35))
