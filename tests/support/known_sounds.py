"""Sounds whose spectra are known, or as good as any: tones, noise, clicks, chords, plucked melodies; and any at all."""

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from linernotes.modeling.spectral import spectrogram

SAMPLING_RATE = 22050
SEED = 20240


def tone(frequency_hz, seconds=4.0, amplitude=0.5, sampling_rate=SAMPLING_RATE):
    time = np.arange(int(seconds * sampling_rate)) / sampling_rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)


def noise(seconds=4.0, amplitude=0.1, seed=SEED):
    return (amplitude * np.random.default_rng(seed).standard_normal(int(seconds * SAMPLING_RATE))).astype(np.float32)


def clicks(bpm, seconds=10.0, amplitude=0.8, seed=SEED):
    burst = np.random.default_rng(seed).standard_normal(400) * np.exp(-np.arange(400) / 80)
    samples = np.zeros(int(seconds * SAMPLING_RATE), dtype=np.float32)
    for start in (np.arange(0, seconds - 0.1, 60 / bpm) * SAMPLING_RATE).astype(int):
        samples[start : start + 400] += amplitude * burst
    return samples


def chord(seconds=4.0, amplitude=0.1, root_hz=220.0):
    return sum(tone(root_hz * 2 ** (step / 12), seconds, amplitude) for step in (0, 4, 7))


def melody(seconds=6.0, seed=SEED):
    """Plucked notes with harmonics, a little out of tune and of uneven length."""
    rng = np.random.default_rng(seed)
    samples = np.zeros(int(seconds * SAMPLING_RATE), dtype=np.float32)
    start = 0
    while start < len(samples) - 4000:
        length = int(rng.uniform(0.1, 0.5) * SAMPLING_RATE)
        pitch_hz = 220 * 2 ** ((rng.integers(0, 24) + 0.17) / 12)
        decay = np.exp(-np.arange(length) / SAMPLING_RATE * 4)
        note = sum(tone(pitch_hz * h, length / SAMPLING_RATE + 0.01, 0.3 / h)[:length] for h in (1, 2, 3, 4)) * decay
        samples[start : start + length] += note[: len(samples) - start]
        start += length
    return samples


CLIPS = {
    "tone": tone(440.0),
    "noise": noise(),
    "quiet noise": noise(amplitude=1e-4),
    "offset": noise(amplitude=0.01) + np.float32(0.3),
    "chord": chord(),
    "clicks": clicks(100, 5.0),
    "clicks over a chord": clicks(100, 6.0) + chord(6.0),
    "melody": melody(),
    "melody, drums, hiss": melody(8.0) + clicks(92, 8.0, 0.4) + noise(8.0, 0.003),
    "one second": melody(6.0, seed=1)[:SAMPLING_RATE],
    "half silent": np.concatenate([chord(2.0), np.zeros(2 * SAMPLING_RATE, dtype=np.float32)]),
}


def as_batch(samples):
    return torch.from_numpy(np.asarray(samples, dtype=np.float32))[None]


def power_of(samples, **arguments):
    return spectrogram(as_batch(samples), **arguments)


every_clip = pytest.mark.parametrize("samples", [pytest.param(samples, id=name) for name, samples in CLIPS.items()])


@st.composite
def any_samples(draw):
    """(samples,) of any length up to 6000, far softer and louder than full scale."""
    length, rng = draw(st.integers(1, 6000)), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["noise", "impulse", "constant", "alternating", "steps"]))
    samples = {
        "noise": rng.uniform(-1, 1, length),
        "impulse": np.eye(1, length, rng.integers(length))[0],
        "constant": np.full(length, rng.choice([-1.0, 1.0])),
        "alternating": np.resize([1.0, -1.0], length),
        "steps": np.repeat(rng.uniform(-1, 1, length // 500 + 1), 500)[:length] * (rng.random(length) > 0.3),
    }[kind]
    return samples * 10 ** draw(st.floats(-30, 6))
