"""The Groove MIDI Dataset: drummers who play to a click, as they played. Nothing is quantised, swing least of all.

In the folder: metadata.csv and midi.zip (or its files, unpacked). The beats are those of the click, which starts with
the file. The official split has drummers on both sides, so that a group is one performance: what is new in validation
is the playing, not the hands.
"""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from math import ceil
from pathlib import Path

import numpy as np
import pretty_midi

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.records import number
from linernotes.corpora.score.score import Score
from linernotes.corpora.score.sources.excerpt import Bar, Sheet, excerpt, plain_grouping
from linernotes.corpora.score.sources.pieces import Piece, Pieces, content, signature, table

NAME = "groove"
ARCHIVE = "midi.zip"
LICENCE = "CC BY 4.0 (Groove MIDI Dataset, Gillick et al. 2019, Google)"
COLUMNS = ("file_name", "label", "split", "bpm", "time_signature", "seconds")
KITS = (0, 8, 16, 24, 25, 32, 40)
# The drum kit that recorded the set has edges and rims under numbers of its own.
GENERAL_MIDI = {22: 42, 26: 46, 47: 45, 50: 48, 52: 57, 55: 49, 58: 43, 59: 51}


def read(folder: Path | str, *, seconds: float = 10.0) -> Pieces:
    """Performances of that length at least; most of the set are fills of a bar or two."""
    pieces = Pieces(NAME)
    for where, row in table(folder, NAME, COLUMNS):
        bpm = number(row, "bpm", where)
        meter = signature(row["time_signature"], where)
        if number(row, "seconds", where) < seconds:
            pieces.left_out["shorter"] += 1
            continue
        name = row["file_name"].removesuffix(".mid")
        play: Callable[[np.random.Generator, float], Score] = partial(
            _score, Path(folder), row["file_name"], row["label"], bpm, meter
        )
        pieces.append(Piece(name, f"{NAME} {name}", row["split"], LICENCE, play, meter[0]))
    return pieces.checked(folder)


def _score(
    folder: Path, name: str, style: str, bpm: float, meter: tuple[int, int], rng: np.random.Generator, seconds: float
) -> Score:
    midi = pretty_midi.PrettyMIDI(BytesIO(content(folder, ARCHIVE, name)))
    played = [note for part in midi.instruments if part.is_drum for note in part.notes]
    if not played:
        raise ManifestError(f"{name} has no drums: is it the published file?")
    drums = pretty_midi.Instrument(int(rng.choice(KITS)), is_drum=True, name="drums")
    drums.notes = [
        pretty_midi.Note(max(note.velocity, 1), GENERAL_MIDI.get(note.pitch, note.pitch), note.start, note.end)
        for note in played
    ]
    numerator, denominator = meter
    pulse = 4.0 / denominator
    pulse_seconds = pulse * 60.0 / bpm
    grouping = plain_grouping(numerator, denominator)
    bars = tuple(
        Bar(tuple((k * numerator + i) * pulse_seconds for i in range(numerator)), grouping, pulse)
        for k in range(ceil(max(note.start for note in played) / (numerator * pulse_seconds)))
    )
    end = len(bars) * numerator * pulse_seconds
    return excerpt(Sheet(style, (drums,), bars, end, quarter_bpm=bpm, swing_ratio=None), rng, seconds)
