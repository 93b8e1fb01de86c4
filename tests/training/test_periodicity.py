"""The plain method for meters: a known period is found at any tempo; labels that tell nothing keep their share."""

import numpy as np
import pytest
import torch

from linernotes.training.periodicity import (
    HOP,
    LONGEST_BAR,
    RATE_HZ,
    at_multiples,
    autocorrelation,
    learned_answers,
    likeliest_pulse,
    periodicity,
)


def pulses(step_seconds: float, accent_every: int, seconds: float = 12.0) -> np.ndarray:
    """Noise bursts, of which every so many is louder; (samples,)."""
    rng, samples = np.random.default_rng(0), np.zeros(round(seconds * RATE_HZ), np.float32)
    for number in range(int(seconds / step_seconds) - 1):
        start = round(number * step_seconds * RATE_HZ)
        samples[start : start + 900] += (0.8 if number % accent_every == 0 else 0.1) * rng.standard_normal(900)
    return samples


@pytest.mark.parametrize("step_seconds", [0.2, 0.3])
@pytest.mark.parametrize("meter", [3, 4, 5])
def test_the_bar_stands_out_at_its_multiple_of_the_pulse(meter, step_seconds):
    ratios = periodicity(pulses(step_seconds, meter))[-2 * LONGEST_BAR : -LONGEST_BAR]  # of all bands
    best = 1 + int(ratios.argmax())
    assert best % meter == 0


def test_autocorrelation_of_a_period():
    envelope = torch.zeros(400)
    envelope[::20] = 1.0
    curve = autocorrelation(envelope, 250)
    assert curve[0] == pytest.approx(1.0, abs=1e-5)
    assert curve[20] == pytest.approx(1.0, abs=0.03)
    assert curve[10] < 0
    assert not curve[201:].any()  # heard once only
    assert likeliest_pulse(curve.numpy()) % 20 == 0
    assert at_multiples(curve.numpy(), 20)[:9] == pytest.approx(1.0, abs=0.05)


def test_silence_has_no_period():
    silent = periodicity(np.zeros(5 * RATE_HZ, np.float32))
    assert not silent.any()
    assert len(silent) == len(periodicity(pulses(0.3, 3, seconds=2.0)))
    assert HOP / RATE_HZ < 0.012  # fine enough for pulses of a tenth of a second


def test_a_label_that_is_never_or_always_true_has_its_share():
    learned = np.array([[0.0], [0.1], [1.0], [1.1]])
    answers = learned_answers(
        learned, [["3"], ["3"], ["3", "4"], ["3", "4"]], np.array([[0.0], [1.0]]), ["3", "4", "5"]
    )
    assert answers[:, 0].tolist() == [1.0, 1.0]
    assert answers[:, 2].tolist() == [0.0, 0.0]
    assert answers[0, 1] < 0.5 < answers[1, 1]
