"""GTZAN genre collection: folders `genres/<genre>/<genre>.00000.wav` (or .au), and the fault-filtered lists.

The lists of Kereliuk, Sturm and Larsen (2015, arXiv:1507.04761) hold a line such as `blues/blues.00029.wav` for each
clip that counts: 443 for training, 197 for validation, 290 for testing, no artist in two of them. The copy on Kaggle
calls the folder `genres_original`, and its jazz.00054.wav is no sound file. On the Hub `confit/gtzan-parquet` has the
columns audio, genre, label and the same three splits; `marsyas/gtzan` is a script, which `datasets` no longer runs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linernotes.corpora.gtzan import GTZAN_GENRES, SPLIT_FILES
from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.hub import load_splits, stored
from linernotes.corpora.readers.records import Rows, read_table, recordings, required
from linernotes.corpora.splits import group_name
from linernotes.modeling.audio import AudioError, stream_audio

NAME = "gtzan"
KNOWN_UNREADABLE = ("jazz.00054",)  # in the widespread copy only
RATE_HZ = 22_050


def read(
    folder: Path | str,
    artists: Mapping[str, str] | Path | str | None = None,
    lists: Mapping[str, Path | str] | None = None,
) -> Rows:
    """Rows of the clips that the lists name: labels are the genre, `clip` is such as blues.00029.

    Args:
        folder: what holds the genre folders, at any depth, and the lists.
        artists: who plays on each clip, by clip, or a CSV with the columns clip and artist. The collection does not
            say; a clip missing here is a group of its own.
        lists: the list of each split, by default the three files of the published names.

    Raises FileNotFoundError for a list or listed clips that are not there, ManifestError for a line that names no clip
    of a genre, SplitLeakError where an artist is in two lists.
    """
    folder = Path(folder)
    names = _artists(artists)
    found = recordings(folder)
    rows, missing = Rows(NAME), []
    for split, path in (lists or {split: folder / name for split, name in SPLIT_FILES.items()}).items():
        path = required(Path(path), NAME)
        for line in path.read_text(encoding="utf-8").split():
            clip = Path(line).stem
            genre = _genre(clip, f"{path.name}, {line!r}")
            if clip not in found:
                missing.append(line)
            elif clip in KNOWN_UNREADABLE and not _is_readable(found[clip]):
                rows.left_out[f"known to be unreadable: {clip}"] += 1
            else:
                rows.add(found[clip], [genre], group_name(names.get(clip), clip), split, clip=clip)
    if missing:
        total = len(missing) + len(rows) + rows.left_out.total()
        raise FileNotFoundError(f"{len(missing)} of {total} listed clips are not in {folder}, such as {missing[0]}")
    return rows.checked(folder)


def from_hub(
    folder: Path | str, artists: Mapping[str, str] | Path | str | None = None, repo: str | None = None
) -> Rows:
    """The rows of `confit/gtzan-parquet`, whose recordings are put into `folder`. Arguments and errors: as `read`."""
    names = _artists(artists)
    rows = Rows(NAME)
    for split, records in load_splits(NAME, ("audio", "genre"), repo).items():
        for position, record in enumerate(records):
            clip = _clip(record, f"{split}, row {position}")
            path = stored(record["audio"], Path(folder) / record["genre"], clip)
            if clip in KNOWN_UNREADABLE and not _is_readable(path):
                rows.left_out[f"known to be unreadable: {clip}"] += 1
            else:
                rows.add(path, [record["genre"]], group_name(names.get(clip), clip), split, clip=clip)
    return rows.checked(folder)


def _clip(record: Mapping[str, Any], where: str) -> str:
    """The clip that a recording's name tells, else a name that is its own."""
    if record["genre"] not in GTZAN_GENRES:
        raise ManifestError(f"{where}: genre={record['genre']!r}, expected one of {', '.join(GTZAN_GENRES)}")
    stem = Path(record["audio"]["path"] or "").stem
    return stem if stem.startswith(f"{record['genre']}.") else where.replace(", row ", "-")


def _artists(artists: Mapping[str, str] | Path | str | None) -> Mapping[str, str]:
    if artists is None or isinstance(artists, Mapping):
        return artists or {}
    return {row["clip"]: row["artist"] for _, row in read_table(required(Path(artists), NAME), ("clip", "artist"))}


def _genre(clip: str, where: str) -> str:
    genre, _, digits = clip.partition(".")
    if genre not in GTZAN_GENRES or not digits.isdecimal():
        raise ManifestError(f"{where}: expected a clip such as blues/blues.00029.wav of {', '.join(GTZAN_GENRES)}")
    return genre


def _is_readable(path: Path) -> bool:
    try:
        next(stream_audio(path, RATE_HZ))
    except AudioError:
        return False
    return True
