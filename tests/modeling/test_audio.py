"""audio.py: every file ends in an answer that is right, or in one AudioError that says why."""

import functools
import io
import os
import pickle
import shutil
import struct
import subprocess
import tempfile
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from linernotes.modeling import audio, ffmpeg
from linernotes.modeling.audio import AudioError, describe, read_audio, stream_audio

RATE = 44_100
SECONDS = 2.0

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg is NOT INSTALLED: M4A, AAC, WMA, WebM and WavPack go untested"
)
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files and signals")


# ---- sounds and files


def tone(rate: int = RATE, seconds: float = SECONDS, channels: int = 1, hz: float = 440.0) -> np.ndarray:
    """(samples, channels), as soundfile writes them: an A with a little noise, so that VBR encoders have work to do."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(0).normal(scale=0.02, size=times.size)
    return np.repeat((0.5 * np.sin(2 * np.pi * hz * times) + noise)[:, None], channels, axis=1).astype(np.float32)


def encode(
    container: str = "WAV", subtype: str | None = None, data: np.ndarray | None = None, rate: int = RATE
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(rate) if data is None else data, rate, format=container, subtype=subtype)
    return file.getvalue()


@functools.cache
def m4a(seconds: float = SECONDS) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return transcode(".m4a", "-c:a", "aac", content=encode(data=tone(seconds=seconds)), tmp_path=Path(folder))


def transcode(suffix: str, *options: str, content: bytes | None = None, tmp_path: Path) -> bytes:
    source, target = tmp_path / "transcode_source.wav", tmp_path / f"transcode_target{suffix}"
    source.write_bytes(content or encode())
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", source, *options, target], check=True, timeout=60)
    return target.read_bytes()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def patched(content: bytes, position: int, value: bytes) -> bytes:
    return content[:position] + value + content[position + len(value) :]


def header_says(*, rate: int | None = None, channels: int | None = None) -> bytes:
    content = encode(data=tone(seconds=0.01))
    content = content if channels is None else patched(content, 22, struct.pack("<H", channels))
    return content if rate is None else patched(content, 24, struct.pack("<I", rate))


def data_size_says(size: int, content: bytes | None = None) -> bytes:
    content = content or encode()
    content = patched(content, 4, struct.pack("<I", size))  # a program that cannot seek back knows neither length
    return patched(content, content.index(b"data") + 4, struct.pack("<I", size))


def flipped(content: bytes, count: int, first: int) -> bytes:
    damaged = bytearray(content)
    for position in np.random.default_rng(0).integers(first, len(content), count):
        damaged[position] ^= 0x5A
    return bytes(damaged)


def with_sample(value: float) -> bytes:
    data = tone()
    data[RATE // 2] = value
    return encode(subtype="FLOAT", data=data)


def mp3_without_xing_header() -> bytes:
    content = encode("MP3")
    first_frame_bytes = 144 * 128_000 // RATE  # libsndfile writes its Xing header at 128 kbit/s
    return content[content.index(content[:2], first_frame_bytes - 100) :]


def flac_of_unknown_length(content: bytes) -> bytes:
    """As encoders write to a pipe: the 36 bits of STREAMINFO's number of samples are 0."""
    return patched(content, 21, bytes([content[21] & 0xF0, 0, 0, 0, 0]))


def assert_is_a(samples: np.ndarray, rate: int, seconds: float = SECONDS, tolerance_seconds: float = 0.001) -> None:
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert np.isfinite(samples).all()
    assert len(samples) / rate == pytest.approx(seconds, abs=tolerance_seconds)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert spectrum.argmax() * rate / len(samples) == pytest.approx(440, abs=2)
    middle = samples[len(samples) // 4 : len(samples) // 2]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


# ---- what can be read


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [
        ("WAV", "PCM_16", 44_100),
        ("WAV", "PCM_24", 48_000),
        ("WAV", "FLOAT", 22_050),
        ("WAV", "DOUBLE", 22_050),
        ("WAV", "PCM_U8", 22_050),
        ("WAVEX", None, 44_100),
        ("RF64", None, 44_100),
        ("W64", None, 44_100),
        ("AIFF", None, 44_100),
        ("AU", None, 44_100),
        ("CAF", None, 44_100),
        ("FLAC", None, 96_000),
        ("OGG", "VORBIS", 44_100),
        ("OGG", "OPUS", 48_000),
        ("MP3", None, 44_100),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_440_hz_is_a_in_every_format(container, subtype, rate, channels):
    content = encode(container, subtype, tone(rate, channels=channels), rate)
    assert_is_a(read_audio(content, 22_050), 22_050)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".m4a", ("-c:a", "aac")),
        (".m4a", ("-c:a", "aac", "-movflags", "+faststart")),
        (".m4a", ("-c:a", "alac")),
        (".mp4", ("-c:a", "aac")),
        (".aac", ("-c:a", "aac")),
        (".wma", ("-c:a", "wmav2")),
        (".webm", ("-c:a", "libopus")),
        (".wv", ("-c:a", "wavpack")),
    ],
)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_440_hz_is_a_through_ffmpeg(suffix, options, as_bytes, tmp_path):
    content = transcode(suffix, *options, tmp_path=tmp_path)
    source = content if as_bytes else tmp_path / f"transcode_target{suffix}"
    assert_is_a(read_audio(source, 22_050), 22_050, tolerance_seconds=0.06)  # codecs fill their last frame


