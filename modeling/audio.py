"""The only audio reader: anything that holds sound -> mono float32 at the rate a model wants, or one `AudioError`.

Conventions: arrays come in as (samples,) or (channels, samples), a block in here is (frames, channels), what goes out
is (samples,); full scale is +-1. Only one block is held at a time: ten hours need no more memory than ten seconds.

WAV, FLAC, OGG, Opus, MP3, AIFF and AU are read by libsndfile (through soundfile); M4A, AAC, WMA, WebM and WavPack by
ffmpeg, where it is installed. soxr ("HQ") resamples as a stream; the answer does not depend on the size of the blocks.

A file that promises more sound than it holds is an error (`truncated`), never a shorter answer. The promise is the data
chunk of WAV and AIFF, the last page of Ogg, the frame counts of FLAC and of an MP3's Xing header, the duration of M4A.
"""

import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

import numpy as np
import soxr
import torch

from .containers import head_stating_length, is_chained_ogg, missing_bytes
from .ffmpeg import FfmpegError, demuxer_of, open_with_ffmpeg
from .sndfile import SndfileError, container_of, open_with_sndfile

MIN_SAMPLING_RATE_HZ, MAX_SAMPLING_RATE_HZ = 4_000, 768_000
MAX_CHANNELS = 64
MAX_AMPLITUDE = 1e6  # 120 dB over full scale: no converter gives this, a misread file does
MAX_BLOCK_VALUES = 2**22  # frames x channels in one block, whatever a header claims (16 MiB)
MAX_SPOOLED_BYTES = 2**33  # of a file object, which may have no end (8 GiB)
MAX_BYTES_IN_MEMORY = 2**25  # of a file object, the rest goes to a temporary file
SLACK_SECONDS = 0.1  # some MP3 encoders count their own header frame
READABLE = "WAV, FLAC, OGG, Opus, MP3, AIFF and AU can be read, with ffmpeg also M4A, AAC, WMA, WebM and WavPack"
SOURCES = (
    "a path, bytes, a binary file object, a numpy array or torch tensor of numbers, (samples,) or (channels, samples), "
    'or a dict {"array", "sampling_rate"} or {"path", "bytes"}'
)


class AudioError(ValueError):
    """Audio that cannot be used. `code` says why, for programs; `path` says where (None when nothing has a name).

    Codes: not_found, not_a_file, unreadable (a disk or a connection fails), not_audio, empty, too_short (for a model,
    which knows its minimum), truncated (cut or damaged), not_finite, bad_sampling_rate, too_many_channels, too_long,
    no_sampling_rate.
    """

    def __init__(self, code: str, message: str, path: str | None = None):
        super().__init__(code, message, path)  # all of them, so that it survives pickling between processes
        self.code, self.message, self.path = code, message, path

    def __str__(self) -> str:
        return self.message if self.path is None else f"{self.path!r}: {self.message}"


def read_audio(
    source: Any, sampling_rate: float, *, source_sampling_rate: float | None = None, max_seconds: float | None = None
) -> np.ndarray:
    """The whole recording as float32 (samples,), mono, at `sampling_rate` Hz. Arguments and errors: `stream_audio`."""
    blocks = stream_audio(source, sampling_rate, source_sampling_rate=source_sampling_rate, max_seconds=max_seconds)
    return np.concatenate(list(blocks))


def stream_audio(
    source: Any,
    sampling_rate: float,
    *,
    source_sampling_rate: float | None = None,
    max_seconds: float | None = None,
    block_seconds: float = 10.0,
) -> Iterator[np.ndarray]:
    """Yield a recording as float32 blocks (samples,), mono (the mean of the channels), at `sampling_rate` Hz.

    Args:
        source: path, bytes, binary file object (read from where it stands, left open), numpy array or torch tensor,
            (samples,) or (channels, samples), {"array", "sampling_rate"}, or {"path", "bytes"} (bytes win, path names).
            Integers are scaled to +-1 by their type.
        source_sampling_rate: the rate in Hz of an array; files state their own.
        max_seconds: refuse longer recordings (too_long).
        block_seconds: about how much to decode at a time.

    Raises:
        AudioError: with its code, while iterating. Damage late in a file is met late.
    """
    options = {"source_sampling_rate": source_sampling_rate, "max_seconds": max_seconds}
    with open_audio(source, block_seconds=block_seconds, **options) as (rate, blocks):
        _check_rate(sampling_rate, "asked for")
        yield from _resampled(blocks, rate, sampling_rate)


