"""What the composer hands to the renderer: notes as a `pretty_midi.PrettyMIDI`, and the facts that they were made from.

Conventions: times in seconds from the start of the clip, unless named `_quarters`; pitches and velocities are MIDI's;
a *pulse* is what is counted in a bar (7 of them in 7/8), a *felt beat* what the tempo counts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pretty_midi

VOICE_PROGRAMS = (52, 53, 54)  # choir aahs, voice oohs, synth voice: whoever plays them sings


@dataclass(frozen=True)
class Span:
    """A stretch of the clip and what it is: a chord, a section, a meter."""

    start_seconds: float
    end_seconds: float
    label: str


@dataclass
class Facts:
    """What is true of a score, exactly; `dataclasses.asdict` gives plain JSON.

    meter, grouping, pulse: of the main meter: pulses a bar, pulses a group (they sum to `meter`), and the length of
        one pulse in quarter notes (1.0: x/4, 0.5: x/8).
    tempo_bpm: felt beats a minute: dotted quarters where eighths go in threes only (6/8, 9/8 as 3+3+3), else quarters,
        also in additive meters (7/8 at 120 has 240 pulses a minute).
    swing_ratio: first eighth of a quarter : second eighth; 1.0 is straight, None is a human's, which nobody wrote down.
    key: "C major", "F# minor"; None where the notes have no key.
    polyrhythm: "3:2" and so on, over the stated meter; None without.
    beats: every pulse, `meter` of them a bar, whatever the tempo counts; downbeats: the first of each bar. The clip
        may begin and end within a bar, so that the first downbeat is rarely at 0.
    meters, chords, sections: without gaps from 0 to the end ("7/8 2+2+3", "Am7", "chorus"); one meter unless it
        changes. Chords and sections are empty where the notes, or their source, have none.
    instruments: General MIDI names in order of appearance; "drums" and "voice" for those.
    identity: SHA-256 over the notes; two clips with the same are the same music.
    """

    style: str
    meter: int
    grouping: tuple[int, ...]
    pulse: float
    tempo_bpm: float
    swing_ratio: float | None
    key: str | None
    polyrhythm: str | None
    beats: list[float]
    downbeats: list[float]
    meters: list[Span]
    chords: list[Span]
    sections: list[Span]
    instruments: list[str]
    has_drums: bool
    has_voice: bool
    identity: str

    @property
    def duration_seconds(self) -> float:
        return self.meters[-1].end_seconds


def facts_of(row: Mapping[str, Any]) -> Facts:
    """The facts of a manifest's row, as the composer had them."""
    facts = json.loads(row["facts"])
    spans = {name: [Span(**span) for span in facts[name]] for name in ("meters", "chords", "sections")}
    return Facts(**facts | spans | {"grouping": tuple(facts["grouping"])})


@dataclass
class Score:
    """Notes and facts. `midi.get_end_time()` is the duration: a text event "end" stands there.

    Its instruments are named by their part ("bass", "lead", "drums", "voice", ...). A time signature stands at 0 and
    again at the first downbeat, because the first bar may be broken.
    """

    midi: pretty_midi.PrettyMIDI
    facts: Facts

    @property
    def duration_seconds(self) -> float:
        return self.facts.duration_seconds


def identity_of(midi: pretty_midi.PrettyMIDI) -> str:
    """SHA-256 (hex) over the sorted notes: pitch, start and end to the microsecond, program (drums: 128 + kit)."""
    notes = sorted(
        (note.pitch, round(note.start * 1e6), round(note.end * 1e6), part.program + 128 * part.is_drum)
        for part in midi.instruments
        for note in part.notes
    )
    return sha256(repr(notes).encode()).hexdigest()
