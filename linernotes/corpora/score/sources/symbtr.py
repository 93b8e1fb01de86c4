"""SymbTr: Turkish makam scores by composers, with their usul: real music in 5, 7, 9 and 10.

In the folder: metadata.csv and scores.zip (or its files, unpacked), in which notes/NAME.tsv has a line a note: onset
and duration in ms, pitch with commas (53 to the octave; empty: a rest) and the position in cycles of the usul, whole
numbers being downbeats. The melody is played by one instrument that the pitch wheel tunes, with or without a drum. A
makam is neither major nor minor: there is no key.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pretty_midi

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.records import number
from linernotes.corpora.score.jitter import WHEEL_CENTS
from linernotes.corpora.score.meters import GROUPINGS
from linernotes.corpora.score.plans import BARS_HEARD
from linernotes.corpora.score.score import VOICE_PROGRAMS, Score
from linernotes.corpora.score.sources.excerpt import Bar, Sheet, excerpt, in_twos, plain_grouping
from linernotes.corpora.score.sources.pieces import Piece, Pieces, content, signature, table
from linernotes.corpora.score.sources.playing import cast, drum, part_name, perform

NAME = "symbtr"
ARCHIVE = "scores.zip"
LICENCE = "CC BY-NC-SA 4.0 (SymbTr, Karaosmanoglu 2012): not for commercial use, share alike"
COLUMNS = ("file_name", "signature", "usul", "grouping", "group", "split", "seconds", "quarter_bpm")
HEADER = "onset_ms\tdur_ms\tmidi_pitch\tcycle_pos"
# Usuls whose division is common knowledge where the set does not tell it; the notes of the set agree.
USULS = {
    "agiraksak": (2, 2, 2, 3), "aydin": (2, 2, 2, 3), "ciftesofyan": (2, 2, 2, 3), "evfer": (2, 2, 2, 3),
    "oynak": (3, 2, 2, 2), "raksaksagi": (2, 3, 2, 2), "raksaksagi_ii": (2, 3, 2, 2), "musemmen": (3, 2, 3),
    "musemmen_ii": (3, 2, 3), "kapali_curcuna": (3, 2, 2, 3), "agir_aksaksemai": (3, 2, 2, 3),
    "devrihindi_ii": (3, 2, 2), "devrituran_ii": (2, 2, 3),
}  # fmt: skip
# flutes, reeds, fiddles, and what is nearest to oud, tanbur, kanun and saz
PROGRAMS = (15, 21, 24, 25, 40, 41, 42, 46, 68, 71, 73, 75, 77, 104, 105, 106, 107, 110, 111, *VOICE_PROGRAMS)
DRUM_ODDS = 0.5
TEMPO_AGREES = 0.02  # the table has the tempo of another part of a few pieces

Line = tuple[float, float, float | None, float]  # onset and end in seconds, pitch or a rest, cycles


def read(folder: Path | str, *, seconds: float = 10.0) -> Pieces:
    """Pieces of that length at least, whose cycle is a bar and not a form, and comes back within the clip."""
    pieces = Pieces(NAME)
    for where, row in table(folder, NAME, COLUMNS):
        meter, bpm = signature(row["signature"], where), number(row, "quarter_bpm", where)
        grouping = _grouping(row, meter, where)
        if meter[0] != 2 and meter[0] not in GROUPINGS:
            pieces.left_out["long cycle"] += 1
        elif number(row, "seconds", where) < seconds:
            pieces.left_out["shorter"] += 1
        elif BARS_HEARD * 240.0 * meter[0] / meter[1] / bpm > seconds:
            pieces.left_out["too slow"] += 1
        else:
            name = Path(row["file_name"]).stem
            play = partial(_score, Path(folder), row["file_name"], grouping, 4.0 / meter[1], bpm)
            pieces.append(Piece(name, f"{NAME} {row['group']}", row["split"], LICENCE, play, meter[0], grouping))
    return pieces.checked(folder)


def _grouping(row: dict[str, str], meter: tuple[int, int], where: str) -> tuple[int, ...]:
    """As the set says; else as the usul goes; else the plainest, but nines and slow sixes do not go in threes here."""
    if row["grouping"]:
        parts = row["grouping"].split("+")
        if not all(part.isdecimal() for part in parts) or sum(map(int, parts)) != meter[0]:
            raise ManifestError(f"{where}: grouping={row['grouping']!r}, expected such as 3+2+2, summing to {meter[0]}")
        return tuple(map(int, parts))
    if sum(USULS.get(row["usul"], ())) == meter[0]:
        return USULS[row["usul"]]
    return in_twos(meter[0]) if meter[0] == 9 or meter[1] < 8 else plain_grouping(*meter)


def _score(
    folder: Path,
    name: str,
    grouping: tuple[int, ...],
    pulse: float,
    quarter_bpm: float,
    rng: np.random.Generator,
    seconds: float,
) -> Score:
    lines = _lines(content(folder, ARCHIVE, name).decode(), name)
    bars, end = _bars(lines, grouping, pulse)
    measured = 60.0 * sum(grouping) * pulse / float(np.median(np.diff([bar.start for bar in bars] + [end])))
    stated = quarter_bpm if abs(measured / quarter_bpm - 1.0) < TEMPO_AGREES else None
    parts = [_melody(rng, lines, bars)]
    if rng.uniform() < DRUM_ODDS:
        parts.append(drum(rng, bars))
    return excerpt(Sheet("makam", tuple(parts), bars, end, quarter_bpm=stated), rng, seconds)


def _lines(text: str, name: str) -> list[Line]:
    head, *rows = text.splitlines()
    if head != HEADER:
        raise ManifestError(f"{name} begins with {head!r}, expected {HEADER!r}: is it the published file?")
    lines: list[Line] = []
    for i, row in enumerate(rows, start=2):
        where, fields = f"{name}, line {i}", row.split("\t")
        if len(fields) != 4:
            raise ManifestError(f"{where}: got {len(fields)} fields, expected 4: mend the line")
        record = dict(zip(HEADER.split("\t"), fields, strict=True))
        onset, duration, cycle = (number(record, column, where) for column in ("onset_ms", "dur_ms", "cycle_pos"))
        pitch = number(record, "midi_pitch", where) if record["midi_pitch"] else None
        if lines and (onset / 1000.0 < lines[-1][0] or cycle < lines[-1][3]):
            raise ManifestError(f"{where}: begins before the note above it: mend the line")
        lines.append((onset / 1000.0, (onset + duration) / 1000.0, pitch, cycle))
    if not any(pitch is not None for _, _, pitch, _ in lines):
        raise ManifestError(f"{name} has no notes: is it the published file?")
    return lines


def _bars(lines: list[Line], grouping: tuple[int, ...], pulse: float) -> tuple[tuple[Bar, ...], float]:
    """The complete cycles, and the end of the last. A pulse that no note begins on lies between two notes that do."""
    count, cycles = sum(grouping), int(lines[-1][3])
    places, onsets = [line[3] for line in lines], [line[0] for line in lines]
    times = np.interp(np.arange(cycles * count + 1) / count, places, onsets).tolist()
    bars = tuple(Bar(tuple(times[k * count : (k + 1) * count]), grouping, pulse) for k in range(cycles))
    return bars, times[-1]


def _melody(rng: np.random.Generator, lines: list[Line], bars: tuple[Bar, ...]) -> pretty_midi.Instrument:
    """Each note on the nearest semitone, and the pitch wheel where it begins."""
    notes = [(start, end, pitch) for start, end, pitch, _ in lines if pitch is not None]
    program, shift = cast(rng, [round(pitch) for _, _, pitch in notes], PROGRAMS)
    part = pretty_midi.Instrument(program, name=part_name(program, "lead"))
    perform(rng, part, [(start, end, round(pitch) + shift) for start, end, pitch in notes], bars)
    part.pitch_bends = [
        pretty_midi.PitchBend(round(100.0 * (pitch - round(pitch)) / WHEEL_CENTS * 8192), note.start)
        for note, (_, _, pitch) in zip(part.notes, notes, strict=True)
    ]
    return part
