"""Pop: four chords in a loop, synthesisers, four on the floor, a chorus that is fuller than the verse, a singer."""

from linernotes.corpora.score.band import Call, Seat, Section, Style, kit, sit
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.programs import ELECTRIC_PIANOS, PIANOS, SYNTH_BASSES, SYNTH_LEADS, SYNTH_PADS

CHANGES = {
    "major": (
        "I | V | VIm | IV",
        "VIm | IV | I | V",
        "I | VIm | IV | V",
        "IV | V | VIm | I",
        "I | IIIm | VIm | IV",
        "I | IV | VIm | V",
        "Iadd9 | Vsus4 | VIm7 | IVmaj7",
        "IV | I | V | VIm",
    ),
    "minor": (
        "Im | bVI | bIII | bVII",
        "Im | Im | bVI | bVII",
        "Im | bVII | bVI | V",
        "Im | IVm | bVI | V",
        "Im | bIII | bVII | IVm",
        "bVI | bVII | Im | Im",
    ),
}
FLOOR, EIGHTHS_FLOOR = ("k.k.", "k.k.k."), ("k...", "k.....")
CLAPS = ("..c.", "..c...", "..c.c.")
OFFBEATS = (".H.H", ".H.H.H")
BASSES = (("1-1-", "1-1-1-"), (".1.1", ".1.1.1"), ("1111", "1.11", "111111"), ("1--1", "1--1-1"), ("1---", "1-----"))
PLUCKS = (("0123", "012345"), ("0213", "021324"), ("3210", "432101"), ("0.12", "0.1203"))
TUNES = ("x-x-", "x--x", "xx--", "x-xx", ".xx-", "x---", "x-x-x-", "x--x--", ".xx-x-", "x-----")
STABS = ("x-..", "x..x", "..x.", "x-x-", "x-....", "x..x..", "..x-..")


def form(dice: Dice, call: Call) -> tuple[Section, ...]:
    loop = dice.pick(CHANGES[call.mode])
    other = loop if dice.chance(0.5) else dice.pick(CHANGES[call.mode])
    verse, chorus = Section("verse", 8, loop, 0.85), Section("chorus", 8, other)
    intro = (Section("intro", 4, loop, 0.75),) * dice.whole(0, 1)
    return *intro, verse, chorus, verse, chorus


def band(dice: Dice, call: Call) -> list[Seat]:
    drums = dice.pick((0, 24, 25))
    hats = dice.pick((("h.h.", "h.h.h."), ("hhhh", "hihihi"), OFFBEATS))
    floor = call.cells(FLOOR, EIGHTHS_FLOOR)
    return [
        sit(dice, "bass", (*SYNTH_BASSES, 33), "groove", dice.pick(BASSES), 28, 50, rests=("intro",)),
        sit(dice, "pad", (*SYNTH_PADS, 48, 50), "comp", ("x---", "x-----"), 52, 74, loudness=dice.between(0.4, 0.6)),
        sit(dice, "chords", (*PIANOS[:2], *ELECTRIC_PIANOS, 62, 63), "comp", STABS, 52, 76, manner="early", legato=0.7,
            rests=dice.pick(((), ("verse",)))),
        sit(dice, "pluck", (*SYNTH_LEADS[:2], 45, 11, 108), "arpeggio", dice.pick(PLUCKS), 60, 84, legato=0.6,
            rests=("verse",), loudness=dice.between(0.4, 0.65)),
        sit(dice, "lead", (*SYNTH_LEADS, 4, 73), "tune", TUNES, 60, 84, rests=("intro",)),
        kit(*floor, program=drums, loudness=dice.between(0.75, 0.95)),
        kit(*CLAPS, program=drums, manner="leads", rests=("intro",), loudness=dice.between(0.5, 0.8)),
        kit(*hats, program=drums, rests=("intro",), loudness=dice.between(0.4, 0.65)),
    ]  # fmt: skip


STYLE = Style(
    name="pop",
    tempo_bpm=(84.0, 140.0),
    meters={4: 8.0, 3: 0.6, 6: 0.8},
    modes={"major": 2.0, "minor": 1.2},
    form=form,
    band=band,
    scales={"major": "major", "minor": "minor"},
    voice_odds=0.6,
    looseness_seconds=(0.0, 0.005),
)
