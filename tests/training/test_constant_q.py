"""The filter bank of the backbone: a tone is heard in its band, whatever its phase."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from linernotes.training.constant_q import PHASES, constant_q_filters, filter_frequencies_hz, log_magnitudes

RATE, KERNEL, CHANNELS = 24_000, 3072, 288


def heard(frequency_hz: float, phase: float = 0.0, amplitude: float = 0.1) -> torch.Tensor:
    """Magnitudes (bands, frames) of a tone of a quarter of a second."""
    times = torch.arange(RATE // 2) / RATE
    tone = amplitude * torch.sin(2 * np.pi * frequency_hz * times + phase)
    filters = constant_q_filters(CHANNELS, KERNEL, RATE)
    return log_magnitudes(F.conv1d(tone[None, None], filters, stride=160))[0]


@pytest.mark.parametrize("semitone", [36, 45, 57, 70])  # 262 Hz up: below, the kernel is too short for a semitone
def test_a_tone_is_loudest_in_its_own_semitone(semitone):
    frequency_hz = filter_frequencies_hz(CHANNELS, RATE)[semitone]
    assert heard(frequency_hz).mean(1).argmax() == semitone


def test_concert_a_is_45_semitones_above_the_lowest_band():
    assert filter_frequencies_hz(CHANNELS, RATE)[45] == pytest.approx(440.0, rel=1e-3)


def test_phase_does_not_matter():
    magnitudes = torch.stack([heard(440.0, phase)[45] for phase in np.linspace(0, 2 * np.pi, 7)])
    assert magnitudes.std() < 0.01  # in units of 20 dB


def test_loudness_does_not_matter():
    torch.testing.assert_close(heard(440.0, amplitude=0.1), heard(440.0, amplitude=0.001), atol=2e-2, rtol=0)


def test_bands_rise_to_near_half_the_rate():
    frequencies = filter_frequencies_hz(CHANNELS, RATE)
    assert len(frequencies) == CHANNELS // PHASES
    assert (np.diff(frequencies) > 0).all()
    assert frequencies[-1] == pytest.approx(0.45 * RATE)


@pytest.mark.parametrize("channels", [100, 30])
def test_channels_that_are_no_three_phases_are_refused(channels):
    with pytest.raises(ValueError, match="three phases of 24 bands"):
        constant_q_filters(channels, KERNEL, RATE)


def test_silence_is_finite():
    assert torch.isfinite(log_magnitudes(torch.zeros(1, CHANNELS, 5))).all()
