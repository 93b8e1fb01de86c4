"""Sound that libsndfile cannot read (M4A, AAC, WMA, WebM, WavPack), decoded by an ffmpeg in a process of its own.

ffmpeg reads much more than sound, playlists and addresses too, so it is kept short: no shell, local files only, the one
demuxer that the first bytes of the file name, a bound on memory, on work and on waiting. It needs to be installed.
"""

import re
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from tempfile import NamedTemporaryFile, TemporaryFile
from threading import Timer
from typing import BinaryIO

import numpy as np

try:
    import resource  # POSIX only
except ImportError:
    resource = None

MEMORY_BYTES = 2**30
CPU_SECONDS = 900  # ten hours of AAC take about two minutes
BLOCK_SECONDS = 60  # of waiting for one block
LOG_BYTES = 2**20
SLACK_SECONDS = 0.5  # between a container's duration and that of its sound
DEMUXERS = (  # position, first bytes, demuxer
    (4, b"ftyp", "mov"),
    (0, b"\xff\xf0", "aac"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf8", "aac"),
    (0, b"\xff\xf9", "aac"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (0, b"wvpk", "wv"),
)


class FfmpegError(ValueError):
    """What ffmpeg could not read, in its own words. `is_cut`: it had begun well."""

    def __init__(self, message: str, is_cut: bool = False):
        super().__init__(message, is_cut)
        self.message, self.is_cut = message, is_cut


def demuxer_of(head: bytes) -> str | None:
    """The demuxer for a file that begins with `head` (16 bytes do), or None if it is not ffmpeg's business."""
    return next((demuxer for start, magic, demuxer in DEMUXERS if head[start:].startswith(magic)), None)


@contextmanager
def open_with_ffmpeg(
    stream: BinaryIO, path: str | None, demuxer: str
) -> Iterator[tuple[int, int, Callable[[int], np.ndarray]]]:
    """Decode a stream (or `path`, where it has one) while open: (rate in Hz, channels, read).

    `read(frames)` gives at most so many frames as float32 (frames, channels), and none at the end.

    Raises:
        FfmpegError: now or while reading.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        message = f"this is {demuxer} audio, which needs ffmpeg, and ffmpeg is not installed: install it, or convert"
        raise FfmpegError(f"{message} the file to WAV or FLAC")
    with _path_of(stream, path) as file_path, TemporaryFile() as log:
        command = [program, "-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info", "-threads", "1"]
        command += ["-protocol_whitelist", "file,pipe", "-f", demuxer, "-i", f"file:{file_path}", "-map", "0:a:0"]
        command += ["-threads", "1", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        try:
            _limit(process)
            yield _read_au(process, log)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


@contextmanager
def _path_of(stream: BinaryIO, path: str | None) -> Iterator[str]:
    """The path, or that of a copy: an M4A may keep its index at its end, so that a pipe does not do."""
    if path is not None:
        yield path
        return
    stream.seek(0)
    with NamedTemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.flush()
        yield copy.name


def _limit(process: subprocess.Popen) -> None:
    """Bound memory and work from outside (Linux): Python code between fork and exec could block a threaded program."""
    if hasattr(resource, "prlimit"):
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def _read_au(process: subprocess.Popen, log: BinaryIO) -> tuple[int, int, Callable[[int], np.ndarray]]:
    """Open ffmpeg's output, an AU file: six big-endian words (magic, start, size, encoding, rate, channels), sound."""
    header = _read_in_time(process, 24)
    if len(header) < 24:
        _check_ending(process, log, 0.0)
        raise FfmpegError("ffmpeg finds no sound in it")
    _, start, _, _, rate, channels = struct.unpack(">4s5I", header)
    _read_in_time(process, start - len(header))
    seconds = 0.0

    def read(frames: int) -> np.ndarray:
        nonlocal seconds
        values = np.frombuffer(_read_in_time(process, 4 * frames * channels), ">f4").astype(np.float32)
        seconds += len(values) / channels / rate
        if len(values) < frames * channels:
            _check_ending(process, log, seconds)
        return values.reshape(-1, channels)

    return rate, channels, read


def _read_in_time(process: subprocess.Popen, length: int) -> bytes:
    """Wait for ffmpeg, but not for ever; the time that the caller takes between two blocks does not count."""
    timer = Timer(BLOCK_SECONDS, process.kill)
    timer.start()
    try:
        return process.stdout.read(length)
    finally:
        timer.cancel()


def _check_ending(process: subprocess.Popen, log: BinaryIO, seconds: float) -> None:
    """Raise if ffmpeg ended before the sound did. Damage that loses no time is let pass, as in MP3."""
    status = process.wait()
    log.seek(0)
    text = log.read(LOG_BYTES).decode(errors="replace")
    complaints = re.findall(r"\[(?:error|fatal)\] (.*)", text)
    hours, minutes, rest = map(float, (re.findall(r"Duration: (\d+):(\d+):([\d.]+)", text) or ["000"])[0])
    missing_seconds = 3600 * hours + 60 * minutes + rest - seconds
    has_no_index = "moov atom not found" in text  # which stands at the end of most M4A files
    if status or (complaints and missing_seconds > SLACK_SECONDS):
        reason = complaints[0] if complaints else f"stopped at its limits, status {status}"
        raise FfmpegError(f"ffmpeg, after {seconds:.2f} s: {reason}", is_cut=seconds > 0 or has_no_index)
