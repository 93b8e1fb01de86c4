"""Plays what is written: by instruments that can, with the meter's accents, a little early or late, and with a band.

All times are in seconds. The accompaniment is the plainest there is, so that chords and meter are heard as they are
written: a bass, chords held, broken or after the bass, and a hand drum that strokes the groups of the bar.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pretty_midi

from linernotes.corpora.score.composer import SHORTEST_SECONDS, STROKE_SECONDS
from linernotes.corpora.score.programs import ELECTRIC_BASSES, RANGES, STRING_SECTIONS, UPRIGHT_BASSES
from linernotes.corpora.score.score import VOICE_PROGRAMS
from linernotes.corpora.score.sources.chords import tones
from linernotes.corpora.score.sources.excerpt import Bar
from linernotes.corpora.song import nearest

Event = tuple[float, float, int]  # start and end in seconds, pitch
Chords = Sequence[tuple[float, str | None]]

MELODIES = (0, 6, 11, 21, 22, 24, 25, 40, 41, 46, 64, 65, 68, 71, 72, 73, 74, 75, 105, 110, *VOICE_PROGRAMS)
BASSES = (*UPRIGHT_BASSES, *ELECTRIC_BASSES, 42, 43, 58)
STRUCK = {
    "after": (0, 1, 21, 24, 25, 26, 105),
    "held": (*STRING_SECTIONS, 16, 19, 21),
    "broken": (0, 6, 15, 24, 25, 46),
}
HAND_DRUMS = ((64, 62, 63), (61, 60, 60), (41, 62, 76), (64, 54, 54))  # deep, high, and soft between
BASS_LOW, CHORDS_CENTRE = 36, 58
NEAR_SECONDS = 0.02  # of a pulse: on it
BETWEEN = 0.25  # the accent of what falls between the pulses
LOOSE_SECONDS = (0.0, 0.01)


def cast(
    rng: np.random.Generator, pitches: Sequence[int], programs: Sequence[int], octaves: int = 2
) -> tuple[int, int]:
    """A program that can play all of it, and by how many semitones (whole octaves) it has to be moved for that.

    A piano where none of them can: it plays everything as it stands.
    """
    low, high = min(pitches), max(pitches)
    shifts = sorted(range(-12 * octaves, 12 * octaves + 1, 12), key=abs)
    for program in rng.permutation(programs).tolist():
        bottom, top = RANGES[program]
        for shift in shifts:
            if bottom <= low + shift and high + shift <= top:
                return program, shift
    return 0, 0


def part_name(program: int, name: str) -> str:
    return "voice" if program in VOICE_PROGRAMS else name


def perform(
    rng: np.random.Generator, part: pretty_midi.Instrument, events: Sequence[Event], bars: Sequence[Bar]
) -> pretty_midi.Instrument:
    """Puts the notes into the part: louder where the meter has its accents, and nobody is a clock."""
    pulses = np.array([time for bar in bars for time in bar.pulses])
    accents = np.array([accent for bar in bars for accent in bar.accents])
    starts = np.array([start for start, _, _ in events])
    at = np.clip(np.searchsorted(pulses, starts - NEAR_SECONDS), 0, len(pulses) - 1)
    weights = np.where(np.abs(pulses[at] - starts) <= NEAR_SECONDS, accents[at], BETWEEN)
    loud, depth, loose = rng.uniform(70, 105), rng.uniform(0.15, 0.5), rng.uniform(*LOOSE_SECONDS)
    legato = rng.uniform(0.85, 0.98)
    velocities = loud * (1.0 - depth * (1.0 - weights)) * rng.uniform(0.94, 1.06, len(starts))
    late = np.maximum(starts + loose * rng.uniform(-1.0, 1.0, len(starts)), 0.0)
    for (start, end, pitch), begin, velocity in zip(events, late, velocities, strict=True):
        length = STROKE_SECONDS if part.is_drum else max((end - start) * legato, SHORTEST_SECONDS)
        part.notes.append(pretty_midi.Note(int(np.clip(velocity, 1, 127)), pitch, float(begin), float(begin + length)))
    _let_go(part.notes)
    return part


def _let_go(notes: Sequence[pretty_midi.Note]) -> None:
    """A key that is struck again has been let go before."""
    again: dict[int, float] = {}
    for note in sorted(notes, key=lambda note: note.start, reverse=True):
        note.end = max(min(note.end, again.get(note.pitch, note.end)), note.start + SHORTEST_SECONDS / 4)
        again[note.pitch] = note.start


def sing(
    rng: np.random.Generator, events: Sequence[Event], bars: Sequence[Bar], programs: Sequence[int] = MELODIES
) -> pretty_midi.Instrument:
    """A melody on one of the programs."""
    program, shift = cast(rng, [pitch for _, _, pitch in events], programs)
    part = pretty_midi.Instrument(program, name=part_name(program, "lead"))
    return perform(rng, part, [(start, end, pitch + shift) for start, end, pitch in events], bars)


class Beat(NamedTuple):
    """A pulse to accompany: the chord on it (no tones where none is said), and its place in a group of `size`."""

    start: float
    end: float
    place: int
    size: int
    short: bool
    chord: tuple[int, ...]


def accompany(
    rng: np.random.Generator, bars: Sequence[Bar], end: float, chords: Chords
) -> list[pretty_midi.Instrument]:
    """A bass and chords; neither where no chord is said."""
    manner = str(rng.choice(sorted(STRUCK)))
    edges = [bar.start for bar in bars[1:]] + [end]
    beats = [beat for bar, edge in zip(bars, edges, strict=True) for beat in _beats(bar, edge, chords)]
    seats = (("bass", rng.choice(BASSES), _bass(beats)), ("chords", rng.choice(STRUCK[manner]), _struck(beats, manner)))
    return [
        perform(rng, pretty_midi.Instrument(int(program), name=name), events, bars)
        for name, program, events in seats
        if events
    ]


def _beats(bar: Bar, edge: float, chords: Chords) -> Iterator[Beat]:
    places = [(place, size) for size in bar.grouping for place in range(size)]
    for start, end, (place, size) in zip(bar.pulses, (*bar.pulses[1:], edge), places, strict=False):
        at = bisect_right(chords, start + NEAR_SECONDS, key=lambda chord: chord[0]) - 1
        label = chords[at][1] if at >= 0 else None
        yield Beat(start, end, place, size, bar.pulse < 1.0, tones(label) if label else ())


def _held(beats: Sequence[Beat]) -> list[tuple[float, float, tuple[int, ...]]]:
    """Start, end and chord of what is held: from where a group starts or the chord changes to where the next does."""
    firsts = [beat for i, beat in enumerate(beats) if i == 0 or beat.place == 0 or beat.chord != beats[i - 1].chord]
    ends = [beat.start for beat in firsts[1:]] + [beats[-1].end]
    return [(beat.start, end, beat.chord) for beat, end in zip(firsts, ends, strict=True) if beat.chord]


def _bass(beats: Sequence[Beat]) -> list[Event]:
    return [(start, end, BASS_LOW + (chord[0] - BASS_LOW) % 12) for start, end, chord in _held(beats)]


def _struck(beats: Sequence[Beat], manner: str) -> list[Event]:
    """Chords after the bass (of three short notes on the last), held, or broken, a tone a pulse."""
    if manner == "held":
        return [(start, end, pitch) for start, end, chord in _held(beats) for pitch in _voiced(chord)]
    if manner == "broken":
        return [(b.start, b.end, _voiced(b.chord)[b.place % len(b.chord)]) for b in beats if b.chord]
    after = [b for b in beats if b.place >= (2 if b.short and b.size == 3 else 1) or b.size == 1]
    return [(beat.start, beat.end, pitch) for beat in after for pitch in _voiced(beat.chord)]


def _voiced(chord: tuple[int, ...]) -> list[int]:
    return sorted(nearest(tone, CHORDS_CENTRE) for tone in chord)


def drum(rng: np.random.Generator, bars: Sequence[Bar]) -> pretty_midi.Instrument:
    """A hand drum: deep on the downbeat, high where groups start, and softly on some of the pulses between."""
    deep, high, soft = HAND_DRUMS[rng.integers(len(HAND_DRUMS))]
    busy = rng.uniform(0.0, 1.0)
    fills = rng.uniform(0.0, 1.0, max(len(bar.pulses) for bar in bars)) < busy  # the same in every bar
    strokes = [
        (time, time, deep if i == 0 else high if accent > 0.5 else soft)
        for bar in bars
        for i, (time, accent) in enumerate(zip(bar.pulses, bar.accents, strict=True))
        if accent > 0.5 or fills[i]
    ]
    return perform(rng, pretty_midi.Instrument(0, is_drum=True, name="drums"), strokes, bars)
