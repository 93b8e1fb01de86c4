"""Moves a score to another key, tuning or tempo, and its facts with it.

This is done to the notes and not to the sound: a recording that is stretched or resampled smears its onsets and moves
the resonances of its instruments, and a model hears that rather than the music.
"""

import re
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pretty_midi

from linernotes.corpora.score.harmony import NAMES, SPELLINGS, parse_key
from linernotes.corpora.score.programs import RANGES
from linernotes.corpora.score.score import Facts, Score, Span, identity_of

CHORD = re.compile(r"([A-G][#b]?)(.*)")
WHEEL_CENTS = 200.0  # what MIDI's pitch wheel reaches either way, 8192 steps
MAX_CENTS = 50.0  # beyond which it would be the next key


def jitter(
    score: Score,
    rng: np.random.Generator,
    *,
    semitones: int = 5,
    cents: float = 30.0,
    tempo_share: float = 0.1,
) -> Score:
    """The score moved at random: at most so many semitones, cents of tuning, and share of the tempo, up or down.

    It goes no further up or down than every instrument can reach.
    """
    if not (semitones >= 0 and 0.0 <= cents <= MAX_CENTS and 0.0 <= tempo_share < 1.0):
        raise ValueError(
            f"semitones={semitones}, cents={cents}, tempo_share={tempo_share}: "
            f"choose from 0 up, from 0 to {MAX_CENTS:g}, and from 0 to 1"
        )
    down, up = _room(score.midi)
    return move(
        score,
        semitones=int(rng.integers(max(-semitones, -down), min(semitones, up) + 1)),
        cents=float(rng.uniform(-cents, cents)),
        tempo=float((1.0 + tempo_share) ** rng.uniform(-1.0, 1.0)),
    )


def move(score: Score, *, semitones: int = 0, cents: float = 0.0, tempo: float = 1.0) -> Score:
    """The same music `semitones` higher, tuned `cents` sharp (at most 50), and `tempo` times as fast.

    Key, chords, times and tempo of the facts follow exactly; drums keep their pitch. The score given stays as it was.
    Raises ValueError where a note would leave MIDI's 0 to 127, or for a tempo or tuning out of range.
    """
    if not (abs(cents) <= MAX_CENTS and tempo > 0.0):
        raise ValueError(f"cents={cents}, tempo={tempo}: choose from -50 to 50, and more than 0")
    midi = deepcopy(score.midi)
    for part in midi.instruments:
        if not part.is_drum:
            _transpose(part, semitones, cents)
    for signature in midi.key_signature_changes:
        mode, tonic = divmod(signature.key_number, 12)
        signature.key_number = 12 * mode + (tonic + semitones) % 12
    _stretch(midi, 1.0 / tempo)
    return Score(midi, replace(_moved_facts(score.facts, semitones, tempo), identity=identity_of(midi)))


def _room(midi: pretty_midi.PrettyMIDI) -> tuple[int, int]:
    """How many semitones down and up every pitched instrument can go from where it is."""
    down, up = 127, 127
    for part in midi.instruments:
        if part.notes and not part.is_drum:
            pitches = [note.pitch for note in part.notes]
            low, high = RANGES[part.program] if part.program < len(RANGES) else (0, 127)
            down, up = min(down, min(pitches) - low), min(up, high - max(pitches))
    return max(down, 0), max(up, 0)


def _transpose(part: pretty_midi.Instrument, semitones: int, cents: float) -> None:
    for note in part.notes:
        note.pitch += semitones
        if not 0 <= note.pitch <= 127:
            raise ValueError(
                f"semitones={semitones} takes a note of {part.name!r} to {note.pitch}: stay within 0 to 127"
            )
    if cents:
        sharp = round(cents / WHEEL_CENTS * 8192)
        for bend in part.pitch_bends:
            bend.pitch = min(max(bend.pitch + sharp, -8192), 8191)
        part.pitch_bends.insert(0, pretty_midi.PitchBend(sharp, 0.0))


def _stretch(midi: pretty_midi.PrettyMIDI, factor: float) -> None:
    for part in midi.instruments:
        for note in part.notes:
            note.start, note.end = note.start * factor, note.end * factor
    marks = (midi.time_signature_changes, midi.key_signature_changes, midi.lyrics, midi.text_events)
    moving = [events for part in midi.instruments for events in (part.pitch_bends, part.control_changes)]
    for event in (event for events in (*marks, *moving) for event in events):
        event.time *= factor
    # The library has no public way to change a tempo map: adjust_times() drops and moves time signatures.
    midi._tick_scales = [(tick, seconds * factor) for tick, seconds in midi._tick_scales]
    midi._update_tick_to_time(midi._tick_scales[-1][0])


def _moved_facts(facts: Facts, semitones: int, tempo: float) -> Facts:
    factor = 1.0 / tempo

    def moved(spans: list[Span]) -> list[Span]:
        return [Span(span.start_seconds * factor, span.end_seconds * factor, span.label) for span in spans]

    return replace(
        facts,
        tempo_bpm=facts.tempo_bpm * tempo,
        key=None if facts.key is None else _transposed_key(facts.key, semitones),
        beats=[beat * factor for beat in facts.beats],
        downbeats=[beat * factor for beat in facts.downbeats],
        meters=moved(facts.meters),
        sections=moved(facts.sections),
        chords=[replace(span, label=transposed_chord(span.label, semitones)) for span in moved(facts.chords)],
    )


def _transposed_key(name: str, semitones: int) -> str:
    key = parse_key(name)
    return replace(key, tonic=(key.tonic + semitones) % 12).name


def transposed_chord(label: str, semitones: int) -> str:
    """ "Bbm7" two semitones up is "Cm7". Raises ValueError for a label that begins with no root."""
    match = CHORD.fullmatch(label)
    if match is None:
        raise ValueError(f"chord {label!r} has no root: it must begin with A to G, such as Bbm7")
    root = NAMES.index(match[1]) if match[1] in NAMES else SPELLINGS[match[1]]
    return NAMES[(root + semitones) % 12] + match[2]