def test_mono_is_the_mean_of_the_channels():
    left, right = tone()[:, 0], tone(hz=330)[:, 0]
    expected = (left + right) / 2
    content = encode("WAV", "FLOAT", np.stack([left, right], axis=1))
    np.testing.assert_allclose(read_audio(content, RATE), expected, atol=1e-7)
    np.testing.assert_allclose(
        read_audio(np.stack([left, right]), RATE, source_sampling_rate=RATE), expected, atol=1e-7
    )


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_the_same_as_librosa_at_its_best(rate, tmp_path):
    import librosa

    path = tmp_path / "clip.flac"
    path.write_bytes(encode("FLAC", data=tone(channels=2)))
    expected, _ = librosa.load(path, sr=rate, res_type="soxr_hq")
    ours = read_audio(path, rate)
    assert abs(len(ours) - len(expected)) <= 1  # librosa rounds up
    shared = min(len(ours), len(expected))
    np.testing.assert_allclose(ours[:shared], expected[:shared], atol=1e-6)


# ---- the table: what other readers let through, and what we make of it

SAMPLES = round(SECONDS * RATE)
FLAC_AUDIO_START = 9_000  # behind libsndfile's header and padding

ANSWERED = {
    "one sample": (lambda: encode(data=tone()[:1]), 1),
    "ten samples": (lambda: encode(data=tone()[:10]), 10),
    "data size lies: 0": (lambda: data_size_says(0), SAMPLES),
    "data size lies: 2 GiB": (lambda: data_size_says(0x7FFFFFFF), SAMPLES),
    "data size lies: 2 GiB, as sox": (lambda: data_size_says(0x7FFFF000), SAMPLES),
    "data size lies: 4 GiB": (lambda: data_size_says(0xFFFFFFFF), SAMPLES),
    "data size counts its header": (lambda: data_size_says(2 * SAMPLES + 44), SAMPLES),
    "FLAC from a pipe": (lambda: flac_of_unknown_length(encode("FLAC")), SAMPLES),
    "silence": (lambda: encode(data=np.zeros(SAMPLES)), SAMPLES),
    "DC": (lambda: encode(data=np.full(SAMPLES, 0.5)), SAMPLES),
    "1,000 times full scale": (lambda: with_sample(1e3), SAMPLES),
    "8 channels at 192 kHz": (lambda: encode(data=tone(192_000, channels=8), rate=192_000), SAMPLES),
}

