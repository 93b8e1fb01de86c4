"""What the players have on their stands: the bars to play, and lines of cells to read from."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from linernotes.corpora.score.band import Seat, Section
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.harmony import Chord, chords_of
from linernotes.corpora.score.meters import Meter
from linernotes.corpora.score.plans import Plan

# start and length in quarters, pitch, loudness about 1, and the meter's accent where it begins, 0 to 1
Note = tuple[float, float, int, float, float]
Player = Callable[["Take", Seat, Dice, list["Bar"]], Iterator[Note]]


@dataclass(frozen=True)
class Bar:
    """A bar to play: where it starts (quarters from the start of the form), its chords by the pulse they come on."""

    number: int
    start: float
    meter: Meter
    section: Section
    place: int
    chords: tuple[tuple[int, Chord], ...]
    next_chord: Chord

    @property
    def steps(self) -> int:
        return 2 * self.meter.numerator

    @property
    def closes(self) -> bool:
        """Whether a phrase of four bars or the section ends here."""
        return self.place % 4 == 3 or self.place == self.section.bars - 1

    def chord_at(self, step: int) -> Chord:
        return next(chord for pulse, chord in reversed(self.chords) if 2 * pulse <= step)

    @cached_property
    def changes(self) -> tuple[tuple[int, int, Chord], ...]:
        """The chords with the steps at which they begin and end."""
        ends = (*(2 * pulse for pulse, _ in self.chords[1:]), self.steps)
        return tuple((2 * pulse, end, chord) for (pulse, chord), end in zip(self.chords, ends, strict=True))

    def note(self, step: float, steps: float, pitch: int, loudness: float = 1.0) -> Note:
        """A note of this bar, its place and length counted in half pulses."""
        half = self.meter.pulse / 2.0
        weight = self.meter.weights[int(step)]
        return self.start + step * half, steps * half, pitch, loudness * self.section.loudness, weight


def bars_of(plan: Plan) -> list[Bar]:
    """The bars that the clip touches, the form repeated as often as it takes."""
    first, end = plan.start_quarters, plan.start_quarters + plan.quarters
    rows, number, start = [], 0, 0.0
    while start < end or not rows:
        for section in plan.sections:
            changes = chords_of(section.changes, plan.key)
            for place in range(section.bars):
                meter = plan.meters[number % len(plan.meters)]
                if start + meter.quarters > first:
                    chords = changes[place % len(changes)]
                    rows.append((number, start, meter, section, place, chords))
                number, start = number + 1, start + meter.quarters
            if start >= end:
                break
    following = [row[-1][0] for row in rows[1:]] + [rows[0][-1][0]]
    return [
        Bar(*row[:-1], tuple(zip(row[2].chord_starts(len(row[-1])), row[-1], strict=True)), after)
        for row, after in zip(rows, following, strict=True)
        if row[1] < end
    ]


class Take:
    """The plan, its bars, and what players share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.dice = Dice(plan.seed, "take")
        self.end = plan.start_quarters + plan.quarters
        self.bars = bars_of(plan)
        self.shared: dict[str, list] = {}  # what the first of several players works out for all
        # sixteenths that nobody can play or hear apart are left out
        self._quick = 30.0 * plan.meters[0].pulse / plan.quarter_bpm < 0.11
        self._lines: dict[tuple, str] = {}

    def chord_at(self, quarters: float) -> Chord:
        """The chord at a time counted from the start of the form; outside of the bars the nearest."""
        bar = self.bars[max(bisect_right(self.bars, quarters + 1e-6, key=lambda bar: bar.start) - 1, 0)]
        return bar.chord_at(max(int((quarters - bar.start) * 2.0 / bar.meter.pulse + 1e-6), 0))

    def line(self, seat: Seat, bar: Bar, dice: Dice, variant: int = 0) -> str:
        """The seat's rhythm for a bar, one character a step; the same one wherever its section has that meter."""
        key = (seat, bar.section.name, bar.meter, variant)
        if key not in self._lines:
            self._lines[key] = self._draw_line(seat.cells, bar.meter, dice)
        return self._lines[key]

    def _draw_line(self, cells: tuple[str, ...], meter: Meter, dice: Dice) -> str:
        whole = [cell for cell in cells if len(cell) == 2 * meter.numerator]
        line = self._weigh(whole, dice) if whole else "".join(self._cell(cells, g, dice) for g in meter.grouping)
        if not self._quick:
            return line
        slow = []
        for step, letter in enumerate(line):
            held = step > 0 and slow[-1] != "."
            slow.append(letter if step % 2 == 0 or letter in ".-" else "-" if held else ".")
        return "".join(slow)

    def _cell(self, cells: tuple[str, ...], group: int, dice: Dice) -> str:
        fitting = [cell for cell in cells if len(cell) == 2 * group]
        if fitting:
            return self._weigh(fitting, dice)
        if group == 1:
            return self._cell(cells, 2, dice)[:2]
        if group == 3:
            return self._cell(cells, 2, dice) + self._cell(cells, 2, dice)[:2]
        return self._cell(cells, 2, dice) + self._cell(cells, group - 2, dice)

    def _weigh(self, cells: list[str], dice: Dice) -> str:
        """One of two drawn: the busier one where the plan is dense, the emptier where it is not."""
        one, other = sorted((dice.pick(cells), dice.pick(cells)), key=onsets)
        return other if dice.chance(self.plan.density) else one

    def syncopated(self, line: str, meter: Meter, dice: Dice) -> str:
        """The line with some of its notes on the pulses brought forward by half a pulse; downbeats stay."""
        if self._quick or not self.plan.syncopation:
            return line
        letters = list(line)
        for step in range(2, len(letters), 2):
            free = letters[step] not in ".-" and letters[step - 1] in ".-"
            if free and dice.chance(0.4 * self.plan.syncopation):
                letters[step - 1], letters[step] = letters[step], "-"
        return "".join(letters)


def onsets(line: str) -> int:
    return len(line) - line.count(".") - line.count("-")


def read(line: str) -> Iterator[tuple[int, int, str]]:
    """The notes of a line: step, length in steps, letter. A rest `.` is counted in the length only as one step.

    A note lasts until the next character that is not `-`.
    """
    step, end = 0, len(line)
    while step < end:
        letter, start = line[step], step
        step += 1
        while step < end and line[step] == "-":
            step += 1
        if letter not in ".-":
            yield start, step - start, letter
