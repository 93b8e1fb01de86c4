"""Which real scores may be heard in which split, and where the sets lie.

What a set marks for training is divided here into train and validation; what it marks for validation is our test, and
what it marks for its test is left alone. A set without marks is divided in three. A group that two sets have, such as
a tune in two books, goes where the stricter of them puts it, in all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from linernotes.corpora.score.sources import SOURCES, read
from linernotes.corpora.score.sources.pieces import Piece, Pieces
from linernotes.corpora.splits import SPLIT_NAMES, register_split, split_of

MARKED, UNMARKED = "real scores that are marked", "real scores without marks"
MUSIC21 = ("folk", "classical")  # music21 brings them
# The names under which folders of data sets are known.
FOLDERS = {
    "symbtr": ("symbtr", "symbtr-meter"),
    "asap": ("asap", "asap-performances"),
    "groove": ("groove", "groove-midi"),
    "pop909": ("pop909",),
    "nottingham": ("nottingham", "nottingham-abc"),
    "jazz-standards": ("jazz-standards", "jazz-standards-chords"),
}

register_split(MARKED, {"train": 0.9, "validation": 0.1})
register_split(UNMARKED, {"train": 0.8, "validation": 0.1, "test": 0.1})

Dealt = Mapping[str, Mapping[str, Sequence[Piece]]]  # by split and source


def find_folders(
    sources: Iterable[str], given: Mapping[str, Path] | None = None, data_dirs: Sequence[Path] = ()
) -> dict[str, Path]:
    """Where each source lies: as given, else under its usual name in a folder of data sets, else in music21.

    Raises ValueError for a source or folder given that is none, FileNotFoundError for a source that is nowhere.
    """
    for source, folder in (given or {}).items():
        if source not in SOURCES:
            raise ValueError(f"source {source!r} is not known: choose from {', '.join(SOURCES)}")
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{folder} is no folder: name the one that holds {source}")
    return {source: _find(source, given or {}, data_dirs) for source in sources}


def _find(source: str, given: Mapping[str, Path], data_dirs: Sequence[Path]) -> Path:
    if source in given:
        return Path(given[source])
    if source in MUSIC21:
        return _music21_corpus(source)
    usual = FOLDERS[source]
    for folder in (Path(data_dir) / name for data_dir in data_dirs for name in usual):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"the recipe draws from {source}, which is nowhere: give --source {source}=FOLDER, "
        f"or --data-dir DIR with a folder {' or '.join(usual)} in it"
    )


def _music21_corpus(source: str) -> Path:
    spec = find_spec("music21")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"{source} comes with music21, which is not installed: `pip install music21`")
    return Path(spec.origin).parent / "corpus"


@lru_cache(maxsize=4)
def deal(folders: tuple[tuple[str, Path], ...], seconds: float) -> Dealt:
    """The pieces that each split may play, of the sources in these folders. Errors: as `read`."""
    sets = [read(source, folder, seconds=seconds) for source, folder in folders]
    splits: dict[str, str] = {}
    for piece in (piece for pieces in sets for piece in pieces if piece.split != "test"):
        splits[piece.group] = max(splits.get(piece.group, "train"), own_split(piece), key=SPLIT_NAMES.index)
    return {split: {pieces.source: _of_split(pieces, splits, split) for pieces in sets} for split in SPLIT_NAMES}


def own_split(piece: Piece) -> str:
    """Of a piece's group, as far as its own set goes."""
    if piece.split is None:
        return split_of(UNMARKED, piece.group)
    return "test" if piece.split == "validation" else split_of(MARKED, piece.group)


def _of_split(pieces: Pieces, splits: Mapping[str, str], split: str) -> list[Piece]:
    return [piece for piece in pieces if piece.split != "test" and splits[piece.group] == split]


def digests(dealt: Dealt) -> dict[str, str]:
    """Of each source what tells whether another folder holds the same: how many pieces, and a hash of their names."""
    names: dict[str, list[tuple[str, str, str]]] = {}
    for split, sources in dealt.items():
        for source, pieces in sources.items():
            names.setdefault(source, []).extend((split, piece.group, piece.name) for piece in pieces)
    return {
        source: f"{len(listed)} pieces, {sha256(repr(sorted(listed)).encode()).hexdigest()[:16]}"
        for source, listed in sorted(names.items())
    }


def candidates(
    pieces: Sequence[Piece], meter: int | None, grouping: tuple[int, ...] | None, held_out: frozenset[tuple[int, ...]]
) -> list[Piece]:
    """Those that may be of this meter and grouping, as far as the sets' tables tell."""
    return [
        piece
        for piece in pieces
        if (meter is None or piece.meter in (None, meter))
        and (grouping is None or piece.grouping in (None, grouping))
        and piece.grouping not in held_out
    ]
