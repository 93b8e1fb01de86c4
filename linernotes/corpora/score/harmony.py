"""Keys, chords written as degrees ("IIm9 V9 | Imaj9"), and how they are voiced.

Pitch classes count semitones from C. A progression has bars between `|` and chords between spaces; the degree is of
the major scale, also in minor keys (bVI), and what follows it is the quality ("", "m7", "maj9", ...).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

from linernotes.corpora.song import SCALES as SONG_SCALES
from linernotes.corpora.song import nearest

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SPELLINGS = {"Db": 1, "D#": 3, "Gb": 6, "G#": 8, "A#": 10, "Cb": 11}
DEGREES = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
DEGREE = re.compile(r"([b#]?)(VII|VI|IV|V|III|II|I)(.*)")
SCALES = {**SONG_SCALES, "blues": (0, 3, 5, 6, 7, 10), "harmonic_minor": (0, 2, 3, 5, 7, 8, 11)}
QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "7": (0, 4, 7, 10),
    "9": (0, 4, 7, 10, 14),
    "13": (0, 4, 10, 14, 21),
    "7b9": (0, 4, 7, 10, 13),
    "7#9": (0, 4, 7, 10, 15),
    "maj7": (0, 4, 7, 11),
    "maj9": (0, 4, 7, 11, 14),
    "add9": (0, 4, 7, 14),
    "m7": (0, 3, 7, 10),
    "m9": (0, 3, 7, 10, 14),
    "m6": (0, 3, 7, 9),
    "m7b5": (0, 3, 6, 10),
    "mmaj7": (0, 3, 7, 11),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
}
# How many letters above its root a chord's tone is written: the third of E7 is some G, and alters it.
LETTERS = {0: 0, 2: 1, 13: 1, 14: 1, 15: 1, 3: 2, 4: 2, 5: 3, 6: 4, 7: 4, 8: 4, 9: 5, 21: 5, 10: 6, 11: 6}
CHOIR = ((60, 79), (55, 72), (48, 67), (38, 60))  # soprano, alto, tenor, bass


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class) and "major" or "minor"."""

    tonic: int
    mode: str

    @property
    def name(self) -> str:
        return f"{NAMES[self.tonic]} {self.mode}"


def parse_key(name: str) -> Key:
    """ "F# minor" -> Key(6, "minor"). Raises ValueError for what is not a key."""
    tonic, _, mode = name.partition(" ")
    pitch_class = NAMES.index(tonic) if tonic in NAMES else SPELLINGS.get(tonic)
    if pitch_class is None or mode not in ("major", "minor"):
        raise ValueError(f'key={name!r} is none: give a tonic and "major" or "minor", such as "F# minor"')
    return Key(pitch_class, mode)


@dataclass(frozen=True)
class Chord:
    """A root (pitch class) and a quality of QUALITIES."""

    root: int
    quality: str

    @cached_property
    def name(self) -> str:
        return NAMES[self.root] + self.quality

    @cached_property
    def tones(self) -> tuple[int, ...]:
        """Pitch classes, root first; a power chord's octave is not among them."""
        return tuple((self.root + step) % 12 for step in QUALITIES[self.quality])


@lru_cache(maxsize=512)
def parse_progression(text: str) -> tuple[tuple[tuple[int, str], ...], ...]:
    """For each bar its chords, each (semitones above the tonic, quality). Raises ValueError for unknown chords."""
    return tuple(tuple(_degree(chord) for chord in bar.split()) for bar in text.split("|"))


def _degree(chord: str) -> tuple[int, str]:
    match = DEGREE.fullmatch(chord)
    if match is None or match[3] not in QUALITIES:
        raise ValueError(f"{chord!r} is no chord: give a degree (I, bVI, #IV) and then one of{' '.join(QUALITIES)}")
    return (DEGREES[match[2]] + {"b": -1, "#": 1, "": 0}[match[1]]) % 12, match[3]


def chords_of(text: str, key: Key) -> tuple[tuple[Chord, ...], ...]:
    """A progression in a key, bar by bar."""
    return _chords_on(text, key.tonic)


@lru_cache(maxsize=4096)
def _chords_on(text: str, tonic: int) -> tuple[tuple[Chord, ...], ...]:
    return tuple(tuple(Chord((tonic + up) % 12, quality) for up, quality in bar) for bar in parse_progression(text))


