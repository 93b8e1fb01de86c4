"""What the readers share: records read and checked, recordings found, and the rows that they become.

A record that is not in the published form is a ManifestError that names file, line and what belongs there. A record
that cannot be used, such as one whose recording the user does not have, is left out and counted.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.sources import SOURCES
from linernotes.corpora.splits import check_no_leak, register_split, split_of

AUDIO_SUFFIXES = (".wav", ".au", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aiff", ".aif", ".webm")
NO_RECORDING = "no recording"
VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
YOUTUBE_SETS = ("musiccaps", "musicbench", "audioset")

# The three are made of the same videos. One name for a video and one salt for all: a video that is for validation in
# one set is so in the others, and rows of several sets in one manifest are checked for leaks across them.
for _name in YOUTUBE_SETS:
    register_split(_name, {"train": 0.95, "validation": 0.05}, salt="youtube")


class Rows(list[dict[str, Any]]):
    """Rows of a manifest, in the form on disk; `left_out` counts the records that gave none, by reason."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.left_out: Counter[str] = Counter()

    def add(
        self, path: Path, labels: Sequence[str], group: str, split: str, licence: str | None = None, **more: Any
    ) -> None:
        """Append a row; `more` are its excerpt and the set's own columns."""
        about = {"labels": list(labels), "group": group, "split": split}
        about["licence"] = licence or SOURCES[self.name].licence
        self.append({"path": str(path), "start_seconds": 0.0, "end_seconds": None, **about, **more})

    def checked(self, folder: Path | str) -> "Rows":
        """Self, which has a row at least and no group in two splits.

        Raises FileNotFoundError where every record was left out, SplitLeakError where a group is in two splits.
        """
        if not self:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(self.left_out.items()))
            raise FileNotFoundError(
                f"no row of {self.name} is left in {folder} ({reasons or 'the lists are empty'}): "
                f"it needs {needs(self.name)}"
            )
        check_no_leak((row["group"] for row in self), (row["split"] for row in self))
        return self


def needs(name: str) -> str:
    """What a set's folder must hold, and where to get it, for messages."""
    source = SOURCES[name]
    return f"{'; '.join(source.download)}: get them from {source.page}"


def required(path: Path, name: str) -> Path:
    """The path of a file that a set needs. Raises FileNotFoundError, which says where to get it."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: {SOURCES[name].title} needs {needs(name)}")
    return path


def recordings(folder: Path | str) -> dict[str, Path]:
    """The sound files anywhere in a folder by their names without extension; of two, the first in order of paths."""
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES:
            found.setdefault(path.stem, path)
    return found


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (where, row) of a CSV with a header. Raises ManifestError for missing columns and lines of other widths."""
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        check_columns(reader.fieldnames or (), columns, path)
        for row in reader:
            where = f"{path.name}, line {reader.line_num}"
            if None in row or None in row.values():
                got = [*(value for key, value in row.items() if key and value is not None), *row.get(None, ())]
                raise ManifestError(f"{where}: got {len(got)} fields, expected {len(reader.fieldnames)}: mend the line")
            yield where, row


def check_columns(got: Iterable[str], wanted: Iterable[str], where: Path | str) -> None:
    """Raise ManifestError that names got and wanted columns if one is missing."""
    got = list(got)
    if missing := [column for column in wanted if column not in got]:
        raise ManifestError(
            f"{where} lacks {', '.join(missing)}: got the columns {', '.join(map(str, got)) or 'none'}, "
            f"expected {', '.join(wanted)}; is it the published file?"
        )


def number(record: Mapping[str, Any], column: str, where: str) -> float:
    """A finite number of a record, told as number or text."""
    try:
        value = float(record[column])
    except (TypeError, ValueError) as error:
        raise ManifestError(f"{where}: {column}={record[column]!r}, expected a number: mend the line") from error
    if not isfinite(value):
        raise ManifestError(f"{where}: {column}={record[column]!r}, expected a finite number: mend the line")
    return value


def flag(record: Mapping[str, Any], column: str, where: str) -> bool:
    """A truth value of a record, told as True or as the text True."""
    known = {"True": True, "False": False}
    if (value := known.get(str(record[column]))) is None:
        raise ManifestError(f"{where}: {column}={record[column]!r}, expected True or False: mend the line")
    return value


def video_id(value: Any, column: str, where: str) -> str:
    """The id of a YouTube video: the first 11 characters, to which sets append a number of their own."""
    if not isinstance(value, str) or not (match := VIDEO_ID.match(value)):
        raise ManifestError(f"{where}: {column}={value!r}, expected a video id: 11 letters, digits, - or _")
    return match[0]


def video_rule(name: str, video: str, is_test: bool) -> dict[str, str]:
    """Group and split of a video: the set's official test part as it is, the rest for training and validation."""
    group = f"youtube {video}"
    return {"group": group, "split": "test" if is_test else split_of(name, group)}


def excerpt(start_seconds: float, end_seconds: float, where: str, whole_videos: bool) -> dict[str, float]:
    """The columns of an excerpt, none where the file is the clip itself. Raises ManifestError for one of no length."""
    if not 0.0 <= start_seconds < end_seconds:
        raise ManifestError(f"{where}: the clip from {start_seconds} to {end_seconds} s has no length: mend the line")
    return {"start_seconds": start_seconds, "end_seconds": end_seconds} if whole_videos else {}
