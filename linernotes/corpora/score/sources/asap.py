"""ASAP: pianists at competitions, with beats, downbeats and time signatures annotated to their playing.

In the folder: metadata.csv and asap.zip (or its files, unpacked) with midi/NAME.mid and annotations/NAME.txt, whose
lines are time, time, and a tag: b (beat), db (downbeat) or bR (doubtful), with a time signature and a number of sharps
where they change. In compound meters the annotated beat has three pulses (6/8 has two beats): those between are spaced
evenly. A number of sharps has a major and a minor key, so that no key is told. Bars in which a beat is doubtful, or
that have more or fewer than their signature, are in no clip.
"""

from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pretty_midi

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.records import number
from linernotes.corpora.score.score import Score
from linernotes.corpora.score.sources.excerpt import Bar, Sheet, excerpt, plain_grouping
from linernotes.corpora.score.sources.pieces import Piece, Pieces, content, signature, table

NAME = "asap"
ARCHIVE = "asap.zip"
LICENCE = "CC BY-NC-SA 4.0 (ASAP, Foscarin et al. 2020): not for commercial use, share alike"
COLUMNS = ("file_name", "label", "split", "group", "title", "meter")
PIANOS = (0, 1)
PEDAL = 64
TAGS = ("b", "db", "bR")

Beat = tuple[float, str, tuple[int, int] | None]  # seconds, tag, the signature that it is under


def read(folder: Path | str, *, seconds: float = 10.0) -> Pieces:
    """Performances, all of them longer than clips are. A group is a composer's piece, as the set is split by these."""
    pieces = Pieces(NAME)
    for where, row in table(folder, NAME, COLUMNS):
        if not row["file_name"].endswith(".mid"):
            raise ManifestError(f"{where}: file_name={row['file_name']!r}, expected midi/NAME.mid: mend the line")
        name = Path(row["file_name"]).stem
        play = partial(_score, Path(folder), name, row["label"])
        meter = signature(row["meter"], where)[0] if row["meter"] else None  # it changes
        pieces.append(Piece(name, f"{NAME} {row['group']} {row['title']}", row["split"], LICENCE, play, meter))
    return pieces.checked(folder)


def _score(folder: Path, name: str, style: str, rng: np.random.Generator, seconds: float) -> Score:
    beats = _beats(content(folder, ARCHIVE, f"annotations/{name}.txt").decode(), name)
    midi = pretty_midi.PrettyMIDI(BytesIO(content(folder, ARCHIVE, f"midi/{name}.mid")))
    piano = pretty_midi.Instrument(int(rng.choice(PIANOS)), name="piano")
    for part in midi.instruments:
        piano.notes += part.notes
        piano.control_changes += [change for change in part.control_changes if change.number == PEDAL]
    bars, end = _bars(beats, name)
    return excerpt(Sheet(style, (piano,), bars, end, swing_ratio=None), rng, seconds)


def _beats(text: str, name: str) -> list[Beat]:
    beats: list[Beat] = []
    current = None
    for i, row in enumerate(text.splitlines(), start=1):
        where, fields = f"{name}.txt, line {i}", row.split("\t")
        if len(fields) != 3:
            raise ManifestError(f"{where}: got {len(fields)} fields, expected time, time, tag: mend the line")
        tag, *changes = fields[2].split(",")
        if tag not in TAGS:
            raise ManifestError(f"{where}: tag {tag!r}, expected one of {', '.join(TAGS)}: mend the line")
        if changes and changes[0]:
            current = signature(changes[0], where)
        time = number({"time": fields[0]}, "time", where)
        if beats and time <= beats[-1][0]:
            raise ManifestError(f"{where}: {time} s is not after the beat above it: mend the line")
        beats.append((time, tag, current))
    return beats


def _bars(beats: list[Beat], name: str) -> tuple[tuple[Bar, ...], float]:
    """The bars from each downbeat to the next; what follows the last downbeat has no end that is annotated."""
    firsts = [i for i, (_, tag, _) in enumerate(beats) if tag == "db"]
    if len(firsts) < 2:
        raise ManifestError(f"{name}.txt has {len(firsts)} downbeats, expected two at least: is it the published file?")
    bars = [_bar(beats[first : after + 1]) for first, after in pairwise(firsts)]
    return tuple(bars), beats[firsts[-1]][0]


def _bar(beats: list[Beat]) -> Bar:
    """From the beats of a bar and the next downbeat."""
    times, (_, _, meter) = [time for time, _, _ in beats], beats[0]
    numerator, denominator = meter or (1, 4)
    doubtful = any(tag == "bR" for _, tag, _ in beats[:-1])
    threes = numerator > 3 and numerator == 3 * (len(beats) - 1)
    if threes:
        times = np.interp(np.arange(numerator + 1) / 3.0, np.arange(len(times)), times).tolist()
    whole = meter is not None and numerator > 1 and len(times) == numerator + 1 and not doubtful
    grouping = (3,) * (numerator // 3) if threes else plain_grouping(numerator, denominator)
    return Bar(tuple(times[:-1]), grouping, 4.0 / denominator, whole)
