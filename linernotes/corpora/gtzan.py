"""Readers of the GTZAN genre collection (Tzanetakis & Cook 2002) and of what was published about it.

All of them read a folder of yours. Nothing is downloaded: the recordings are commercial and were collected without
permission, for research. The collection has known faults (Sturm 2013, arXiv:1306.1461), so the fault-filtered lists of
Kereliuk and Sturm decide which clips count, and groups are artists: a single one may fill half a genre.
"""

import csv
from collections.abc import Iterable, Mapping
from math import inf, nan, sqrt
from pathlib import Path

import numpy as np
from datasets import Array2D, Dataset, Features, List, Value

from linernotes.corpora.manifest import make_manifest
from linernotes.corpora.splits import SPLIT_NAMES, check_no_leak, group_name
from linernotes.modeling.feature_extraction_genre_moe import FEATURE_NAMES

GTZAN_GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
NUM_TAGS = 50
LICENCE = "none stated: commercial recordings, for research only"
SPLIT_FILES = {"train": "train_filtered.txt", "validation": "valid_filtered.txt", "test": "test_filtered.txt"}

# What the widespread table (features_30_sec.csv) calls the features; its variances become standard deviations, and the
# share of the harmonic part is made of the two parts' energies. The 12-bin chroma vector is not in it.
MEANS = {f"mfcc_{k:02d}_mean": f"mfcc{k}_mean" for k in range(1, 21)} | {
    "spectral_centroid": "spectral_centroid_mean",
    "spectral_bandwidth": "spectral_bandwidth_mean",
    "spectral_rolloff": "rolloff_mean",
    "zero_crossing_rate": "zero_crossing_rate_mean",
    "rms": "rms_mean",
    "tempo": "tempo",
}
VARIANCES = {f"mfcc_{k:02d}_std": f"mfcc{k}_var" for k in range(1, 21)}
PARTS = ("harmony_var", "perceptr_var")


def load_statistics(folder: Path | str) -> Dataset:
    """Rows of the 59 features from `features_30_sec.csv`, with artists and splits from `metadata.csv`.

    Columns: features (59,) float32 in the order of FEATURE_NAMES, NaN where the table has none (the 12 chroma means);
    label, group, split, clip. Raises ValueError for a missing file or column, an unknown genre, a clip that the two
    files tell differently, a number that is none; SplitLeakError where an artist is in two splits.
    """
    folder = Path(folder)
    clips = _read_clips(folder)
    columns = ("label", *MEANS.values(), *VARIANCES.values(), *PARTS)
    kept: dict[str, list] = {name: [] for name in ("features", "label", "group", "split", "clip")}
    for row in _read_table(folder / "features_30_sec.csv", columns):
        clip = row.get("clip") or Path(row.get("filename") or "").stem  # the copy on Kaggle names files
        about = _known(clips, clip, "features_30_sec.csv")
        if row["label"] != about["label"]:
            raise ValueError(
                f"clip {clip!r} is {row['label']!r} in features_30_sec.csv, {about['label']!r} in metadata.csv"
            )
        kept["features"].append(_features(row, clip))
        for name, value in about.items():
            kept[name].append(value)
    return _checked_dataset(kept, {"features": List(Value("float32"), length=len(FEATURE_NAMES))})


def load_table(folder: Path | str) -> dict[str, list[float]]:
    """All numbers of `features_30_sec.csv` by clip, variances and all: what plain classifiers are usually given."""
    rows = _read_table(Path(folder) / "features_30_sec.csv", ("clip", "label"))
    columns = [column for column in rows[0] if column not in ("clip", "filename", "label", "split", "length")]
    return {row["clip"]: [_number(row, column, row["clip"]) for column in columns] for row in rows}


