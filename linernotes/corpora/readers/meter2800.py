"""METER2800: `data_{train,val,test}_4_classes` (or `_2_classes`) as .tab, .csv or .tsv, and the recordings.

Columns (Abimbola, Kostrzewa & Kasprowski 2023, Data in Brief; doi:10.7910/DVN/0CLXBQ): filename, quoted, such as
"/MAG/00553.wav"; label (a word); meter, such as 3 or 3/4; alt_meter. The recordings come in archives FMA, MAG and OWN,
those of GTZAN from elsewhere; on disk they may be of another form (mp3), flattened into one folder, and those whose
names then clash prefixed: MAG_00553.mp3. There are 1200, 1200, 200 and 200 of the meters 3, 4, 5 and 7.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.meters import MeterError, known_meters, parse_meters
from linernotes.corpora.readers.records import AUDIO_SUFFIXES, NO_RECORDING, Rows, check_columns, required
from linernotes.corpora.splits import SPLIT_NAMES, group_name
from linernotes.modeling.audio import AudioError, stream_audio

NAME = "meter2800"
COLUMNS = ("filename", "meter")
SUFFIXES = (".tab", ".csv", ".tsv")
LISTS = {"test": "test", "validation": "val", "train": "train"}  # a file in two lists stays with the first of these
COLLECTIONS = ("FMA", "GTZAN", "MAG", "OWN")
RATE_HZ = 24_000


@dataclass(frozen=True)
class Label:
    """A line of a label file. `collection` is the folder in its file name, "" without one; `clip` the name's stem."""

    collection: str
    clip: str
    meters: Mapping[int, float]
    alt_meter: str | None


def read(folder: Path | str, classes: int = 4, audio_folder: Path | str | None = None, listen: bool = True) -> Rows:
    """Rows of the listed recordings that can be read: labels are the meters, such as ["3"], by the official lists.

    The list of tests is the split "test" and nothing else is. Groups are recordings, since names tell no more: the set
    does not say which are of one song. Those of GTZAN have the groups of the GTZAN reader, of which most are here.
    clip, collection, meter_weights and alt_meter are beside.

    Args:
        folder: what holds the three lists.
        classes: 4 for the lists of 3, 4, 5 and 7, or 2 for those of 3 and 4.
        audio_folder: what holds the recordings at any depth, by default `folder`.
        listen: decode every recording to its end; else one that is there counts as readable.

    Raises FileNotFoundError for a missing list or where no recording is left, ManifestError for a line in another
    form. `left_out` counts what has no recording, one that cannot be read (by name), or another meter, and what an
    earlier list has already (test before validation before train).
    """
    if classes not in (2, 4):
        raise ValueError(f"classes={classes}: choose 4 or 2, the lists that are published")
    folder = Path(folder)
    rows, found, seen, taken = Rows(NAME), find_recordings(audio_folder or folder), {}, set()
    for split, part in LISTS.items():
        for _, label in read_labels(_list(folder, f"data_{part}_{classes}_classes")):
            key = label.collection, label.clip
            if key in seen:
                rows.left_out[f"also in the list of {seen[key]}"] += 1
                continue
            seen[key] = split
            path = usable(rows, label, [p for p in _candidates(found, label) if p not in taken], listen)
            if path is not None:
                taken.add(path)
                add(rows, path, label, _group(label), split, collection=label.collection)
    rows.sort(key=lambda row: SPLIT_NAMES.index(row["split"]))
    return rows.checked(folder)


def read_labels(path: Path) -> Iterator[tuple[str, Label]]:
    """Yield (where, label) of a table with a header, tabs or commas between. Raises ManifestError for another form."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        delimiter = "\t" if "\t" in lines.readline() else ","
        lines.seek(0)
        table = csv.reader(lines, delimiter=delimiter)
        header = [_plain(name).lower() for name in next(table, ())]
        check_columns(header, COLUMNS, path)
        for fields in filter(None, table):
            where = f"{path.name}, line {table.line_num}"
            if len(fields) != len(header):
                raise ManifestError(f"{where}: got {len(fields)} fields, expected {len(header)}: mend the line")
            yield where, _label(dict(zip(header, map(_plain, fields), strict=True)), where)


def find_recordings(folder: Path | str) -> dict[str, list[Path]]:
    """The sound files anywhere in a folder, by their names without extension; not the ._ files that macOS leaves."""
    found = defaultdict(list)
    for path in sorted(Path(folder).rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith("._"):
            found[path.stem].append(path)
    return found


def usable(rows: Rows, label: Label, candidates: Sequence[Path], listen: bool) -> Path | None:
    """The first recording that can be read, of a label with a known meter; else None, and `rows.left_out` counts it."""
    if not known_meters(label.meters):
        rows.left_out[f"meter {', '.join(map(str, label.meters))} is no class"] += 1
        return None
    if not candidates:
        rows.left_out[NO_RECORDING] += 1
        return None
    faults = []
    for path in candidates:
        fault = _fault(path) if listen else None
        if fault is None:
            return path
        faults.append(f"cannot be read, {fault}: {path.name}")
    rows.left_out[faults[0]] += 1
    return None


def add(rows: Rows, path: Path, label: Label, group: str, split: str, **more: str) -> None:
    """Append the row of a label: its known meters and their weights, in the same order."""
    meters = known_meters(label.meters)
    weights = {"meter_weights": list(meters.values()), "alt_meter": label.alt_meter}
    rows.add(path, [str(meter) for meter in meters], group, split, clip=label.clip, **weights, **more)


def _list(folder: Path, name: str) -> Path:
    there = [path for path in (folder / f"{name}{suffix}" for suffix in SUFFIXES) if path.is_file()]
    return there[0] if there else required(folder / f"{name}{SUFFIXES[0]}", NAME)


def _plain(field: str) -> str:
    return field.strip().strip("\"'").strip()


def _label(row: Mapping[str, str], where: str) -> Label:
    name = PurePosixPath(row["filename"].replace("\\", "/"))
    if not name.stem:
        raise ManifestError(f"{where}: filename={row['filename']!r}, expected a name such as /MAG/00553.wav")
    try:
        meters = parse_meters(row["meter"])
    except MeterError as error:
        raise ManifestError(f"{where}: meter: {error}: mend the line") from error
    return Label(name.parent.name, name.stem, meters, row.get("alt_meter") or None)


def _candidates(found: Mapping[str, list[Path]], label: Label) -> list[Path]:
    """Where a recording lies: in its collection's folder or under its prefix, and only without either, flat."""
    named = found.get(label.clip, [])
    others = {name for name in COLLECTIONS if name != label.collection}
    own = [path for path in named if path.parent.name == label.collection]
    prefixed = [path for mark in ("_", "_._") for path in found.get(f"{label.collection}{mark}{label.clip}", [])]
    flat = [path for path in named if path not in own and path.parent.name not in others]
    return own + prefixed or flat


def _group(label: Label) -> str:
    if label.collection == "GTZAN":
        return group_name(None, label.clip)
    return f"{NAME} {label.collection} {label.clip}".lower()


def _fault(path: Path) -> str | None:
    """The code of the error that hearing a recording to its end gives, None if it is whole."""
    try:
        for _ in stream_audio(path, RATE_HZ):
            pass
    except AudioError as error:
        return error.code
    return None
