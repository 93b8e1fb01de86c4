"""GTZAN as published: genre folders, fault-filtered lists; and the copy on the Hub."""

import csv

import pytest

from linernotes.corpora.gtzan import LICENCE
from linernotes.corpora.manifest import ManifestError, make_manifest, with_waveforms
from linernotes.corpora.readers.gtzan import from_hub, read
from linernotes.corpora.splits import SplitLeakError

LISTS = {
    "train_filtered.txt": ["blues/blues.00029.wav", "blues/blues.00030.wav", "jazz/jazz.00054.wav"],
    "valid_filtered.txt": ["metal/metal.00001.wav"],
    "test_filtered.txt": ["pop/pop.00003.wav"],
}
ARTISTS = {"blues.00029": "Kelly Joe Phelps", "blues.00030": "KELLY JOE PHELPS", "metal.00001": "Dio"}


@pytest.fixture(params=["genres", "Data/genres_original"])
def collection(request, tmp_path, write_sound):
    """Five listed clips, one that no list names."""
    for name, lines in LISTS.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
        for line in lines:
            write_sound(tmp_path / request.param / line)
    write_sound(tmp_path / request.param / "rock" / "rock.00099.wav")
    return tmp_path


def test_listed_clips_are_rows(collection):
    rows = read(collection, ARTISTS)
    clips = ["blues.00029", "blues.00030", "jazz.00054", "metal.00001", "pop.00003"]
    assert [row["clip"] for row in rows] == clips
    assert [row["labels"] for row in rows] == [["blues"], ["blues"], ["jazz"], ["metal"], ["pop"]]
    assert [row["split"] for row in rows] == ["train", "train", "train", "validation", "test"]
    groups = ["kelly joe phelps", "kelly joe phelps", "unknown jazz.00054", "dio", "unknown pop.00003"]
    assert [row["group"] for row in rows] == groups
    assert {row["licence"] for row in rows} == {LICENCE}
    assert not rows.left_out
    assert with_waveforms(make_manifest(rows), 8_000)[4]["waveform"].shape == (1_600,)


def test_au_is_read_and_artists_come_from_a_table(tmp_path, write_sound):
    write_sound(tmp_path / "genres" / "disco" / "disco.00007.au")
    (tmp_path / "mine.txt").write_text("disco/disco.00007.wav\n")
    with (tmp_path / "artists.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([("clip", "artist"), ("disco.00007", "Odyssey")])
    rows = read(tmp_path, tmp_path / "artists.csv", lists={"test": tmp_path / "mine.txt"})
    assert [(row["path"][-3:], row["group"], row["split"]) for row in rows] == [(".au", "odyssey", "test")]


def test_the_known_unreadable_clip_is_left_out_and_counted(collection):
    next(collection.rglob("jazz.00054.wav")).write_bytes(b"not sound")
    rows = read(collection)
    assert "jazz.00054" not in [row["clip"] for row in rows]
    assert rows.left_out == {"known to be unreadable: jazz.00054": 1}


def test_an_artist_in_two_lists_is_refused(collection):
    with pytest.raises(SplitLeakError, match="group 'dio' is in train and validation"):
        read(collection, {**ARTISTS, "jazz.00054": "DIO"})


@pytest.mark.parametrize("line", ["polka/polka.00001.wav", "blues/blues.wav", "13"])
def test_a_line_that_names_no_clip_is_refused(collection, line):
    (collection / "test_filtered.txt").write_text(f"{line}\n")
    with pytest.raises(
        ManifestError, match=rf"test_filtered\.txt, '{line}': expected a clip such as blues/blues\.00029"
    ):
        read(collection)


def test_missing_files_are_named_with_where_to_get_them(collection):
    next(collection.rglob("pop.00003.wav")).unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 5 listed clips are not in .*, such as pop/pop\.00003\.wav"):
        read(collection)
    (collection / "valid_filtered.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"valid_filtered\.txt is not there: GTZAN .* get them from https://"):
        read(collection)


def test_an_artist_table_with_other_columns_is_refused(collection):
    (collection / "artists.csv").write_text("file,who\na,b\n")
    with pytest.raises(
        ManifestError, match=r"artists\.csv lacks clip, artist: got the columns file, who, expected clip"
    ):
        read(collection, collection / "artists.csv")


def hub_columns(sound_bytes, *clips, genre="blues"):
    audio = [{"path": f"{clip}.wav", "bytes": sound_bytes(clip)} for clip in clips]
    return {"audio": audio, "genre": [genre] * len(clips), "label": [0] * len(clips)}


def test_the_hub_copy_gives_the_same_rows(fake_hub, tmp_path, sound_bytes):
    fake_hub.splits = {
        "train": hub_columns(sound_bytes, "blues.00029", "blues.00030"),
        "test": hub_columns(sound_bytes, "0", genre="pop"),
    }
    rows = from_hub(tmp_path, ARTISTS)
    assert fake_hub.asked == ("confit/gtzan-parquet", {})
    assert [(row["clip"], row["labels"], row["split"]) for row in rows] == [
        ("blues.00029", ["blues"], "train"),
        ("blues.00030", ["blues"], "train"),
        ("test-0", ["pop"], "test"),  # the file does not tell its clip
    ]
    assert [row["group"] for row in rows][1:] == ["kelly joe phelps", "unknown test-0"]
    assert with_waveforms(make_manifest(rows), 8_000)[2]["waveform"].shape == (1_600,)


def test_a_hub_copy_in_another_form_is_refused(fake_hub, tmp_path, sound_bytes):
    fake_hub.splits = {"train": hub_columns(sound_bytes, "x", genre="polka")}
    with pytest.raises(ManifestError, match=r"train, row 0: genre='polka', expected one of blues, classical"):
        from_hub(tmp_path)
    fake_hub.splits = {"train": {"file": ["a.wav"]}}
    with pytest.raises(
        ManifestError, match=r"split train lacks audio, genre: got the columns file, expected audio, genre"
    ):
        from_hub(tmp_path)


def test_the_unreadable_clip_of_the_hub_is_left_out(fake_hub, tmp_path, sound_bytes):
    columns = hub_columns(sound_bytes, "jazz.00001", "jazz.00054", genre="jazz")
    columns["audio"][1]["bytes"] = b"not sound"
    fake_hub.splits = {"train": columns}
    rows = from_hub(tmp_path)
    assert [row["clip"] for row in rows] == ["jazz.00001"]
    assert rows.left_out == {"known to be unreadable: jazz.00054": 1}
