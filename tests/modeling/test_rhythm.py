"""The tempogram: autocorrelation by hand, known bars, tempo as a shift, and nothing where there is nothing."""

import math

import pytest
import torch

from linernotes.modeling.configuration_beatmeter import BeatMeterConfig
from linernotes.modeling.rhythm import LagAxis, Tempogram, autocorrelation

FRAME_RATE = 75.0


def pulses(period: float, beats: int, frames: int = 2250) -> torch.Tensor:
    """A pulse every `period` frames, a tenth of that wide, twice as loud on each first of `beats`; (1, frames, 1)."""
    times = torch.arange(frames)[:, None]
    at = period * torch.arange(math.ceil(frames / period))
    loudness = torch.where(torch.arange(len(at)) % beats == 0, 2.0, 1.0)
    return (loudness * torch.exp(-0.5 * (10 * (times - at) / period) ** 2)).sum(1)[None, :, None]


def everywhere(signals: torch.Tensor) -> torch.Tensor:
    return torch.ones(signals.shape[:2], dtype=torch.bool)


def make(**options) -> Tempogram:
    torch.manual_seed(0)
    backbone = {"hidden_size": 8, "num_attention_heads": 2}
    return Tempogram(BeatMeterConfig(backbone_config=backbone, head_type="tempogram", **options), FRAME_RATE).eval()


# Autocorrelation


@pytest.mark.parametrize("beats", [3, 4, 5, 7, 9, 11])
def test_a_bar_is_the_lag_at_which_everything_returns(beats):
    signals = pulses(20, beats)
    correlations, _ = autocorrelation(signals, everywhere(signals), 20 * beats + 10)
    correlations = correlations[0, 0]
    at_pulses = correlations[20 : 20 * beats + 1 : 20]  # after 1, 2 ... beats
    assert at_pulses.argmax() + 1 == beats
    assert at_pulses[-1] == pytest.approx(1, abs=0.02)
    assert at_pulses[:-1].max() < 0.93
    assert correlations[10 + 20 * (beats - 1)] < 0  # between two pulses


def test_it_is_the_mean_product_of_what_is_there():
    generator = torch.Generator().manual_seed(1)
    signals = torch.randn(2, 60, 3, generator=generator) + 4
    mask = torch.ones(2, 60, dtype=torch.bool)
    mask[0, 45:], mask[1, 20:31] = False, False
    correlations, overlap = autocorrelation(signals, mask, 30, num_pairs=1)
    for row in range(2):
        kept = mask[row].double()
        centred = (signals[row].double() - signals[row, mask[row]].double().mean(0)) * kept[:, None]
        power = centred.square().sum(0) / kept.sum()
        for lag in (0, 1, 7, 30):
            pairs = (kept[: 60 - lag] * kept[lag:]).sum()
            first, later = centred[: 60 - lag], centred[lag:]
            assert overlap[row, lag] == pairs
            alone = (first * later).sum(0) / pairs / power
            both_ways = (first[:, 0] * later[:, 1] + later[:, 0] * first[:, 1]).sum() / 2
            crossed = both_ways / pairs / (power[0] * power[1]).sqrt()
            assert correlations[row, :3, lag] == pytest.approx(alone.float(), abs=1e-4)
            assert correlations[row, 3, lag] == pytest.approx(float(crossed), abs=1e-4)


@pytest.mark.parametrize("level", [0.0, 1.0, 1000.0])
def test_what_does_not_change_has_no_period_and_a_finite_gradient(level):
    signals = torch.full((1, 300, 2), level, requires_grad=True)
    correlations, _ = autocorrelation(signals, everywhere(signals), 100, num_pairs=1)
    assert correlations.abs().max() < 1e-3
    correlations.sum().backward()
    assert torch.isfinite(signals.grad).all()


# The lag axis


def tempogram_of(signals: torch.Tensor, axis: LagAxis) -> torch.Tensor:
    values, _ = axis.sample(*autocorrelation(signals, everywhere(signals), axis.max_lag))
    return values[0, 0]