@contextmanager
def open_audio(
    source: Any,
    *,
    source_sampling_rate: float | None = None,
    max_seconds: float | None = None,
    block_seconds: float = 10.0,
) -> Iterator[tuple[float, Iterator[np.ndarray]]]:
    """A recording while it is open, at the rate it has: (rate in Hz, mono blocks (samples,) float32, to be read once).

    Arguments and errors: `stream_audio`, whose errors come from the blocks as well, with their path.
    """
    if not block_seconds > 0:
        raise ValueError(f"block_seconds={block_seconds} must be more than 0")
    try:
        with _open(source, source_sampling_rate) as recording:
            _check_header(recording, max_seconds)
            yield recording.rate, _mono_blocks(recording, max_seconds, block_seconds)
    except AudioError as error:
        error.path = describe(source)
        raise


def as_clips(sound: np.ndarray | torch.Tensor | Sequence) -> list[torch.Tensor]:
    """One clip of mono samples, (batch, samples) or a list of clips -> float32 (samples,) each, for an extractor.

    Raises ValueError where a clip is empty, not (samples,), not finite or beyond MAX_AMPLITUDE.
    """
    if not len(sound):
        raise ValueError("got no samples: give an array (samples,), or a list of at least one such array")
    clips = [sound] if np.ndim(sound[0]) == 0 else list(sound)
    return [_checked_clip(clip, index) for index, clip in enumerate(clips)]


def _checked_clip(clip: np.ndarray | torch.Tensor | Sequence, index: int) -> torch.Tensor:
    samples = torch.as_tensor(clip, dtype=torch.float32)
    if samples.dim() != 1 or not len(samples):
        allowed = "must be (samples,) and not empty: average the channels first"
        raise ValueError(f"clip {index} has shape {tuple(samples.shape)}, but {allowed}")
    loudest = float(samples.abs().max())
    if not loudest <= MAX_AMPLITUDE:  # so put that NaN fails too
        allowed = f"must be finite and within {MAX_AMPLITUDE:g}: full scale is 1"
        raise ValueError(f"clip {index} reaches {loudest:g}, but {allowed}")
    return samples


def describe(source: Any) -> str | None:
    """The path to name in messages about `source`, or None when it has none."""
    if isinstance(source, Mapping):
        source = source.get("path")
    elif not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "name", None)
    return os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else None


@dataclass(frozen=True)
class _Recording:
    rate: float  # Hz
    channels: int
    promised_frames: int | None  # by its header
    read: Callable[[int], np.ndarray]  # at most so many frames -> (frames, channels), none of them at the end


def _mono_blocks(recording: _Recording, max_seconds: float | None, block_seconds: float) -> Iterator[np.ndarray]:
    block_frames = max(1, int(min(block_seconds * recording.rate, MAX_BLOCK_VALUES / recording.channels)))
    frames = 0
    while len(block := recording.read(block_frames)):
        _check_values(block, frames, recording.rate)
        frames += len(block)
        _check_length(frames / recording.rate, max_seconds)
        yield block.mean(axis=1)
    missing_seconds = ((recording.promised_frames or 0) - frames) / recording.rate
    if missing_seconds > SLACK_SECONDS:
        raise _truncated(f"it holds {frames / recording.rate:.2f} s and promises {missing_seconds:.2f} s more")
    if frames == 0:
        raise AudioError("empty", "there is no sound in it (0 samples): at least one sample is needed")


def _resampled(blocks: Iterator[np.ndarray], source_rate: float, target_rate: float) -> Iterator[np.ndarray]:
    if source_rate == target_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32")
    is_empty, end = True, np.empty(0, np.float32)
    for block in chain(blocks, [end]):
        if len(resampled := resampler.resample_chunk(block, last=block is end)):
            is_empty = False
            yield resampled
    if is_empty:
        message = f"shorter than one sample at {target_rate} Hz: at least one is needed, give a longer recording"
        raise AudioError("too_short", message)


