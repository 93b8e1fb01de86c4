"""What audio.py leaves to ffmpeg: other containers, whole and cut, and a program that hangs or wants too much."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from audio_files import RATE, SECONDS, assert_is_a, half, m4a, needs_ffmpeg, posix_only, transcode

from linernotes.modeling import ffmpeg
from linernotes.modeling.audio import AudioError, read_audio, stream_audio


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
