"""WIKIMETER: `data_wikimeter.tab`, and segments of songs such as dave_brubeck_take_five_seg00.mp3, in one folder.

The table has METER2800's columns; a meter may be several: `3,4`, or with weights `3:0.7,4:0.8`. The set is made by
`linernotes corpus wikimeter` from a catalog of works, and has no official split: its songs are dealt to training and
validation here, all segments of a song to the same side. Any folder of this form is extra data for training.
Source: "MERT LoRA Multi-Label Experiment" (BeatMeter, round 12), 3.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.meters import known_meters
from linernotes.corpora.readers.meter2800 import SUFFIXES, add, find_recordings, read_labels, usable
from linernotes.corpora.readers.records import Rows, required

NAME = "wikimeter"
TABLE = "data_wikimeter.tab"
VALIDATION_RATIO, SEED = 0.1, 42
SEGMENT = re.compile(r"_seg\d+$")
LIST = re.compile(r"data_(train|val|test)_")  # of METER2800


def read(folder: Path | str, extra_val_ratio: float = VALIDATION_RATIO) -> Rows:
    """Rows of the segments that can be read: labels are the meters, such as ["3", "4"]; groups are songs.

    Args and errors: as `extra_entries`. The folder must hold data_wikimeter.tab.
    """
    return _rows(required(Path(folder) / TABLE, NAME), extra_val_ratio)


def extra_entries(folder: Path | str, extra_val_ratio: float = VALIDATION_RATIO) -> Rows:
    """Rows to be trained on besides another set: those of the one label file in a folder, and never a test split.

    Meters that are no class are dropped, and counted; a row without any other is left out, and so is one whose
    recording cannot be decoded to its end.

    Args:
        folder: what holds one data_*.tab, .csv or .tsv and, at any depth, the recordings that it names.
        extra_val_ratio: share of the songs of each meter that is for validation.

    Raises FileNotFoundError where there is no label file, several, or no recording is left; ManifestError for a line in
    another form, and for a list of METER2800, whose test split would be trained on.
    """
    folder = Path(folder)
    tables = sorted(path for path in folder.glob("data_*") if path.suffix in SUFFIXES)
    if any(LIST.match(path.name) for path in tables):
        names = ", ".join(path.name for path in tables)
        raise ManifestError(f"{folder} holds lists of METER2800 ({names}): give that folder as data, not as extra data")
    if len(tables) != 1:
        names = ", ".join(path.name for path in tables) or "none"
        raise FileNotFoundError(f"{folder} must hold one label file, such as {TABLE}, and it has {names}")
    return _rows(tables[0], extra_val_ratio)


def stratified_song_split(
    rows: Iterable[Mapping[str, Any]], ratio: float = VALIDATION_RATIO, seed: int = SEED
) -> dict[str, str]:
    """The split of each song: of those with the same meters the share `ratio`, one at least, is for validation.

    A song that is alone with its meters is for training. The order of rows has no influence.

    Args:
        rows: have `group`, the song, and `labels`, its meters.
        ratio: 0 (all is for training) or more, and less than 1.
    """
    if not 0.0 <= ratio < 1.0:
        raise ValueError(f"extra_val_ratio={ratio} must be 0 or more and less than 1")
    meters_of: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        meters_of[row["group"]].update(row["labels"])
    alike = defaultdict(list)
    for song, meters in meters_of.items():
        alike[tuple(sorted(meters))].append(song)
    splits = dict.fromkeys(meters_of, "train")
    for songs in alike.values():
        songs.sort(key=lambda song: sha256(f"{seed}\n{song}".encode()).digest())
        held_out = min(max(round(ratio * len(songs)), 1), len(songs) - 1) if ratio else 0
        splits.update(dict.fromkeys(songs[:held_out], "validation"))
    return splits


def _rows(table: Path, ratio: float) -> Rows:
    rows, found, seen = Rows(NAME), find_recordings(table.parent), set()
    for _, label in read_labels(table):
        if label.clip in seen:
            rows.left_out["listed twice"] += 1
            continue
        seen.add(label.clip)
        path = usable(rows, label, found.get(label.clip, []), listen=True)
        if path is None:
            continue
        for meter in label.meters.keys() - known_meters(label.meters).keys():
            rows.left_out[f"meter {meter} is no class, beside others that are kept"] += 1
        add(rows, path, label, SEGMENT.sub("", label.clip), "train")
    splits = stratified_song_split(rows, ratio)
    for row in rows:
        row["split"] = splits[row["group"]]
    return rows.checked(table.parent)
