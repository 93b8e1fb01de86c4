"""Unlabelled music for a backbone: excerpts of the recordings in a folder, as a corpus of its own.

    linernotes corpus excerpts RECORDINGS --out DIR --licence "CC BY-SA 3.0"

Excerpts are spread evenly over each recording, so that a long one does not count more than a short one; the group is
the recording. What cannot be read, and what is silent, is left out and said.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from linernotes.corpora.manifest import MANIFEST, write_manifest
from linernotes.modeling.audio import AudioError, stream_audio

SUFFIXES = (".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav")
SILENCE_PEAK = 1e-3  # full scale 1


def cut_excerpts(
    recordings: Path | str,
    out: Path | str,
    licence: str,
    *,
    seconds: float = 10.0,
    per_recording: int = 12,
    sampling_rate: int = 24_000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Path, list[str]]:
    """Writes excerpts of every recording under a folder, mono FLAC, and their manifest, all for training.

    Args:
        licence: of the recordings, repeated in every row.
        seconds: length of an excerpt; a recording that is shorter gives none.
        per_recording: at most so many excerpts, without overlap.
        sampling_rate: in Hz.
        progress: called with the number of recordings that are done and of all.

    Returns:
        the manifest, and a line for every recording that was left out.

    Raises:
        ValueError: the folder has no recording that gives an excerpt, or `out` holds something already.
    """
    recordings, out = Path(recordings), Path(out)
    files = sorted(path for path in recordings.rglob("*") if path.suffix.lower() in SUFFIXES)
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} holds something; name a new or empty folder")
    rows, left_out = [], []
    for number, file in enumerate(files):
        progress(number, len(files))
        try:
            found = list(_excerpts(file, seconds, per_recording, sampling_rate))
        except AudioError as error:
            found = []
            left_out.append(str(error))
        else:
            left_out += [] if found else [f"{file} has no excerpt of {seconds:g} s with sound in it"]
        for start, samples in found:
            path = Path("audio") / f"{len(rows):06d}.flac"
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(out / path, samples, sampling_rate, subtype="PCM_16")
            name = file.relative_to(recordings).as_posix()
            origin = {"recording": name, "recording_start_seconds": start}
            rows.append({"path": str(path), "labels": [], "group": name, "split": "train", "licence": licence} | origin)
    if not rows:
        raise ValueError(f"{recordings} has no recording ({', '.join(SUFFIXES)}) of {seconds:g} s or more")
    return write_manifest(rows, out / MANIFEST), left_out


def _excerpts(file: Path, seconds: float, per_recording: int, sampling_rate: int) -> Iterator[tuple[float, np.ndarray]]:
    """Start in seconds, and samples, of excerpts that are not silent."""
    samples = np.concatenate(list(stream_audio(file, sampling_rate)))
    length = round(seconds * sampling_rate)
    count = min(per_recording, len(samples) // length)
    for start in np.linspace(0, len(samples) - length, count + 2)[1:-1].astype(int) if count else ():
        excerpt = samples[start : start + length]
        if np.abs(excerpt).max() >= SILENCE_PEAK:
            yield start / sampling_rate, np.clip(excerpt, -1.0, 1.0)
