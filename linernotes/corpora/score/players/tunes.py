"""Tunes: a motif for each bar of a phrase, moved with the chords, so that what is heard comes back."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from linernotes.corpora.score.band import Seat
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.harmony import ladder, scale_over
from linernotes.corpora.score.take import Bar, Note, Take, read

MOVES = {
    "": (-2, -1, -1, 0, 1, 1, 2, 3),
    "sung": (-1, -1, 0, 0, 1, 1, 2),
    "lines": (-2, -1, -1, -1, 1, 1, 1, 2),
    "riff": (-3, -1, 0, 0, 1, 2, 4),
}
PHRASE = ("a", "b", "a", "c")  # whose motif each bar of a phrase has
Motif = list[tuple[int, int, int]]  # step, steps, and how many rungs of the scale to move before it


def tune(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """One note at a time, on chord tones where groups begin.

    manner: "sung" moves in small steps and breathes at the end of a phrase, "lines" leads into chord tones by
    semitones, "riff" leaps.
    """
    motifs: dict[tuple, Motif] = {}
    pitch = (seat.low + seat.high) // 2 + dice.whole(-3, 3)
    for bar in bars:
        kind = PHRASE[bar.place % 4]
        where = (bar.section.name, bar.meter, kind)
        if where not in motifs:
            motifs[where] = _motif(take, seat, dice, bar, kind)
        notes: list[tuple[int, int, int]] = []
        for step, steps, move in motifs[where]:
            pitch = _next_pitch(take, seat, bar, step, pitch, move)
            notes.append((step, steps, pitch))
        if seat.manner == "lines":
            notes = _led_in(notes, dice)
        yield from (bar.note(*note) for note in notes)


def _motif(take: Take, seat: Seat, dice: Dice, bar: Bar, kind: str) -> Motif:
    line = take.syncopated(take.line(seat, bar, dice, "abc".index(kind)), bar.meter, dice)
    events = [(step, steps) for step, steps, _ in read(line)]
    if kind == "c" and events:  # the phrase comes to rest, and the player to breath
        events = events[: max(len(events) // 2, 1)]
        last = events[-1][0]
        events[-1] = (last, max((bar.steps - last) * 2 // 3, 1))
    moves = MOVES.get(seat.manner, MOVES[""])
    return [(step, steps, dice.pick(moves)) for step, steps in events]


def _next_pitch(take: Take, seat: Seat, bar: Bar, step: int, pitch: int, move: int) -> int:
    chord = bar.chord_at(step)
    strong = step % 2 == 0 and step // 2 in bar.meter.starts
    scale = scale_over(take.plan.key, take.plan.scale, chord)
    rungs = ladder(scale, seat.low, seat.high)
    rung = bisect_left(rungs, pitch) + move
    if not 0 <= rung < len(rungs):  # turn back where the register ends
        rung -= 2 * move
    rung = min(max(rung, 0), len(rungs) - 1)
    if not strong:
        return rungs[rung]
    tones = frozenset(chord.tones)
    at_home = tones & take.plan.home if step == 0 else tones  # downbeats keep to the key's own triad if they can
    return nearest_of(ladder(at_home or tones, seat.low, seat.high), rungs[rung])


def nearest_of(rungs: Sequence[int], pitch: int) -> int:
    """The one of these rising pitches that is nearest."""
    above = bisect_left(rungs, pitch)
    if above == 0:
        return rungs[0]
    if above == len(rungs):
        return rungs[-1]
    return rungs[above] if rungs[above] - pitch <= pitch - rungs[above - 1] else rungs[above - 1]


def _led_in(notes: list[tuple[int, int, int]], dice: Dice) -> list[tuple[int, int, int]]:
    """Some notes between the pulses become the semitone under or over the note that follows."""
    led = list(notes)
    for i in range(len(notes) - 1):
        (step, steps, _), (following, _, target) = notes[i], notes[i + 1]
        if step % 2 and following == step + 1 and dice.chance(0.3):
            led[i] = (step, steps, target + dice.pick((-1, 1)))
    return led
