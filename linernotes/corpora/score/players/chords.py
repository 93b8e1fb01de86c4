"""Chords: struck together in a rhythm, broken, or led as four voices."""

from collections.abc import Iterator

from linernotes.corpora.score.band import Seat
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.harmony import Chord, ladder, lead_voices, power_chord, scale_over, voicing
from linernotes.corpora.score.take import Bar, Note, Take, read

STRUM_QUARTERS = 0.02


def comp(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """Chords on the notes of a line; `o` is soft, `X` hard.

    manner: "rootless" leaves the root to the bass, "power" is root, fifth and octave, "shuffle" a fifth and a sixth by
    turns, "strum" spreads the notes, "early" lets some chords come before the beat.
    """
    for bar in bars:
        line = take.line(seat, bar, dice, bar.closes)
        if seat.manner in ("rootless", "early"):
            line = take.syncopated(line, bar.meter, dice)
        for step, steps, letter in read(line):
            strength = {"o": 0.7, "X": 1.15}.get(letter, 1.0)
            spread = STRUM_QUARTERS if seat.manner == "strum" else 0.0
            for i, pitch in enumerate(_grip(seat, bar.chord_at(step), step)):
                start, length, *rest = bar.note(step, steps, pitch, strength)
                yield start + i * spread, length - i * spread, *rest


def _grip(seat: Seat, chord: Chord, step: int) -> tuple[int, ...]:
    if seat.manner == "power":
        return power_chord(chord, seat.low)
    if seat.manner == "shuffle":
        root = power_chord(chord, seat.low)[0]
        return root, root + (9 if step % 4 >= 2 else 7)
    return voicing(chord, (seat.low + seat.high) // 2, seat.manner == "rootless")


def arpeggio(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """Chord tones one by one: a digit counts them upwards from the lowest of the register.

    manner: "pedal" stays on the section's first chord, whatever the others play; "ring" lets each note sound until the
    end of the bar.
    """
    for bar in bars:
        line = take.line(seat, bar, dice)
        home = bar.chords[0][1]
        for step, steps, letter in read(line):
            chord = home if seat.manner == "pedal" else bar.chord_at(step)
            rungs = ladder(frozenset(chord.tones), seat.low, seat.high)
            pitch = rungs[min(int(letter), len(rungs) - 1)]
            yield bar.note(step, bar.steps - step if seat.manner == "ring" else steps, pitch)


def chorale(take: Take, seat: Seat, dice: Dice, bars: list[Bar]) -> Iterator[Note]:
    """One voice of four (manner "0" is the soprano) or all of them ("all"); a chord a note of the line.

    The first seat to play leads the voices for all; the soprano fills thirds with the note between them.
    """
    if "chorale" not in take.shared:
        places = [(bar, step, steps) for bar in bars for step, steps, _ in read(take.line(seat, bar, dice))]
        led = lead_voices([bar.chord_at(step) for bar, step, _ in places])
        take.shared["chorale"] = list(zip(places, led, strict=True))
    events = take.shared["chorale"]
    for voice in range(4) if seat.manner == "all" else (int(seat.manner),):
        for i, ((bar, step, steps), voices) in enumerate(events):
            after = events[i + 1][1][voice] if i + 1 < len(events) else voices[voice]
            passes = voice == 0 and steps >= 2 and abs(after - voices[0]) in (3, 4) and dice.chance(0.5)
            yield bar.note(step, steps / 2 if passes else steps, voices[voice])
            if passes:
                scale = scale_over(take.plan.key, take.plan.scale, bar.chord_at(step))
                yield bar.note(step + steps / 2, steps / 2, _between(voices[0], after, scale), 0.9)


def _between(pitch: int, after: int, scale: frozenset[int]) -> int:
    low, high = sorted((pitch, after))
    return next(p for p in range(low + 1, high + 1) if p % 12 in scale)