def test_the_axis_goes_from_a_tenth_of_a_second_to_the_longest_bar():
    axis = LagAxis(0.1 * FRAME_RATE, octaves=6, per_octave=24)
    lags = axis.lags(torch.device("cpu")) / FRAME_RATE
    assert lags.shape[0] == axis.size == 145
    middle = lags.log2().mean(1).exp2()
    assert middle[0] == pytest.approx(0.1, rel=1e-4)
    assert middle[-1] == pytest.approx(6.4, rel=1e-4)
    assert middle[24] == pytest.approx(0.2, rel=1e-4)
    assert (FRAME_RATE * lags.flatten().diff()).max() <= 0.5


def test_twice_the_tempo_is_an_octave_to_the_left():
    axis = LagAxis(0.1 * FRAME_RATE, octaves=6, per_octave=24)
    slow, fast = (tempogram_of(pulses(period, 5), axis) for period in (40, 20))
    peak = 24 * math.log2(200 / 7.5)  # five beats of 40 frames
    assert slow[round(peak)] > 0.95
    assert fast[round(peak) - 24] > 0.95
    assert (slow[60:130] - fast[36:106]).abs().max() < 0.1
    assert (slow[60:130] - fast[60:130]).abs().max() > 1.0


def test_a_lag_is_heard_where_it_fits_twice():
    axis = LagAxis(0.1 * FRAME_RATE, octaves=6, per_octave=24)
    signals = pulses(20, 4, frames=300)  # four seconds: lags up to two
    values, heard = axis.sample(*autocorrelation(signals, everywhere(signals), axis.max_lag))
    longest = 0.1 * 2 ** (int(heard[0].sum() - 1) / 24)
    assert 1.94 < longest <= 2.0
    assert not values[0, 0, int(heard[0].sum()) :].any()


# The network over it


def test_convolutions_reach_from_a_pulse_to_a_bar_of_eleven():
    tempogram = make(tempogram_channels=1, tempogram_hidden_size=8)
    values = torch.zeros(1, 1, 145, requires_grad=True)
    hidden = tempogram.stem(values)
    for block in tempogram.blocks:
        hidden = block(hidden)
    hidden[0, :, 72].sum().backward()
    reached = values.grad[0, 0].nonzero().flatten()
    assert reached[-1] - reached[0] >= 24 * math.log2(11)


@pytest.mark.parametrize("frames", [1, 75, 900])
def test_silence_and_short_windows_give_numbers(frames):
    tempogram = make(tempogram_pairs=3)
    silent = torch.zeros(2, frames, 8, requires_grad=True)
    features = tempogram(silent, everywhere(silent))
    assert features.shape == (2, 128)
    features.sum().backward()
    assert torch.isfinite(features).all()
    assert torch.isfinite(silent.grad).all()
    assert torch.equal(tempogram(silent, ~everywhere(silent)), torch.zeros(2, 128))


def test_another_tempo_is_found_in_another_place_and_no_other_way():
    tempogram, values = make(), torch.zeros(2, 24, 145)
    values[0, :, 60:70] = torch.randn(24, 10, generator=torch.Generator().manual_seed(2))
    values[1] = values[0].roll(20, dims=-1)
    hidden = tempogram.stem(values)
    for block in tempogram.blocks:
        hidden = block(hidden)
    here, there = hidden[0, :, 50:78], hidden[1, :, 70:98]
    assert torch.allclose(here, there, atol=1e-5)
    assert here.std(dim=-1).min() > 0.01


def test_half_precision_around_it_does_not_reach_the_spectrum():
    tempogram, frames = make(), torch.randn(1, 900, 8, generator=torch.Generator().manual_seed(4))
    with torch.autocast("cpu", torch.bfloat16):
        values, _ = tempogram.periods(frames, everywhere(frames))
    exact, _ = tempogram.periods(frames, everywhere(frames))
    assert values.dtype == torch.float32
    assert (values - exact).abs().max() < 0.02


def test_more_pairs_than_channels_are_refused():
    with pytest.raises(ValueError, match="tempogram_pairs is 24; allowed are 0 to 23, below tempogram_channels"):
        make(tempogram_pairs=24)
