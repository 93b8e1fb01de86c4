"""What the whole band does at once: unisons with stops, and the layers of a polyrhythm."""

from collections.abc import Iterator

from linernotes.corpora.score.band import Seat
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.harmony import ladder, power_chord
from linernotes.corpora.score.take import Bar, Note, Take, read

HIT_CELLS = ("x-..", "x-x-", "x...", "x-....", "x-x-..", "x---x-", "x.x.x.")


def hits(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """Everybody on one rhythm, silent between: basses on the root, others in octaves, the kit with kick and crash.

    Singers are silent.
    """
    everyone = Seat("all", 0, "hits", HIT_CELLS)
    for bar in bars if seat.part != "voice" else ():
        shared = take.dice.of(f"hits {bar.section.name} {bar.meter.label}")
        for step, steps, _ in read(take.line(everyone, bar, shared)):
            if seat.is_drum:
                if seat.manner == "leads":
                    yield bar.note(step, 0.5, 36, 1.0)
                    yield bar.note(step, 0.5, 49 if step == 0 else 38, 0.9)
            else:
                root, fifth, octave = power_chord(bar.chord_at(step), seat.low)
                for pitch in (root,) if seat.part in ("bass", "lead") else (root, fifth, octave):
                    yield bar.note(step, steps, pitch)


def layer(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """As many equal notes a cycle as `manner` says, the first of them the loudest; pitches from the chord."""
    cycle = take.plan.polyrhythm.bars * bars[0].meter.quarters
    count = int(seat.manner)
    turns = [dice.whole(0, 2) * dice.whole(0, 1) for _ in range(count)]
    for number in range(int(bars[0].start // cycle), int(take.end // cycle) + 1):
        for i, turn in enumerate(turns):
            start = number * cycle + i * cycle / count
            rungs = ladder(frozenset(take.chord_at(start).tones[:3]), seat.low, seat.high)
            yield start, cycle / count, rungs[min(turn, len(rungs) - 1)], 1.0, 0.5 if i else 1.0
