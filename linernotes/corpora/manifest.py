"""The one form in which labelled audio is listed, from jsonl or parquet to a `datasets.Dataset` and to waveforms.

On disk a row has `path` (relative ones start at the manifest's folder) or `bytes` (parquet only), `start_seconds` and
`end_seconds` (null: to the end of the recording), `labels` (a list of names), `group` (what must not be on both sides
of a split: artist, song, soundfont), `split`, `licence`, and whatever columns a corpus has besides. In memory `path`
and `bytes` are one `audio` column of `datasets.Audio(decode=False)`; decoding is ours (`with_waveforms`), so neither
torchcodec nor ffmpeg is needed. A manifest is held in memory: put bytes into small sets only.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from datasets import Audio, Dataset, DatasetDict, Features, IterableDataset, List, Value
from pyarrow import parquet

from linernotes.corpora.splits import SPLIT_NAMES, check_no_leak
from linernotes.modeling.audio import AudioError, stream_audio

DECODED_AT_A_TIME = 8  # rows of a stream
MANIFEST, RECIPE = "manifest.jsonl", "recipe.json"  # in the folder of a corpus that was made here
REQUIRED = ("labels", "group", "split", "licence")
FEATURES = {
    "audio": {"path": Value("string"), "bytes": Value("binary")},
    "start_seconds": Value("float64"),
    "end_seconds": Value("float64"),
    "labels": List(Value("string")),
    "group": Value("string"),
    "split": Value("string"),
    "licence": Value("string"),
}


class ManifestError(ValueError):
    """A manifest that is not one: the message names the row, the value it has and what belongs there."""


def dataset_of(rows: Sequence[Mapping[str, Any]], features: Features) -> Dataset | None:
    """These columns of rows as a Dataset, None where there are no rows."""
    return (
        Dataset.from_list([{name: row[name] for name in features} for row in rows], features=features) if rows else None
    )


def make_manifest(rows: Iterable[Mapping[str, Any]], root: Path | str | None = None) -> Dataset:
    """Rows in the form on disk -> a Dataset with an `audio` column, undecoded. Relative paths start at `root`.

    Raises ManifestError for a row that is not in that form, SplitLeakError where a group is in two splits.
    """
    rows = [_checked(row, number) for number, row in enumerate(rows, start=1)]
    if not rows:
        raise ManifestError("the manifest has no rows: it needs one at least")
    check_no_leak((row["group"] for row in rows), (row["split"] for row in rows))
    for row in rows:
        path = row.pop("path")
        if path is not None and root is not None:
            path = str(Path(root) / path)  # an absolute path stays as it is
        row["audio"] = {"path": path, "bytes": row.pop("bytes")}
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in (*FEATURES, *(n for n in names if n not in FEATURES))}
    extra = Dataset.from_dict({name: column for name, column in columns.items() if name not in FEATURES}).features
    return Dataset.from_dict(columns, features=Features({**FEATURES, **extra})).cast_column(
        "audio", Audio(decode=False)
    )


def read_manifest(path: Path | str) -> Dataset:
    """Read a .jsonl or .parquet manifest; relative audio paths start at its folder. Errors: as `make_manifest`."""
    path = Path(path)
    if not path.is_file():
        raise ManifestError(f"{path} is not a file: give a .jsonl or .parquet manifest")
    rows = parquet.read_table(path).to_pylist() if _form(path) == ".parquet" else _read_lines(path)
    return make_manifest(rows, root=path.parent)


def write_manifest(rows: Iterable[Mapping[str, Any]], path: Path | str) -> Path:
    """Check rows and write them as .jsonl or .parquet (which alone can hold bytes)."""
    path = Path(path)
    form = _form(path)
    rows = [_checked(row, number) for number, row in enumerate(rows, start=1)]
    check_no_leak((row["group"] for row in rows), (row["split"] for row in rows))
    if form == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    if any(row["bytes"] is not None for row in rows):
        raise ManifestError(f"{path.name} cannot hold bytes: write a .parquet manifest, or files and their paths")
    lines = [json.dumps({k: v for k, v in row.items() if k != "bytes"}, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def by_split(manifest: Dataset) -> DatasetDict:
    """The manifest as one Dataset a split, in the order train, validation, test; splits without rows are left out."""
    splits = np.asarray(manifest["split"])
    present = [name for name in SPLIT_NAMES if name in splits]
    return DatasetDict({name: manifest.select(np.flatnonzero(splits == name)) for name in present})


def with_waveforms(manifest: Dataset | IterableDataset, sampling_rate: int) -> Dataset | IterableDataset:
    """The same rows, which on access also have `waveform`: float32 `(samples,)`, mono, `start_seconds` to the end.

    To stream, in shards that a DataLoader's processes share out, give `manifest.to_iterable_dataset(num_shards=4)`.
    """

    def decode(batch: dict[str, list]) -> dict[str, list]:
        excerpts = zip(batch["audio"], batch["start_seconds"], batch["end_seconds"], strict=True)
        return {**batch, "waveform": [read_excerpt(*excerpt, sampling_rate) for excerpt in excerpts]}

    if isinstance(manifest, IterableDataset):
        return manifest.map(decode, batched=True, batch_size=DECODED_AT_A_TIME)
    return manifest.with_transform(decode)


def read_excerpt(source: Any, start_seconds: float, end_seconds: float | None, sampling_rate: int) -> np.ndarray:
    """Part of a recording, float32 `(samples,)`, mono. Reading stops at its end, so an early excerpt is cheap.

    A recording that ends a little before `end_seconds` gives what there is; one that ends before `start_seconds` is an
    AudioError (code "too_short").
    """
    start = round(start_seconds * sampling_rate)
    stop = inf if end_seconds is None else round(end_seconds * sampling_rate)
    kept, position = [], 0
    for block in stream_audio(source, sampling_rate):
        kept.append(block[max(start - position, 0) : None if stop == inf else max(stop - position, 0)])
        position += block.size
        if position >= stop:
            break
    excerpt = np.concatenate(kept)
    if not excerpt.size:
        heard = (
            f"it lasts {position / sampling_rate:.2f} s, and the excerpt starts at {start_seconds} s: mend the manifest"
        )
        raise AudioError("too_short", heard, source.get("path") if isinstance(source, Mapping) else None)
    return excerpt


def _form(path: Path) -> str:
    if path.suffix not in (".jsonl", ".parquet"):
        raise ManifestError(f"{path.name} is no manifest: its name must end in .jsonl or .parquet")
    return path.suffix


def _read_lines(path: Path) -> list[dict]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ManifestError(f"line {number} of {path} is not JSON ({error}): one object a line") from error
    return rows


def _checked(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    def refuse(reason: str) -> None:
        raise ManifestError(f"row {number}: {reason}")

    if not isinstance(row, Mapping):
        refuse(f"{row!r} is no object with columns")
    if missing := [name for name in REQUIRED if row.get(name) in (None, "")]:
        refuse(f"no {missing[0]}: every row needs {', '.join(REQUIRED)}")
    if (row.get("path") is None) == (row.get("bytes") is None):
        refuse("give path or bytes, one of them")
    labels = row["labels"]
    if not isinstance(labels, (list, tuple)) or not all(isinstance(label, str) and label for label in labels):
        refuse(f"labels={labels!r} must be a list of names, such as ['jazz']")
    if row["split"] not in SPLIT_NAMES:
        refuse(f"split={row['split']!r}: choose from {', '.join(SPLIT_NAMES)}")
    start, end = row.get("start_seconds") or 0.0, row.get("end_seconds")
    numbers = all(isinstance(seconds, (int, float)) for seconds in (start, 0.0 if end is None else end))
    if not numbers or not 0.0 <= start < (inf if end is None else end) or end == inf:
        refuse(f"start_seconds={start} and end_seconds={end} are no excerpt: 0 <= start < end, or null for the end")
    path = None if row.get("path") is None else str(row["path"])
    excerpt = {"start_seconds": float(start), "end_seconds": None if end is None else float(end)}
    return {**row, "path": path, "bytes": row.get("bytes"), **excerpt, "labels": list(labels)}
