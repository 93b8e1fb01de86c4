"""What is true of every frame of rendered music: the dense targets that a small backbone learns from.

All arrays have one row a frame, for frames centred at `times` (seconds). Where a fact is unknown (a key that nobody
wrote down, a chord between two songs) the class is `UNKNOWN`, which a loss is to ignore.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi

from linernotes.corpora.score.harmony import NAMES, SPELLINGS, parse_key
from linernotes.corpora.score.jitter import CHORD
from linernotes.corpora.score.programs import FAMILIES
from linernotes.corpora.score.score import VOICE_PROGRAMS, Facts, Span, facts_of
from linernotes.corpora.score.styles import STYLES

UNKNOWN = -100  # torch's cross-entropy leaves it out
PITCH_CLASSES = 12
METERS = (3, 4, 5, 6, 7, 8, 9, 10, 11)
TEMPO_BINS, SLOWEST_BPM, BINS_PER_OCTAVE = 36, 40.0, 12  # 40 to 320 felt beats a minute, one bin a semitone of tempo
SOUNDS = (*FAMILIES, "voice", "drums")  # who is heard
# General MIDI's drum notes by what a listener calls them.
DRUMS = {"kick": (35, 36), "snare": (37, 38, 39, 40), "hat": (42, 44, 46), "cymbal": (49, 51, 52, 53, 55, 57, 59)}
HITS = ("note", *DRUMS, "other drum")  # what begins
# The third, the fifth and the seventh tell chords apart by ear; colours above them do not. Augmented ones are too rare.
QUALITIES = ("major", "minor", "dominant", "major seventh", "minor seventh", "diminished", "suspended", "power")
QUALITY_OF = {
    "": 0, "6": 0, "add9": 0, "m": 1, "m6": 1, "7": 2, "9": 2, "13": 2, "7b9": 2, "maj7": 3, "maj9": 3,
    "mmaj7": 1, "7#9": 2, "m7": 4, "m9": 4, "m7b5": 5, "dim": 5, "dim7": 5, "sus2": 6, "sus4": 6, "5": 7,
}  # fmt: skip
# Which targets are classes (and of how many), and which are independent yes-or-no questions.
CLASSES = {"root": 12, "quality": len(QUALITIES), "bass": 12, "key": 24, "meter": len(METERS), "tempo": TEMPO_BINS,
           "style": len(STYLES)}  # fmt: skip
FLAGS = {"hits": len(HITS), "beat": 1, "downbeat": 1, "chroma": PITCH_CLASSES, "sounds": len(SOUNDS)}


def frame_targets(midi: pretty_midi.PrettyMIDI, facts: Facts, times: np.ndarray) -> dict[str, np.ndarray]:
    """int64 arrays (frames,) for the names of CLASSES, uint8 arrays (frames, size) for those of FLAGS."""
    frames = len(times)
    whole = {
        "key": _key_class(facts.key),
        "meter": METERS.index(facts.meter) if facts.meter in METERS and len(facts.meters) == 1 else UNKNOWN,
        "tempo": _tempo_bin(facts.tempo_bpm),
        "style": list(STYLES).index(facts.style) if facts.style in STYLES else UNKNOWN,
    }
    targets = {name: np.full(frames, value, np.int64) for name, value in whole.items()}
    targets["root"], targets["quality"] = _chords(facts.chords, times)
    targets["beat"], targets["downbeat"] = (_events(t, times)[:, None] for t in (facts.beats, facts.downbeats))
    return targets | _notes(midi, times)


def notes_file(recording: Path | str) -> Path:
    """Where a corpus keeps the notes of a recording: DIR/audio/train/000001.flac, DIR/midi/train/000001.mid."""
    recording = Path(recording)
    return recording.parents[2] / "midi" / recording.parent.name / f"{recording.stem}.mid"


def targets_of_row(row: Mapping[str, Any], midi: pretty_midi.PrettyMIDI, times: np.ndarray) -> dict[str, np.ndarray]:
    """As `frame_targets`, of a manifest's row and its notes."""
    return frame_targets(midi, facts_of(row), times)


def _key_class(name: str | None) -> int:
    """0 to 11 for C major to B major, 12 to 23 for the minor keys."""
    if name is None:
        return UNKNOWN
    key = parse_key(name)
    return key.tonic + (12 if key.mode == "minor" else 0)


def _tempo_bin(tempo_bpm: float) -> int:
    place = round(BINS_PER_OCTAVE * float(np.log2(tempo_bpm / SLOWEST_BPM)))
    return place if 0 <= place < TEMPO_BINS else UNKNOWN


def _chords(spans: list[Span], times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    roots, qualities = (np.full(len(times), UNKNOWN, np.int64) for _ in range(2))
    for span in spans:
        if match := CHORD.fullmatch(span.label):
            inside = (times >= span.start_seconds) & (times < span.end_seconds)
            roots[inside] = NAMES.index(match[1]) if match[1] in NAMES else SPELLINGS[match[1]]
            qualities[inside] = QUALITY_OF.get(match[2], UNKNOWN)
    return roots, qualities


def _events(seconds: list[float], times: np.ndarray) -> np.ndarray:
    """1 in the frame whose centre is nearest to an event; events beyond the first and last frame have none."""
    marks, half = np.zeros(len(times), np.uint8), (times[1] - times[0]) / 2
    inside = [moment for moment in seconds if times[0] - half <= moment < times[-1] + half]
    marks[np.clip(np.searchsorted(times - half, inside, side="right") - 1, 0, len(times) - 1)] = 1
    return marks


def _notes(midi: pretty_midi.PrettyMIDI, times: np.ndarray) -> dict[str, np.ndarray]:
    """Which pitch classes sound, which is the lowest, who plays, and what begins."""
    chroma = np.zeros((len(times), PITCH_CLASSES), np.uint8)
    sounds = np.zeros((len(times), len(SOUNDS)), np.uint8)
    lowest = np.full(len(times), 128, np.int64)
    begun: dict[str, list[float]] = {name: [] for name in HITS}
    for part in midi.instruments:
        player = _player(part)
        for note in part.notes:
            first, last = np.searchsorted(times, (note.start, note.end))
            if player is not None:
                sounds[first:last, player] = 1
            begun[_hit(part, note)].append(note.start)
            if not part.is_drum:
                chroma[first:last, note.pitch % PITCH_CLASSES] = 1
                lowest[first:last] = np.minimum(lowest[first:last], note.pitch)
    hits = np.stack([_events(begun[name], times) for name in HITS], axis=1)
    bass = np.where(lowest < 128, lowest % PITCH_CLASSES, UNKNOWN)
    return {"chroma": chroma, "sounds": sounds, "bass": bass, "hits": hits}


def _player(part: pretty_midi.Instrument) -> int | None:
    if part.is_drum:
        return SOUNDS.index("drums")
    if part.program in VOICE_PROGRAMS:
        return SOUNDS.index("voice")
    return part.program // 8 if part.program // 8 < len(FAMILIES) else None


def _hit(part: pretty_midi.Instrument, note: pretty_midi.Note) -> str:
    if not part.is_drum:
        return "note"
    return next((name for name, pitches in DRUMS.items() if note.pitch in pitches), "other drum")
