"""MusicCaps as published: musiccaps-public.csv, and the clips that a user has; and its table on the Hub."""

import csv

import pytest

from linernotes.corpora.manifest import ManifestError, make_manifest, with_waveforms
from linernotes.corpora.readers.musiccaps import COLUMNS, from_hub, read
from linernotes.corpora.splits import SplitLeakError, split_of

TRAIN, TEST, GONE = "-0Gj8-vB1q4", "_-kssA-FOzU", "0-L2nRGVmGo"


def record(ytid, **changes):
    base = {
        "ytid": ytid,
        "start_s": "30",
        "end_s": "40",
        "audioset_positive_labels": "/m/0140xf,/m/02cjck,/m/04rlf",
        "aspect_list": "['low quality', \"singer's voice\"]",
        "caption": 'The low quality recording, with "quotes", features a ballad.',
        "author_id": "4",
        "is_balanced_subset": "False",
        "is_audioset_eval": "True" if ytid == TEST else "False",
    }
    return base | changes


def write_table(folder, *records, columns=COLUMNS):
    with (folder / "musiccaps-public.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)


@pytest.fixture
def folder(tmp_path, write_sound):
    """Three clips, of which two are there."""
    write_table(tmp_path, record(TRAIN), record(TEST), record(GONE))
    for ytid in (TRAIN, TEST):
        write_sound(tmp_path / "clips" / f"{ytid}.wav")
    return tmp_path


def test_clips_that_are_there_are_rows_and_the_others_are_counted(folder):
    rows = read(folder)
    assert rows.left_out == {"no recording": 1}
    first, second = rows
    assert first["labels"] == ["low quality", "singer's voice"]
    assert first["caption"].endswith('with "quotes", features a ballad.')
    assert (first["start_s"], first["end_s"], first["author_id"]) == (30.0, 40.0, 4)
    assert (first["start_seconds"], first["end_seconds"]) == (0.0, None)  # the file is the clip
    assert first["audioset_positive_labels"] == "/m/0140xf,/m/02cjck,/m/04rlf"
    assert first["group"] == f"youtube {TRAIN}"
    assert first["split"] == split_of("musiccaps", first["group"]) != "test"
    assert (second["split"], second["is_audioset_eval"], second["is_balanced_subset"]) == ("test", True, False)
    assert with_waveforms(make_manifest(rows), 8_000)[1]["waveform"].shape == (1_600,)


def test_of_whole_videos_the_clip_is_an_excerpt(folder):
    row = read(folder, whole_videos=True)[0]
    assert (row["start_seconds"], row["end_seconds"]) == (30.0, 40.0)


def test_a_video_on_both_sides_is_a_leak(folder):
    write_table(folder, record(TRAIN), record(TRAIN, start_s="50", end_s="60", is_audioset_eval="True"))
    with pytest.raises(SplitLeakError, match=f"group 'youtube {TRAIN}' is in test and train"):
        read(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_s": "soon"}, r"musiccaps-public\.csv, line 3: start_s='soon', expected a number"),
        ({"end_s": "inf"}, r"line 3: end_s='inf', expected a finite number"),
        ({"end_s": "30"}, r"line 3: the clip from 30\.0 to 30\.0 s has no length"),
        ({"is_audioset_eval": "yes"}, r"line 3: is_audioset_eval='yes', expected True or False"),
        ({"aspect_list": "[low quality]"}, r"line 3: aspect_list='\[low quality\]' is no list"),
        ({"aspect_list": "('a',)"}, r"line 3: aspect_list=.*, expected a list such as \['slow tempo'\]"),
        ({"ytid": "../../etc/pw"}, r"line 3: ytid='\.\./\.\./etc/pw', expected a video id: 11 letters"),
    ],
)
def test_a_line_in_another_form_is_refused(folder, changes, message):
    write_table(folder, record(TRAIN), record(TEST) | changes)
    with pytest.raises(ManifestError, match=message):
        read(folder)


def test_a_line_of_another_width_is_refused(folder):
    with (folder / "musiccaps-public.csv").open("a") as lines:
        lines.write("abc,30\n")
    with pytest.raises(ManifestError, match=r"musiccaps-public\.csv, line 5: got 2 fields, expected 9"):
        read(folder)


def test_other_columns_missing_files_and_no_clips_are_named(folder):
    write_table(folder, record(TRAIN), columns=COLUMNS[:5])
    with pytest.raises(ManifestError, match=r"musiccaps-public\.csv lacks caption, .*: got the columns ytid, start_s"):
        read(folder)
    write_table(folder, record(GONE))
    with pytest.raises(
        FileNotFoundError, match=r"no row of musiccaps is left in .* \(no recording: 1\): it needs musicc"
    ):
        read(folder)
    (folder / "musiccaps-public.csv").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"csv is not there: MusicCaps needs .* https://huggingface\.co/datasets/goo"
    ):
        read(folder)


def test_the_table_of_the_hub_gives_the_same_rows(fake_hub, folder):
    typed = [
        record(ytid, start_s=30, end_s=40, author_id=4, is_balanced_subset=False, is_audioset_eval=ytid == TEST)
        for ytid in (TRAIN, TEST, GONE)
    ]
    fake_hub.splits = {"train": {column: [row[column] for row in typed] for column in COLUMNS}}
    rows = from_hub(folder)
    assert fake_hub.asked == ("google/MusicCaps", {})
    assert rows == read(folder)
    assert rows.left_out == {"no recording": 1}
