"""Jazz: swing that straightens as it gets faster, a walking bass, ii-V-I and turnarounds in ninths, the ride."""

from linernotes.corpora.score.band import Call, Seat, Section, Style, kit, sit
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.programs import (
    ELECTRIC_PIANOS,
    JAZZ_GUITAR,
    PIANOS,
    SAXOPHONES,
    TRUMPETS,
    UPRIGHT_BASSES,
)

CHANGES = {
    "major": (
        "IIm9 | V13 | Imaj9 | VI7b9",
        "IIm9 | V9 | Imaj9 | Imaj9 | IIm9 | V13 | Imaj9 VI7b9 | IIm9 V13",
        "Imaj9 VI7b9 | IIm9 V13 | IIIm7 VI7b9 | IIm9 V13",
        "Imaj9 | IIm9 V13 | Imaj9 | Vm9 I9 | IVmaj9 | bVII9 | Imaj9 VI7b9 | IIm9 V13",
        "Imaj9 | VI7b9 | IIm9 | V13",
        "Imaj9 | Imaj9 | II9 | II9 | IIm9 | V13 | Imaj9 | IIm9 V13",
    ),
    "minor": (
        "IIm7b5 | V7b9 | Im9 | Im6",
        "Im9 | Im9 | IIm7b5 | V7b9 | Im9 | IVm9 | IIm7b5 V7b9 | Im6",
        "IVm9 | bVII9 | bIIImaj9 | bVImaj7 | IIm7b5 | V7b9 | Im9 | Im6",
        "Im9 bVI7 | IIm7b5 V7b9 | Im9 | IIm7b5 V7b9",
    ),
}
BRIDGES = {
    "major": (
        "III9 | III9 | VI9 | VI9 | II9 | II9 | IIm9 | V13",
        "IVmaj9 | IVm6 | Imaj9 | VI7b9 | IIm9 | II9 | IIm9 | V13",
        "Vm9 | I9 | IVmaj9 | IVmaj9 | VIm9 | II9 | IIm9 | V13",
    ),
    "minor": (
        "Vm7b5 | I7b9 | IVm9 | IVm9 | IVm9 | bVII9 | bIIImaj9 | V7b9",
        "bVImaj7 | V7b9 | Im9 | Im9 | IVm9 | bVII9 | IIm7b5 | V7b9",
    ),
}
LINES = ("xxxx", "x-xx", "xxx-", ".xxx", "x-x-", "..xx", "x---", "xxxxxx", "x-xxxx", ".xxxx-", "x---xx")
COMPING = ("x..x", ".x..", "x...", "...x", "..x.", "x..x..", ".x.x..", "x.....", "..x.x.", "x..x....", ".x...x..",
           "...x...x", "x.....x.")  # fmt: skip
DRUMMING = ("k...", "k..o", "..o.", "ko..", ".o.o", "k.....", "k..o..", "k....o", "..o..o")


def form(dice: Dice, call: Call) -> tuple[Section, ...]:
    theme, bridge = dice.pick(CHANGES[call.mode]), dice.pick(BRIDGES[call.mode])
    head, middle = Section("A", 8, theme), Section("B", 8, bridge, 0.92)
    return dice.pick(((head, head, middle, head), (head, middle), (head, Section("solo", 16, theme, 1.05))))


def band(dice: Dice, call: Call) -> list[Seat]:
    drums = dice.pick((0, 32, 40))
    player = "walking" if dice.chance(0.85) else "groove"
    return [
        sit(dice, "bass", UPRIGHT_BASSES, player, ("1---", "1-5-", "1-----", "1---5-"), 28, 52),
        sit(dice, "chords", (*PIANOS, *ELECTRIC_PIANOS, JAZZ_GUITAR, 11, 16), "comp", COMPING, 50, 72,
            manner="rootless", legato=dice.between(0.4, 0.9)),
        sit(dice, "lead", (*SAXOPHONES, *TRUMPETS, 11, 0, JAZZ_GUITAR, 57, 71, 73, 110), "tune", LINES, 55, 82,
            manner="lines", loudness=dice.between(0.65, 0.85)),
        kit("r.rr", "r.rrr.", "r.r.rr", program=drums, loudness=dice.between(0.5, 0.75)),
        kit("..p.", "..p...", "..p.p.", program=drums, loudness=0.6),
        kit(*DRUMMING, program=drums, manner="leads", loudness=dice.between(0.4, 0.65)),
    ]  # fmt: skip


def swing(dice: Dice, quarter_bpm: float) -> float:
    """About 2.5 : 1 in ballads, triplets near 130, almost even near 280, give or take a little by drummer."""
    return min(max(2.9 - 0.0065 * quarter_bpm + dice.between(-0.15, 0.15), 1.1), 2.8)


STYLE = Style(
    name="jazz",
    tempo_bpm=(80.0, 260.0),
    meters={4: 6.0, 3: 2.0, 5: 1.0, 7: 0.3},
    modes={"major": 2.0, "minor": 1.0},
    form=form,
    band=band,
    scales={"major": "major", "minor": "minor"},
    swing=swing,
    drums_odds=0.85,
    voice_odds=0.15,
)
