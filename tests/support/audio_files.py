"""Sound files to read: an A in every format, and the same damaged, mislabelled or endless."""

import functools
import io
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 44_100
SECONDS = 2.0
SAMPLES = round(SECONDS * RATE)

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg is NOT INSTALLED: M4A, AAC, WMA, WebM and WavPack go untested"
)
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files and signals")


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
