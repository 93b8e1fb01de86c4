"""A recording decoded once gives every model the samples of the original, in bounded memory."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from audio_files import encode, needs_ffmpeg, tone, transcode
from hostile_audio import ANSWER, KINDS, SILENCE

from linernotes.decoding import decoded
from linernotes.modeling.audio import AudioError, read_audio

HEARD = {ANSWER, SILENCE, "too_short"}  # how short is too short is the models' to say
RATES = (16_000, 22_050, 24_000, 44_100, 48_000)


def same_samples(source) -> None:
    with decoded(source) as sound:
        for rate in RATES:
            np.testing.assert_array_equal(read_audio(sound.source, rate), read_audio(source, rate))


@pytest.mark.parametrize(("container", "channels"), [("WAV", 1), ("WAV", 2), ("FLAC", 2), ("OGG", 2), ("MP3", 1)])
def test_every_rate_hears_the_samples_of_the_original(tmp_path, container, channels):
    path = tmp_path / "song"
    path.write_bytes(encode(container, data=tone(channels=channels)))
    same_samples(path)


@needs_ffmpeg
def test_what_ffmpeg_decodes_is_decoded_once(tmp_path):
    path = tmp_path / "song.m4a"
    path.write_bytes(transcode(".m4a", "-c:a", "aac", tmp_path=tmp_path))
    same_samples(path)


@pytest.mark.parametrize("form", ["bytes", "file", "array", "dict"])
def test_all_forms_of_sound_are_taken(tmp_path, form):
    path = tmp_path / "song.wav"
    soundfile.write(path, tone(), 44_100, subtype="FLOAT")
    array = tone()[:, 0]
    sources = {"bytes": path.read_bytes(), "array": array, "dict": {"array": array, "sampling_rate": 44_100}}
    with open(path, "rb") as file:
        source = file if form == "file" else sources[form]
        rate = 44_100 if form == "array" else None
        with decoded(source, sampling_rate=rate) as sound:
            np.testing.assert_array_equal(read_audio(sound.source, 24_000), read_audio(path, 24_000))
            assert sound.path == (str(path) if form == "file" else None)
            assert sound.duration_seconds == pytest.approx(2.0)


def test_the_temporary_file_is_gone_afterwards(recording):
    with decoded(recording) as sound:
        assert sound.source.is_file()
    assert not sound.source.parent.exists()


def test_bad_files_are_errors_with_their_own_name(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"no sound in here")
    with pytest.raises(AudioError, match=r"a\.mp3': no sound can be read") as error, decoded(tmp_path / "a.mp3"):
        pass
    assert (error.value.code, error.value.path) == ("not_audio", str(tmp_path / "a.mp3"))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not KINDS[kind].right & HEARD])
def test_damage_within_a_recording_is_its_own_and_not_the_disk_s(kind, tmp_path):
    """libsndfile reads the one and writes the other, and has one error for both."""
    right, content = KINDS[kind].right, KINDS[kind].make(np.random.default_rng(0))
    path = tmp_path / "song.flac"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(AudioError) as error, decoded(path):
        pass
    assert error.value.code in right
    assert error.value.path == str(path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_full_disk_is_an_error_that_says_what_to_do(recording):
    code = (
        "import resource, signal\nfrom linernotes.decoding import decoded\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        f"try:\n    with decoded({str(recording)!r}): pass\nexcept OSError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot be written to" in run.stdout
    assert "TMPDIR" in run.stdout


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path):
    """Peak memory of decoding and reading ten minutes and an hour differs by less than a minute of sound."""
    code = (
        "import resource, sys\nfrom linernotes.decoding import decoded\n"
        "from linernotes.modeling.audio import stream_audio\n"
        "with decoded(sys.argv[1]) as sound:\n    total = sum(len(b) for b in stream_audio(sound.source, 24_000))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for minutes in (10, 60):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 44_100, 1, subtype="PCM_16") as file:
            for _ in range(minutes):
                file.write(np.zeros(44_100 * 60, np.int16))
        run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout) * 1024)
    assert peaks[1] - peaks[0] < 4 * 44_100 * 60
