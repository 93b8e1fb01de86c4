"""Rows with affect as labels: of rendered clips, of the public set, of tagged and of timed recordings."""

import shutil

import numpy as np
import pretty_midi
import pytest
import riffs
import soundfile
from datasets import ClassLabel, Dataset

from linernotes.corpora.affect_rows import (
    HEARD,
    as_datasets,
    heard_rows,
    labelled_rows,
    rendered_rows,
    timed_clips,
    timed_rows,
)
from linernotes.corpora.manifest import ManifestError, make_manifest
from linernotes.corpora.readers.neural_mathrock import read
from linernotes.corpora.splits import split_of
from linernotes.modeling.affect import EMOTIONS, INTENSITIES, TEMPOS, VIBES
from linernotes.modeling.musicnn import MSD_TAGS

BOUNDS = (90.0, 130.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return riffs.write_corpus(tmp_path_factory.mktemp("corpus") / "riffs", {"train": 1, "test": 1})


def test_rendered_clips_have_all_labels(corpus):
    rows, left_out = rendered_rows(corpus, BOUNDS)
    assert not left_out
    assert [row["tempo"] for row in rows[:3]] == ["fast", "moderate", "slow"]
    assert [row["intensity"] for row in rows[:3]] == ["high", "low", "low"]
    assert [row["vibe"] for row in rows[:3]] == ["aggressive", "atmospheric", "melancholic"]
    assert "sadness" in rows[2]["labels"]
    assert all(len(row["emotions"]) == 28 and row["tags"] == [] for row in rows)
    assert (rows[0]["clip"], rows[0]["source"], rows[0]["origin"]) == (
        *("riffs/audio/train/000000.flac", "composer", "composed"),
    )


def test_notes_are_read_once(tmp_path):
    folder = riffs.write_corpus(tmp_path / "riffs", {"train": 1})
    pretty_midi.PrettyMIDI().write(str(folder / "midi/train/000001.mid"))
    rows, left_out = rendered_rows(folder, BOUNDS)
    assert ([row["tempo"] for row in rows], left_out) == (["fast", "slow"], {"train: no notes": 1})
    shutil.rmtree(folder / "midi")
    assert rendered_rows(folder, BOUNDS) == (rows, left_out)


def test_tempo_bounds_are_those_that_are_given(corpus):
    assert [row["tempo"] for row in rendered_rows(corpus, (55.0, 80.0)).rows[:3]] == ["fast", "fast", "moderate"]


def test_rows_are_dealt_by_split(corpus):
    sets = as_datasets(rendered_rows(corpus, BOUNDS).rows)
    assert (len(sets["train"]), sets["validation"], len(sets["test"])) == (3, None, 3)
    assert sets["train"][0]["labels"] == rendered_rows(corpus, BOUNDS).rows[0]["labels"]


def mathrock_copy(folder, **more):
    """A miniature of the published tables, with sound inside."""
    table = {
        "artist": ["TTNG", "Ttng ", "American Football"],
        "song": ["Cat Fantastic", "Cat Fantastic", "Never Meant"],
        "display_name": ["a", "b", "c"],
        "file_name": [f"chunk_{n}.wav" for n in range(3)],
        "mbti": [0, 0, 1],
        "emotion": [EMOTIONS.index("joy"), EMOTIONS.index("love"), EMOTIONS.index("sadness")],
    }
    dataset = Dataset.from_dict(table | more)
    classes = {"mbti": ["INTJ", "INTP"], "emotion": list(EMOTIONS), "vibe": list(VIBES), "tempo": list(TEMPOS)}
    for column, names in classes.items():
        if column in dataset.column_names and isinstance(dataset[column][0], int):
            dataset = dataset.cast_column(column, ClassLabel(names=names))
    (folder / "data").mkdir(parents=True)
    dataset.to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    for name in table["file_name"]:
        soundfile.write(folder / name, np.zeros(4_000), 8_000)
    return folder


def test_the_public_set_has_its_emotion_and_what_stands_beside(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = mathrock_copy(tmp_path / "copy", vibe=[2, 3, 0], tempo=[0, 1, 2], intensity=["High", "Low", "deafening"])
    rows, left_out = labelled_rows(read(folder))
    assert [row["labels"] for row in rows] == [["joy"], ["love"], ["sadness"]]
    assert [EMOTIONS[np.argmax(row["emotions"])] for row in rows] == ["joy", "love", "sadness"]
    assert [sum(row["emotions"]) for row in rows] == [1.0, 1.0, 1.0]
    assert [row["vibe"] for row in rows] == ["melancholic", "technical", "aggressive"]
    assert [row["tempo"] for row in rows] == ["slow", "moderate", "fast"]
    assert [row["intensity"] for row in rows] == ["high", "low", None]
    assert left_out == {"intensity deafening is no class": 1}
    assert not any("mbti" in row for row in rows)
    assert set(INTENSITIES) == {"low", "medium", "high"}


def test_columns_that_the_public_set_lacks_are_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows, left_out = labelled_rows(read(mathrock_copy(tmp_path / "copy")))
    assert {(row["vibe"], row["intensity"], row["tempo"]) for row in rows} == {(None, None, None)}
    assert not left_out


def test_of_tagged_recordings_emotions_are_weak_and_the_rest_is_unknown():
    groups = [f"song {n}" for n in range(40)]
    row = {"path": "a.flac", "labels": [], "split": "train", "licence": "CC BY 4.0"}
    manifest = make_manifest([row | {"group": group} for group in groups])
    quiet, party = dict.fromkeys(MSD_TAGS, 0.001), dict.fromkeys(MSD_TAGS, 0.001) | {"party": 0.8}
    rows, left_out = heard_rows(manifest, [party] * 39 + [quiet], "songs")
    held = [split_of(HEARD, group) == "test" for group in groups]
    assert 2 <= sum(held) <= 16
    for row in rows:
        assert row["split"] == split_of(HEARD, row["group"])
        assert len(row["tags"]) == 50
        assert ("excitement" in row["labels"]) == (row["split"] == "train")
        assert bool(row["emotions"]) == (row["split"] == "train")
        assert (row["vibe"], row["intensity"], row["tempo"]) == (None, None, None)
    assert left_out == ({} if held[-1] else {"the tagger says nothing of the mood": 1})


def test_timed_recordings_are_for_the_test_alone(tmp_path):
    (tmp_path / "metadata.csv").write_text("file_name,group,tempo_bpm\na.wav,x,61.5\nb.wav,y,\nc.wav,x,140\n")
    rows, left_out = timed_rows(tmp_path, BOUNDS)
    assert [(row["split"], row["tempo"], row["tempo_bpm"]) for row in rows] == [
        ("test", "slow", 61.5),
        ("test", "fast", 140.0),
    ]
    assert rows[0]["audio"]["path"] == str(tmp_path / "a.wav")
    assert (rows[0]["emotions"], rows[0]["vibe"]) == ([], None)
    assert left_out == {"no tempo": 1}


def test_of_the_test_clips_of_a_timed_corpus_the_tempo_alone_is_known(corpus):
    rows, left_out = timed_clips(corpus, BOUNDS)
    known = [row for row in rendered_rows(corpus, BOUNDS).rows if row["split"] == "test"]
    assert [row["tempo_bpm"] for row in rows] == [row["tempo_bpm"] for row in known]
    assert [row["tempo"] for row in rows] == [row["tempo"] for row in known]
    assert {row["tempo"] for row in rows} == {"slow", "moderate", "fast"}
    assert {(row["split"], row["origin"], row["vibe"]) for row in rows} == {("test", "riffs", None)}
    assert not any(row["labels"] or row["emotions"] or row["writing"] for row in rows)
    assert left_out == {}


def test_tables_that_tell_no_tempo_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"metadata\.csv is not there: it lists file_name, group, tempo_bpm"):
        timed_rows(tmp_path, BOUNDS)
    (tmp_path / "metadata.csv").write_text("file_name,group,tempo_bpm\na.wav,x,-3\n")
    with pytest.raises(ManifestError, match=r"line 2: tempo_bpm=-3\.0, expected beats a minute above 0"):
        timed_rows(tmp_path, BOUNDS)
    (tmp_path / "metadata.csv").write_text("file_name,tempo\na.wav,100\n")
    with pytest.raises(ManifestError, match=r"metadata\.csv lacks group, tempo_bpm"):
        timed_rows(tmp_path, BOUNDS)
