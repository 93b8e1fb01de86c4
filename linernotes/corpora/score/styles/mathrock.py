"""Math rock: tapped arpeggios on clean guitars, odd and changing meters, stops and unisons."""

from linernotes.corpora.score.band import Call, Seat, Section, Style, kit, sit
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.programs import CLEAN_GUITARS, DISTORTED, ELECTRIC_BASSES, JAZZ_GUITAR

CHANGES = {
    "major": (
        "Imaj9 | IVmaj9",
        "Iadd9 | IIIm7 | IVmaj7 | IVmaj7",
        "IVmaj9 | Imaj7 | VIm9 | Vsus4",
        "Imaj7 | VIm9 | IVadd9 | Iadd9",
        "Isus2 | Vsus4 | IVmaj9 | VIm7",
    ),
    "minor": (
        "Im9 | bVImaj7",
        "Im9 | IVm9 | bVImaj7 | bVII6",
        "bVImaj9 | bVIIadd9 | Im9 | Im9",
        "Im7 | bIIImaj7 | bVIImaj7 | IVm9",
    ),
}
TAPPING = ("0213", "0241", "0352", "0.42", "03-2", "021324", "042513", "035241", "0.3142", "024.31")
ANSWERS = ("x-x-", "..xx", "x--x", "xx.x", "x-.x-x", "..x-xx", "x-x-x-")
BASS = ("1-11", "1--5", "1.15", "1-8-", "1-1.58", "1--5-1", "1.8.5.")
BEAT = ("k.s.", "k.sk", "koso", "k..s", "k.s.ko", "koksos", "k..sk.")
EIGHTHS_BEAT = ("k.s.", "k..s", "ko..", "s..k", "k.s.k.", "k..s.o", "k...s.")


def form(dice: Dice, call: Call) -> tuple[Section, ...]:
    first, second = dice.pick(CHANGES[call.mode]), dice.pick(CHANGES[call.mode])
    unison = (Section("unison", dice.pick((2, 4)), first, 1.0, "hits"),) * dice.whole(0, 1)
    return Section("A", 8, first, 0.9), *unison, Section("B", 8, second)


def band(dice: Dice, call: Call) -> list[Seat]:
    guitars, cymbal = (
        (*CLEAN_GUITARS, JAZZ_GUITAR),
        dice.pick((("h.h.", "h.h.h."), ("r.r.", "r.r.r."), ("H.hh", "H.hhh."))),
    )
    answer = ("comp", ("x---", "x-x-", "x-----", "x--x--"), 48, 72) if dice.chance(0.4) else ("tune", ANSWERS, 57, 81)
    return [
        sit(dice, "tapping", guitars, "arpeggio", TAPPING, 52, 86, manner=dice.pick(("", "", "pedal")), legato=0.8,
            loudness=dice.between(0.6, 0.8)),
        sit(dice, "guitar", (*guitars, *DISTORTED[:1]), *answer, manner="riff", loudness=dice.between(0.45, 0.7)),
        sit(dice, "bass", ELECTRIC_BASSES, "groove", BASS, 28, 52, manner="syncopated"),
        kit(*cymbal, loudness=dice.between(0.5, 0.75)),
        kit(*call.cells(BEAT, EIGHTHS_BEAT), manner="leads", loudness=dice.between(0.7, 0.95)),
    ]  # fmt: skip


STYLE = Style(
    name="math rock",
    tempo_bpm=(95.0, 190.0),
    meters={7: 3.0, 5: 2.5, 11: 1.5, 9: 1.5, 4: 1.0, 8: 0.7, 10: 0.5, 6: 0.5, 3: 0.5},
    modes={"major": 1.5, "minor": 1.0},
    form=form,
    band=band,
    scales={"major": "major", "minor": "minor"},
    drums_odds=0.9,
    voice_odds=0.15,
    changing_odds=0.4,
    free_groupings=True,
)