REFUSED = {
    "0 frames": (lambda: encode(data=tone()[:0]), "empty"),
    "0 frames, then tags": (lambda: patched(encode(data=tone()[:0]) + b"LIST\4\0\0\0INFO", 4, b"\x30"), "empty"),
    "0 bytes": (lambda: b"", "empty"),
    "0 channels": (lambda: header_says(channels=0), "not_audio"),
    "1024 channels": (lambda: header_says(channels=1024), "too_many_channels"),
    "65 channels": (lambda: encode(data=tone(8_000, 0.1, channels=65), rate=8_000), "too_many_channels"),
    "0 Hz": (lambda: header_says(rate=0), "not_audio"),
    "1 Hz": (lambda: header_says(rate=1), "bad_sampling_rate"),
    "3,999 Hz": (lambda: header_says(rate=3_999), "bad_sampling_rate"),
    "768,001 Hz": (lambda: header_says(rate=768_001), "bad_sampling_rate"),
    "2**31 - 1 Hz": (lambda: header_says(rate=2**31 - 1), "bad_sampling_rate"),
    "half a WAV": (lambda: half(encode()), "truncated"),
    "half a WAVEX": (lambda: half(encode("WAVEX")), "truncated"),
    "half an RF64": (lambda: half(encode("RF64")), "truncated"),
    "half a W64": (lambda: half(encode("W64")), "truncated"),
    "half an AIFF": (lambda: half(encode("AIFF")), "truncated"),
    "half an AU": (lambda: half(encode("AU")), "truncated"),
    "half a FLAC": (lambda: half(encode("FLAC")), "truncated"),
    "half a FLAC from a pipe": (lambda: half(flac_of_unknown_length(encode("FLAC"))), "truncated"),
    "half an OGG": (lambda: half(encode("OGG")), "truncated"),
    "half an Opus": (lambda: half(encode("OGG", "OPUS", rate=48_000)), "truncated"),
    "half an MP3": (lambda: half(encode("MP3")), "truncated"),
    "FLAC with one flipped byte": (lambda: flipped(encode("FLAC"), 1, FLAC_AUDIO_START), "truncated"),
    "FLAC with flipped bytes": (lambda: flipped(encode("FLAC"), 20, FLAC_AUDIO_START), "truncated"),
    "OGG with a flipped byte": (lambda: patched(encode("OGG"), 14_000, b"\x55\xaa"), "truncated"),
    "NaN": (lambda: with_sample(np.nan), "not_finite"),
    "Inf": (lambda: with_sample(-np.inf), "not_finite"),
    "amplitude 1e30": (lambda: with_sample(1e30), "not_finite"),
    "double 1e300": (lambda: encode(subtype="DOUBLE", data=np.full(100, 1e300)), "not_finite"),
    "cut header": (lambda: encode()[:30], "not_audio"),
    "cut magic": (lambda: b"RI", "not_audio"),
    "cut OGG header": (lambda: encode("OGG")[:20], "truncated"),
    "text": (lambda: b"la la la, la la la\n" * 100, "not_audio"),
    "PNG": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "not_audio"),
    "random bytes": (lambda: np.random.default_rng(0).bytes(20_000), "not_audio"),
    "zeros": (lambda: bytes(20_000), "not_audio"),
    "a playlist": (lambda: b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "not_audio"),
    "a concat script": (lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n", "not_audio"),
    "a format that nobody needs": (lambda: encode("MAT5"), "not_audio"),
    "chunks without end": (lambda: b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 10_000, "not_audio"),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_the_table_answered(name, tmp_path):
    build, samples = ANSWERED[name]
    path = tmp_path / "file.wav"
    path.write_bytes(build())
    rate = soundfile.info(path).samplerate if "data size" not in name and "pipe" not in name else RATE
    answer = read_audio(path, rate)
    assert len(answer) * RATE == samples * rate if "channels" in name else len(answer) == samples
    assert np.isfinite(answer).all()
    if samples == SAMPLES and name not in ("silence", "DC", "1,000 times full scale"):
        assert_is_a(answer, rate)


@pytest.mark.parametrize("name", REFUSED)
def test_the_table_refused(name, tmp_path):
    build, code = REFUSED[name]
    path = tmp_path / "file.wav"
    path.write_bytes(build())
    with pytest.raises(AudioError) as caught:
        read_audio(path, 22_050)
    assert caught.value.code == code
    assert caught.value.path == str(path)
    assert str(caught.value).startswith(f"'{path}': ")
    with pytest.raises(AudioError) as caught_as_bytes:
        read_audio(build(), 22_050)
    assert (caught_as_bytes.value.code, caught_as_bytes.value.path) == (code, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("1024 channels", "1024 channels, at most 64 are allowed: mix it down"),
        ("1 Hz", r"sampling rate of the audio is 1, 4000 to 768000 Hz are allowed: state the true one"),
        ("half a WAV", r"promises 88222 bytes more than it holds: the file is cut or damaged.*fetch it again"),
        ("half a FLAC", r"the sound breaks off \(.*\): the file is cut or damaged"),
        ("half an MP3", r"it holds 0\.9\d s and promises 1\.0\d s more"),
        ("NaN", r"sample 22050 \(0\.500 s\) of channel 0 is nan, finite numbers up to 1e\+06 times full scale"),
        ("Inf", r"sample 22050 \(0\.500 s\) of channel 0 is -inf"),
        ("amplitude 1e30", r"is 1\.0\d*e\+30"),
        ("text", r"no sound can be read \(.*\); it begins with b'la la.*WAV, FLAC, OGG.*convert it"),
        ("a format that nobody needs", "MAT5 is not one of the formats read here"),
        ("0 bytes", "it has 0 bytes: give a file with sound in it"),
        ("0 frames", r"no sound in it \(0 samples\)"),
    ],
)
def test_messages_say_what_was_got_what_is_allowed_and_what_to_do(name, message):
    with pytest.raises(AudioError, match=message):
        read_audio(REFUSED[name][0](), 22_050)


