"""What a band may be told besides its style: to play clean or distorted, and to be quiet and loud by turns."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from linernotes.corpora.score.band import Seat, Section
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.programs import CLEAN_GUITARS, DISTORTED, playable

DRIVES = {"clean": CLEAN_GUITARS, "distorted": DISTORTED}
GUITARS = range(24, 32)  # General MIDI
GUITAR_STYLES = ("rock", "math rock")  # whose bands always have one
ALSO_ODDS = 0.5  # that a tapped or leading guitar is changed with the others to a distorted one
TURN_SECONDS = (1.8, 3.6)  # so that a clip of ten seconds has sudden changes, and rests between them
QUIET = (0.4, 0.55)  # loudness of the quiet turns
STOPS_ODDS = 0.4
TURNS = 8


def driven(dice: Dice, seats: tuple[Seat, ...], drive: str) -> tuple[Seat, ...]:
    """The band with its guitars "clean", or "distorted": the rhythm guitar always, each of the others perhaps."""
    changed = []
    for seat in seats:
        told = seat.part == "guitar" or drive == "clean" or dice.chance(ALSO_ODDS)
        if seat.program in GUITARS and not seat.is_drum and told:
            program = dice.pick(DRIVES[drive])
            low, high = playable(program, seat.low, seat.high)
            seat = replace(seat, program=program, low=low, high=high)
        changed.append(seat)
    return tuple(changed)


def contrasted(
    dice: Dice, sections: tuple[Section, ...], seats: tuple[Seat, ...], bar_seconds: float
) -> tuple[tuple[Section, ...], tuple[Seat, ...]]:
    """The same chords, quiet and loud by turns of a few seconds; the loud may begin with a bar of stops in unison.

    In the quiet one or two seats with pitches play, and nobody else: the soft are heard, and the change is sudden.
    """
    chords = [bar.strip() for section in sections for bar in section.changes.split("|")]
    softness, stops, place = dice.between(*QUIET), dice.chance(STOPS_ODDS), count()

    def turn(name: str, loudness: float, feel: str = "band", bars: int | None = None) -> Section:
        bars = bars or max(round(dice.between(*TURN_SECONDS) / bar_seconds), 1)
        changes = " | ".join(chords[next(place) % len(chords)] for _ in range(bars))
        return Section(name, bars, changes, loudness, feel)

    turns: list[Section] = []
    for _ in range(TURNS // 2):
        turns.append(turn("quiet", softness))
        if stops:
            turns.append(turn("stops", 1.0, "hits", bars=1))
        turns.append(turn("loud", 1.0))
    return tuple(turns), _resting(dice, seats)


def _resting(dice: Dice, seats: Sequence[Seat]) -> tuple[Seat, ...]:
    """Who rests in the quiet turns, and nowhere else; of a style's own rests nothing is left."""
    clean = [seat.part for seat in seats if not seat.is_drum and seat.program not in DISTORTED]
    pitched = list(dict.fromkeys(clean or [seat.part for seat in seats if not seat.is_drum]))
    soft = dice.some(pitched, min(len(pitched), dice.whole(1, 2)))
    # of two seats that share an instrument by turns, the first plays everywhere
    firsts = {seat.part: seat for seat in reversed(seats)}
    kept = [seat for seat in seats if seat.is_drum or firsts[seat.part] is seat]
    return tuple(replace(seat, rests=() if seat.part in soft else ("quiet",)) for seat in kept)
