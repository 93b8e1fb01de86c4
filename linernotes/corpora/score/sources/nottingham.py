"""The Nottingham Music Database: folk dances with chord symbols, in 3/4, 4/4, 6/8 and 9/8.

In the folder: metadata.csv and abc.zip (or its files, unpacked), with a tune to each row by file and X: number. Read by
`abcnotation`, and not by music21: that takes 0.7 s a tune where this takes a hundredth, loses notes before ::, and
forgets accidentals within a bar.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.score.sources.abcnotation import head, split_book
from linernotes.corpora.score.sources.pieces import Piece, Pieces, content, signature, table
from linernotes.corpora.score.sources.tunes import play_tune, tune_group
from linernotes.corpora.splits import SPLIT_NAMES

NAME = "nottingham"
ARCHIVE = "abc.zip"
LICENCE = "GPL-3.0 (cleaned Nottingham data set, jukedeck)"
COLUMNS = ("file_name", "tune", "title", "meter", "constant_meter", "split")


def read(folder: Path | str, *, seconds: float = 10.0) -> Pieces:
    """All tunes of the table; which are too short for a clip shows when they are played."""
    pieces = Pieces(NAME)
    books: dict[str, dict[str, str]] = {}
    rows = list(table(folder, NAME, COLUMNS))
    splits = _splits(row for _, row in rows)
    for where, row in rows:
        file, number = row["file_name"], row["tune"]
        if file not in books:
            books[file] = {head(text)["X"]: text for text in split_book(content(folder, ARCHIVE, file).decode())}
        if number not in books[file]:
            raise ManifestError(f"{where}: {file} has no tune X:{number}: download both again")
        name = f"{file.removesuffix('.abc')} {number} {row['title']}"
        play = partial(play_tune, name, books[file][number])
        group = tune_group(row["title"], row["title"])
        meter = signature(row["meter"], where)[0] if row["constant_meter"] == "True" else None
        pieces.append(Piece(name, group, splits[group], LICENCE, play, meter))
    return pieces.checked(folder)


def _splits(rows: Iterable[dict[str, str]]) -> dict[str, str]:
    """By tune: a few stand under two spellings in two splits, and go to the one that is held out."""
    splits: dict[str, str] = {}
    for row in rows:
        group = tune_group(row["title"], row["title"])
        splits[group] = max(splits.get(group, "train"), row["split"], key=SPLIT_NAMES.index)
    return splits