@pytest.mark.parametrize("position", range(FLAC_AUDIO_START, 60_000, 2_500))
def test_no_flipped_byte_of_a_flac_goes_unnoticed(position):
    content = encode("FLAC")
    with pytest.raises(AudioError) as caught:
        read_audio(patched(content, position, bytes([content[position] ^ 0x10])), RATE)
    assert caught.value.code == "truncated"


@pytest.mark.parametrize("seed", range(5))
def test_an_mp3_with_flipped_bytes_is_answered_finitely_or_refused(seed):
    content = bytearray(encode("MP3"))
    for position in np.random.default_rng(seed).integers(1_000, len(content), 200):
        content[position] ^= 0xFF
    try:
        assert np.isfinite(read_audio(bytes(content), 22_050)).all()
    except AudioError as error:
        assert error.code in ("truncated", "not_finite")  # noqa: PT017 (an answer is right as well)


def test_half_an_mp3_that_promises_nothing_is_answered():
    assert_is_a(read_audio(half(mp3_without_xing_header()), RATE), RATE, seconds=SECONDS / 2, tolerance_seconds=0.1)


def test_a_variable_bit_rate_mp3_that_promises_nothing_is_heard_to_its_end():
    content = mp3_without_xing_header()
    alone, _ = soundfile.read(io.BytesIO(content))
    assert len(alone) < 0.8 * SAMPLES  # libsndfile guesses the length from the first frame, and drops the rest
    assert_is_a(read_audio(content, RATE), RATE, tolerance_seconds=0.06)


def test_mp3s_in_a_row_are_heard_to_the_last():
    assert_is_a(read_audio(3 * encode("MP3"), RATE), RATE, seconds=3 * SECONDS, tolerance_seconds=0.2)


@needs_ffmpeg
def test_oggs_in_a_row_are_heard_to_the_last():
    content = encode("OGG") + encode("OGG")  # each has a serial number of its own
    assert_is_a(read_audio(content, RATE), RATE, seconds=2 * SECONDS, tolerance_seconds=0.06)


