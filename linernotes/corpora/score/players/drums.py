"""The drummer: one seat for each hand or foot that keeps a rhythm of its own, all of them on one kit."""

from collections.abc import Iterator

from linernotes.corpora.score.band import Seat
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.take import Bar, Note, Take, read

# letter in a cell -> General MIDI drum and how hard it is struck
DRUMS = {
    "k": (36, 1.0), "s": (38, 1.0), "S": (40, 1.0), "o": (38, 0.4), "x": (37, 0.8), "c": (39, 0.9),
    "h": (42, 0.7), "i": (42, 0.4), "H": (46, 0.75), "p": (44, 0.55), "r": (51, 0.75), "q": (51, 0.5),
    "b": (53, 0.7), "C": (49, 0.9), "t": (45, 0.85), "T": (50, 0.85), "f": (43, 0.9), "w": (56, 0.7),
    "m": (70, 0.6), "g": (54, 0.6), "l": (75, 0.75), "a": (64, 0.8), "A": (63, 0.75), "e": (62, 0.6),
}  # fmt: skip
BACKBEAT = 0.75  # the least accent of a snare or a clap, wherever it falls
CRASH, TOMS_DOWN = (49, 0.9), ("s", "T", "t", "f")


def play_kit(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """Strokes by letter (DRUMS). manner "leads": he also plays the fills that close phrases, and a crash after them."""
    crash = False
    for bar in bars:
        line = take.line(seat, bar, dice)
        leads = seat.manner == "leads"
        if leads and crash:
            yield bar.note(0, 2, *CRASH)
        crash = leads and bar.closes and dice.chance(take.plan.fills)
        if crash:
            line = line[: 2 * bar.meter.starts[-1]] + _fill(2 * bar.meter.grouping[-1], dice)
        for step, _, letter in read(line):
            start, length, drum, loudness, weight = bar.note(step, 0.5, *DRUMS[letter])
            yield start, length, drum, loudness, max(weight, BACKBEAT) if letter in "sSc" else weight


def _fill(steps: int, dice: Dice) -> str:
    """Down the toms, the first stroke always, the others mostly."""
    return "".join(
        TOMS_DOWN[step * len(TOMS_DOWN) // steps] if step == 0 or dice.chance(0.75) else "." for step in range(steps)
    )
