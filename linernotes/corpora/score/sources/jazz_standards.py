"""Chord changes of jazz standards, played by the composer's jazz band: real forms, and a tune improvised over them.

In the folder: metadata.csv and JazzStandards.zip (or JazzStandards.json, unpacked). A song has a title, composer, key,
rhythm, time signature and sections, each with chords ("Dm7,G7|Cmaj7": bars between |, an even share of the bar each,
an empty place holds the chord before), endings and repeats. Chords come down to those that the band plays (G7#11 is
G7), and the facts say what is played. Songs without a key, and bars that do not come out even, are left out.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.band import Section
from linernotes.corpora.score.composer import compose
from linernotes.corpora.score.harmony import parse_key
from linernotes.corpora.score.plans import draw_plan
from linernotes.corpora.score.score import Score
from linernotes.corpora.score.sources.chords import ROOT, pitch_class
from linernotes.corpora.score.sources.excerpt import ExcerptError
from linernotes.corpora.score.sources.pieces import Piece, Pieces, content, table

NAME = "jazz-standards"
ARCHIVE, FILE = "JazzStandards.zip", "JazzStandards.json"
LICENCE = "none stated: chord changes only (JazzStandards, mikeoliphant)"
COLUMNS = ("title", "composer", "key", "rhythm", "time_signature", "split", "group")
METERS = {"3/4": 3, "4/4": 4}
KEY = re.compile(r"([A-G][b#]?)(min)?")
# rhythm -> quarters a minute
TEMPI = {
    "Ballad": (56.0, 84.0), "Slow Swing": (80.0, 115.0), "Medium Slow": (80.0, 115.0), "Medium Swing": (110.0, 165.0),
    "Medium Up Swing": (160.0, 210.0), "Up Tempo Swing": (200.0, 270.0), "Waltz": (110.0, 190.0),
}  # fmt: skip
OTHER_TEMPI = (100.0, 180.0)  # of those that are not swung: Bossa Nova, Even 8ths, Latin
DEGREES = ("I", "bII", "II", "bIII", "III", "IV", "bV", "V", "bVI", "VI", "bVII", "VII")
# What a quality begins with -> what the band plays; the first that fits.
QUALITIES = (
    ("m/maj", "mmaj7"), ("mmaj", "mmaj7"), ("maj9", "maj9"), ("maj", "maj7"), ("m7b5", "m7b5"), ("m9b5", "m7b5"),
    ("m7", "m7"), ("m9", "m9"), ("m11", "m9"), ("m6", "m6"), ("m", "m"), ("07", "dim7"), ("0", "dim"),
    ("7b9sus", "sus4"), ("7sus", "sus4"), ("9sus", "sus4"), ("13sus", "sus4"), ("sus", "sus4"), ("7b9", "7b9"),
    ("13b9", "7b9"), ("7#9", "7#9"), ("13#9", "7#9"), ("7", "7"), ("9", "9"), ("13", "13"), ("6", "6"),
    ("add9", "add9"), ("aug", "aug"), ("+", "aug"),
)  # fmt: skip


def read(folder: Path | str, *, seconds: float = 10.0) -> Pieces:
    """Songs in 3/4 and 4/4 whose key is known. A composer is a group."""
    pieces = Pieces(NAME)
    songs = _songs(Path(folder))
    for where, row in table(folder, NAME, COLUMNS):
        title = row["title"]
        if (title, row["composer"]) not in songs:
            raise ManifestError(f"{where}: {FILE} has no {title!r} by {row['composer']!r}: download both again")
        if row["time_signature"] not in METERS:
            pieces.left_out["another meter"] += 1
        elif not row["key"]:
            pieces.left_out["no key"] += 1
        else:
            play = partial(_score, songs[title, row["composer"]])
            pieces.append(
                Piece(title, f"{NAME} {row['group']}", row["split"], LICENCE, play, METERS[row["time_signature"]])
            )
    return pieces.checked(folder)


def _songs(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    try:
        songs = json.loads(content(folder, ARCHIVE, FILE))
    except json.JSONDecodeError as error:
        raise ManifestError(f"{FILE} is not JSON ({error}): download it again") from error
    return {(song["Title"], song["Composer"]): song for song in songs}


def _score(song: dict[str, Any], rng: np.random.Generator, seconds: float) -> Score:
    match = KEY.fullmatch(song["Key"])
    if match is None:
        raise ManifestError(f"{song['Title']}: key {song['Key']!r}, expected such as Bb or C#min: mend {FILE}")
    key = f"{match[1]} {'minor' if match[2] else 'major'}"
    sections = tuple(_sections(song, parse_key(key).tonic))
    tempo = float(rng.uniform(*TEMPI.get(song["Rhythm"], OTHER_TEMPI)))
    meter = METERS[song["TimeSignature"]]
    plan = draw_plan("jazz", rng, seconds=seconds, meter=meter, pulse=1.0, tempo_bpm=tempo, key=key)
    quarters = meter * sum(section.bars for section in sections)
    swing = plan.swing if song["Rhythm"] in TEMPI else 1.0
    return compose(replace(plan, sections=sections, swing=swing, start_quarters=float(rng.uniform(0.0, quarters))))


def _sections(song: dict[str, Any], tonic: int) -> Iterator[Section]:
    """The sections as they are played, one for each ending or repeat."""
    before = None
    for section in song["Sections"]:
        main = section["MainSegment"]["Chords"]
        endings = [ending["Chords"] for ending in section.get("Endings") or ()]
        for ending in endings or [""] * (1 + section.get("Repeats", 0)):
            bars = []
            for bar in "|".join(filter(None, (main, ending))).split("|"):
                chords = _bar_chords(bar, before, METERS[song["TimeSignature"]], song["Title"])
                before = chords[-1]
                bars.append(" ".join(_degree(chord, tonic, song["Title"]) for chord in chords))
            yield Section(section.get("Label", "song"), len(bars), " | ".join(bars))


def _bar_chords(bar: str, before: str | None, meter: int, title: str) -> list[str]:
    """The chords of a bar: one, two that share it, or one for each quarter. What is in brackets may be played too."""
    places: list[str] = []
    for place in re.sub(r"\([^)]*\)", "", bar).split(","):
        before = place.strip() or before
        if before is None:
            raise ExcerptError(f"{title} begins without a chord: choose another song")
        places.append(before)
    if len(set(places)) == 1:
        return places[:1]
    if len(places) == 4 and places[0] == places[1] and places[2] == places[3]:
        return places[::2]
    return places if len(places) <= meter else [next(run) for _, run in groupby(places)][:meter]


def _degree(chord: str, tonic: int, title: str) -> str:
    """ "Dm7/G" in C is "IIm7"."""
    match = ROOT.fullmatch(chord.partition("/")[0] if "m/maj" not in chord else chord)
    quality = next((ours for theirs, ours in QUALITIES if match and match[3].startswith(theirs)), "")
    if match is None or (match[3] and not quality):
        raise ManifestError(f"{title}: chord {chord!r}, expected such as Bbm7 or F#7b9: mend {FILE}")
    return DEGREES[(pitch_class(match[1], match[2]) - tonic) % 12] + quality