@pytest.mark.parametrize("name", ["song.wav", "song.raw", "song.txt", "song", "song.flac"])
def test_the_extension_does_not_matter(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(encode("MP3"))
    assert_is_a(read_audio(path, RATE), RATE)


@settings(max_examples=150)
@given(
    st.sampled_from([("WAV", None), ("FLAC", None), ("OGG", "VORBIS"), ("MP3", None), ("AIFF", None), ("RF64", None)]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.floats(0.2, 1),
)
def test_any_damage_ends_in_finite_samples_or_one_error(form, changes, kept):
    content = bytearray(encode(*form, data=tone(8_000, 0.25), rate=8_000))
    for place, value in changes:
        content[round(place**4 * (len(content) - 1))] = value  # most of them in the header
    try:
        samples = read_audio(bytes(content[: round(kept * len(content))]), 16_000, max_seconds=60)
        assert np.isfinite(samples).all()
        assert len(samples) > 0
    except AudioError as error:
        assert error.code in AudioError.__doc__  # noqa: PT017 (either end is right)


# ---- ffmpeg


@needs_ffmpeg
@pytest.mark.parametrize("options", [(), ("-movflags", "+faststart")])
def test_half_an_m4a_is_truncated(options, tmp_path):
    content = transcode(".m4a", "-c:a", "aac", *options, tmp_path=tmp_path)
    with pytest.raises(AudioError, match=r"ffmpeg, after .* the file is cut or damaged") as caught:
        read_audio(half(content), 22_050)
    assert caught.value.code == "truncated"


@needs_ffmpeg
@pytest.mark.parametrize(("suffix", "codec"), [(".wma", "wmav2"), (".webm", "libopus"), (".wv", "wavpack")])
def test_half_of_another_container_is_truncated(suffix, codec, tmp_path):
    with pytest.raises(AudioError) as caught:
        read_audio(half(transcode(suffix, "-c:a", codec, tmp_path=tmp_path)), 22_050)
    assert caught.value.code == "truncated"


@needs_ffmpeg
def test_half_an_aac_that_promises_nothing_is_answered(tmp_path):
    content = transcode(".aac", "-c:a", "aac", tmp_path=tmp_path)
    assert_is_a(read_audio(half(content), RATE), RATE, seconds=SECONDS / 2, tolerance_seconds=0.1)


@needs_ffmpeg
def test_what_ffmpeg_cannot_read_is_not_audio_in_its_own_words():
    with pytest.raises(
        AudioError, match=r"no sound can be read \(ffmpeg, after 0\.00 s: .*\); it begins with"
    ) as caught:
        read_audio(b"\xff\xf1" + bytes(500), 22_050)
    assert caught.value.code == "not_audio"


@needs_ffmpeg
def test_a_video_with_no_sound_is_not_audio(tmp_path):
    options = ("-f", "lavfi", "-i", "color=size=16x16:duration=0.2", "-map", "1:v", "-c:v", "mpeg4")
    content = transcode(".mp4", *options, tmp_path=tmp_path)
    with pytest.raises(AudioError, match="matches no streams") as caught:
        read_audio(content, 22_050)
    assert caught.value.code == "not_audio"


def test_without_ffmpeg_the_error_says_that_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match="needs ffmpeg, and ffmpeg is not installed: install it, or convert") as caught:
        read_audio(b"\0\0\0\x20ftypM4A " + bytes(500), 22_050)
    assert caught.value.code == "not_audio"


def fake_ffmpeg(monkeypatch, tmp_path: Path, script: str) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@posix_only
def test_an_ffmpeg_that_hangs_is_stopped(monkeypatch, tmp_path):
    fake_ffmpeg(monkeypatch, tmp_path, "while :; do :; done")
    monkeypatch.setattr(ffmpeg, "BLOCK_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(AudioError, match="stopped at its limits, status -9"):
        read_audio(b"\0\0\0\x20ftypM4A " + bytes(500), 22_050)
    assert time.monotonic() - started < 10


@posix_only
@pytest.mark.skipif(not hasattr(ffmpeg.resource, "prlimit"), reason="limits on another process need Linux")
def test_an_ffmpeg_that_wants_too_much_is_stopped(monkeypatch, tmp_path):
    limits = tmp_path / "limits"
    fake_ffmpeg(monkeypatch, tmp_path, f"sleep 0.3; (ulimit -v; ulimit -t) > {limits}; exit 1")
    with pytest.raises(AudioError):
        read_audio(b"\0\0\0\x20ftypM4A " + bytes(500), 22_050)
    assert limits.read_text().split() == [str(ffmpeg.MEMORY_BYTES // 1024), str(ffmpeg.CPU_SECONDS)]


@needs_ffmpeg
def test_ffmpeg_ends_with_the_iteration(monkeypatch):
    started = []
    start = subprocess.Popen
    content = m4a(seconds=20)
    monkeypatch.setattr(
        ffmpeg.subprocess, "Popen", lambda *args, **kw: started.append(start(*args, **kw)) or started[0]
    )
    blocks = stream_audio(content, 22_050, block_seconds=1)
    next(blocks)
    assert started[0].poll() is None
    blocks.close()
    assert started[0].poll() is not None


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


def test_what_a_file_object_raises_comes_through():
    class Broken:
        def read(self, size):
            raise ConnectionResetError("the other side hung up")

    with pytest.raises(ConnectionResetError, match="hung up"):
        read_audio(Broken(), RATE)


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


# ---- arrays


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint8, np.uint16, np.uint32])
def test_integers_are_scaled_by_their_type(dtype):
    info = np.iinfo(dtype)
    middle = (int(info.max) + int(info.min) + 1) // 2
    array = np.array([info.min, middle, info.max], dtype=dtype)
    samples = read_audio(array, RATE, source_sampling_rate=RATE)
    np.testing.assert_allclose(samples, [-1, 0, 1], atol=0.01)
    assert samples[0] == -1
    assert samples[1] == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.dtype(">f4")])
