"""Readers of GTZAN's tables and folders, on miniatures written in their exact form."""

import csv
import math

import numpy as np
import pytest
import soundfile

from linernotes.corpora.gtzan import (
    LICENCE,
    load_audio_clips,
    load_statistics,
    load_taggrams,
)
from linernotes.corpora.manifest import with_waveforms
from linernotes.corpora.splits import SplitLeakError
from linernotes.modeling.feature_extraction_genre_moe import FEATURE_GROUPS, FEATURE_NAMES

CLIPS = [  # clip, label, split, artist
    ("blues.00029", "blues", "train", "Kelly Joe Phelps"),
    ("blues.00030", "blues", "train", "KELLY JOE PHELPS "),
    ("jazz.00047", "jazz", "train", ""),
    ("metal.00001", "metal", "validation", "Dio"),
    ("metal.00002", "metal", "train", "unknown:metal.00002"),
]
SPECTRAL = ("chroma_stft", "rms", "spectral_centroid", "spectral_bandwidth", "rolloff", "zero_crossing_rate")
STATISTICS = [f"{name}_{kind}" for name in (*SPECTRAL, "harmony", "perceptr") for kind in ("mean", "var")]
MFCC = [f"mfcc{k}_{kind}" for k in range(1, 21) for kind in ("mean", "var")]
TABLE = ["clip", "label", "split", "length", *STATISTICS, "tempo", *MFCC]


def write_table(path, columns, rows):
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, columns, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(rows)


def statistics_row(clip, label, split, number=1.0):
    """A row of the table in which each number tells its column."""
    row = {"clip": clip, "label": label, "split": split, "length": 661794}
    row |= {name: number * (i + 1) for i, name in enumerate(STATISTICS)}
    row |= {f"mfcc{k}_mean": -number * k for k in range(1, 21)} | {f"mfcc{k}_var": number * k * k for k in range(1, 21)}
    return row | {"tempo": 120.5 * number, "harmony_var": 0.003, "perceptr_var": 0.001}


def clip_rows(clips=CLIPS, **changes):
    rows = [{"clip": c, "label": label, "split": split, "group": artist} for c, label, split, artist in clips]
    rows[0] |= changes
    return rows


@pytest.fixture
def folder(tmp_path):
    """A gtzan-features folder: metadata.csv, features_30_sec.csv, musicnn_msd_taggram.npz."""
    write_table(tmp_path / "metadata.csv", ["clip", "label", "split", "group", "title"], clip_rows())
    rows = [statistics_row(clip, label, split, i + 1.0) for i, (clip, label, split, _) in enumerate(CLIPS)]
    write_table(tmp_path / "features_30_sec.csv", TABLE, rows)
    train = [clip for clip, _, split, _ in CLIPS if split == "train"]
    names = np.repeat(train, [3, 2, 4, 3])
    tags = np.arange(names.size * 50).reshape(-1, 50) / 1000
    np.savez(tmp_path / "musicnn_msd_taggram.npz", X=tags.astype(np.float16), clip=names)
    return tmp_path


def edit_statistics(folder, **changes):
    row = statistics_row(*CLIPS[0][:3]) | changes
    write_table(folder / "features_30_sec.csv", [c for c in TABLE if row.get(c, "") is not None], [row])


# --- statistics


def test_statistics_are_the_table_in_the_order_of_the_features(folder):
    rows = load_statistics(folder)
    assert rows["clip"][:] == [clip for clip, *_ in CLIPS]
    second = dict(zip(FEATURE_NAMES, rows[1]["features"], strict=True))
    assert second["mfcc_01_mean"] == -2.0
    assert second["mfcc_20_mean"] == -40.0
    assert second["mfcc_03_std"] == pytest.approx(math.sqrt(2 * 9))  # the table has the variance
    assert second["rms"] == 2 * (STATISTICS.index("rms_mean") + 1)
    assert second["spectral_centroid"] == 2 * (STATISTICS.index("spectral_centroid_mean") + 1)
    assert second["spectral_bandwidth"] == 2 * (STATISTICS.index("spectral_bandwidth_mean") + 1)
    assert second["spectral_rolloff"] == 2 * (STATISTICS.index("rolloff_mean") + 1)
    assert second["zero_crossing_rate"] == 2 * (STATISTICS.index("zero_crossing_rate_mean") + 1)
    assert second["tempo"] == 241.0
    assert second["harmonic_ratio"] == pytest.approx(0.75)


def test_only_the_chroma_is_missing(folder):
    rows = np.array(load_statistics(folder)["features"][:])
    missing = np.isnan(rows)
    assert rows.shape == (5, 59)
    assert missing[:, FEATURE_GROUPS["chroma"]].all()
    assert missing.sum() == 5 * 12


def test_artists_are_groups_and_the_unknown_are_alone(folder):
    rows = load_statistics(folder)
    assert rows["group"][:] == [
        "kelly joe phelps",
        "kelly joe phelps",
        "unknown jazz.00047",
        "dio",
        "unknown metal.00002",
    ]
    assert rows["split"][:] == ["train", "train", "train", "validation", "train"]


def test_a_table_without_clips_is_refused(folder):
    write_table(folder / "features_30_sec.csv", TABLE, [])
    with pytest.raises(ValueError, match="the table has no clips: it needs one at least"):
        load_statistics(folder)


def test_an_empty_number_is_missing_and_silence_has_no_harmonic_share(folder):
    edit_statistics(folder, mfcc5_mean="", harmony_var=0.0, perceptr_var=0.0)
    row = dict(zip(FEATURE_NAMES, load_statistics(folder)[0]["features"], strict=True))
    assert math.isnan(row["mfcc_05_mean"])
    assert math.isnan(row["harmonic_ratio"])
    assert row["mfcc_05_std"] == 5.0


