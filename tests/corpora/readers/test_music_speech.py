"""GTZAN Music/Speech as published: two folders of files named after what is heard."""

import pytest

from linernotes.corpora.manifest import make_manifest, with_waveforms
from linernotes.corpora.readers.music_speech import read
from linernotes.corpora.splits import check_no_leak, split_of

MUSIC = ("bartok", "corea", "corea1", "copland2", *(f"tune{chr(97 + i)}" for i in range(20)))
SPEECH = ("nj105", "nj105a", "news1", "news2", "fem_rock")


@pytest.fixture
def collection(tmp_path, write_sound):
    for kind, names in (("music", MUSIC), ("speech", SPEECH)):
        for name in names:
            write_sound(tmp_path / f"{kind}_wav" / f"{name}.wav")
    return tmp_path


def test_recordings_are_rows(collection):
    rows = {row["recording"]: row for row in read(collection)}
    assert set(rows) == {*MUSIC, *SPEECH}
    assert rows["bartok"]["labels"] == ["music"]
    assert rows["fem_rock"]["labels"] == ["speech"]
    assert rows["bartok"]["licence"].startswith("none stated")
    assert with_waveforms(make_manifest(rows.values()), 8_000)[0]["waveform"].shape == (1_600,)


def test_parts_of_one_recording_are_one_group_and_stay_together(collection):
    rows = {row["recording"]: row for row in read(collection)}
    groups = {name: rows[name]["group"] for name in ("corea", "corea1", "copland2", "nj105", "nj105a", "news2")}
    assert groups == {
        "corea": "music:corea",
        "corea1": "music:corea",
        "copland2": "music:copland",
        "nj105": "speech:nj",
        "nj105a": "speech:nj",
        "news2": "speech:news",
    }
    check_no_leak((row["group"] for row in rows.values()), (row["split"] for row in rows.values()))
    assert all(row["split"] == split_of("gtzan-music-speech", row["group"]) for row in rows.values())
    assert {row["split"] for row in rows.values()} == {"train", "validation", "test"}


def test_a_folder_without_sound_is_named_with_where_to_get_it(collection):
    for path in (collection / "speech_wav").iterdir():
        path.unlink()
    (collection / "speech_wav" / "notes.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"has no sound in speech_wav: it needs music_wav/\*\.wav; .*https://"):
        read(collection)
