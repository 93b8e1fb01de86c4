"""containers.py: what a file promises of its own length."""

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from linernotes.modeling.containers import head_stating_length, is_chained_ogg, missing_bytes

SILENCE = np.zeros((44_100, 2), np.int16)


def encode(container: str, subtype: str | None = None, rate: int = 44_100) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SILENCE, rate, format=container, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU"])
@pytest.mark.parametrize("lost", [100, 1_000, 100_000])
def test_the_bytes_that_are_missing_are_counted(container, lost):
    content = encode(container)
    assert missing_bytes(io.BytesIO(content)) == 0
    assert missing_bytes(io.BytesIO(content[:-lost])) == pytest.approx(lost, abs=16)  # W64 counts its padding


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_any_cut_inside_the_last_page_of_an_ogg_is_seen(subtype):
    content = encode("OGG", subtype, 48_000)
    last_page = len(content) - content.rfind(b"OggS")
    assert missing_bytes(io.BytesIO(content)) == 0
    for lost in range(1, last_page - 3):
        assert missing_bytes(io.BytesIO(content[:-lost])) > 0


@pytest.mark.parametrize("chunk", ["data", "after a LIST chunk", "after an odd chunk"])
def test_chunks_in_front_of_the_sound_are_passed(chunk):
    content = encode("WAV")
    odd = {"data": b"", "after a LIST chunk": b"LIST\4\0\0\0INFO", "after an odd chunk": b"note\3\0\0\0abc\0"}[chunk]
    content = content[:12] + odd + content[12:]
    assert missing_bytes(io.BytesIO(content)) == 0
    assert missing_bytes(io.BytesIO(content[:-500])) == 500


@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFF000, 0xFFFFFFFF])
def test_lengths_that_mean_unknown_promise_nothing(length):
    content = encode("WAV").replace(b"data" + struct.pack("<I", SILENCE.nbytes), b"data" + struct.pack("<I", length))
    assert missing_bytes(io.BytesIO(content[:-500])) == 0


def test_a_whole_wav_needs_no_other_head_and_an_unclosed_one_does():
    content = encode("WAV")
    assert head_stating_length(io.BytesIO(content), "WAV") is None
    unclosed = content[:4] + bytes(4) + content[8:40] + bytes(4) + content[44:]
    head, start = head_stating_length(io.BytesIO(unclosed), "WAV")
    assert (head[-8:], start) == (b"data\xff\xff\xff\xff", 44)


def mp3(version: int, rate: int, mono: bool, bitrate_kbps: int) -> bytes:
    """Frames of MPEG 1 (version bits 3), 2 (2) or 2.5 (0), Layer III, with no Xing header and nothing but silence."""
    rates = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}[version]
    bitrates = (32, 40, 48, 56, 64, 80, 96, 112, 128) if version == 3 else (8, 16, 24, 32, 40, 48, 56, 64, 80)
    header = 0xFFE30000 | version << 19 | 1 << 16 | (bitrates.index(bitrate_kbps) + 1) << 12 | rates.index(rate) << 10
    header |= 0xC0 if mono else 0
    length = (144 if version == 3 else 72) * 1000 * bitrate_kbps // rate
    return struct.pack(">I", header).ljust(length, b"\0") * 40


@pytest.mark.parametrize(
    ("version", "rate"), [(3, 44_100), (3, 32_000), (2, 22_050), (2, 16_000), (0, 11_025), (0, 8_000)]
)
@pytest.mark.parametrize("mono", [True, False])
@pytest.mark.parametrize("tag", [b"", b"ID3\4\0\0\0\0\1\1" + bytes(129), b"ID3\4\0\x10\0\0\0\4" + bytes(14)])
def test_the_frame_put_before_an_mp3_promises_a_length_that_libsndfile_believes(version, rate, mono, tag):
    content = tag + mp3(version, rate, mono, 64)
    head, start = head_stating_length(io.BytesIO(content), "MP3")
    assert start == len(tag)
    file = soundfile.SoundFile(io.BytesIO(head + content[start:]))
    assert (file.samplerate, file.channels) == (rate, 1 if mono else 2)
    assert file.frames > 2**40
    samples_per_frame = 1152 if version == 3 else 576
    assert len(file.read(100_000)) == pytest.approx(40 * samples_per_frame, abs=2 * samples_per_frame)


def test_an_mp3_that_states_its_length_keeps_its_head():
    content = encode("MP3")
    assert head_stating_length(io.BytesIO(content), "MP3") is None
    assert head_stating_length(io.BytesIO(content + content), "MP3") is not None  # it speaks of the first half only


def test_an_ogg_of_two_recordings_is_seen():
    content = encode("OGG")
    assert not is_chained_ogg(io.BytesIO(content))
    assert is_chained_ogg(io.BytesIO(content + encode("OGG")))
    assert not is_chained_ogg(io.BytesIO(encode("WAV")))


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"RIFF1234WAVE", b"OggS", b"riff", b".snd", b"FORM", b"RF64", b"ID3"]),
)
def test_nothing_that_a_header_may_say_breaks_the_questions(content, magic):
    stream = io.BytesIO(magic + content)
    assert missing_bytes(stream) >= 0
    is_chained_ogg(stream)
    for container in ("WAV", "MP3", "OGG"):
        head_stating_length(stream, container)
