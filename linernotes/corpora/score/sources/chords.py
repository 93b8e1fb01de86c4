"""Chord names as sets write them, in the spelling of the score room: a root and a quality, without the bass."""

import re
from collections.abc import Mapping

from linernotes.corpora.score.harmony import NAMES, QUALITIES

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ROOT = re.compile(r"([A-G])([b#]?)(.*)", re.DOTALL)
# What sets state beyond the chords of the composer's players.
STEPS = {**QUALITIES, "7sus4": (0, 5, 7, 10)}


def pitch_class(letter: str, accidental: str) -> int:
    """("B", "b") -> 10; any letter may be sharp or flat, as in Cb."""
    return (LETTERS[letter] + {"b": -1, "#": 1, "": 0}[accidental]) % 12


def parse_chord(text: str, qualities: Mapping[str, str]) -> str | None:
    """ "Gd" -> "Gdim", with the set's own words for qualities and what they are here; a bass after a slash is dropped.

    None for what is no chord that is known here.
    """
    match = ROOT.fullmatch(text.partition("/")[0])
    if match is None or match[3] not in qualities:
        return None
    return NAMES[pitch_class(match[1], match[2])] + qualities[match[3]]


def tones(label: str) -> tuple[int, ...]:
    """Pitch classes of a chord in that spelling, root first."""
    letter, accidental, quality = ROOT.fullmatch(label).groups()
    return tuple((pitch_class(letter, accidental) + step) % 12 for step in STEPS[quality])