def test_floats_stay_as_they_are(dtype):
    array = np.array([0.5, -0.25, 1.5], dtype=dtype)
    np.testing.assert_array_equal(read_audio(array, RATE, source_sampling_rate=RATE), [0.5, -0.25, 1.5])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_tensors(dtype):
    tensor = torch.tensor([[0.5, -0.25], [0.5, 0.25]], dtype=dtype, requires_grad=True)
    np.testing.assert_array_equal(read_audio(tensor, RATE, source_sampling_rate=RATE), [0.5, 0.0])
    assert describe(tensor) is None


def test_an_array_is_not_changed_and_not_shared():
    array = np.zeros(10, np.float32)
    for block in stream_audio(array, RATE, source_sampling_rate=RATE):
        block += 1
    assert not array.any()


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        (
            np.zeros((48_000, 2)),
            "too_many_channels",
            r"shape \(48000, 2\) means 48000 channels.*transpose it \(array.T\)",
        ),
        (np.zeros((48_000, 1)), "too_many_channels", "transpose it"),
        (np.float32(0), "not_audio", "got float32, expected a path"),
        (np.zeros(()), "not_audio", r"got an array of shape \(\) and type float64, expected \(samples,\)"),
        (np.zeros((1, 2, 100)), "not_audio", r"shape \(1, 2, 100\)"),
        (np.zeros(100, object), "not_audio", "type object"),
        (np.zeros(100, bool), "not_audio", "type bool"),
        (np.zeros(100, complex), "not_audio", "type complex128"),
        (np.full(100, "a"), "not_audio", "type <U1"),
        (np.zeros(100, np.int64), "not_audio", "type int64.*floats within .-1 or of integers of 8, 16 or 32 bits"),
        ([0.0, 0.1], "not_audio", r"got list, expected .*np.asarray"),
        ({"array": [0.0, 0.1], "sampling_rate": RATE}, "not_audio", "got list"),
        (None, "not_audio", "got NoneType"),
        (7, "not_audio", "got int"),
        (np.zeros(0), "empty", "0 samples"),
        (np.zeros((2, 0)), "empty", "0 samples"),
        (np.zeros((0, 100)), "empty", "0 samples"),
        (np.array([0.0, np.nan]), "not_finite", r"sample 1 \(0\.000 s\) of channel 0 is nan"),
        (np.array([[0.0, 0.0], [1e300, 0.0]]), "not_finite", "sample 0 .* of channel 1 is inf"),
    ],
)
def test_arrays_that_are_no_audio(source, code, message):
    with pytest.raises(AudioError, match=message) as caught:
        read_audio(source, 22_050, source_sampling_rate=RATE)
    assert (caught.value.code, caught.value.path) == (code, None)


def test_less_than_one_sample_at_the_rate_asked_for_is_too_short():
    with pytest.raises(AudioError, match=r"shorter than one sample at 16000 Hz: .* give a longer recording") as caught:
        read_audio(np.zeros(5), 16_000, source_sampling_rate=192_000)
    assert caught.value.code == "too_short"


def test_a_dict_without_a_rate_takes_that_of_the_call():
    samples = read_audio({"array": np.zeros(100), "sampling_rate": None}, RATE, source_sampling_rate=RATE)
    assert len(samples) == 100


@pytest.mark.parametrize("source", [np.zeros(100), torch.zeros(100), {"array": np.zeros(100)}])
def test_an_array_needs_a_rate(source):
    with pytest.raises(AudioError, match="does not say its sampling rate: pass it in Hz") as caught:
        read_audio(source, 22_050)
    assert caught.value.code == "no_sampling_rate"


@pytest.mark.parametrize("rate", [0, -1, 1, 3_999, 768_001, 2**31, float("nan"), float("inf"), "44100", True])
def test_rates_out_of_this_world(rate):
    for rates in ((RATE, rate), (rate, RATE)):
        with pytest.raises(AudioError, match="4000 to 768000 Hz are allowed: state the true one") as caught:
            read_audio(np.zeros(100), rates[0], source_sampling_rate=rates[1])
        assert caught.value.code == "bad_sampling_rate"


@pytest.mark.parametrize("rate", [4_000, 768_000, 44_100.5, np.int64(44_100), np.float32(22_050)])
def test_rates_that_are_allowed(rate):
    samples = read_audio(np.zeros(44_100), 16_000, source_sampling_rate=rate)
    assert len(samples) == pytest.approx(44_100 * 16_000 / rate, abs=1)


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
