"""harmonic.py: shares that are known, those of librosa, and the median that they rest on."""

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_sounds import CLIPS, SAMPLING_RATE, any_samples, chord, clicks, every_clip, power_of

from linernotes.modeling.harmonic import harmonic_share, median_of


def test_a_tone_is_harmonic_a_click_percussive_noise_half_and_half():
    share = {name: float(harmonic_share(power_of(CLIPS[name]))) for name in ("chord", "clicks", "noise")}
    assert share["chord"] > 0.99
    assert share["clicks"] < 0.01
    assert share["noise"] == pytest.approx(0.5, abs=0.01)


def librosa_harmonic_share(samples):
    harmonic, percussive = (np.square(part, dtype=np.float64).sum() for part in librosa.effects.hpss(samples))
    return harmonic / (harmonic + percussive)


@every_clip
def test_harmonic_share_is_librosas(samples):
    ours = float(harmonic_share(power_of(samples)))
    assert ours == pytest.approx(librosa_harmonic_share(samples), abs=0.02)


@pytest.mark.parametrize("frames_a_beat", [8, 16, 32])
def test_harmonic_share_does_not_fall_in_with_a_beat(frames_a_beat):
    """Every 16th frame of these would hold all of the clicks, or none."""
    bpm = 60 * SAMPLING_RATE / 512 / frames_a_beat
    samples = clicks(bpm, 8.0) + chord(8.0, 0.03)
    ours = float(harmonic_share(power_of(samples)))
    assert ours == pytest.approx(librosa_harmonic_share(samples), abs=0.02)


@given(st.integers(0, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_median_of_is_the_median(half, size, seed):
    rows = torch.from_numpy(np.random.default_rng(seed).integers(-5, 5, (2 * half + 1, size)))
    assert torch.equal(median_of(list(rows)), rows.median(0).values)


def test_a_clip_does_not_depend_on_its_neighbours():
    power = torch.cat([power_of(CLIPS[name]) for name in ("noise", "chord", "tone", "half silent")])
    for row, share in enumerate(harmonic_share(power)):
        assert torch.equal(harmonic_share(power[row : row + 1])[0], share)


@given(any_samples())
@settings(max_examples=40)
def test_any_sound_has_a_share(samples):
    share = harmonic_share(power_of(samples))
    assert share.dtype == torch.float32
    assert 0 <= share.item() <= 1


def test_silence_is_as_much_the_one_as_the_other():
    assert harmonic_share(power_of(np.zeros(SAMPLING_RATE))).tolist() == [0.5]
