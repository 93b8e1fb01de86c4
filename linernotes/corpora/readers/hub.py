"""Data sets by Hub id: `datasets.load_dataset`, with the sound left as it is stored.

Columns of `datasets.Audio` are cast to `decode=False` before a row is looked at, so torchcodec is not needed.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from datasets import Audio, Dataset, load_dataset
from datasets.exceptions import DatasetNotFoundError

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.records import check_columns, needs
from linernotes.corpora.sources import SOURCES


def load_splits(name: str, columns: Iterable[str], place: str | None = None, /, **options: Any) -> dict[str, Dataset]:
    """The splits of a set's Hub repository, sound undecoded.

    Args:
        columns: those that every split must have.
        place: what `load_dataset` reads instead, such as "parquet" with `data_files`.
        options: more of its arguments, such as `name`, that of a configuration.

    Raises ConnectionError where the Hub has no answer, ManifestError for a split without the columns.
    """
    place = place or SOURCES[name].hub_id
    try:
        splits = load_dataset(place, **options)
    except (ConnectionError, DatasetNotFoundError) as error:
        raise ConnectionError(
            f"{place} cannot be had from the Hub ({error}). Without it, read a folder that holds {needs(name)}"
        ) from error
    for split, records in splits.items():
        check_columns(records.column_names, columns, f"{place}, split {split}")
    return {split: _undecoded(records) for split, records in splits.items()}


def stored(audio: Mapping[str, Any], folder: Path, stem: str) -> Path:
    """The file of a recording {"path", "bytes"}. Bytes are written to `folder`, under `stem` and a hash of them."""
    source = Path(audio["path"] or "")
    if audio["bytes"] is None:
        if not source.is_file():
            raise ManifestError(
                f"{stem}: the recording has no bytes, and {str(source)!r} is no file: download it again"
            )
        return source
    digest = sha256(audio["bytes"]).hexdigest()[:8]  # names repeat, and a set's files may change under one name
    path = folder / f"{stem}-{digest}{source.suffix or '.audio'}"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        partial.write_bytes(audio["bytes"])
        partial.replace(path)  # a file under its name is whole
    return path


def _undecoded(records: Dataset) -> Dataset:
    for column, feature in records.features.items():
        if isinstance(feature, Audio):
            records = records.cast_column(column, Audio(decode=False))
    return records