def load_taggrams(folder: Path | str) -> Dataset:
    """Rows of musicnn's tags over time from `musicnn_msd_taggram.npz`, with artists and splits from `metadata.csv`.

    Columns: taggram (frames, 50) float32, a row a second, in the order of MSD_TAGS; label, group, split, clip. Errors:
    as `load_statistics`.
    """
    folder = Path(folder)
    clips = _read_clips(folder)
    path = _existing(folder / "musicnn_msd_taggram.npz")
    with np.load(path, allow_pickle=False) as stored:
        if missing := {"X", "clip"} - set(stored):
            raise ValueError(
                f"{path} lacks the array {sorted(missing)[0]}: expected X (frames, {NUM_TAGS}) and clip (frames,)"
            )
        tags, names = stored["X"].astype(np.float32), stored["clip"]
    if tags.ndim != 2 or tags.shape[1] != NUM_TAGS or names.shape != tags.shape[:1]:
        raise ValueError(f"{path}: X {tags.shape} and clip {names.shape}, expected (frames, {NUM_TAGS}) and (frames,)")
    if not np.isfinite(tags).all():
        raise ValueError(f"{path}: X holds numbers that are not finite")
    kept: dict[str, list] = {name: [] for name in ("taggram", "label", "group", "split", "clip")}
    for clip in dict.fromkeys(names.tolist()):
        about = _known(clips, clip, path.name)
        kept["taggram"].append(tags[names == clip])
        for name, value in about.items():
            kept[name].append(value)
    return _checked_dataset(kept, {"taggram": Array2D((None, NUM_TAGS), "float32")})


def load_audio_clips(folder: Path | str) -> Dataset:
    """The manifest of a folder of genre clips with a `metadata.csv` (file_name, label, split, group, clip)."""
    folder = Path(folder)
    rows = []
    for row in _read_table(folder / "metadata.csv", ("file_name", "label", "split", "group", "clip")):
        label = _genre(row["label"], row["clip"])
        group = group_name(row["group"], row["clip"])
        rows.append(_manifest_row(folder / row["file_name"], label, group, row["split"]) | {"clip": row["clip"]})
    return make_manifest(rows)


def _features(row: Mapping[str, str], clip: str) -> list[float]:
    numbers = {name: _number(row, column, clip) for name, column in (MEANS | VARIANCES).items()}
    harmonic, percussive = (_variance(_number(row, column, clip), column, clip) for column in PARTS)
    numbers |= {name: sqrt(_variance(numbers[name], VARIANCES[name], clip)) for name in VARIANCES}
    numbers["harmonic_ratio"] = harmonic / (harmonic + percussive) if harmonic + percussive > 0 else nan
    return [numbers.get(name, nan) for name in FEATURE_NAMES]


def _number(row: Mapping[str, str], column: str, clip: str) -> float:
    try:
        number = float(row[column] or nan)
    except ValueError as error:
        raise ValueError(f"clip {clip!r}: {column}={row[column]!r} is no number") from error
    if abs(number) == inf:
        raise ValueError(f"clip {clip!r}: {column} is infinite")
    return number


def _variance(number: float, column: str, clip: str) -> float:
    if number < 0.0:
        raise ValueError(f"clip {clip!r}: {column}={number} is a variance, and cannot be negative")
    return number


def _read_clips(folder: Path) -> dict[str, dict[str, str]]:
    clips = {}
    for row in _read_table(folder / "metadata.csv", ("clip", "label", "split", "group")):
        if row["split"] not in SPLIT_NAMES:
            raise ValueError(f"clip {row['clip']!r}: split {row['split']!r}, expected {', '.join(SPLIT_NAMES)}")
        group = group_name(row["group"], row["clip"])
        label = _genre(row["label"], row["clip"])
        clips[row["clip"]] = {"label": label, "group": group, "split": row["split"], "clip": row["clip"]}
    return clips


def _read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    with _existing(path).open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise ValueError(
                f"{path} lacks the column(s) {', '.join(missing)}; it has {', '.join(reader.fieldnames or ())}"
            )
        return list(reader)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"{path} is not there: see the reader's description for the files that it needs")
    return path


def _known(clips: Mapping[str, dict[str, str]], clip: str, where: str) -> dict[str, str]:
    if clip not in clips:
        raise ValueError(f"clip {clip!r} of {where} is not in metadata.csv, so its artist and split are unknown")
    return clips[clip]


def _genre(label: str, where: str) -> str:
    if label not in GTZAN_GENRES:
        raise ValueError(f"{where}: unknown genre {label!r}, expected one of {', '.join(GTZAN_GENRES)}")
    return label


def _manifest_row(path: Path, label: str, group: str, split: str) -> dict:
    return {"path": str(path), "labels": [label], "group": group, "split": split, "licence": LICENCE}


def _checked_dataset(columns: dict[str, list], data: dict) -> Dataset:
    if not columns["clip"]:
        raise ValueError("the table has no clips: it needs one at least")
    check_no_leak(columns["group"], columns["split"])
    text = dict.fromkeys(("label", "group", "split", "clip"), Value("string"))
    return Dataset.from_dict(columns, features=Features(data | text))
