"""The generated set as audio: counts by split and genre, the very clips of the generators, files or bytes."""

from collections import Counter

import numpy as np
import pytest

from linernotes.corpora.generated_audio import build_generated_set
from linernotes.corpora.generators import GENRE_GENERATORS, SAMPLING_RATE, generate_clip
from linernotes.corpora.manifest import with_waveforms

SIZES = {"clips_per_genre": 4, "splits": (2, 1, 1), "duration_seconds": 0.5}


@pytest.mark.parametrize("to_files", [False, True])
def test_every_genre_has_its_share_of_every_split(tmp_path, to_files):
    splits = build_generated_set(tmp_path / "set" if to_files else None, **SIZES)
    assert list(splits) == ["train", "validation", "test"]
    for name, clips in zip(splits, SIZES["splits"], strict=True):
        assert Counter(labels[0] for labels in splits[name]["labels"]) == dict.fromkeys(GENRE_GENERATORS, clips)
    groups = [group for part in splits.values() for group in part["group"]]
    assert len(set(groups)) == 20
    assert (tmp_path / "set" / "manifest.jsonl").is_file() == to_files


@pytest.mark.parametrize("to_files", [False, True])
def test_a_row_sounds_as_its_generator_plays(tmp_path, to_files):
    splits = build_generated_set(tmp_path if to_files else None, seed=3, **SIZES)
    row = with_waveforms(splits["validation"], SAMPLING_RATE)[4]
    assert row["labels"] == ["classical"]
    assert row["group"] == "generated/classical/3/2"
    np.testing.assert_allclose(row["waveform"], generate_clip("classical", (3, 2), 0.5), atol=2**-15)


def test_another_seed_shares_no_clip():
    one, other = (build_generated_set(seed=seed, **SIZES)["test"] for seed in (0, 1))
    assert not {row["audio"]["bytes"] for row in one} & {row["audio"]["bytes"] for row in other}


@pytest.mark.parametrize("splits", [(2, 1), (2, 2, 2), (5, -1, 0)])
def test_splits_that_do_not_add_up_are_refused(splits):
    with pytest.raises(ValueError, match=r"splits=\(.*\): give the clips a genre of train, validation, test"):
        build_generated_set(None, clips_per_genre=4, splits=splits)