def _check_rate(rate: Any, whose: str) -> None:
    is_number = isinstance(rate, (int, float, np.number)) and not isinstance(rate, bool)
    if not is_number or not MIN_SAMPLING_RATE_HZ <= rate <= MAX_SAMPLING_RATE_HZ:
        allowed = f"{MIN_SAMPLING_RATE_HZ} to {MAX_SAMPLING_RATE_HZ} Hz are allowed: state the true one"
        raise AudioError("bad_sampling_rate", f"the sampling rate {whose} is {rate!r}, {allowed}")


def _check_header(recording: _Recording, max_seconds: float | None) -> None:
    _check_rate(recording.rate, "of the audio")
    if recording.channels > MAX_CHANNELS:
        message = f"{recording.channels} channels, at most {MAX_CHANNELS} are allowed: mix it down first"
        raise AudioError("too_many_channels", message)
    _check_length((recording.promised_frames or 0) / recording.rate, max_seconds)


def _check_length(seconds: float, max_seconds: float | None) -> None:
    if max_seconds is not None and seconds > max_seconds:
        message = f"{seconds:.2f} s or more, at most {max_seconds} s are allowed here: cut it, or raise max_seconds"
        raise AudioError("too_long", message)


def _check_values(block: np.ndarray, frames_before: int, rate: float) -> None:
    if max(block.max(), -block.min()) <= MAX_AMPLITUDE:  # False for NaN too
        return
    frame, channel = np.argwhere(~(np.abs(block) <= MAX_AMPLITUDE))[0]
    at = f"sample {frames_before + frame} ({(frames_before + frame) / rate:.3f} s) of channel {channel}"
    allowed = f"finite numbers up to {MAX_AMPLITUDE:g} times full scale are allowed: mend it, or cut it out"
    raise AudioError("not_finite", f"{at} is {block[frame, channel]}, {allowed}")


def _truncated(what: str) -> AudioError:
    return AudioError("truncated", f"{what}: the file is cut or damaged, only whole ones are read; fetch it again")


def _open(source: Any, source_sampling_rate: float | None) -> AbstractContextManager[_Recording]:
    path = describe(source)
    if isinstance(source, Mapping):
        stated_rate = source.get("sampling_rate")
        source_sampling_rate = source_sampling_rate if stated_rate is None else stated_rate
        source = next((source[key] for key in ("array", "bytes", "path") if source.get(key) is not None), source)
    if isinstance(source, (np.ndarray, torch.Tensor)):
        return _open_array(source, source_sampling_rate)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _open_stream(io.BytesIO(source))
    if isinstance(source, (str, os.PathLike)):
        return _open_stream(_open_path(os.fsdecode(source)), os.path.abspath(path))
    if hasattr(source, "read"):
        return _open_stream(_spooled(source))
    raise AudioError("not_audio", f"got {type(source).__name__}, expected {SOURCES}; a list becomes one by np.asarray")


@contextmanager
def _open_array(array: np.ndarray | torch.Tensor, rate: float | None) -> Iterator[_Recording]:
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu()
        array = (array.float() if array.dtype == torch.bfloat16 else array).numpy()  # numpy has no bfloat16
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu" or (array.dtype.kind in "iu" and array.itemsize > 4):
        got = f"got an array of shape {array.shape} and type {array.dtype}"
        expected = "expected (samples,) or (channels, samples) of floats within +-1 or of integers of 8, 16 or 32 bits"
        raise AudioError("not_audio", f"{got}, {expected}: convert it")
    if rate is None:
        message = 'an array does not say its sampling rate: pass it in Hz, or {"array": ..., "sampling_rate": ...}'
        raise AudioError("no_sampling_rate", message)
    array = np.atleast_2d(array) if array.size else np.empty((1, 0), np.float32)
    if array.shape[0] > MAX_CHANNELS:
        message = f"shape {array.shape} means {array.shape[0]} channels, at most {MAX_CHANNELS} are allowed"
        raise AudioError("too_many_channels", f"{message}: if it is (samples, channels), transpose it (array.T)")
    position = 0

    def read(frames: int) -> np.ndarray:
        nonlocal position
        position += frames
        return _to_full_scale(array[:, position - frames : position].T)

    yield _Recording(rate, *array.shape, read)


