"""METER2800 as published: quoted names with a leading slash, lists of four and of two classes, recordings flattened."""

import pytest

from linernotes.corpora.manifest import ManifestError, by_split, make_manifest, with_waveforms
from linernotes.corpora.readers import gtzan
from linernotes.corpora.readers.meter2800 import find_recordings, read, read_labels

HEADER = "filename\tlabel\tmeter\talt_meter"
LINES = {
    "train": [
        '"/MAG/00553.wav"\t"three"\t3\t6',
        '"/OWN/00553.wav"\t"seven"\t7\t14',
        '"/FMA/072005.wav"\t"four"\t4/4\t8',
    ],
    "val": ['"/GTZAN/rock.00015.wav"\t"four"\t4\t8'],
    "test": ['"/OWN/0143.wav"\t"five"\t5\t10', '"/OWN/0199.wav"\t"three"\t3\t6'],
}


def write_lists(folder, lines, suffix="tab", classes=4):
    for part, of_part in lines.items():
        text = "\n".join([HEADER, *of_part, ""])
        text = text.replace("\t", ",") if suffix == "csv" else text
        (folder / f"data_{part}_{classes}_classes.{suffix}").write_text(text)


@pytest.fixture
def folder(tmp_path, write_sound):
    """Six files, of which five are there: flattened, in another form, one with a prefix because its name is taken."""
    write_lists(tmp_path, LINES)
    for name in ("00553", "OWN_00553", "072005", "rock.00015", "0143"):
        write_sound(tmp_path / "audio" / f"{name}.flac")
    return tmp_path


def test_the_official_lists_are_the_splits_and_every_row_has_its_meter(folder):
    rows = read(folder)
    assert [(row["split"], row["collection"], row["clip"], row["labels"]) for row in rows] == [
        ("train", "MAG", "00553", ["3"]),
        ("train", "OWN", "00553", ["7"]),
        ("train", "FMA", "072005", ["4"]),
        ("validation", "GTZAN", "rock.00015", ["4"]),
        ("test", "OWN", "0143", ["5"]),
    ]
    assert rows.left_out == {"no recording": 1}
    assert [row["path"].rsplit("/", 1)[1] for row in rows[:2]] == ["00553.flac", "OWN_00553.flac"]
    assert (rows[0]["meter_weights"], rows[0]["alt_meter"]) == ([1.0], "6")
    splits = by_split(make_manifest(rows))
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [3, 1, 1]
    assert with_waveforms(splits["test"], 8_000)[0]["waveform"].shape == (1_600,)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_the_lists_may_have_commas_or_tabs(folder, suffix):
    expected = read(folder)
    for path in folder.glob("*.tab"):
        path.unlink()
    write_lists(folder, LINES, suffix)
    assert read(folder) == expected


def test_the_lists_of_two_classes_are_others(folder):
    with pytest.raises(FileNotFoundError, match=r"data_test_2_classes\.tab is not there: METER2800 needs data_train"):
        read(folder, classes=2)
    write_lists(folder, {"train": LINES["train"][:1], "val": LINES["val"], "test": LINES["test"][1:]}, classes=2)
    assert [row["labels"] for row in read(folder, classes=2)] == [["3"], ["4"]]
    with pytest.raises(ValueError, match="classes=3: choose 4 or 2"):
        read(folder, classes=3)


def test_unpacked_archives_are_read_by_their_folders(tmp_path, write_sound):
    write_lists(tmp_path, LINES)
    for place in ("OWN/00553", "MAG/00553", "FMA/072005"):
        write_sound(tmp_path / "unpacked" / f"{place}.wav")
    rows = read(tmp_path, audio_folder=tmp_path / "unpacked")
    assert [row["path"].split("unpacked/")[1] for row in rows] == ["MAG/00553.wav", "OWN/00553.wav", "FMA/072005.wav"]


def test_a_recording_of_another_collection_never_stands_in(tmp_path, write_sound):
    write_lists(tmp_path, LINES)
    write_sound(tmp_path / "MAG" / "00553.wav")
    assert [(row["collection"], row["clip"]) for row in read(tmp_path)] == [("MAG", "00553")]


