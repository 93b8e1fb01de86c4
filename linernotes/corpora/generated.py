"""Generated songs as a `datasets` set of feature rows: deterministic by seed, split 4 : 1 : 1 within every genre."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from datasets import Dataset, DatasetDict, List, Value

from linernotes import modeling
from linernotes.corpora.generators import GENRE_GENERATORS, SAMPLING_RATE, generate_clip
from linernotes.modeling.feature_extraction_genre_moe import FEATURE_NAMES, extract_features

SPLIT_SHARES = {"train": 4, "validation": 1, "test": 1}


def splits_of(clips_per_genre: int) -> dict[str, range]:
    """Clip numbers by split: 180 clips are 120, 30 and 30. Raises ValueError where a split would be empty."""
    unit, remainder = divmod(clips_per_genre, sum(SPLIT_SHARES.values()))
    if not unit or remainder:
        raise ValueError(f"clips_per_genre is {clips_per_genre}; it must be a multiple of 6 to be split 4 : 1 : 1")
    starts = {"train": 0, "validation": 4 * unit, "test": 5 * unit}
    return {split: range(start, start + SPLIT_SHARES[split] * unit) for split, start in starts.items()}


def generated_set(
    genres: Sequence[str], clips_per_genre: int = 180, duration_seconds: float = 10.0, seed: int = 0
) -> DatasetDict:
    """Rows of `features` (59), `label`, `group`, `clip`, `source`, by split; every clip is a group of its own.

    `datasets` keeps the rows in its cache; a change of the generators or of the features makes them anew. Raises
    ValueError for a genre that has no generator.
    """
    unknown = sorted(set(genres) - set(GENRE_GENERATORS))
    if unknown:
        raise ValueError(f"there is no generator for {', '.join(unknown)}; there are {', '.join(GENRE_GENERATORS)}")
    splits = splits_of(clips_per_genre).items()
    return DatasetDict({split: _built(tuple(genres), tuple(clips), duration_seconds, seed) for split, clips in splits})


def _built(genres: tuple[str, ...], clips: tuple[int, ...], duration_seconds: float, seed: int) -> Dataset:
    asked = {"genres": genres, "clips": clips, "duration_seconds": duration_seconds, "seed": seed}
    rows = Dataset.from_generator(_rows, gen_kwargs=asked | {"code": code_digest()})
    return rows.cast_column("features", List(Value("float32"), length=len(FEATURE_NAMES)))


def _rows(
    genres: tuple[str, ...], clips: tuple[int, ...], duration_seconds: float, seed: int, code: str
) -> Iterator[dict]:
    for genre in genres:
        for number in clips:
            waveform = generate_clip(genre, (seed, number), duration_seconds, SAMPLING_RATE)
            clip = f"generated/{genre}/{seed}/{number}"
            yield {
                "features": extract_features(waveform, SAMPLING_RATE).tolist(),
                "label": genre,
                "group": clip,
                "clip": clip,
                "source": "generated",
            }


def code_digest() -> str:
    """Changes when what a row is made by changes."""
    music, ears = Path(__file__).parent, Path(modeling.__file__).parent
    sources = [music / f"{name}.py" for name in ("generators", "instruments", "song", "sounds")]
    sources += [ears / f"{name}.py" for name in ("spectral", "feature_extraction_genre_moe")]
    return sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
