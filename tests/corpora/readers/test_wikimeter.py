"""WIKIMETER: segments of songs with one meter or several, and the deal of songs to training and validation."""

import pytest

from linernotes.corpora.manifest import ManifestError, make_manifest
from linernotes.corpora.readers.wikimeter import extra_entries, read, stratified_song_split

HEADER = "filename\tlabel\tmeter\talt_meter"
LINES = [
    *(f'"/dave_brubeck_take_five_seg{n:02d}.mp3"\t"five"\t5\t10' for n in range(3)),
    '"/traditional_kpanlogo_seg00.mp3"\t"three"\t3,4\t6',
    '"/steve_reich_drumming_seg00.mp3"\t"three"\t3:0.7,4:0.8\t6',
    '"/somebody_waltz_seg00.mp3"\t"three"\t3\t6',
    '"/somebody_jig_seg00.mp3"\t"six"\t6/8\t12',
    '"/somebody_both_seg00.mp3"\t"four"\t4,10\t8',
]


def write_table(folder, lines, name="data_wikimeter.tab"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([HEADER, *lines, ""]))


@pytest.fixture
def folder(tmp_path, write_sound):
    """Eight segments of six songs; the waltz was not cut."""
    write_table(tmp_path, LINES)
    for line in LINES:
        stem = line.split(".")[0].strip('"/')
        if "waltz" not in stem:
            write_sound(tmp_path / "audio" / f"{stem}.flac")
    return tmp_path


def songs(count, *meters):
    name = "and".join(meters)
    return [{"group": f"{name} {n}", "labels": list(meters)} for n in range(count)]


def test_segments_are_rows_of_their_song_with_all_its_meters(folder):
    rows = read(folder)
    assert [(row["group"], row["labels"], row["meter_weights"]) for row in rows[2:]] == [
        ("dave_brubeck_take_five", ["5"], [1.0]),
        ("traditional_kpanlogo", ["3", "4"], [1.0, 1.0]),
        ("steve_reich_drumming", ["3", "4"], [0.7, 0.8]),
        ("somebody_both", ["4"], [1.0]),
    ]
    assert rows.left_out == {
        "no recording": 1,
        "meter 6 is no class": 1,
        "meter 10 is no class, beside others that are kept": 1,
    }
    assert len(make_manifest(rows)) == 6


def test_segments_of_a_song_are_on_one_side_and_each_kind_of_song_is_on_both(folder):
    splits = {row["group"]: row["split"] for row in read(folder)}
    polyrhythms = {splits["traditional_kpanlogo"], splits["steve_reich_drumming"]}
    assert polyrhythms == {"train", "validation"}
    assert splits["dave_brubeck_take_five"] == splits["somebody_both"] == "train"  # alone of their kind


def test_the_share_of_every_kind_is_held_out():
    rows = [*songs(49, "3"), *songs(25, "9"), *songs(2, "3", "4"), *songs(1, "4", "7")]
    splits = stratified_song_split(rows * 3, 0.1, seed=42)
    held_out = [song.rsplit(" ", 1)[0] for song, split in splits.items() if split == "validation"]
    assert {kind: held_out.count(kind) for kind in set(held_out)} == {"3": 5, "9": 2, "3and4": 1}
    assert len(splits) == 77


def test_the_deal_depends_on_the_seed_and_not_on_the_order():
    rows = songs(40, "3")
    assert stratified_song_split(rows, 0.25, 1) == stratified_song_split(rows[::-1], 0.25, 1)
    assert stratified_song_split(rows, 0.25, 1) != stratified_song_split(rows, 0.25, 2)
    assert set(stratified_song_split(rows, 0.0, 1).values()) == {"train"}
    assert list(stratified_song_split(rows, 0.99, 1).values()).count("train") == 1


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(folder, ratio):
    with pytest.raises(ValueError, match=r"extra_val_ratio=.* must be 0 or more and less than 1"):
        read(folder, extra_val_ratio=ratio)


def test_any_folder_with_one_label_file_is_extra_data(folder, write_sound):
    assert extra_entries(folder) == read(folder)
    other = folder / "mine"
    write_table(other, ['"/a_seg00.wav"\t"nine"\t9/8\t18', '"/a_seg01.wav"\t"nine"\t9/8\t18'], "data_mine.tsv")
    write_sound(other / "a_seg00.wav")
    (other / "a_seg01.wav").write_bytes(b"this is no sound")
    rows = extra_entries(other, 0.5)
    assert [(row["labels"], row["split"], row["licence"]) for row in rows] == [(["9"], "train", rows[0]["licence"])]
    assert rows.left_out == {"cannot be read, not_audio: a_seg01.wav": 1}


def test_extra_data_is_never_the_test_list_of_meter2800(folder):
    write_table(folder, LINES, "data_test_4_classes.tab")
    with pytest.raises(
        ManifestError, match=r"holds lists of METER2800 \(data_test_4_classes\.tab, data_wikimeter\.tab"
    ):
        extra_entries(folder)


def test_no_label_file_and_several_are_refused(folder):
    write_table(folder, LINES, "data_more.csv")
    with pytest.raises(FileNotFoundError, match=r"must hold one label file, .* it has data_more\.csv, data_wikimeter"):
        extra_entries(folder)
    with pytest.raises(FileNotFoundError, match=r"must hold one label file, .* it has none"):
        extra_entries(folder / "audio")


def test_a_segment_that_is_listed_twice_counts_once(folder):
    write_table(folder, [*LINES, LINES[0]])
    rows = read(folder)
    assert len(rows) == 6
    assert rows.left_out["listed twice"] == 1