@lru_cache(maxsize=4096)
def scale_over(key: Key, scale: str, chord: Chord) -> frozenset[int]:
    """Pitch classes to play over a chord: the scale, with the degrees that the chord alters as the chord has them.

    Over V7 in a minor key that gives the leading tone in place of the seventh degree. The blues scale is left as it
    is: its rub against the chords is the point.
    """
    degrees = [(key.tonic + step) % 12 for step in SCALES[scale]]
    if scale == "blues":
        return frozenset(degrees)
    foreign = [step for step in QUALITIES[chord.quality] if (chord.root + step) % 12 not in degrees]
    if chord.root in degrees:
        first = degrees.index(chord.root)
        altered = {degrees[(first + LETTERS[step]) % len(degrees)] for step in foreign}
    else:  # a borrowed root: what lies next to a foreign tone gives way
        altered = {(chord.root + step + side) % 12 for step in foreign for side in (1, -1)}
    return frozenset(degrees) - altered | set(chord.tones)


@lru_cache(maxsize=16384)
def ladder(pitch_classes: frozenset[int], low: int, high: int) -> tuple[int, ...]:
    """All pitches of these classes from `low` to `high`, rising."""
    return tuple(pitch for pitch in range(low, high + 1) if pitch % 12 in pitch_classes)


@lru_cache(maxsize=16384)
def voicing(chord: Chord, centre: int, rootless: bool = False) -> tuple[int, ...]:
    """The chord's notes, each in the octave nearest to `centre`, so that the voices move little from chord to chord."""
    tones = chord.tones[1:] if rootless and len(chord.tones) > 3 else chord.tones
    return tuple(sorted({nearest(tone, centre) for tone in tones}))


def power_chord(chord: Chord, low: int) -> tuple[int, int, int]:
    """Root, fifth and octave, from the lowest root that is not under `low`."""
    root = low + (chord.root - low) % 12
    return root, root + 7, root + 12


Voices = tuple[int, int, int, int]


def lead_voices(chords: Sequence[Chord]) -> list[Voices]:
    """Four voices (soprano first) through the chords: little movement, no crossing, no parallel fifths or octaves."""
    choir: list[Voices] = []
    for chord in chords:
        before = choir[-1] if choir else (69, 62, 55, 48)
        near = list(_positions(chord, before)) or [_open_position(chord, before[3])]
        choir.append(min(near, key=lambda voices: _strain(chord, before, voices)))
    return choir


def _positions(chord: Chord, before: Voices) -> Iterator[Voices]:
    """Soprano, alto and tenor on chord tones near where they are, over the root or the third in the bass."""
    tones = frozenset(chord.tones)
    upper = [
        [p for p in ladder(tones, low, high) if abs(p - was) <= 5]
        for (low, high), was in zip(CHOIR[:3], before[:3], strict=True)
    ]
    basses = ladder(frozenset(chord.tones[:2]), *CHOIR[3])
    for soprano, alto, tenor, bass in product(*upper, basses):
        if soprano > alto > tenor > bass and soprano - alto <= 12 and alto - tenor <= 12:
            yield soprano, alto, tenor, bass


def _open_position(chord: Chord, near_bass: int) -> Voices:
    """Where nobody nearby fits."""
    bass = min(ladder(frozenset({chord.root}), *CHOIR[3]), key=lambda p: abs(p - near_bass))
    tenor, alto, soprano = (nearest(tone, centre) for tone, centre in zip(chord.tones, (57, 62, 67), strict=False))
    high, middle, low = sorted((soprano, alto, tenor), reverse=True)
    return high, middle, low, bass


def _strain(chord: Chord, before: Voices, voices: Voices) -> float:
    """What there is to say against a step: leaps, missing tones, inversions, a soprano that stays, parallels."""
    moves = [abs(now - was) for now, was in zip(voices, before, strict=True)]
    missing = len(set(chord.tones[:3]) - {pitch % 12 for pitch in voices})
    away = sum(abs(pitch - (low + high) / 2) for pitch, (low, high) in zip(voices, CHOIR, strict=True))
    inverted, still = voices[3] % 12 != chord.root, moves[0] == 0
    return (
        sum(moves[:3]) + 0.4 * moves[3] + 0.3 * away + 8.0 * missing + 5.0 * inverted + 4.0 * still
        + 30.0 * parallels(before, voices)
    )  # fmt: skip


def parallels(before: Voices, after: Voices) -> int:
    """How many pairs of voices move from a fifth or an octave to another of the same kind."""
    return sum(
        (before[i] - before[j]) % 12 == (after[i] - after[j]) % 12 in (0, 7) and before[i] != after[i]
        for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
    )
