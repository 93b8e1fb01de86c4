"""Scores that music21 carries in its corpus: Bach's chorales, and works by Corelli, Handel, Haydn, Mozart and Weber.

The folder is music21's corpus (`music21/corpus` of the package); music21 reads its MusicXML. Composers and encodings
are in the public domain or state no condition. Left out are Palestrina and what is in Humdrum (rights reserved), what
is mensural, what is not in the public domain everywhere, and Beethoven's quartets, which take 15 seconds to read.
Measures are played as they are printed, without repeats. A key is told where the file names its mode.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache, partial
from itertools import accumulate, pairwise
from pathlib import Path
from warnings import catch_warnings, simplefilter
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

import numpy as np
import pretty_midi

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.harmony import NAMES
from linernotes.corpora.score.programs import PIANOS, RANGES
from linernotes.corpora.score.score import VOICE_PROGRAMS, Score
from linernotes.corpora.score.sources.excerpt import Sheet, excerpt
from linernotes.corpora.score.sources.notation import Measure, bars_of
from linernotes.corpora.score.sources.pieces import Piece, Pieces
from linernotes.corpora.score.sources.playing import part_name, perform

try:
    import music21
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("reading MusicXML needs music21: `pip install music21`") from error

NAME = "classical"
COMPOSERS = ("bach", "corelli", "handel", "haydn", "mozart", "weber")
LICENCE = "music: public domain; encodings: distributed with music21 by their makers' permission"
BEATS = re.compile(rb"<beats>\s*(\d+)\s*</beats>")
TEMPI = (60.0, 120.0)  # quarters a minute; what an encoding gives is for its playback
# One is drawn for all parts of a score.
ENSEMBLES = (
    VOICE_PROGRAMS, (40, 41, 42), (48, 49), (16, 19, 20), (56, 57, 58, 60), (68, 70, 71, 73), PIANOS[:2], (6,),
)  # fmt: skip

Note = tuple[Fraction, Fraction, int]  # start and length in quarters, pitch


def read(folder: Path | str, *, seconds: float = 10.0) -> Pieces:
    """One piece a file; movements of a work are a group. Which are too short shows when they are played."""
    pieces, root = Pieces(NAME), Path(folder)
    for path in sorted(path for composer in COMPOSERS for path in (root / composer).rglob("*.mxl")):
        name = path.relative_to(root).with_suffix("").as_posix()
        # bach/bwv66.6, mozart/k155/movement1
        group = f"{NAME} {name.rsplit('/', 1)[0] if name.count('/') > 1 else name.partition('.')[0]}"
        pieces.append(Piece(name, group, None, LICENCE, partial(_score, path, name), _printed_meter(path, name)))
    return pieces.checked(folder)


def _printed_meter(path: Path, name: str) -> int | None:
    """The numerator, if the file prints one and the same everywhere: without music21, which takes half a second."""
    try:
        with ZipFile(path) as packed:
            texts = [packed.read(file) for file in packed.namelist() if not file.startswith("META-INF")]
    except BadZipFile as error:
        raise ManifestError(f"{name} is no compressed MusicXML ({error}): is it the published file?") from error
    numerators = {int(beats) for text in texts for beats in BEATS.findall(text)}
    return numerators.pop() if len(numerators) == 1 else None


def _score(path: Path, name: str, rng: np.random.Generator, seconds: float) -> Score:
    measures, lines, keys = _notation(path, name)
    quarter_bpm = float(rng.uniform(*TEMPI))
    second = 60.0 / quarter_bpm
    bars, end = bars_of(measures, quarter_bpm)
    parts = []
    for number, (program, line) in enumerate(zip(_programs(rng, lines), lines, strict=True), start=1):
        part = pretty_midi.Instrument(program, name=f"{part_name(program, 'part')} {number}")
        events = [(float(start) * second, float(start + length) * second, pitch) for start, length, pitch in line]
        parts.append(perform(rng, part, events, bars))
    told = tuple((float(start) * second, key) for start, key in keys)
    return excerpt(Sheet("classical", tuple(parts), bars, end, told, quarter_bpm=quarter_bpm), rng, seconds)


def _programs(rng: np.random.Generator, lines: tuple[tuple[Note, ...], ...]) -> list[int]:
    """One for each part, of an ensemble that reaches all that is written; pianos reach everything."""
    ranges = [(min(pitches), max(pitches)) for pitches in ([pitch for _, _, pitch in line] for line in lines)]
    seatings = [
        [[p for p in ensemble if RANGES[p][0] <= low and high <= RANGES[p][1]] for low, high in ranges]
        for ensemble in ENSEMBLES
    ]
    fitting = [seating for seating in seatings if all(seating)]
    return [int(rng.choice(programs)) for programs in fitting[rng.integers(len(fitting))]]


@lru_cache(maxsize=512)
def _notation(
    path: Path, name: str
) -> tuple[tuple[Measure, ...], tuple[tuple[Note, ...], ...], tuple[tuple[Fraction, str | None], ...]]:
    """Measures, the notes of each part, and the keys."""
    try:
        with catch_warnings():
            simplefilter("ignore", music21.musicxml.xmlObjects.MusicXMLWarning)
            score = music21.converter.parse(path, format="musicxml", forceSource=True, storePickle=False)
    except (music21.exceptions21.Music21Exception, ParseError) as error:
        raise ManifestError(f"{name} is no MusicXML that can be read ({error}): is it the published file?") from error
    lines = tuple(tuple(_notes(part)) for part in score.parts)
    measures, keys = zip(*_measures(score.parts[0]), strict=True)
    starts = accumulate((measure.length for measure in measures), initial=Fraction(0))
    return measures, tuple(line for line in lines if line), tuple(zip(starts, keys, strict=False))


def _measures(part: music21.stream.Part) -> Iterator[tuple[Measure, str | None]]:
    signature, key = None, None
    printed = list(part.getElementsByClass("Measure"))
    edges = [Fraction(measure.offset) for measure in printed] + [Fraction(part.duration.quarterLength)]
    for measure, length in zip(printed, (end - start for start, end in pairwise(edges)), strict=True):
        if measure.timeSignature is not None:
            signature = (measure.timeSignature.numerator, measure.timeSignature.denominator)
        if measure.keySignature is not None:
            key = _key(measure.keySignature)
        yield Measure(length, signature), key


def _key(signed: music21.key.KeySignature) -> str | None:
    if not isinstance(signed, music21.key.Key) or signed.mode not in ("major", "minor"):
        return None
    return f"{NAMES[signed.tonic.pitchClass]} {signed.mode}"


def _notes(part: music21.stream.Part) -> Iterator[Note]:
    """What sounds, ties joined; grace notes have no length."""
    for note in part.stripTies().flatten().notes:
        if not note.duration.isGrace and note.quarterLength:
            for pitch in note.pitches:
                yield Fraction(note.offset), Fraction(note.quarterLength), pitch.midi
