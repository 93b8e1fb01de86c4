"""AudioSet as published: segment lists with three lines of comment, class names, ontology; and the copy on the Hub."""

import json

import pytest

from linernotes.corpora.manifest import ManifestError, make_manifest, with_waveforms
from linernotes.corpora.readers.audioset import from_hub, music_classes, read
from linernotes.corpora.splits import SplitLeakError, split_of

HEADER = """# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=22160, num_segs=22160, num_unique_labels=527, num_positive_labels=52882
# YTID, start_seconds, end_seconds, positive_labels
"""
GUITAR, TABLA, KEYS, GONE = "--4gqARaEJE", "Y5aBcDeFgHi", "-0RWZT-miFs", "0abcdefghij"
TREE = {"/m/04rlf": ["/m/04szw"], "/m/04szw": ["/m/0342h", "/m/01p970"], "/m/0342h": [], "/m/01p970": []}
TREE |= {"/m/09x0r": [], "/m/03v3yw": []}
NAMES = {
    "/m/09x0r": "Speech",
    "/m/04rlf": "Music",
    "/m/0342h": "Guitar",
    "/m/01p970": "Tabla",
    "/m/03v3yw": "Keys jangling, rattle",
}


def write_list(folder, part, *lines):
    (folder / f"{part}_segments.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))


@pytest.fixture
def folder(tmp_path, write_sound):
    write_list(
        tmp_path,
        "balanced_train",
        f'{GUITAR}, 30.000, 40.000, "/m/0342h,/m/09x0r"',
        f'{KEYS}, 420.000, 430.000, "/m/03v3yw"',
        f'{GONE}, 0.000, 10.000, "/m/04rlf"',
    )
    write_list(tmp_path, "eval", f'{TABLA}, 20.000, 30.000, "/m/01p970"')
    rows = [f'{i},{mid},"{name}"' for i, (mid, name) in enumerate(NAMES.items())]
    (tmp_path / "class_labels_indices.csv").write_text("\n".join(["index,mid,display_name", *rows, ""]))
    nodes = [{"id": mid, "name": NAMES.get(mid, ""), "child_ids": children} for mid, children in TREE.items()]
    (tmp_path / "ontology.json").write_text(json.dumps(nodes))
    write_sound(tmp_path / "wav" / f"{GUITAR}.wav")
    write_sound(tmp_path / "wav" / f"Y{TABLA}.wav")
    write_sound(tmp_path / "wav" / f"{KEYS}.wav")
    return tmp_path


def test_music_segments_are_rows(folder):
    rows = read(folder)
    assert rows.left_out == {"no music class": 1, "no recording": 1}
    first, second = rows
    assert first["labels"] == ["Guitar", "Speech"]
    assert first["mids"] == ["/m/0342h", "/m/09x0r"]
    assert (first["start_seconds"], first["end_seconds"]) == (0.0, None)
    assert (first["segment_start_seconds"], first["segment_end_seconds"]) == (30.0, 40.0)
    assert first["split"] == split_of("audioset", f"youtube {GUITAR}") != "test"
    assert (second["labels"], second["split"], second["group"]) == (["Tabla"], "test", f"youtube {TABLA}")
    assert with_waveforms(make_manifest(rows), 8_000)[1]["waveform"].shape == (1_600,)


def test_all_classes_and_whole_videos_can_be_had(folder):
    (folder / "ontology.json").unlink()
    rows = read(folder, parts=["balanced_train"], music_only=False, whole_videos=True)
    assert [row["labels"] for row in rows] == [["Guitar", "Speech"], ["Keys jangling, rattle"]]
    assert (rows[1]["start_seconds"], rows[1]["end_seconds"]) == (420.0, 430.0)


def test_the_music_classes_are_the_tree_under_music(folder):
    assert music_classes(folder / "ontology.json") == {"/m/04rlf", "/m/04szw", "/m/0342h", "/m/01p970"}


def test_a_video_in_two_lists_is_a_leak(folder):
    write_list(folder, "eval", f'{GUITAR}, 50.000, 60.000, "/m/0342h"')
    with pytest.raises(SplitLeakError, match=f"group 'youtube {GUITAR}' is in test and train"):
        read(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f'{GUITAR}, 30.000, 40.000, "/m/xyz"', r"class '/m/xyz' is not in class_labels_indices\.csv"),
        (f'{GUITAR}, later, 40.000, "/m/0342h"', r"start_seconds='later', expected a number"),
        (f'{GUITAR}, 40.000, 30.000, "/m/0342h"', r"the clip from 40\.0 to 30\.0 s has no length"),
        (f"{GUITAR}, 30.000, 40.000", r"got 3 fields, expected YTID, start_seconds, end_seconds, positive_labels"),
        ('short, 30.000, 40.000, "/m/0342h"', r"YTID='short', expected a video id"),
    ],
)
def test_a_line_in_another_form_is_refused(folder, line, message):
    write_list(folder, "balanced_train", line)
    with pytest.raises(ManifestError, match=rf"balanced_train_segments\.csv, line 4: {message}"):
        read(folder)


def test_a_list_without_its_comments_is_refused(folder):
    (folder / "eval_segments.csv").write_text("a,b\n")
    with pytest.raises(
        ManifestError, match=r"eval_segments\.csv, line 3 lacks YTID, .*: got the columns none|got the col"
    ):
        read(folder)


@pytest.mark.parametrize("text", ["{", '{"id": 1}', '[{"id": "/m/04rlf"}]'])
def test_an_ontology_in_another_form_is_refused(folder, text):
    (folder / "ontology.json").write_text(text)
    with pytest.raises(
        ManifestError, match=r"ontology\.json is not the ontology .*: expected nodes with id and child_ids"
    ):
        read(folder)
    (folder / "ontology.json").write_text("[]")
    with pytest.raises(ManifestError, match=r"ontology\.json has no class /m/04rlf \(Music\): download it again"):
        read(folder)


@pytest.mark.parametrize("name", ["eval_segments.csv", "class_labels_indices.csv", "ontology.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is not there: AudioSet needs .*research\.google\.com"):
        read(folder)


def test_an_unknown_part_is_refused(folder):
    with pytest.raises(ValueError, match="choose from balanced_train, unbalanced_train, eval, not 'train'"):
        read(folder, parts=["train"])


def hub_columns(sound_bytes, **videos):
    return {
        "video_id": list(videos),
        "audio": [{"path": f"{video}.flac", "bytes": sound_bytes(video)} for video in videos],
        "labels": list(videos.values()),
        "human_labels": [[NAMES[mid] for mid in mids] for mids in videos.values()],
    }


def test_the_hub_copy_gives_music_segments_too(fake_hub, folder, sound_bytes):
    fake_hub.splits = {
        "train": hub_columns(sound_bytes, **{GUITAR: ["/m/0342h", "/m/09x0r"], KEYS: ["/m/03v3yw"]}),
        "test": hub_columns(sound_bytes, **{TABLA: ["/m/01p970"]}),
    }
    rows = from_hub(folder)
    assert fake_hub.asked == ("agkphysics/AudioSet", {"name": "balanced"})
    assert [(row["labels"], row["split"]) for row in rows] == [(["Guitar", "Speech"], "train"), (["Tabla"], "test")]
    assert rows.left_out == {"no music class": 1}
    assert with_waveforms(make_manifest(rows), 8_000)[0]["waveform"].shape == (1_600,)
    assert len(from_hub(folder, music_only=False)) == 3
