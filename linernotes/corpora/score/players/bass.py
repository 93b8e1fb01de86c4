"""Basses: a groove of chord degrees, and a walking line."""

from collections.abc import Iterator

from linernotes.corpora.score.band import Seat
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.harmony import QUALITIES, Chord, ladder, scale_over
from linernotes.corpora.score.take import Bar, Note, Take, read

STEADY = {"1": 0, "2": 2, "4": 5, "6": 9, "8": 12, "9": 14}


def degree(chord: Chord, letter: str) -> int:
    """Semitones above the root of a degree written as a digit; 3, 5 and 7 are those of the chord."""
    if letter in STEADY:
        return STEADY[letter]
    steps = QUALITIES[chord.quality]
    wanted = {"3": (3, 4, 5), "5": (7, 6, 8), "7": (10, 11, 9)}[letter]
    return next((step for step in wanted if step in steps), wanted[0])


def groove(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """Cells of degrees over the chord's root: "1-5-" goes from the root to the fifth.

    Where a chord comes in, its root is played, and no note is held over from the last. manner "syncopated": some notes
    come early.
    """
    for bar in bars:
        line = take.line(seat, bar, dice, bar.closes)
        if seat.manner == "syncopated":
            line = take.syncopated(line, bar.meter, dice.of(f"{seat.part}{bar.section.name}{bar.place % 2}"))
        entries = {begin for begin, _, _ in bar.changes}
        line = "".join("1" if step in entries and letter == "-" else letter for step, letter in enumerate(line))
        for step, steps, letter in read(line):
            chord = bar.chord_at(step)
            root = seat.low + (chord.root - seat.low) % 12
            up = 0 if step in entries else degree(chord, letter)
            yield bar.note(step, steps, root + up if root + up <= seat.high else root + up - 12)


def walking(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """A note a beat: the root where a chord comes in, chord tones on groups, and a way to the next root between."""
    centre = (seat.low + seat.high) // 2
    pitch = centre
    for bar in bars:
        places = walk_steps(bar)
        for i, step in enumerate(places):
            after = places[i + 1] if i + 1 < len(places) else bar.steps
            chord = bar.chord_at(step)
            following = bar.next_chord if after == bar.steps else bar.chord_at(after)
            if any(step == begin for begin, _, _ in bar.changes):
                wanted = frozenset({chord.root})
            elif step % 2 == 0 and step // 2 in bar.meter.starts:
                wanted = frozenset(chord.tones[:3])
            elif following != chord:
                wanted = frozenset({(following.root + dice.pick((1, -1, 7, -2))) % 12})
            else:
                wanted = scale_over(take.plan.key, take.plan.scale, chord)
            pitch = _step_to(wanted, pitch, seat, centre, dice)
            yield bar.note(step, after - step, pitch)


def walk_steps(bar: Bar) -> list[int]:
    """Every quarter; where eighths are counted, the start of each group and its third eighth."""
    if bar.meter.pulse == 1.0:
        return list(range(0, bar.steps, 2))
    pairs = zip(bar.meter.starts, bar.meter.grouping, strict=True)
    return [2 * (start + inner) for start, group in pairs for inner in range(0, group, 2)]


def _step_to(wanted: frozenset[int], pitch: int, seat: Seat, centre: int, dice: Dice) -> int:
    """One of the near pitches of these classes, but not the same again; drawn back to the middle of the register."""
    rungs = ladder(wanted, seat.low, seat.high)
    moving = [p for p in rungs if p != pitch] or rungs
    pull = 0.25
    return min(moving, key=lambda p: abs(p - pitch) + pull * abs(p - centre) + dice.between(0.0, 2.5))
