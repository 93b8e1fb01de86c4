"""One instrument by itself: single notes, and runs over its range."""

from collections.abc import Iterator

from linernotes.corpora.score.band import Seat
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.harmony import SCALES, ladder
from linernotes.corpora.score.take import Bar, Note, Take, read


def long_notes(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """Notes of any pitch and loudness, apart from each other; where they come follows the cells."""
    for bar in bars:
        for step, steps, _ in read(take.line(seat, bar, dice)):
            yield bar.note(step, steps, dice.whole(seat.low, seat.high), dice.between(0.35, 1.2))


def running(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """Up and down between two tonics, without a break: by the scale (manner "scale") or by the tonic's chord ("chord").

    Where the register holds one tonic only, between its ends.
    """
    key = take.plan.key
    steps = SCALES[take.plan.scale] if seat.manner == "scale" else (0, 4 if key.mode == "major" else 3, 7)
    rungs = ladder(frozenset((key.tonic + step) % 12 for step in steps), seat.low, seat.high)
    tonics = [rung for rung, pitch in enumerate(rungs) if pitch % 12 == key.tonic]
    if len(tonics) > 1:
        rungs = rungs[tonics[0] : tonics[-1] + 1]
    rung, heading = dice.whole(0, len(rungs) - 1), dice.pick((-1, 1))
    for bar in bars:
        for step, length, _ in read(take.line(seat, bar, dice)):
            yield bar.note(step, length, rungs[rung])
            if not 0 <= rung + heading < len(rungs):
                heading = -heading
            rung += heading