def _to_full_scale(values: np.ndarray) -> np.ndarray:
    """Floats as they are, integers by their type: int16 -32768 is -1, uint8 128 is 0. A new float32 array."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as not_finite
            return values.astype(np.float32)
    full_scale = 2.0 ** (8 * values.itemsize - 1)
    silence = full_scale if values.dtype.kind == "u" else 0.0
    return ((values - silence) / full_scale).astype(np.float32)


def _open_path(path: str) -> BinaryIO:
    """Open a regular file; a pipe or a device could block, or never end."""
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            return open(path, "rb")  # _open_stream closes it
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        hint = "download it first" if "://" in path else "check the path"
        raise AudioError("not_found", f"cannot be opened ({getattr(error, 'strerror', error)}): {hint}") from error
    raise AudioError("not_a_file", "is a directory, a pipe or a device: give the path of a sound file")


def _spooled(source: BinaryIO, head: bytes = b"") -> BinaryIO:
    """A seekable copy, in memory or on disk, of `head` and what is left of `source`; our decoders start at its 0."""
    read = _reading()(source.read)
    with ExitStack() as on_error:
        copy = on_error.enter_context(SpooledTemporaryFile(max_size=MAX_BYTES_IN_MEMORY))
        copy.write(head)
        while data := read(2**20):
            if not isinstance(data, bytes):
                raise AudioError("not_audio", f"a file object that gives {type(data).__name__}: open it in mode 'rb'")
            if copy.tell() > MAX_SPOOLED_BYTES:
                raise AudioError("too_long", f"a file object of more than {MAX_SPOOLED_BYTES} bytes: give its path")
            copy.write(data)
        copy.seek(0)
        on_error.pop_all()
        return copy


@contextmanager
def _open_stream(stream: BinaryIO, path: str | None = None) -> Iterator[_Recording]:
    """Decode a stream from its start, by the decoder that its first bytes name; errors of reading come through here."""
    with stream:
        with _reading():
            head, missing = stream.read(16), missing_bytes(stream)
        if not head:
            raise AudioError("empty", "it has 0 bytes: give a file with sound in it")
        if missing:
            raise _truncated(f"it promises {missing} bytes more than it holds")
        try:
            with ExitStack() as opened:
                with _reading():
                    if demuxer := "ogg" if is_chained_ogg(stream) else demuxer_of(head):
                        promised_frames = None
                        rate, channels, read = opened.enter_context(open_with_ffmpeg(stream, path, demuxer))
                    else:
                        whole = opened.enter_context(_with_stated_length(stream))
                        rate, channels, promised_frames, read = opened.enter_context(open_with_sndfile(whole))
                yield _Recording(rate, channels, promised_frames, _reading()(read))
        except (FfmpegError, SndfileError) as error:
            raise _truncated(error.message) if error.is_cut else _not_audio(error.message, head) from error


@contextmanager
def _reading() -> Iterator[None]:
    """Where bytes are read, and nothing else that could fail is done: of a disk, a network, a file object."""
    try:
        yield
    except OSError as error:
        message = f"cannot be read ({error.strerror or error}): see to the disk or the connection, fetch it again"
        raise AudioError("unreadable", message) from error


def _with_stated_length(stream: BinaryIO) -> BinaryIO:
    """The stream, or a copy of it whose header lets libsndfile read to the end."""
    if (new_head := head_stating_length(stream, container_of(stream))) is None:
        return stream
    stating, sound_start = new_head
    stream.seek(sound_start)
    return _spooled(stream, stating)


def _not_audio(why: str, head: bytes) -> AudioError:
    return AudioError("not_audio", f"no sound can be read ({why}); it begins with {head!r}. {READABLE}: convert it")
