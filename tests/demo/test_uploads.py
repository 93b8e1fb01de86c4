"""Who is still to be served with which file."""

import pytest

from linernotes.demo import uploads
from linernotes.demo.uploads import Uploads
from linernotes.modeling.audio import AudioError


@pytest.fixture
def file(tmp_path):
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / "song.wav").write_bytes(b"sound")
    return tmp_path / "abc" / "song.wav"


def test_a_file_goes_when_it_is_taken(file):
    ledger = Uploads()
    ledger.note([str(file)])
    assert ledger.take(str(file)) == {"path": "song.wav", "bytes": b"sound"}
    assert not file.parent.exists()
    with pytest.raises(AudioError, match=r"'song\.wav': the upload is no longer here: upload it again"):
        ledger.take(str(file))


def test_a_file_of_two_stays_until_both_were_served(file):
    ledger = Uploads()
    ledger.note([str(file)])
    ledger.note([str(file)])
    ledger.take(str(file))
    assert file.exists()
    ledger.take(str(file))
    assert not file.exists()


def test_the_same_sound_under_another_name_stays_for_whom_it_is(file):
    other = file.with_name("other.wav")
    other.write_bytes(b"sound")
    ledger = Uploads()
    ledger.note([str(file), str(other)])
    assert ledger.take(str(file))["path"] == "song.wav"
    assert ledger.take(str(other)) == {"path": "other.wav", "bytes": b"sound"}
    assert not file.parent.exists()


def test_what_nobody_uploaded_stays(file):
    assert Uploads().take(str(file))["bytes"] == b"sound"
    assert file.exists()


def test_who_never_asked_is_forgotten(file, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(uploads.time, "monotonic", lambda: now[0])
    ledger = Uploads()
    ledger.note([str(file)])
    now[0] = uploads.FORGOTTEN_AFTER_SECONDS + 1
    ledger.note([str(file)])
    ledger.take(str(file))
    assert not file.exists()
