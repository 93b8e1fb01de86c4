"""Rock: power chords through distortion, a bass in eighths, the backbeat."""

from linernotes.corpora.score.band import Call, Seat, Section, Style, kit, sit
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.programs import CLEAN_GUITARS, DISTORTED, ELECTRIC_BASSES, ORGANS

CHANGES = {
    "minor": (
        "I5 | bVI5 | I5 | bVII5",
        "I5 | I5 | bVII5 | bVI5",
        "Im | bVII | bVI | V",
        "Im | bIII | bVII | IVm",
        "I5 bIII5 | IV5 | I5 bVII5 | IV5",
        "Im | Im | IVm | bVI bVII",
    ),
    "major": (
        "I5 | IV5 | V5 | IV5",
        "I | bVII | IV | I",
        "I5 | I5 | IV5 | V5",
        "I | I | IV | V",
        "I5 IV5 | V5 IV5 | I5 IV5 | V5",
        "I5 | VI5 | IV5 | V5",
    ),
}
CHUGS = ("xxxx", "x-xx", "X.xx", "xx-x", "xxxxxx", "x-xx-x", "X.xxxx", "X-x.xx")
RINGS = ("X---", "X-x-", "X--x", "X-----", "X---x-", "X-x-x-")
BEAT = ("k.s.", "k.sk", "kks.", "k.s.s.", "k.s..k", "kks.s.")
EIGHTHS_BEAT = ("k...", "s...", "k..k", "k.s.", "k.....", "k...s.", "k.s..k", "s...k.")
TUNES = ("x-x-", "x---", "x-xx", "xxx-", "..xx", "x-x-x-", "x---xx", "x-----")


def form(dice: Dice, call: Call) -> tuple[Section, ...]:
    verse, chorus, bridge = (dice.pick(CHANGES[call.mode]) for _ in range(3))
    song = (Section("verse", 8, verse, 0.88), Section("chorus", 8, chorus))
    return song + (Section("bridge", 4, bridge, 0.8),) * dice.whole(0, 1) + song[1:] * dice.whole(0, 1)


def band(dice: Dice, call: Call) -> list[Seat]:
    verse, chorus = (CHUGS, RINGS) if dice.chance(0.7) else (RINGS, CHUGS)
    pump = ("1111", "1-11", "111111", "1-1111") if dice.chance(0.7) else ("1---", "1-1-", "1-5-", "1---5-", "1-----")
    cymbal = dice.pick((("r.r.", "r.r.r."), ("H.H.", "H.H.H."), ("b.b.", "b.b.b.")))
    hat = dice.pick((("hhhh", "hihihi", "hihi"), ("h.h.", "h.h.h.")))
    seats = [
        sit(dice, "bass", ELECTRIC_BASSES, "groove", pump, 28, 50, loudness=dice.between(0.6, 0.85)),
        sit(dice, "guitar", DISTORTED, "comp", verse, 40, 64, manner="power", rests=("chorus",), legato=0.75),
        sit(dice, "guitar", DISTORTED, "comp", chorus, 40, 64, manner="power", rests=("verse", "bridge"), legato=0.95),
        sit(dice, "lead", (*DISTORTED, 27, 81, 18), "tune", TUNES, 57, 84, manner="riff", bends=dice.chance(0.5)),
        kit(*hat, rests=("chorus",), loudness=dice.between(0.5, 0.75)),
        kit(*cymbal, rests=("verse", "bridge"), loudness=dice.between(0.5, 0.75)),
        kit(*call.cells(BEAT, EIGHTHS_BEAT), manner="leads", loudness=dice.between(0.75, 0.95)),
    ]  # fmt: skip
    if dice.chance(0.45):
        keys = (*ORGANS[1:3], *CLEAN_GUITARS, 25, 4)
        seats.append(sit(dice, "pad", keys, "comp", RINGS, 50, 72, loudness=dice.between(0.35, 0.55)))
    return seats


STYLE = Style(
    name="rock",
    tempo_bpm=(85.0, 185.0),
    meters={4: 7.0, 3: 0.7, 6: 1.0, 5: 0.5, 7: 0.5},
    modes={"minor": 1.3, "major": 1.0},
    form=form,
    band=band,
    scales={"major": "major", "minor": "minor"},
    drums_odds=0.95,
    voice_odds=0.4,
)
