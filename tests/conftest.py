"""What several test files need: a small model with random weights as a Hub folder, and a recording."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import settings

# Each process of a parallel run compiles librosa's loops for itself: two that write one cache at a time crash.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parents[1] / ".pytest_cache" / f"numba-{WORKER}")

# What was fetched on this machine must not change what is tested: a cache that nobody fills.
os.environ["LINERNOTES_CACHE"] = str(Path(__file__).parents[1] / ".pytest_cache" / "nothing-fetched")

# How long an example takes depends on what else the machine does, and says nothing of what is tested.
settings.register_profile("whatever the machine does", deadline=None)
settings.load_profile("whatever the machine does")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A genre mixture that nobody trained, saved as a Hub folder; small, and with statistics that matter."""
    from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
    from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "expert_hidden_size": 8, "expert_output_size": 4}
    statistics = {"feat_mean": [0.1 * i for i in range(59)], "feat_std": [1.0 + i for i in range(59)]}
    folder = tmp_path_factory.mktemp("hub") / "tiny-moe"
    config = GenreMoeConfig(model_name="tiny-moe", temperature=0.7, **sizes, **statistics)
    GenreMoeForAudioClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tone() -> Callable[[float, int], np.ndarray]:
    """tone(seconds, sampling_rate): a fifth on A with an onset every half second, (samples,) float32."""

    def play(seconds: float, sampling_rate: int) -> np.ndarray:
        times = np.arange(round(seconds * sampling_rate)) / sampling_rate
        fifth = np.sin(2 * np.pi * 440 * times) + np.sin(2 * np.pi * 660 * times)
        return (0.3 * fifth * np.exp(-5 * (times % 0.5))).astype(np.float32)

    return play


@pytest.fixture
def recording(tmp_path, tone) -> Path:
    """Two seconds of sound in a WAV file."""
    soundfile.write(tmp_path / "song.wav", tone(2.0, 22050), 22050)
    return tmp_path / "song.wav"
