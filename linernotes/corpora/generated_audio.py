"""Generated songs as audio: files and a manifest in a folder, or bytes in the rows."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import soundfile
from datasets import DatasetDict

from linernotes.corpora.generators import GENRE_GENERATORS, SAMPLING_RATE, generate_clip
from linernotes.corpora.manifest import by_split, make_manifest, read_manifest, write_manifest
from linernotes.corpora.splits import SPLIT_NAMES

LICENCE = "Apache-2.0"


def build_generated_set(
    out_dir: Path | str | None = None,
    clips_per_genre: int = 180,
    splits: Sequence[int] = (120, 30, 30),
    seed: int = 0,
    duration_seconds: float = 10.0,
) -> DatasetDict:
    """Render every genre's clips; a manifest for each of train, validation and test (see manifest.py).

    Args:
        out_dir: where to write manifest.jsonl and audio/*.flac (16 bit); None keeps the FLAC bytes in the rows.
        splits: clips a genre in train, validation and test.

    Clip n is `generate_clip(genre, (seed, n))`; it shares no notes with another, so each clip is a group of its own.
    """
    if len(splits) != len(SPLIT_NAMES) or min(splits) < 0 or sum(splits) != clips_per_genre:
        wanted = f"{len(SPLIT_NAMES)} numbers that sum to clips_per_genre={clips_per_genre}"
        raise ValueError(f"splits={tuple(splits)}: give the clips a genre of {', '.join(SPLIT_NAMES)}, {wanted}")
    rows = _rows(splits, seed, duration_seconds)
    if out_dir is None:
        return by_split(make_manifest(rows))
    folder = Path(out_dir)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    manifest = write_manifest([_written(row, folder) for row in rows], folder / "manifest.jsonl")
    return by_split(read_manifest(manifest))


def _rows(splits: Sequence[int], seed: int, duration_seconds: float) -> Iterator[dict]:
    split_of = [name for name, clips in zip(SPLIT_NAMES, splits, strict=True) for _ in range(clips)]
    for genre in GENRE_GENERATORS:
        for number, split in enumerate(split_of):
            clip = f"generated/{genre}/{seed}/{number}"
            flac = io.BytesIO()
            soundfile.write(flac, generate_clip(genre, (seed, number), duration_seconds), SAMPLING_RATE, format="FLAC")
            about = {"labels": [genre], "group": clip, "clip": clip, "split": split, "licence": LICENCE}
            yield {"bytes": flac.getvalue(), **about}


def _written(row: dict, folder: Path) -> dict:
    path = f"audio/{row['clip'].removeprefix('generated/').replace('/', '-')}.flac"
    (folder / path).write_bytes(row["bytes"])
    return {**row, "path": path, "bytes": None}
