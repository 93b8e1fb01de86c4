"""Classical: small ensembles, in four led voices, over broken chords, or as a dance; no drums."""

from linernotes.corpora.score.band import Call, Seat, Section, Style, sit
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.programs import PIANOS

CHANGES = {
    "major": (
        "I | IV | V7 | I",
        "I | I | IV V7 | I | I | IIm | V7 | I",
        "I V | VIm IIIm | IV I | IV V7",
        "I | V7 | V7 | I | I | IV | I V7 | I",
        "I | IIm V7 | I IV | V7 I",
        "I IV | I V7 | VIm IIm | V7 I",
    ),
    "minor": (
        "Im | IVm | V7 | Im",
        "Im | bVI | IVm V7 | Im",
        "Im V7 | Im bVII | bIII IVm | V7 Im",
        "Im bVII | bVI V7 | Im IVm | V7 Im",
        "Im | bVII | bIII V7 | Im | IVm | Im | V7 | Im",
    ),
}
ELSEWHERE = {
    "major": ("VIm | III7 | VIm | IIm | V7 | I | V7 | I", "IV | I | V7 | I | IV | VIm | IIm | V7"),
    "minor": ("bIII | bVII | bIII | bVI | IVm | V7 | Im | V7", "bVI | bIII | IVm | Im | bVI | IVm | V7 | Im"),
}
CHOIRS = ((40, 40, 41, 42), (73, 68, 71, 70), (56, 56, 60, 57), (40, 68, 71, 42), (48, 48, 48, 48), (68, 71, 60, 70))
CHORALE = ("x-x-", "x---", "x-----", "x---x-", "x-x-x-")
TUNES = ("x---", "x-x-", "xxx-", "x-xx", "x--x", "x-----", "x---x-", "x-x-x-", "x-xxx-")
BROKEN = (("0212", "021212"), ("0123", "012321"), ("0-1-", "0-1-2-"), ("0232", "023232"), ("012.", "01232."))
MELODIES = (0, 6, 40, 41, 42, 68, 71, 73, 60, 70)


def form(dice: Dice, call: Call) -> tuple[Section, ...]:
    theme = Section("theme", 8, dice.pick(CHANGES[call.mode]))
    return theme, theme, Section("middle", 8, dice.pick(ELSEWHERE[call.mode]), dice.between(0.75, 1.1)), theme


def band(dice: Dice, call: Call) -> list[Seat]:
    return dice.pick((chorale, keyboard, accompanied, dance))(dice)


def chorale(dice: Dice) -> list[Seat]:
    """A quartet, or an organ by itself; every voice has its place."""
    if dice.chance(0.25):
        return [sit(dice, "organ", (19, 20, 16), "chorale", CHORALE, 36, 84, manner="all", legato=0.98)]
    programs, registers = dice.pick(CHOIRS), ((60, 81), (53, 74), (48, 69), (36, 60))
    return [
        sit(dice, part, programs[i : i + 1], "chorale", CHORALE, *registers[i], manner=str(i), legato=0.97)
        for i, part in enumerate(("soprano", "alto", "tenor", "bass"))
    ]


def keyboard(dice: Dice) -> list[Seat]:
    """Two hands: a tune over an Alberti bass or its kin."""
    program = (dice.pick((*PIANOS[:2], 6)),)
    return [
        sit(dice, "lead", program, "tune", TUNES, 64, 86, loudness=dice.between(0.6, 0.85)),
        sit(dice, "left hand", program, "arpeggio", dice.pick(BROKEN), 45, 67, loudness=dice.between(0.4, 0.6)),
    ]


def accompanied(dice: Dice) -> list[Seat]:
    """A soloist with a piano, a harp or a guitar, and perhaps a cello."""
    seats = [
        sit(
            dice, "lead", MELODIES, "tune", TUNES, 58, 84, manner="sung", loudness=dice.between(0.65, 0.85), legato=0.97
        ),
        sit(dice, "chords", (0, 24, 46), "arpeggio", dice.pick(BROKEN), 43, 72, manner=dice.pick(("", "ring"))),
    ]
    return seats + [
        sit(dice, "bass", (42, 43, 70), "groove", ("1---", "1-----", "1-5-", "1---5-"), 36, 55)
    ] * dice.whole(0, 1)


def dance(dice: Dice) -> list[Seat]:
    """Bass on the group, chords on its other pulses, a tune."""
    return [
        sit(dice, "bass", (0, 42, 43, 58, 70), "groove", ("1-..", "1-....", "1-....", "5-.."), 36, 55),
        sit(dice, "chords", (0, 24, 45, 48, 60), "comp", ("..o-", "..o-o-"), 52, 72, legato=0.5),
        sit(dice, "lead", MELODIES, "tune", TUNES, 62, 86, loudness=dice.between(0.65, 0.85)),
    ]


STYLE = Style(
    name="classical",
    tempo_bpm=(60.0, 160.0),
    meters={4: 4.0, 3: 4.0, 6: 1.5, 9: 0.4},
    modes={"major": 1.4, "minor": 1.0},
    form=form,
    band=band,
    scales={"major": "major", "minor": "minor"},
    drums_odds=0.0,
    voice_odds=0.1,
)
