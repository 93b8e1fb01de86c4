"""Sound in blocks: limits, memory, threads, and the error that comes while iterating."""

import io
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import RATE, SAMPLES, SECONDS, encode, flac_of_unknown_length, mp3_without_xing_header, tone
from hypothesis import given
from hypothesis import strategies as st

from linernotes.modeling import audio
from linernotes.modeling.audio import AudioError, describe, read_audio, stream_audio

# ---- limits, blocks, memory, threads


def test_max_seconds(tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(encode())
    assert len(read_audio(path, RATE, max_seconds=SECONDS)) == SAMPLES
    with pytest.raises(AudioError, match=r"2\.00 s or more, at most 1\.9 s are allowed here: cut it") as caught:
        read_audio(path, RATE, max_seconds=1.9)
    assert (caught.value.code, caught.value.path) == ("too_long", str(path))


@pytest.mark.parametrize("source", [flac_of_unknown_length(encode("FLAC")), mp3_without_xing_header()])
def test_max_seconds_where_the_header_does_not_know(source):
    with pytest.raises(AudioError, match="at most 1 s are allowed here") as caught:
        list(stream_audio(source, 22_050, max_seconds=1, block_seconds=0.1))
    assert caught.value.code == "too_long"


@given(st.floats(1e-4, 5), st.sampled_from([16_000, RATE, 48_000]))
def test_the_size_of_the_blocks_changes_nothing(block_seconds, rate):
    source = {"array": tone(seconds=0.2)[:, 0], "sampling_rate": RATE}
    blocks = list(stream_audio(source, rate, block_seconds=block_seconds))
    np.testing.assert_array_equal(np.concatenate(blocks), read_audio(source, rate))


def test_blocks_are_about_as_long_as_asked_for():
    blocks = list(stream_audio(encode(), RATE, block_seconds=0.5))
    assert [len(block) for block in blocks] == [RATE // 2] * 4


@pytest.mark.parametrize("block_seconds", [0, -1, float("nan")])
def test_blocks_of_no_length_are_refused(block_seconds):
    with pytest.raises(ValueError, match=r"block_seconds=.* must be more than 0"):
        next(stream_audio(encode(), RATE, block_seconds=block_seconds))


def test_an_hour_is_read_in_the_memory_of_a_block():
    rate, minutes = 8_000, 60
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, 1, format="FLAC") as flac:
        for _ in range(minutes):
            flac.write(np.zeros(60 * rate, np.int16))
    tracemalloc.start()
    try:
        samples = sum(len(block) for block in stream_audio(file.getvalue(), 4_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert samples == minutes * 60 * 4_000
    assert peak < len(file.getvalue()) + 2 * 2**20  # the hour itself: 57 MB


def test_a_block_is_bounded_whatever_the_header_and_the_caller_say():
    data = np.zeros((2**17, 64), np.int16)
    blocks = stream_audio(encode(data=data, rate=768_000), 768_000, block_seconds=1e9)
    assert max(len(block) for block in blocks) * 64 <= audio.MAX_BLOCK_VALUES


def test_threads_do_not_mix():
    sources = [encode(container, data=tone(hz=hz)) for container in ("WAV", "FLAC", "OGG", "MP3") for hz in (300, 500)]
    alone = [read_audio(source, 22_050) for source in sources]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda source: read_audio(source, 22_050), sources * 3))
    for one, other in zip(together, alone * 3, strict=True):
        np.testing.assert_array_equal(one, other)


# ---- the error itself


def test_the_error_survives_the_way_between_processes():
    error = AudioError("empty", "there is no sound in it")
    error.path = "a.wav"
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, copy.path, str(copy)) == ("empty", "a.wav", "'a.wav': there is no sound in it")
    assert isinstance(copy, ValueError)


def test_errors_come_while_iterating():
    blocks = stream_audio("nothing.wav", 22_050)
    with pytest.raises(AudioError):
        next(blocks)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("a.wav", "a.wav"),
        (Path("a.wav"), "a.wav"),
        (b"RIFF", None),
        (np.zeros(3), None),
        ([1.0], None),
        (io.BytesIO(), None),
        ({"path": "a.wav", "bytes": b""}, "a.wav"),
        ({"array": np.zeros(3), "sampling_rate": RATE}, None),
    ],
)
def test_describe(source, path):
    assert describe(source) == path
