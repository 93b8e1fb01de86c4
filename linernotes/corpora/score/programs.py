"""General MIDI programs by what they are good for, and the pitches that each can play."""

from linernotes.corpora.score.dice import Dice

PIANOS, ELECTRIC_PIANOS = (0, 1, 2, 3), (4, 5)
ORGANS = (16, 17, 18, 19)
MALLETS = (11, 12, 13)
NYLON_AND_STEEL, JAZZ_GUITAR, CLEAN_GUITARS, DISTORTED = (24, 25), 26, (27, 28), (29, 30)
UPRIGHT_BASSES, ELECTRIC_BASSES, SYNTH_BASSES = (32, 35), (33, 34, 36), (38, 39)
STRING_SECTIONS = (48, 49, 50, 51)
TRUMPETS, SAXOPHONES = (56, 59), (64, 65, 66, 67)
SYNTH_LEADS, SYNTH_PADS = (80, 81, 82, 84, 87), (88, 89, 90, 92, 94, 95)

BASSES = (*UPRIGHT_BASSES, *ELECTRIC_BASSES, 37, *SYNTH_BASSES, 43, 58, 70)
KEYBOARDS = (*PIANOS, *ELECTRIC_PIANOS, 6, 7, *ORGANS, 21)
PLUCKED = (*NYLON_AND_STEEL, JAZZ_GUITAR, *CLEAN_GUITARS, 15, 45, 46, 104, 105, 106, 107, 108, *MALLETS)
SUSTAINED = (*STRING_SECTIONS, *SYNTH_PADS, *ORGANS, 61, 62)
SOLOISTS = (*SAXOPHONES, *TRUMPETS, 22, 40, 42, 57, 60, 68, 71, 73, 75, *SYNTH_LEADS, 109, 110, 114)

# Families of eight programs; sound effects (120 to 127) have no pitch to speak of and are left out.
FAMILIES = (
    "piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass",
    "reed", "pipe", "synth lead", "synth pad", "synth effects", "ethnic", "percussive",
)  # fmt: skip
# Lowest and highest sounding pitch, program by program.
RANGES = (
    (21, 108), (21, 108), (21, 108), (21, 108), (28, 103), (28, 103), (29, 89), (36, 88),
    (60, 103), (79, 108), (60, 96), (53, 89), (45, 96), (65, 108), (60, 77), (48, 86),
    (36, 96), (36, 96), (36, 96), (36, 96), (36, 89), (48, 89), (60, 96), (48, 89),
    (40, 84), (40, 84), (40, 86), (40, 86), (40, 86), (40, 88), (40, 88), (52, 88),
    (28, 60), (28, 65), (28, 65), (28, 60), (28, 65), (28, 65), (24, 64), (24, 64),
    (55, 100), (48, 88), (36, 76), (28, 60), (36, 96), (36, 96), (24, 103), (38, 57),
    (36, 96), (36, 96), (36, 96), (36, 96), (43, 79), (43, 79), (43, 79), (48, 72),
    (54, 84), (40, 72), (28, 58), (54, 82), (41, 77), (40, 84), (36, 84), (36, 84),
    (56, 87), (49, 80), (44, 75), (36, 68), (58, 91), (52, 81), (34, 72), (50, 91),
    (74, 108), (60, 96), (60, 93), (60, 89), (60, 84), (55, 84), (60, 96), (60, 84),
    *((36, 96),) * 8, *((36, 96),) * 8, *((36, 96),) * 8,
    (48, 77), (48, 84), (50, 79), (55, 84), (48, 79), (57, 79), (55, 96), (60, 84),
    (72, 103), (60, 84), (52, 76), (60, 84), (36, 60), (40, 72), (40, 72), (60, 72),
)  # fmt: skip


def playable(program: int, low: int, high: int) -> tuple[int, int]:
    """The part of `low` to `high` that the program can play, at least an octave; its own nearest octave if none."""
    bottom, top = RANGES[program]
    if top - bottom <= 12:
        return bottom, top
    low = min(max(low, bottom), top - 12)
    return low, max(min(high, top), low + 12)


def fold(pitch: int, low: int, high: int) -> int:
    """The pitch moved by octaves into `low` to `high` (an octave wide at least)."""
    if pitch < low:
        return pitch + 12 * -((pitch - low) // 12)
    if pitch > high:
        return pitch - 12 * ((pitch - high + 11) // 12)
    return pitch


def draw_other(dice: Dice, programs: tuple[int, ...], taken: int) -> int:
    """One of the programs that is not of the family of `taken`, so that the two are told apart by ear."""
    return dice.pick([p for p in programs if p // 8 != taken // 8] or programs)