def test_the_form_with_file_names_is_read_too(folder):
    row = statistics_row(*CLIPS[0][:3]) | {"filename": "blues.00029.wav"}
    write_table(folder / "features_30_sec.csv", ["filename", *TABLE[1:]], [row])
    assert load_statistics(folder)["clip"][:] == ["blues.00029"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"mfcc7_var": None, "tempo": None},
            r"csv lacks the column\(s\) tempo, mfcc7_var; it has clip",
        ),
        ({"clip": "blues.99999"}, "clip 'blues.99999' of features_30_sec.csv is not in metadata.csv"),
        ({"label": "rock"}, "clip 'blues.00029' is 'rock' in features_30_sec.csv, 'blues' in metadata.csv"),
        ({"tempo": "fast"}, "clip 'blues.00029': tempo='fast' is no number"),
        ({"rms_mean": "inf"}, "clip 'blues.00029': rms_mean is infinite"),
        ({"mfcc2_var": -1.0}, "clip 'blues.00029': mfcc2_var=-1.0 is a variance, and cannot be negative"),
        ({"perceptr_var": -1.0}, "clip 'blues.00029': perceptr_var=-1.0 is a variance"),
    ],
)
def test_a_table_that_is_not_the_table_is_refused(folder, changes, message):
    edit_statistics(folder, **changes)
    with pytest.raises(ValueError, match=message):
        load_statistics(folder)


@pytest.mark.parametrize("load", [load_statistics, load_taggrams])
@pytest.mark.parametrize(
    ("columns", "changes", "message"),
    [
        (("clip", "label", "split"), {}, r"metadata.csv lacks the column\(s\) group; it has clip, label, split"),
        (("clip", "label", "split", "group"), {"label": "polka"}, "blues.00029: unknown genre 'polka'"),
        (("clip", "label", "split", "group"), {"split": "dev"}, "clip 'blues.00029': split 'dev', expected train"),
    ],
)
def test_metadata_that_are_not_the_metadata_are_refused(folder, load, columns, changes, message):
    write_table(folder / "metadata.csv", columns, clip_rows(**changes))
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_an_artist_in_two_splits_is_refused(folder):
    write_table(folder / "metadata.csv", ("clip", "label", "split", "group"), clip_rows(split="test"))
    with pytest.raises(SplitLeakError, match="group 'kelly joe phelps' is in test and train"):
        load_statistics(folder)


@pytest.mark.parametrize("name", ["metadata.csv", "features_30_sec.csv"])
def test_a_missing_table_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is not there"):
        load_statistics(folder)


# --- taggrams


def test_taggrams_are_the_rows_of_each_clip(folder):
    rows = load_taggrams(folder)
    assert rows["clip"][:] == ["blues.00029", "blues.00030", "jazz.00047", "metal.00002"]
    taggrams = [np.asarray(taggram) for taggram in rows.with_format("numpy")["taggram"][:]]
    assert [taggram.shape for taggram in taggrams] == [(3, 50), (2, 50), (4, 50), (3, 50)]
    assert {taggram.dtype for taggram in taggrams} == {np.dtype(np.float32)}
    np.testing.assert_allclose(np.concatenate(taggrams).ravel(), np.arange(600) / 1000, rtol=1e-3)
    assert rows["group"][:2] == ["kelly joe phelps"] * 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.zeros((3, 50))}, r"musicnn_msd_taggram.npz lacks the array clip: expected X \(frames, 50\)"),
        ({"X": np.zeros((3, 49)), "clip": ["jazz.00047"] * 3}, r"X \(3, 49\) and clip \(3,\), expected \(frames, 50\)"),
        ({"X": np.zeros((3, 50)), "clip": ["jazz.00047"] * 2}, r"X \(3, 50\) and clip \(2,\)"),
        ({"X": np.full((3, 50), np.nan), "clip": ["jazz.00047"] * 3}, "X holds numbers that are not finite"),
        ({"X": np.zeros((1, 50)), "clip": ["jazz.99999"]}, "clip 'jazz.99999' of musicnn_msd_taggram.npz is not in"),
    ],
)
def test_taggrams_that_are_none_are_refused(folder, arrays, message):
    np.savez(folder / "musicnn_msd_taggram.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load_taggrams(folder)


# --- audio


def write_clip(path, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.ones(int(seconds * 22_050)), 22_050)


def test_audio_clips_are_a_manifest(tmp_path):
    columns = ["file_name", "label", "split", "group", "clip"]
    row = {
        "file_name": "audio/pop_00001.wav",
        "label": "pop",
        "split": "train",
        "group": "Madonna",
        "clip": "pop.00001",
    }
    other = row | {"file_name": "audio/pop_00002.wav", "group": "", "clip": "pop.00002"}
    write_table(tmp_path / "metadata.csv", columns, [row, other])
    write_clip(tmp_path / row["file_name"])
    manifest = load_audio_clips(tmp_path)
    assert manifest["labels"][:] == [["pop"], ["pop"]]
    assert manifest["group"][:] == ["madonna", "unknown pop.00002"]
    assert manifest["clip"][:] == ["pop.00001", "pop.00002"]
    assert set(manifest["licence"]) == {LICENCE}
    assert with_waveforms(manifest, 22_050)[0]["waveform"].shape == (11_025,)


def test_audio_clips_of_an_unknown_genre_are_refused(tmp_path):
    row = {"file_name": "a.wav", "label": "polka", "split": "train", "group": "", "clip": "polka.00001"}
    write_table(tmp_path / "metadata.csv", list(row), [row])
    with pytest.raises(ValueError, match=r"polka\.00001: unknown genre 'polka', expected one of blues, classical"):
        load_audio_clips(tmp_path)
