"""What notation says, as a sheet: measures as they are printed become bars as they are counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from linernotes.corpora.score.sources.excerpt import Bar, plain_grouping

LONGEST_PULSES = 12  # a bar of more is a cycle of bars


@dataclass(frozen=True)
class Measure:
    """A printed measure: its length in quarter notes, and the signature that it is under (None: none is printed)."""

    length: Fraction
    signature: tuple[int, int] | None

    @property
    def asked(self) -> Fraction:
        """The length that the signature asks for; none is longer than any music."""
        return Fraction(4 * self.signature[0], self.signature[1]) if self.signature else Fraction(10**6)


def bars_of(measures: Sequence[Measure], quarter_bpm: float) -> tuple[tuple[Bar, ...], float]:
    """Bars from the start of the music, and its end, in seconds.

    A repeat often cuts a bar in two, the upbeat printed before it and the rest at its end: played, they are one again.
    Other measures that are not of their length, such as an upbeat at the beginning, are bars that are not whole.
    """
    bars, start, i = [], Fraction(0), 0
    while i < len(measures):
        here = measures[i]
        halves = i + 1 < len(measures) and _are_halves(here, measures[i + 1])
        length = here.length + measures[i + 1].length if halves else here.length
        if length:
            bars.append(_bar(start, length, here, 60.0 / quarter_bpm))
        start, i = start + length, i + 1 + halves
    return tuple(bars), float(start) * 60.0 / quarter_bpm


def _are_halves(one: Measure, other: Measure) -> bool:
    return one.signature == other.signature and 0 < one.length < one.asked == one.length + other.length


def _bar(start: Fraction, length: Fraction, measure: Measure, quarter_seconds: float) -> Bar:
    numerator, denominator = measure.signature or (1, 4)
    pulse = Fraction(4, denominator)
    count = max(-(-length // pulse), 1)
    pulses = tuple(float(start + k * pulse) * quarter_seconds for k in range(count))
    whole = length == measure.asked and 1 < numerator <= LONGEST_PULSES
    return Bar(pulses, plain_grouping(numerator, denominator), float(pulse), whole)
