"""Rows of labelled sets, read from miniatures laid out as the sets are."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from linernotes.corpora.labelled_sets import (
    SetOptions,
    as_dataset,
    family_of,
    labelled_rows,
    parse_sets,
    share_of,
)
from linernotes.corpora.manifest import write_manifest
from linernotes.corpora.splits import SplitLeakError

GENRES = ["jazz", "rock"]


@pytest.fixture
def table(tmp_path) -> Path:
    """A set with metadata.csv: two genres, eight artists."""
    folder = tmp_path / "table"
    folder.mkdir()
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label", "split", "group", "seconds", "genre_from_name"])
        for number in range(16):
            genre = (*GENRES, "ska")[number % 3]
            split = "validation" if number % 8 == 7 else "train"
            writer.writerow([f"audio/{number}.wav", genre, split, f"artist {number % 8}", 1.0, "blues"])
    return folder


def solo(*instruments: str, style: str = "solo") -> dict:
    return {"facts": json.dumps({"style": style, "instruments": instruments})}


def test_a_table_gives_rows_of_the_classes_alone(table):
    rows, left_out = labelled_rows(table, SetOptions("table"), GENRES)
    assert {row["label"] for row in rows} == set(GENRES)
    assert left_out == {"train: ska is no class": 5}
    first = rows[0]
    assert first["audio"]["path"] == str(table / "audio/0.wav")
    assert (first["clip"], first["source"], first["group"]) == ("table/audio/0.wav", "table", "artist 0")
    assert (first["channel"], first["evaluation"], first["licence"]) == (None, "test", "none stated")


def test_splits_are_renamed_and_others_left_out(table):
    rows, left_out = labelled_rows(table, SetOptions("table", splits={"validation": "test"}), GENRES)
    assert {row["split"] for row in rows} == {"test"}
    assert left_out["train: not used"] == 14


def test_one_label_for_all_another_column_and_a_channel(table):
    rows, _ = labelled_rows(table, SetOptions("table", label="music", channel="left"), ["music"])
    assert len(rows) == 16
    assert {row["channel"] for row in rows} == {0}
    assert rows[0]["clip"] == "table/audio/0.wav (left)"
    rows, _ = labelled_rows(table, SetOptions("table", column="genre_from_name"), ["blues"])
    assert len(rows) == 16


def test_validation_takes_whole_groups(table):
    options = SetOptions("table", label="music", validation_share=0.5, splits={"train": "train"})
    rows, _ = labelled_rows(table, options, ["music"])
    sides = {split: {row["group"] for row in rows if row["split"] == split} for split in ("train", "validation")}
    assert sides["train"]
    assert sides["validation"]
    assert not sides["train"] & sides["validation"]


def test_at_most_so_many_rows_the_same_every_time(table):
    few = [labelled_rows(table, SetOptions("table", label="music", at_most=3), ["music"]).rows for _ in range(2)]
    assert few[0] == few[1]
    assert [sum(row["split"] == split for row in few[0]) for split in ("train", "validation")] == [3, 2]


def test_a_group_on_two_sides_is_refused(table):
    text = (table / "metadata.csv").read_text().replace("validation,artist 7", "validation,artist 0")
    (table / "metadata.csv").write_text(text)
    with pytest.raises(SplitLeakError, match="artist 0"):
        labelled_rows(table, SetOptions("table"), GENRES)


def test_a_manifest_gives_its_first_label_or_the_family_of_the_soloist(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(100), 8000)
    row = {"path": "a.flac", "labels": ["jazz", "live"], "group": "g", "split": "train", "licence": "CC0"}
    write_manifest([row | solo("Alto Sax")], tmp_path / "manifest.jsonl")
    assert labelled_rows(tmp_path, SetOptions("x"), GENRES).rows[0]["label"] == "jazz"
    found = labelled_rows(tmp_path, SetOptions("x", families=True), ["reed"]).rows[0]
    assert (found["label"], found["clip"], found["licence"]) == ("reed", "x/a.flac", "CC0")


@pytest.mark.parametrize(
    ("facts", "family"),
    [
        (solo("Acoustic Grand Piano"), "keyboard"), (solo("Vibraphone"), "mallet"), (solo("Church Organ"), "organ"),
        (solo("Distortion Guitar"), "guitar"), (solo("Slap Bass 1"), "bass"), (solo("Cello"), "string"),
        (solo("Choir Aahs"), "vocal"), (solo("voice"), "vocal"), (solo("Tuba"), "brass"), (solo("Oboe"), "reed"),
        (solo("Pan Flute"), "flute"), (solo("Lead 2 (sawtooth)"), "synth_lead"), (solo("Timpani"), ""),
        (solo("Sitar"), ""), (solo("drums"), ""), (solo("Cello", "Oboe"), ""), (solo("Cello", style="jazz"), ""),
    ],
)  # fmt: skip
def test_families_are_nsynths(facts, family):
    assert family_of(facts) == family


def test_a_smaller_share_is_a_part_of_a_larger_one(table):
    rows = as_dataset(labelled_rows(table, SetOptions("table"), GENRES).rows)
    shares = [set(share_of(rows, share, seed=1)) for share in (0.1, 0.5, 1.0)]
    assert shares[0] < shares[1] < shares[2] == set(range(len(rows)))
    assert {rows["label"][number] for number in shares[0]} == set(GENRES), "one of each label at least"
    assert share_of(rows, 0.5, seed=2) != sorted(shares[1])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("gtzan", "'gtzan' is no set; give a mapping with its name"),
        ({"name": "gtzan", "labels": 1}, "set gtzan has no key 'labels'; known are"),
        ({"name": "gtzan", "splits": {"train": "trian"}}, "split 'trian'; allowed are train, validation, test"),
        ({"name": "gtzan", "channel": "middle"}, "channel is 'middle'; allowed are left, right and null"),
        ({"name": "gtzan", "validation_share": 1.0}, "validation_share is 1.0; it is a share of 1"),
    ],
)
def test_what_is_no_set_is_refused(entry, message):
    with pytest.raises(ValueError, match=message):
        parse_sets([entry])


def test_a_folder_without_rows_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has neither manifest\.jsonl nor metadata\.csv"):
        labelled_rows(tmp_path, SetOptions("x"), GENRES)
