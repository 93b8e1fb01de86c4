"""MusicBench as published: JSON lines, recordings below; and its lists on the Hub."""

import json
from pathlib import Path

import pytest

from linernotes.corpora.manifest import ManifestError, make_manifest, with_waveforms
from linernotes.corpora.readers import musiccaps
from linernotes.corpora.readers.musicbench import COLUMNS, from_hub, read
from linernotes.corpora.splits import SplitLeakError

TRAIN, TEST = "-0SdAVK79lg", "odzi_VK8m3k"


def record(location, **changes):
    base = {
        "dataset": "MusicBench",
        "location": location,
        "main_caption": "This mellow instrumental track showcases a dominant electric guitar.",
        "alt_caption": "This song features an electric guitar as the main instrument.",
        "prompt_aug": "",
        "prompt_ch": "The chord progression in this song is E.",
        "prompt_bt": "The beat counts to 4.",
        "prompt_bpm": "The bpm is 112.0.",
        "prompt_key": "The key of this song is E major.",
        "beats": [[0.37, 0.9, 1.47], [4, 1, 2]],
        "bpm": 112.0,
        "chords": ["E"],
        "chords_time": [0.54],
        "key": ["E", "major"],
        "keyprob": [0.89],
        "is_audioset_eval_mcaps": False,
    }
    return base | changes


def write_list(folder, name, *records):
    lines = [json.dumps(record) + "\n" for record in records]
    (folder / f"MusicBench_{name}.json").write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def folder(tmp_path, write_sound):
    """A clip and a copy of it for training, a test clip, and a copy of that among the training clips."""
    locations = [f"data/{TRAIN}.wav", f"data_aug2/{TRAIN}_1.wav", f"data_aug2/{TEST}_3.wav"]
    write_list(tmp_path, "train", *(record(location) for location in locations))
    write_list(tmp_path, "test_A", record(f"data/{TEST}.wav", bpm=None, chords=[], chords_time=[]))
    write_list(tmp_path, "test_B", record(f"data/{TEST}.wav", main_caption="With all four sentences."))
    for location in (*locations, f"data/{TEST}.wav"):
        write_sound(tmp_path / "datashare" / location)
    return tmp_path


def test_clips_are_rows_and_copies_of_test_clips_are_left_out(folder):
    rows = read(folder)
    assert [Path(row["path"]).name for row in rows] == [f"{TEST}.wav", f"{TRAIN}.wav", f"{TRAIN}_1.wav"]
    assert [row["split"] for row in rows] == ["test", rows[1]["split"], rows[1]["split"]]
    assert rows[1]["split"] in ("train", "validation")
    assert {row["group"] for row in rows[1:]} == {f"youtube {TRAIN}"}
    assert rows.left_out == {"copy of a test recording": 1}
    assert (rows[0]["bpm"], rows[1]["bpm"], rows[0]["chords"]) == (None, 112.0, [])
    assert rows[1]["beats"] == [[0.37, 0.9, 1.47], [4.0, 1.0, 2.0]]
    assert {"main_caption", "alt_caption", "prompt_key", "key", "keyprob"} < rows[0].keys()
    manifest = make_manifest(rows)
    assert manifest[1]["key"] == ["E", "major"]
    assert with_waveforms(manifest, 8_000)[2]["waveform"].shape == (1_600,)


def test_the_other_test_list_has_its_captions(folder):
    assert read(folder, test_list="B")[0]["main_caption"] == "With all four sentences."
    with pytest.raises(ValueError, match="test_list='C': choose from A, B"):
        read(folder, test_list="C")


def test_a_clip_of_musiccaps_test_is_a_leak_where_both_are_joined(folder):
    """The two sets are made of the same videos, which have the same groups."""
    other = musiccaps.Rows("musiccaps")
    other.add(folder / "x.wav", [], **musiccaps.video_rule("musiccaps", TRAIN, is_test=True))
    with pytest.raises(SplitLeakError, match=f"group 'youtube {TRAIN}' is in test and train"):
        make_manifest([*read(folder), *other])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"location": "data/x.wav"}, r"MusicBench_train\.json, line 1: location='x', expected a video id"),
        ({"beats": [[0.3]]}, r"line 1: beats=\[\[0\.3\]\], expected two lists of one length"),
        ({"beats": [0.3, 1]}, r"line 1: beats=\[0\.3, 1\], expected two lists of one length"),
        ({"key": "E major"}, r"line 1: key='E major', expected a list"),
        ({"bpm": "fast"}, r"line 1: bpm='fast', expected a number"),
        ({"is_audioset_eval_mcaps": None}, r"line 1: is_audioset_eval_mcaps=None, expected True or False"),
    ],
)
def test_a_line_in_another_form_is_refused(folder, changes, message):
    write_list(folder, "train", record(f"data/{TRAIN}.wav") | changes)
    with pytest.raises(ManifestError, match=message):
        read(folder)


def test_broken_lines_and_missing_files_are_named(folder):
    (folder / "MusicBench_train.json").write_text("[1]\n")
    with pytest.raises(ManifestError, match=r"MusicBench_train\.json, line 1 lacks location, .*: got the columns none"):
        read(folder)
    (folder / "MusicBench_train.json").write_text("{\n")
    with pytest.raises(ManifestError, match=r"MusicBench_train\.json, line 1 is not JSON"):
        read(folder)
    (folder / "MusicBench_train.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"MusicBench_train\.json is not there: MusicBench needs .*tar\.gz"):
        read(folder)


def test_clips_without_a_recording_are_counted(folder):
    next(folder.rglob(f"{TRAIN}_1.wav")).unlink()
    assert read(folder).left_out == {"copy of a test recording": 1, "no recording": 1}


def test_the_lists_of_the_hub_give_the_same_rows(fake_hub, folder):
    def columns(name):
        lines = (folder / f"MusicBench_{name}.json").read_text().splitlines()
        return {column: [json.loads(line)[column] for line in lines] for column in COLUMNS}

    fake_hub.splits = {"train": columns("train"), "test": columns("test_A")}
    rows = from_hub(folder)
    files = {"test": "MusicBench_test_A.json", "train": "MusicBench_train.json"}
    assert fake_hub.asked == ("amaai-lab/MusicBench", {"data_files": files})
    assert rows == read(folder)
