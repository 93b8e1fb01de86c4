"""POP909: pop songs arranged for piano, with the melody as it is sung, chords, keys and beats.

In the folder: metadata.csv and pop909.zip (or its files, unpacked), which has for each song NNN/NNN.mid (tracks MELODY,
BRIDGE and PIANO), beat_midi.txt (time, downbeat of two beats, downbeat of the bar), chord_midi.txt (from, to, chord)
and key_audio.txt. The melody goes to a voice or to a lead. Beats, chords and keys are what algorithms found in the
recordings: good, not perfect. Clips have bars of four beats only; a song whose bars have six is left alone, as the set
does not say whether those are 3/4 or 6/8. Keys are told of songs that have one; their times are those of the recording.
"""

from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pretty_midi

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.records import number
from linernotes.corpora.score.harmony import parse_key
from linernotes.corpora.score.programs import (
    ELECTRIC_PIANOS,
    NYLON_AND_STEEL,
    PIANOS,
    SAXOPHONES,
    STRING_SECTIONS,
    SYNTH_LEADS,
    SYNTH_PADS,
)
from linernotes.corpora.score.score import VOICE_PROGRAMS, Score
from linernotes.corpora.score.sources.chords import parse_chord
from linernotes.corpora.score.sources.excerpt import Bar, Sheet, excerpt
from linernotes.corpora.score.sources.pieces import Piece, Pieces, content, table
from linernotes.corpora.score.sources.playing import cast, part_name

NAME = "pop909"
ARCHIVE = "pop909.zip"
LICENCE = "arrangements: MIT (POP909, Wang et al. 2020); the songs are their authors'"
COLUMNS = ("file_name", "label", "split", "group")
PROGRAMS = {
    "MELODY": (*VOICE_PROGRAMS, *VOICE_PROGRAMS, *SAXOPHONES, *SYNTH_LEADS, 0, 11, 22, 24, 40, 71, 73),
    "BRIDGE": (*PIANOS, *ELECTRIC_PIANOS, *NYLON_AND_STEEL, *STRING_SECTIONS, *SYNTH_PADS, 11, 46),
    "PIANO": (*PIANOS, *ELECTRIC_PIANOS),
}
PARTS = {"MELODY": "lead", "BRIDGE": "bridge", "PIANO": "chords"}
HARTE = {
    ":maj": "", ":min": "m", ":7": "7", ":maj7": "maj7", ":min7": "m7", ":maj6": "6", ":min6": "m6", ":dim": "dim",
    ":dim7": "dim7", ":hdim7": "m7b5", ":aug": "aug", ":sus2": "sus2", ":sus4": "sus4", ":sus4(b7)": "7sus4",
    ":minmaj7": "mmaj7",
}  # fmt: skip
MODES = {"maj": "major", "min": "minor"}
BEAT_COLUMNS = ("time", "downbeat of two", "downbeat")
DOWNBEATS_OF_FOUR = (1.0, 0.0, 1.0, 0.0)


def read(folder: Path | str, *, seconds: float = 10.0) -> Pieces:
    """Songs, all of them longer than clips are."""
    pieces = Pieces(NAME)
    for _, row in table(folder, NAME, COLUMNS):
        name = row["group"]
        play = partial(_score, Path(folder), name, row["label"])
        pieces.append(Piece(name, f"{NAME} {name}", row["split"], LICENCE, play, meter=4))
    return pieces.checked(folder)


def _score(folder: Path, name: str, style: str, rng: np.random.Generator, seconds: float) -> Score:
    midi = pretty_midi.PrettyMIDI(BytesIO(content(folder, ARCHIVE, f"{name}/{name}.mid")))
    parts = tuple(_part(rng, track, name) for track in midi.instruments if track.notes)
    bars, end = _bars(_rows(folder, name, "beat_midi.txt", 3), name)
    chords = _chords(_rows(folder, name, "chord_midi.txt", 3))
    sheet = Sheet(style, parts, bars, end, _keys(_rows(folder, name, "key_audio.txt", 3)), chords, swing_ratio=None)
    return excerpt(sheet, rng, seconds)


def _rows(folder: Path, name: str, file: str, width: int) -> list[tuple[str, list[str]]]:
    """(where, fields) of the lines of a song's file."""
    lines = content(folder, ARCHIVE, f"{name}/{file}").decode().splitlines()
    rows = [(f"{name}/{file}, line {i}", line.split()) for i, line in enumerate(lines, start=1) if line.strip()]
    for where, fields in rows:
        if len(fields) != width:
            raise ManifestError(f"{where}: got {len(fields)} fields, expected {width}: mend the line")
    return rows


def _part(rng: np.random.Generator, track: pretty_midi.Instrument, name: str) -> pretty_midi.Instrument:
    if track.name not in PROGRAMS:
        raise ManifestError(f"{name}.mid has a track {track.name!r}, expected {', '.join(PROGRAMS)}: mend the file")
    octaves = 1 if track.name == "MELODY" else 0
    program, shift = cast(rng, [note.pitch for note in track.notes], PROGRAMS[track.name], octaves)
    part = pretty_midi.Instrument(program, name=part_name(program, PARTS[track.name]))
    part.notes = [
        pretty_midi.Note(max(note.velocity, 1), note.pitch + shift, note.start, note.end) for note in track.notes
    ]
    return part


def _bars(rows: list[tuple[str, list[str]]], name: str) -> tuple[tuple[Bar, ...], float]:
    records = [(where, dict(zip(BEAT_COLUMNS, fields, strict=True))) for where, fields in rows]
    beats = [tuple(number(record, column, where) for column in BEAT_COLUMNS) for where, record in records]
    firsts = [i for i, (_, _, downbeat) in enumerate(beats) if downbeat == 1.0]
    if len(firsts) < 2 or any(a[0] >= b[0] for a, b in pairwise(beats)):
        raise ManifestError(f"{name}/beat_midi.txt: its beats do not rise from downbeat to downbeat: mend the file")
    bars = []
    for first, after in pairwise(firsts):
        times, minor, _ = zip(*beats[first:after], strict=True)
        bars.append(Bar(times, (2, 2), 1.0, whole=minor == DOWNBEATS_OF_FOUR))
    return tuple(bars), beats[firsts[-1]][0]


def _chords(rows: list[tuple[str, list[str]]]) -> tuple[tuple[float, str | None], ...]:
    """From when each chord sounds; N is none."""
    chords = []
    for where, (start, _, text) in rows:
        label = parse_chord(text, HARTE)
        if label is None and text != "N":
            raise ManifestError(f"{where}: chord {text!r}, expected such as F#:min7, or N: mend the line")
        chords.append((number({"start": start}, "start", where), label))
    return tuple(chords)


def _keys(rows: list[tuple[str, list[str]]]) -> tuple[tuple[float, str | None], ...]:
    if len(rows) != 1:
        return ()
    where, (_, _, text) = rows[0]
    tonic, _, mode = text.partition(":")
    if mode not in MODES:
        raise ManifestError(f"{where}: key {text!r}, expected such as Gb:maj: mend the line")
    return ((float("-inf"), parse_key(f"{tonic} {MODES[mode]}").name),)
