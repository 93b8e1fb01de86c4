"""anggars/neural-mathrock: chunks of math rock and Midwest emo, with an emotion each (CC BY 4.0 by its card).

Columns of its card (https://huggingface.co/datasets/anggars/neural-mathrock): artist, song, display_name, file_name
(text), mbti (16 classes), emotion (28 classes, one a chunk, although the model of the same name is multi-label). The
card could be read to there only: vibe, intensity and tempo, which the model has heads for, and audio are taken where
the tables have them. Several chunks are of one song, so groups are artists.
"""

from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset
from datasets.features import List

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.hub import load_splits, stored
from linernotes.corpora.readers.records import NO_RECORDING, Rows, recordings, required
from linernotes.corpora.splits import SPLIT_NAMES, group_name, register_split, split_of
from linernotes.modeling.affect import EMOTIONS

NAME = "neural-mathrock"
COLUMNS = ("artist", "song", "display_name", "file_name", "mbti", "emotion")
UNVERIFIED = ("vibe", "intensity", "tempo")
SOUND = "sound"  # the folder that recordings are put into
register_split(NAME, {"train": 0.8, "validation": 0.1, "test": 0.1})


def read(folder: Path | str) -> Rows:
    """Rows of a copy of the repository: labels are the emotions (one, or several where a list stands).

    artist, song, chunk (its file_name) and mbti are beside, and vibe, intensity and tempo, None where the tables lack
    them. Recordings inside the tables are put into `folder`/sound; else `file_name` is looked for in the folder.

    Raises FileNotFoundError where there is no parquet file or no recording, ManifestError for other columns or
    classes, SplitLeakError where an artist is in two of the repository's own splits.
    """
    folder = Path(folder)
    tables: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.parquet")):
        name = path.relative_to(folder).as_posix()
        tables.setdefault(next((split for split in SPLIT_NAMES if split in name), "train"), []).append(str(path))
    if not tables:
        required(folder / "data" / "*.parquet", NAME)
    return _rows(load_splits(NAME, COLUMNS, "parquet", data_files=tables), folder)


def from_hub(folder: Path | str, repo: str | None = None) -> Rows:
    """As `read`, from the Hub; `folder` is for the recordings."""
    return _rows(load_splits(NAME, COLUMNS, repo), Path(folder))


def _rows(splits: dict[str, Dataset], folder: Path) -> Rows:
    rows, found = Rows(NAME), recordings(folder)
    for split, records in splits.items():
        if split not in SPLIT_NAMES:
            raise ManifestError(f"{NAME}: split {split!r}, expected {', '.join(SPLIT_NAMES)}: select its rows by hand")
        for position, record in enumerate(records):
            where = f"{split}, row {position}"
            group = group_name(record["artist"], record["display_name"] or where)
            chunk = Path(record["file_name"] or where.replace(", row ", "-")).stem
            audio = record.get("audio")
            path = found.get(chunk) if audio is None else stored(audio, folder / SOUND, chunk)
            if path is None:
                rows.left_out[NO_RECORDING] += 1
                continue
            labels = _names(records, record, "emotion", where)
            if unknown := [label for label in labels if label not in EMOTIONS]:
                raise ManifestError(f"{where}: emotion={unknown[0]!r}, expected one of {', '.join(EMOTIONS)}")
            about = {column: record[column] for column in ("artist", "song")}
            classes = {column: _name(records, record, column, where) for column in ("mbti", *UNVERIFIED)}
            deal = split if len(splits) > 1 else split_of(NAME, group)
            rows.add(path, labels, group, deal, chunk=record["file_name"], **about, **classes)
    return rows.checked(folder)


def _name(records: Dataset, record: dict[str, Any], column: str, where: str) -> str | None:
    names = _names(records, record, column, where) if record.get(column) is not None else []
    return names[0] if names else None


def _names(records: Dataset, record: dict[str, Any], column: str, where: str) -> list[str]:
    """The classes of a column, told as number or name, one or a list of them."""
    feature, values = records.features[column], record[column]
    if isinstance(feature, List):
        feature = feature.feature
    values = values if isinstance(values, list) else [values]
    names = [feature.int2str(v) if isinstance(feature, ClassLabel) and isinstance(v, int) else v for v in values]
    if not all(isinstance(name, str) for name in names):
        raise ManifestError(f"{where}: {column}={record[column]!r}, expected a class or a list of classes")
    return names
