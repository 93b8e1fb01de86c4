"""A recording decoded once, for several models that hear at different rates.

The sound goes, mono and at the rate it has, to a temporary file that every model then reads in blocks: a file of ten
hours is never in memory, and each model resamples it as it would have resampled the original, to the same samples.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import soundfile

from linernotes.modeling.audio import describe, open_audio


@dataclass(frozen=True)
class Decoded:
    """A recording as models take it: `source` is for their `predict`; `path` is what the recording is called."""

    source: Path
    path: str | None
    duration_seconds: float
    decoding_seconds: float


@contextmanager
def decoded(
    audio: Any,
    *,
    sampling_rate: float | None = None,
    max_seconds: float | None = None,
    folder: str | PathLike[str] | None = None,
) -> Iterator[Decoded]:
    """The recording, of any form that `predict` takes, while the block runs. It needs 4 bytes of disk a sample.

    Args:
        max_seconds: longer recordings are refused.
        folder: where the sound lies meanwhile; among the system's temporary files by default.

    Raises:
        AudioError: it cannot be read.
        OSError: the disk is full.
    """
    with TemporaryDirectory(prefix="linernotes-", dir=folder) as place:
        yield decode_into(Path(place) / "sound.wav", audio, sampling_rate=sampling_rate, max_seconds=max_seconds)


def decode_into(
    file: Path, audio: Any, *, sampling_rate: float | None = None, max_seconds: float | None = None
) -> Decoded:
    """As `decoded`, into a file that the caller removes."""
    started, frames = time.perf_counter(), 0
    limits = {"source_sampling_rate": sampling_rate, "max_seconds": max_seconds}
    with open_audio(audio, **limits) as (rate, blocks):
        with _writing(file):
            # RF64 is WAV that may be longer than 4 GiB; its floats are written as they are
            sound = soundfile.SoundFile(file, "w", round(rate), 1, format="RF64", subtype="FLOAT")
        with sound:
            for block in blocks:
                frames += len(block)
                with _writing(file):
                    sound.write(block)
            with _writing(file):
                sound.close()
    return Decoded(file, describe(audio), frames / rate, time.perf_counter() - started)


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    """libsndfile's errors here are of the disk; those of the recording, which it reads too, are its reader's."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise OSError(
            f"the decoded sound cannot be written to {file.parent} ({error.error_string}): make room there, "
            "or name another folder for temporary files by TMPDIR"
        ) from error