def test_what_cannot_be_read_is_left_out_by_name_and_never_becomes_silence(folder):
    (folder / "audio" / "0143.flac").write_bytes(b"this is no sound")
    whole = (folder / "audio" / "072005.flac").read_bytes()
    (folder / "audio" / "072005.flac").write_bytes(whole[: len(whole) // 2])
    rows = read(folder)
    assert [row["clip"] for row in rows] == ["00553", "00553", "rock.00015"]
    assert rows.left_out["no recording"] == 1
    assert rows.left_out["cannot be read, not_audio: 0143.flac"] == 1
    assert rows.left_out["cannot be read, truncated: 072005.flac"] == 1
    assert len(read(folder, listen=False)) == 5


def test_a_copy_that_can_be_read_stands_in_for_one_that_cannot(folder, write_sound):
    (folder / "audio" / "0143.flac").write_bytes(b"this is no sound")
    write_sound(folder / "audio" / "0143.wav")
    assert read(folder)[-1]["path"].endswith("0143.wav")


def test_a_recording_stands_for_one_label_only(folder):
    """Flattened, 00553 may be of either collection: what has a prefix of its own is never taken from the other."""
    (folder / "audio" / "OWN_00553.flac").write_bytes(b"this is no sound")
    assert read(folder).left_out["cannot be read, not_audio: OWN_00553.flac"] == 1
    (folder / "audio" / "OWN_00553.flac").unlink()
    rows = read(folder)
    assert [row["collection"] for row in rows if row["clip"] == "00553"] == ["MAG"]
    assert rows.left_out["no recording"] == 2


def test_what_macos_leaves_beside_a_recording_is_not_one(folder):
    (folder / "audio" / "._0199.mp3").write_bytes(b"Mac OS X")
    assert "._0199" not in find_recordings(folder)
    assert read(folder).left_out == {"no recording": 1}


def test_a_file_of_the_test_list_is_never_trained_on(folder):
    write_lists(folder, LINES | {"train": [*LINES["train"], LINES["test"][0], LINES["train"][0]]})
    rows = read(folder)
    assert [row["split"] for row in rows if row["clip"] == "0143"] == ["test"]
    assert rows.left_out["also in the list of test"] == 1
    assert rows.left_out["also in the list of train"] == 1


def test_other_meters_are_left_out_and_counted(folder):
    write_lists(folder, LINES | {"val": ['"/GTZAN/rock.00015.wav"\t"six"\t6/8\t3']})
    rows = read(folder)
    assert {row["split"] for row in rows} == {"train", "test"}
    assert rows.left_out["meter 6 is no class"] == 1


def test_gtzan_has_the_groups_of_its_own_reader(folder, write_sound, tmp_path_factory):
    genres = tmp_path_factory.mktemp("gtzan")
    write_sound(genres / "genres" / "rock" / "rock.00015.wav")
    for name in ("train", "valid", "test"):
        (genres / f"{name}_filtered.txt").write_text("rock/rock.00015.wav\n" if name == "test" else "")
    groups = {row["group"] for row in read(folder)}
    assert gtzan.read(genres)[0]["group"] in groups
    assert len(groups) == 5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"/MAG/1.wav"\t"three"\t3', r"data_val_4_classes\.tab, line 2: got 3 fields, expected 4: mend the line"),
        ('"/MAG/1.wav"\t"three"\tthree\t6', r"line 2: meter: 'three' states no meter: expected a form"),
        ('""\t"three"\t3\t6', r"line 2: filename='', expected a name such as /MAG/00553\.wav"),
    ],
)
def test_a_line_in_another_form_is_refused(folder, line, message):
    write_lists(folder, {"val": [line]})
    with pytest.raises(ManifestError, match=message):
        read(folder)


def test_columns_are_found_by_name_in_any_order_case_and_quotes(tmp_path):
    table = tmp_path / "data_train_4_classes.csv"
    table.write_text('\ufeff"Meter","FILENAME"\n"3/4","/MAG/00553.wav"\n\n', encoding="utf-8")
    ((where, label),) = read_labels(table)
    assert where == "data_train_4_classes.csv, line 2"
    assert (label.collection, label.clip, label.meters, label.alt_meter) == ("MAG", "00553", {3: 1.0}, None)
    table.write_text("file,class\n")
    with pytest.raises(ManifestError, match=r"lacks filename, meter: got the columns file, class, expected"):
        list(read_labels(table))
