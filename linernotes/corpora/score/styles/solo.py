"""Solo: the notes of one instrument over its range, single, in scales or in broken chords; any family but effects."""

from linernotes.corpora.score.band import Call, Seat, Section, Style, sit
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.programs import FAMILIES, RANGES
from linernotes.corpora.score.score import VOICE_PROGRAMS

APART = ("x---", "x-..", "x-----", "x---..", "x-----..")
RUNS = (("x-x-", "x-x-x-"), ("xxxx", "xxxxxx"), ("x-xx", "x-xxx-"), ("x---", "x---x-"))


def form(dice: Dice, call: Call) -> tuple[Section, ...]:
    return (Section("solo", 8, "I" if call.mode == "major" else "Im"),)


def band(dice: Dice, call: Call) -> list[Seat]:
    family = dice.whole(0, len(FAMILIES) - 1)
    family_programs = [p for p in range(8 * family, 8 * family + 8) if p not in VOICE_PROGRAMS]
    program = dice.pick(family_programs) if call.program is None else call.program
    player, manner, cells = dice.pick(
        (("long_notes", "", APART), ("running", "scale", dice.pick(RUNS)), ("running", "chord", dice.pick(RUNS)))
    )
    return [
        sit(dice, "solo", (program,), player, cells, *RANGES[program], manner=manner, legato=dice.between(0.5, 0.98))
    ]


STYLE = Style(
    name="solo",
    tempo_bpm=(60.0, 160.0),
    meters={4: 1.0, 3: 0.3},
    modes={"major": 1.0, "minor": 1.0},
    form=form,
    band=band,
    scales={"major": "major", "minor": "harmonic_minor"},
    drums_odds=0.0,
    voice_odds=0.0,
)
