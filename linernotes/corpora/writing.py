"""What is written of a clip and bears on its mood: tempo, mode, density, loudness, register, length of notes, drive.

All of it is counted in the notes and facts that a rendered clip was made from, none of it estimated from its sound. The
list is that of the reviews of musical structure and expressed emotion: Gabrielsson and Lindström 2010 ("The role of
structure in the musical expression of emotions"), Juslin and Laukka 2004 (doi 10.1080/0929821042000317813).
"""

from dataclasses import asdict, dataclass
from math import log2

import numpy as np
import pretty_midi

from linernotes.corpora.score.programs import DISTORTED
from linernotes.corpora.score.score import Facts

TOGETHER_SECONDS = 0.03  # notes that begin within it are one onset
STROKE_SECONDS = 0.12  # drums ring by themselves, whatever length is written
GRID_SECONDS = 0.05
AROUND_SECONDS = 1.25  # before and after a sudden change
QUIETEST_DB = -15.0  # under the clip's mean: pauses between notes are no change
MIDDLE_PITCH = 60.0  # of clips of drums alone


@dataclass(frozen=True)
class Writing:
    """What is written of a clip.

    tempo_bpm: felt beats a minute. mode: "major", "minor", or None where the notes have no key. uneven: whether groups
    of unequal length make the bars, or meters change. onsets_per_second: of pitched notes, chords counted once.
    strokes_per_second: of drums. velocity: mean of all notes, 0 to 1. voices: pitched notes that sound at a time, on
    average. note_seconds: mean length of pitched notes, each counted by its length. pitch: their mean MIDI pitch,
    likewise. distorted: share of the clip in which a distorted guitar sounds. jump_db: the largest step of the written
    loudness, up or down, between a second and a quarter and the next.
    """

    tempo_bpm: float
    mode: str | None = None
    uneven: bool = False
    onsets_per_second: float = 0.0
    strokes_per_second: float = 0.0
    velocity: float = 0.5
    voices: float = 0.0
    note_seconds: float = 0.0
    pitch: float = MIDDLE_PITCH
    distorted: float = 0.0
    jump_db: float = 0.0


def numbers_of(clip: Writing) -> list[float]:
    """The fields of a clip's writing as numbers, of the kind that are like distances: the tempo in octaves over 1 BPM,
    the mode 1 for major, -1 for minor and 0 for none."""
    numbers = {name: float(value) for name, value in asdict(clip).items() if name != "mode"}
    numbers["tempo_bpm"] = log2(clip.tempo_bpm)
    return [*numbers.values(), {"major": 1.0, "minor": -1.0, None: 0.0}[clip.mode]]


def read_writing(midi: pretty_midi.PrettyMIDI, facts: Facts) -> Writing:
    """What is written of a clip with these notes and facts. Raises ValueError for a clip without a note."""
    pitched = [(note, part.program) for part in midi.instruments if not part.is_drum for note in part.notes]
    strokes = [note for part in midi.instruments if part.is_drum for note in part.notes]
    notes = [note for note, _ in pitched] + strokes
    if not notes:
        raise ValueError("the clip has no notes, so that nothing is written of its mood; give one with notes")
    seconds = facts.duration_seconds
    lengths = np.array([note.end - note.start for note, _ in pitched])
    sounding = lengths.sum()
    typical = {}
    if sounding > 0.0:
        pitches = np.array([note.pitch for note, _ in pitched])
        typical = {
            "note_seconds": float(lengths @ lengths / sounding),
            "pitch": float(lengths @ pitches / sounding),
        }
    groupings = {span.label for span in facts.meters}
    return Writing(
        tempo_bpm=facts.tempo_bpm,
        mode=None if facts.key is None else facts.key.split()[1],
        uneven=len(groupings) > 1 or len(set(facts.grouping)) > 1,
        onsets_per_second=_onsets([note.start for note, _ in pitched]) / seconds,
        strokes_per_second=len(strokes) / seconds,
        velocity=float(np.mean([note.velocity for note in notes])) / 127.0,
        voices=float(sounding / seconds),
        distorted=float(_loudness([n for n, program in pitched if program in DISTORTED], seconds).astype(bool).mean()),
        jump_db=_jump(_loudness(notes, seconds)),
        **typical,
    )


def _onsets(starts: list[float]) -> int:
    return int((np.diff(np.sort(starts), prepend=-np.inf) > TOGETHER_SECONDS).sum())


def _loudness(notes: list[pretty_midi.Note], seconds: float) -> np.ndarray:
    """The sum of the squared velocities that sound, every 0.05 s of the clip."""
    power = np.zeros(max(int(seconds / GRID_SECONDS), 1))
    for note in notes:
        end = max(note.end, note.start + STROKE_SECONDS)
        power[int(note.start / GRID_SECONDS) : max(int(end / GRID_SECONDS), 1)] += (note.velocity / 127.0) ** 2
    return power


def _jump(power: np.ndarray) -> float:
    """The largest step in dB between neighbouring stretches of AROUND_SECONDS; 0 in a clip shorter than two."""
    width = round(AROUND_SECONDS / GRID_SECONDS)
    if len(power) < 2 * width:
        return 0.0
    summed = np.concatenate([[0.0], power.cumsum()])
    stretches = (summed[width:] - summed[:-width]) / width
    levels = 10.0 * np.log10(stretches + 10.0 ** (QUIETEST_DB / 10.0) * power.mean())
    return float(np.abs(levels[width:] - levels[:-width]).max())
