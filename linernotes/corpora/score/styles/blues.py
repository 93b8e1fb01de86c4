"""Blues: twelve bars, a shuffle, blue notes and bends."""

from linernotes.corpora.score.band import Call, Seat, Section, Style, kit, sit
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.programs import CLEAN_GUITARS, ELECTRIC_BASSES, ORGANS, PIANOS, UPRIGHT_BASSES

STANDARD = "I7 | I7 | I7 | I7 | IV7 | IV7 | I7 | I7 | V7 | IV7 | I7 | V7"
QUICK_CHANGE = "I7 | IV7 | I7 | I7 | IV7 | IV7 | I7 | I7 | V7 | IV7 | I7 | V7"
STAYING_HOME = "I7 | I7 | I7 | I7 | IV7 | IV7 | I7 | I7 | V7 | IV7 | I7 | I7"
NINTHS = "I9 | IV9 | I9 | I9 | IV9 | IV9 | I9 | I9 | V9 | IV9 | I9 IV9 | I9 V9"
MINOR = "Im7 | Im7 | Im7 | Im7 | IVm7 | IVm7 | Im7 | Im7 | V7 | IVm7 | Im7 | V7"
MINOR_SIXTH = "Im7 | IVm7 | Im7 | Im7 | IVm7 | IVm7 | Im7 | Im7 | bVI7 | V7 | Im7 | V7"
CHANGES = {"major": (STANDARD, QUICK_CHANGE, STAYING_HOME, NINTHS), "minor": (MINOR, MINOR_SIXTH)}

BOOGIE = ("1-3-5-6-", "1-3-5-3-", "1-1-3-5-", "11335566", "1-5-6-5-", "1-3-", "1-5-", "1155", "1-3-5-", "1-5-6-")
LICKS = ("x-xx", "..xx", "xx--", "x---", "....", "xxx-", ".xx-", "x-xxx-", "..xxx-", "x-----", "......")
BEAT = ("k.s.", "k.sk", "kks.", "k.s.s.", "k.s..k", "k.ks..")
EIGHTHS_BEAT = ("k...", "s...", "k..k", "k.....", "k...s.", "s....k")


def form(dice: Dice, call: Call) -> tuple[Section, ...]:
    changes = dice.pick(CHANGES[call.mode])
    return Section("chorus", 12, changes), Section("solo", 12, changes, 1.06)


def band(dice: Dice, call: Call) -> list[Seat]:
    shuffles = dice.chance(0.5)
    rhythm = ("xxxx", "x.xx", "xxxxxx") if shuffles else ("..x.", ".x..", "x..x", "..x...", "..x..x")
    bass = (*UPRIGHT_BASSES, *ELECTRIC_BASSES)
    seats = [
        sit(dice, "bass", bass, dice.pick(("groove", "groove", "walking")), BOOGIE, 28, 52),
        sit(dice, "chords", (25, 26, *CLEAN_GUITARS) if shuffles else (*PIANOS, *ORGANS[:2], 26), "comp", rhythm,
            40 if shuffles else 50, 64 if shuffles else 72, manner="shuffle" if shuffles else "", legato=0.6),
        sit(dice, "lead", (22, 26, *CLEAN_GUITARS, 29, 65, 66), "tune", LICKS, 57, 81, bends=True,
            loudness=dice.between(0.65, 0.9)),
        kit(*dice.pick((("hhhh", "hhhhhh"), ("h.hh", "h.hh.h"), ("rrrr", "r.r.rr"))), loudness=dice.between(0.4, 0.7)),
        kit(*call.cells(BEAT, EIGHTHS_BEAT), manner="leads", loudness=dice.between(0.6, 0.85)),
    ]  # fmt: skip
    if dice.chance(0.4):
        seats.append(sit(dice, "pad", (*ORGANS[:3], 61), "comp", ("x---", "x-----"), 52, 72, loudness=0.45))
    return seats


def swing(dice: Dice, quarter_bpm: float) -> float:
    """A shuffle: triplets, a little under or over."""
    return dice.between(1.6, 2.3)


STYLE = Style(
    name="blues",
    tempo_bpm=(60.0, 150.0),
    meters={4: 6.0, 3: 0.6, 6: 1.4},
    modes={"major": 2.5, "minor": 1.0},
    form=form,
    band=band,
    scales={"major": "blues", "minor": "blues"},
    swing=swing,
    drums_odds=0.85,
)
