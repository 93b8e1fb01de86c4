"""The registry of readers, sets by Hub id, and what all readers share."""

import pytest
from datasets.exceptions import DatasetNotFoundError

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers import READERS, from_hub, hub
from linernotes.corpora.readers.hub import stored
from linernotes.corpora.readers.records import Rows, recordings
from linernotes.corpora.sources import SOURCES


def test_every_source_has_a_reader_and_those_with_a_hub_id_can_be_loaded_by_it():
    assert set(READERS) == set(SOURCES)
    assert {name for name, reader in READERS.items() if reader.from_hub} == {
        s.name for s in SOURCES.values() if s.hub_id
    }
    assert all(reader.name == name and reader.files for name, reader in READERS.items())


@pytest.mark.parametrize("name", list(READERS))
def test_an_empty_folder_is_answered_with_what_it_needs(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="get them from https://"):
        READERS[name].read(tmp_path)


def test_a_set_is_loaded_by_its_name(fake_hub, tmp_path, sound_bytes):
    audio = [{"path": "rock.00001.wav", "bytes": sound_bytes("a")}]
    fake_hub.splits = {"validation": {"audio": audio, "genre": ["rock"], "label": [9]}}
    rows = from_hub("gtzan", tmp_path, artists={"rock.00001": "Morphine"})
    assert [(row["labels"], row["group"], row["split"]) for row in rows] == [(["rock"], "morphine", "validation")]


def test_a_set_that_the_hub_has_not_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"'nsynth' cannot be loaded by Hub id \(these can: gtzan, .*\): download nsynth-t"
    ):
        from_hub("nsynth", tmp_path)
    with pytest.raises(ValueError, match=r"'fma' cannot be loaded by Hub id .*: see `linernotes corpus sources`"):
        from_hub("fma", tmp_path)


@pytest.mark.parametrize("error", [ConnectionError("no route"), DatasetNotFoundError("Dataset doesn't exist")])
def test_without_the_hub_the_folder_is_named(monkeypatch, tmp_path, error):
    def load_dataset(*args, **options):
        raise error

    monkeypatch.setattr(hub, "load_dataset", load_dataset)
    with pytest.raises(
        ConnectionError, match=r"google/MusicCaps cannot be had .* read a folder that holds musiccaps-pub"
    ):
        from_hub("musiccaps", tmp_path)


def test_bytes_are_stored_once_and_files_stay_where_they_are(tmp_path, write_sound, sound_bytes):
    first = stored({"path": "x.wav", "bytes": sound_bytes("x")}, tmp_path / "sound", "x")
    stamp = first.stat().st_mtime_ns
    assert stored({"path": "x.wav", "bytes": sound_bytes("x")}, tmp_path / "sound", "x") == first
    assert first.stat().st_mtime_ns == stamp
    assert stored({"path": None, "bytes": sound_bytes("y")}, tmp_path / "sound", "x").suffix == ".audio"
    assert [path.suffix for path in sorted((tmp_path / "sound").iterdir())].count(".partial") == 0
    there = write_sound(tmp_path / "there.wav")
    assert stored({"path": str(there), "bytes": None}, tmp_path / "sound", "x") == there
    with pytest.raises(ManifestError, match=r"x: the recording has no bytes, and 'gone\.wav' is no file: download it"):
        stored({"path": "gone.wav", "bytes": None}, tmp_path, "x")


def test_recordings_are_found_by_name_at_any_depth(tmp_path, write_sound):
    write_sound(tmp_path / "b" / "jazz.00001.wav")
    write_sound(tmp_path / "a" / "deep" / "jazz.00001.flac")
    (tmp_path / "jazz.00002.txt").write_text("")
    assert recordings(tmp_path) == {"jazz.00001": tmp_path / "a" / "deep" / "jazz.00001.flac"}


def test_no_rows_at_all_are_an_error_that_counts(tmp_path):
    rows = Rows("gtzan")
    with pytest.raises(FileNotFoundError, match=r"no row of gtzan is left in .* \(the lists are empty\)"):
        rows.checked(tmp_path)
