"""The known answers of ITU-R BS.1770 and of EBU Tech 3341."""

from math import inf

import numpy as np
import pytest

from linernotes.corpora.score.loudness import loudness

RATE = 48_000


def sine(hz, seconds, level_db=0.0, rate=RATE):
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize(("rate", "tolerance"), [(48_000, 0.01), (44_100, 0.01), (24_000, 0.05), (16_000, 0.05)])
def test_a_sine_of_997_hz_at_full_scale(rate, tolerance):
    assert loudness(sine(997, 5.0, rate=rate), rate) == pytest.approx(-3.01, abs=tolerance)


def test_the_same_on_two_channels_is_three_decibels_louder():
    mono = sine(997, 5.0, -23.0)
    assert loudness(np.stack([mono, mono], axis=1), RATE) == pytest.approx(-23.0, abs=0.02)


def test_what_is_ten_decibels_softer_than_the_rest_does_not_count():
    loud, soft = sine(997, 30.0, -20.0), sine(997, 30.0, -36.0)
    assert loudness(np.concatenate([soft, loud, soft]), RATE) == pytest.approx(-23.01, abs=0.1)


def test_bass_counts_less_and_treble_more():
    assert loudness(sine(60, 5.0), RATE) < -4.5
    assert loudness(sine(4_000, 5.0), RATE) > -0.5


def test_single_precision_is_precise_enough_and_left_as_it_was():
    samples = sine(997, 5.0).astype(np.float32)
    before = samples.copy()
    assert loudness(samples, RATE) == pytest.approx(-3.01, abs=0.01)
    np.testing.assert_array_equal(samples, before)


def test_silence_has_no_loudness():
    assert loudness(np.zeros(RATE), RATE) == -inf
    assert loudness(sine(997, 1.0, -90.0), RATE) == -inf


def test_too_short_is_refused():
    with pytest.raises(ValueError, match=r"0\.200 s are too short to have a loudness: give 0\.4 s or more"):
        loudness(np.zeros(RATE // 5), RATE)
