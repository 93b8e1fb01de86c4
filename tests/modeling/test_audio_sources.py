"""Where audio.py reads from: names of any letters, what is no file, bytes, file objects, the dicts of `datasets`."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import RATE, assert_is_a, encode, m4a, needs_ffmpeg, posix_only, tone

from linernotes.modeling import audio
from linernotes.modeling.audio import AudioError, describe, read_audio

# ---- names of files

NAMES = ["it's.wav", 'a "b".wav', "a;b.wav", "$(touch canary).wav", "`id`.wav", "a\nb.wav", "-i.wav", "concat:a|b.wav"]
NAMES += ["file:x.wav", "100%d.wav", "é ü 音.wav", " .wav", "*.wav"]


@posix_only
@pytest.mark.parametrize("name", NAMES)
def test_odd_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(encode())
    assert_is_a(read_audio(name, RATE), RATE)
    assert describe(name) == name
    assert not Path("canary").exists()


@posix_only
@needs_ffmpeg
@pytest.mark.parametrize("name", NAMES)
def test_odd_names_through_ffmpeg(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(m4a())
    assert_is_a(read_audio(name, RATE), RATE, tolerance_seconds=0.06)
    assert not Path("canary").exists()


@posix_only
def test_names_that_are_not_utf8(tmp_path):
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"caf\xe9.wav"))
    try:
        Path(path).write_bytes(encode())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert_is_a(read_audio(path, RATE), RATE)
    Path(path).write_bytes(b"text")
    with pytest.raises(AudioError) as caught:
        read_audio(path, RATE)
    assert caught.value.path == path
    assert str(caught.value).isprintable()  # so that printing an error cannot fail


# ---- what is no file


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing.wav", "cannot be opened .No such file.*: check the path"),
        ("", "check the path"),
        ("a\0b.wav", "cannot be opened .*null"),
        ("x" * 5000, "cannot be opened"),
        ("https://example.org/song.mp3", "cannot be opened .*: download it first"),
        ("hf://datasets/a/b.wav", "download it first"),
    ],
)
def test_what_is_not_there_is_not_found(path, message):
    with pytest.raises(AudioError, match=message) as caught:
        read_audio(path, 22_050)
    assert (caught.value.code, caught.value.path) == ("not_found", path)


def test_a_directory_is_not_a_file(tmp_path):
    folder = tmp_path / "song.wav"
    folder.mkdir()
    with pytest.raises(AudioError, match="is a directory, a pipe or a device: give the path of a sound file") as caught:
        read_audio(folder, 22_050)
    assert caught.value.code == "not_a_file"


@posix_only
@pytest.mark.parametrize("kind", ["fifo", "device", "link to a device"])
def test_pipes_and_devices_are_refused_without_waiting(kind, tmp_path):
    path = tmp_path / "song.wav"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(AudioError) as caught:
        read_audio(path, 22_050)
    assert caught.value.code == "not_a_file"


# ---- bytes and file objects


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes(kind):
    assert_is_a(read_audio(kind(encode("FLAC")), RATE), RATE)


def test_a_file_object_is_read_from_where_it_stands_and_left_open(tmp_path):
    path = tmp_path / "song.bin"
    path.write_bytes(b"a header of somebody else" + encode())
    with open(path, "rb") as file:
        file.seek(25)
        assert_is_a(read_audio(file, RATE), RATE)
        assert not file.closed
        assert describe(file) == str(path)


def test_a_file_object_that_cannot_seek():
    class Socket(io.RawIOBase):
        def __init__(self):
            self._content = io.BytesIO(encode("MP3"))

        def readable(self):
            return True

        def readinto(self, buffer):
            return self._content.readinto(memoryview(buffer)[:1000])

    assert_is_a(read_audio(Socket(), RATE), RATE)


def test_a_text_file_object_is_refused(tmp_path):
    path = tmp_path / "song.wav"
    path.write_text("la la la")
    with open(path) as file, pytest.raises(AudioError, match="gives str: open it in mode 'rb'") as caught:
        read_audio(file, RATE)
    assert (caught.value.code, caught.value.path) == ("not_audio", str(path))


def test_a_file_object_without_end_is_refused(monkeypatch):
    class Endless:
        def read(self, size):
            return bytes(size)

    monkeypatch.setattr(audio, "MAX_SPOOLED_BYTES", 3 * 2**20)
    with pytest.raises(AudioError, match="a file object of more than 3145728 bytes: give its path") as caught:
        read_audio(Endless(), RATE)
    assert caught.value.code == "too_long"


class Broken:
    """A file object that cannot be read."""

    def __init__(self, error: Exception):
        self.error = error

    def read(self, size: int) -> bytes:
        raise self.error


def test_a_connection_that_breaks_is_an_audio_error_and_other_errors_come_through():
    lost = ConnectionResetError("the other side hung up")
    with pytest.raises(AudioError, match=r"cannot be read \(the other side hung up\): see to the disk") as caught:
        read_audio(Broken(lost), RATE)
    assert (caught.value.code, caught.value.__cause__) == ("unreadable", lost)
    with pytest.raises(RuntimeError, match="a fault of its own"):
        read_audio(Broken(RuntimeError("a fault of its own")), RATE)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that opens and cannot be read")
def test_a_disk_that_fails_is_unreadable(tmp_path):
    path = tmp_path / "song.wav"
    path.symlink_to("/proc/self/mem")
    with pytest.raises(AudioError, match="cannot be read") as caught:
        read_audio(path, RATE)
    assert (caught.value.code, caught.value.path) == ("unreadable", str(path))


def test_a_connection_that_breaks_in_the_middle_of_the_sound(tmp_path, monkeypatch):
    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros(40 * RATE), RATE)
    seen = 0

    def failing(self, frames, **options):
        nonlocal seen
        seen += 1
        if seen > 2:
            raise OSError(errno.EIO, "Input/output error")
        return np.zeros((frames, 1), np.float32)

    monkeypatch.setattr(soundfile.SoundFile, "read", failing)
    with pytest.raises(AudioError, match="cannot be read \\(Input/output error\\)"):
        read_audio(path, RATE)


# ---- the dicts of `datasets`


def test_dicts_with_an_array():
    samples = tone()[:, 0]
    np.testing.assert_array_equal(read_audio({"array": samples, "sampling_rate": RATE}, RATE), samples)
    halved = read_audio({"array": samples, "sampling_rate": RATE, "path": None}, RATE // 2, source_sampling_rate=8_000)
    assert len(halved) == len(samples) // 2  # the dict knows better than the call


def test_dicts_with_path_and_bytes(tmp_path):
    path = tmp_path / "song.flac"
    path.write_bytes(encode("FLAC"))
    assert_is_a(read_audio({"path": str(path), "bytes": None}, RATE), RATE)
    assert_is_a(read_audio({"path": None, "bytes": encode("MP3")}, RATE), RATE)
    assert_is_a(read_audio({"path": "elsewhere.wav", "bytes": encode()}, RATE), RATE)
    with pytest.raises(AudioError, match=r"'elsewhere\.wav': ") as caught:
        read_audio({"path": "elsewhere.wav", "bytes": b"text"}, RATE)
    assert caught.value.path == "elsewhere.wav"


@pytest.mark.parametrize("source", [{}, {"path": None, "bytes": None}, {"audio": b""}])
def test_dicts_with_nothing_in_them_are_refused(source):
    with pytest.raises(AudioError, match=r"got dict, expected a path, bytes, .*\{\"path\", \"bytes\"\}") as caught:
        read_audio(source, RATE)
    assert caught.value.code == "not_audio"
