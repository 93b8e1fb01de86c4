"""Neutral: a study of meters, in which what is played tells nothing of the meter but the meter itself.

Bass, chords, tune and drums each come from the band of some style, on any instrument that fits; somebody always marks
the groups, by pitch, chords, length or strokes, and not always the same one.
"""

from dataclasses import replace

from linernotes.corpora.score.band import Call, Seat, Section, Style, kit, sit
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.meters import GROUPINGS
from linernotes.corpora.score.programs import BASSES, KEYBOARDS, PLUCKED, SOLOISTS, SUSTAINED, playable
from linernotes.corpora.score.styles import blues, classical, jazz, mathrock, pop, rock

SCHOOLS = (blues, classical, jazz, mathrock, pop, rock)
ON_ANY = {"bass": BASSES, "chords": (*KEYBOARDS, *PLUCKED), "lead": SOLOISTS}
# A seat that marks the groups: its programs, player, cells for two and three pulses, and register.
MARKERS = (
    (BASSES, "groove", ("1---", "1-----"), 28, 52),
    (BASSES, "groove", ("1-5-", "1-5-5-"), 28, 52),
    (KEYBOARDS, "comp", ("x---", "x-----"), 48, 72),
    (KEYBOARDS, "comp", ("X-o-", "X-o-o-"), 48, 72),
    (PLUCKED, "arpeggio", ("0233", "023232"), 45, 79),
    (PLUCKED, "arpeggio", ("0-2-", "0-2-2-"), 45, 79),
    (PLUCKED, "arpeggio", ("4-2-", "4-2-1-"), 48, 84),
    (SUSTAINED, "comp", ("x---", "x-----"), 48, 72),
)
PERCUSSION = (
    ("a.e.", "a.e.e."), ("a.ee", "a.eee."), ("k.x.", "k.x.x."), ("w.l.", "w.l.l."), ("g.m.", "g.m.m."),
    ("f.t.", "f.t.t."), ("k...", "k....."), ("mmmm", "mmmmmm"),
)  # fmt: skip


def moving(changes: str) -> bool:
    """Whether no bar begins like the one before, so that the harmony tells the bars apart."""
    firsts = [bar.split()[0] for bar in changes.split("|")]
    return all(one != other for one, other in zip(firsts, firsts[1:] + firsts[:1], strict=True))


MOVING = {
    mode: [changes for school in SCHOOLS for changes in school.CHANGES[mode] if moving(changes)]
    for mode in ("major", "minor")
}


def form(dice: Dice, call: Call) -> tuple[Section, ...]:
    first, second = dice.some(MOVING[call.mode], 2)
    return Section("A", 8, first, dice.between(0.85, 1.0)), Section("B", 8, second)


def band(dice: Dice, call: Call) -> list[Seat]:
    programs, player, cells, low, high = dice.pick(MARKERS)
    marker = sit(dice, "marker", programs, player, cells, low, high)
    borrowed = [_borrow(dice, call, part) for part in dice.some(("bass", "chords", "lead"), dice.whole(0, 3))]
    return [marker, *(seat for seat in borrowed if seat), *_drums(dice, call)]


def _borrow(dice: Dice, call: Call, part: str) -> Seat | None:
    """A seat of another style's band on another instrument; None where that band has nobody there."""
    played = [seat for seat in dice.pick(SCHOOLS).band(dice, call) if seat.part == part]
    if not played:
        return None
    program = dice.pick(ON_ANY[part])
    low, high = playable(program, played[0].low, played[0].high)
    return replace(played[0], program=program, low=low, high=high, rests=())


def _drums(dice: Dice, call: Call) -> list[Seat]:
    if dice.chance(0.35):
        return [kit(*dice.pick(PERCUSSION), manner="leads", loudness=dice.between(0.4, 0.8))]
    played = [replace(s, rests=()) for s in dice.pick(SCHOOLS).band(dice, call) if s.is_drum]
    return dice.some(played, dice.whole(1, len(played))) if played else []


def swing(dice: Dice, quarter_bpm: float) -> float:
    return dice.between(1.2, 2.2) if dice.chance(0.3) else 1.0


STYLE = Style(
    name="neutral",
    tempo_bpm=(65.0, 210.0),
    meters=dict.fromkeys(GROUPINGS, 1.0),
    modes={"major": 1.0, "minor": 1.0},
    form=form,
    band=band,
    scales={"major": "major", "minor": "minor"},
    swing=swing,
    drums_odds=0.55,
    voice_odds=0.1,
    free_groupings=True,
)
