"""Miniatures of public sets: recordings of a fifth of a second, and a Hub that answers from memory."""

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from datasets import Audio, Dataset, DatasetDict

from linernotes.corpora.readers import hub

RATE_HZ, SECONDS = 8_000, 0.2


@pytest.fixture
def write_sound() -> Callable[..., Path]:
    """write_sound(path): a recording of noise, which the path's name decides, and the folders above it."""

    def write(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, _noise(path.stem), RATE_HZ, subtype="PCM_16")
        return path

    return write


@pytest.fixture
def sound_bytes() -> Callable[[str], bytes]:
    """sound_bytes(name): such a recording as the bytes of a WAV file."""

    def make(name: str) -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, _noise(name), RATE_HZ, format="WAV", subtype="PCM_16")
        return buffer.getvalue()

    return make


@pytest.fixture
def fake_hub(monkeypatch) -> SimpleNamespace:
    """`splits` is what load_dataset answers, columns of each split by name; `asked` what it was asked for.

    A column `audio` of {"path", "bytes"} is one of `datasets.Audio`, as on the Hub.
    """
    answer = SimpleNamespace(splits={}, asked=None)

    def load_dataset(*args, **options):
        answer.asked = (*args, options)
        tables = {split: Dataset.from_dict(columns) for split, columns in answer.splits.items()}
        return DatasetDict(
            {name: t.cast_column("audio", Audio()) if "audio" in t.column_names else t for name, t in tables.items()}
        )

    monkeypatch.setattr(hub, "load_dataset", load_dataset)
    return answer


def _noise(name: str) -> np.ndarray:
    return np.random.default_rng(list(name.encode())).uniform(-0.3, 0.3, round(SECONDS * RATE_HZ))
