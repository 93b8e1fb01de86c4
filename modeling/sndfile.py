"""Sound that libsndfile reads (WAV, FLAC, OGG, Opus, MP3, AIFF, AU), decoded from front to back, through soundfile.

libsndfile is handed a stream that misleads it neither by a name nor at its ends, and is asked only for the containers
that are tried here.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

import numpy as np
import soundfile

CONTAINERS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3")  # it knows rarer ones
UNKNOWN_FRAMES = 2**40  # years of sound: how libsndfile says that a header does not state the length


class SndfileError(ValueError):
    """What libsndfile could not read, and why. `is_cut`: it had begun well."""

    def __init__(self, message: str, is_cut: bool = False):
        super().__init__(message, is_cut)
        self.message, self.is_cut = message, is_cut


class _Tape:
    """A stream as libsndfile may have it: with no name, whose extension soundfile would believe, and with two ends,
    which a damaged file makes libsndfile seek beyond."""

    def __init__(self, stream: BinaryIO):
        self._length = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        self.read, self.tell, self._seek = stream.read, stream.tell, stream.seek

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._length}[whence]
        return self._seek(min(max(0, start + offset), self._length))


class _ForwardSoundFile(soundfile.SoundFile):
    """Read from front to back. (soundfile seeks after every read, which a FLAC that was written to a pipe refuses.)"""

    def seekable(self) -> bool:
        return False


def container_of(stream: BinaryIO) -> str:
    """Which of CONTAINERS a stream is, by its head; raises SndfileError where it is none. Its position is not kept."""
    try:
        with _ForwardSoundFile(_Tape(stream)) as file:
            container = file.format
    except soundfile.LibsndfileError as error:
        raise SndfileError(error.error_string) from error
    if container not in CONTAINERS:
        raise SndfileError(f"{container} is not one of the formats read here")
    return container


@contextmanager
def open_with_sndfile(stream: BinaryIO) -> Iterator[tuple[int, int, int | None, Callable[[int], np.ndarray]]]:
    """Decode a stream from its start while open: (rate in Hz, channels, frames that its header promises or None, read).

    `read(frames)` gives at most so many frames as float32 (frames, channels), and none at the end.

    Raises:
        SndfileError: now or while reading.
    """
    try:
        with _ForwardSoundFile(_Tape(stream)) as file:
            promised_frames = file.frames if file.frames < UNKNOWN_FRAMES else None
            read = partial(file.read, dtype="float32", always_2d=True)
            yield file.samplerate, file.channels, promised_frames, read
    except soundfile.LibsndfileError as error:
        raise SndfileError(f"the sound breaks off ({error.error_string})", is_cut=True) from error
