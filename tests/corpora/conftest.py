"""What the tests of this folder measure on a sound, as fixtures: the levels of its partials, its pitch over time."""

import numpy as np
import pytest


def _partial_levels(signal, frequency_hz, count, rate=22_050):
    """Amplitudes of the first `count` partials of a steady tone."""
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(signal.size)))
    hz_per_bin = rate / signal.size
    centres = [round(k * frequency_hz / hz_per_bin) for k in range(1, count + 1)]
    return np.array([spectrum[centre - 4 : centre + 5].max() for centre in centres])


def _track_hz(signal, rate=22_050, frame=1024, hop=256):
    """Instantaneous frequency of a single tone, from the phase advance of its analytic signal's strongest bin."""
    starts = np.arange(0, signal.size - frame - 1, hop)
    window = np.hanning(frame)
    now = np.fft.rfft(np.stack([signal[s : s + frame] for s in starts]) * window)
    late = np.fft.rfft(np.stack([signal[s + 1 : s + 1 + frame] for s in starts]) * window)
    peak = np.abs(now).argmax(1)
    rows = np.arange(starts.size)
    return np.angle(late[rows, peak] * now[rows, peak].conj()) * rate / (2 * np.pi), (starts + frame / 2) / rate


@pytest.fixture
def partial_levels():
    return _partial_levels


@pytest.fixture
def track_hz():
    return _track_hz
