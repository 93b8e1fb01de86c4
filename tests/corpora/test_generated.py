"""Generated songs as rows of features: sizes of the splits, determinism, and rows that are those of the audio."""

import numpy as np
import pytest

from linernotes.corpora.generated import generated_set, splits_of
from linernotes.corpora.generators import generate_clip
from linernotes.modeling.feature_extraction_genre_moe import extract_features


def test_a_hundred_and_eighty_clips_are_split_as_published():
    splits = splits_of(180)
    assert {name: len(clips) for name, clips in splits.items()} == {"train": 120, "validation": 30, "test": 30}
    assert sorted(clip for clips in splits.values() for clip in clips) == list(range(180))
    with pytest.raises(ValueError, match="clips_per_genre is 10; it must be a multiple of 6"):
        splits_of(10)


def test_rows_are_the_features_of_the_clips():
    rows = generated_set(["jazz", "rock"], clips_per_genre=6, duration_seconds=2.0, seed=5)
    assert {name: len(split) for name, split in rows.items()} == {"train": 8, "validation": 2, "test": 2}
    last = rows["test"][1]
    assert (last["label"], last["clip"]) == ("rock", "generated/rock/5/5")
    expected = extract_features(generate_clip("rock", (5, 5), 2.0, 22050), 22050)
    assert np.allclose(last["features"], expected, rtol=1e-5)
    groups = [group for split in rows.values() for group in split["group"]]
    assert len(set(groups)) == len(groups) == 12


def test_a_genre_without_a_generator_is_named():
    with pytest.raises(ValueError, match="there is no generator for polka; there are jazz"):
        generated_set(["polka"])
