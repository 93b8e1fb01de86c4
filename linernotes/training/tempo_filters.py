"""Filters for the positional convolution of a WavLM or Hubert that listens to music: one for each of many tempi.

That convolution reaches over seconds, so it can hear a pulse. Averages over time forget one, unless something rectifies
it first: here each tempo has three phases of a windowed wave, 120 degrees apart, and the activation behind them keeps
what sounds in time with it. It is the front of a tempogram (Grosche and Müller 2011, doi 10.1109/TASL.2010.2096216).
"""

import numpy as np
import torch
from transformers import PreTrainedModel

PHASES = 3
TEMPI_BPM = (50.0, 360.0)  # from a slow beat to the eighths of a fast one
GAIN = 20.0  # with bands of variance 1, a steady pulse then reaches the middle of what relu6 passes
LEAST_REACH_SECONDS = 2.5  # two beats at 50 a minute


def hears_tempi(tower: PreTrainedModel, sampling_rate: int) -> bool:
    """Whether its positional convolution is long enough, its frames are fast enough, and its groups hold all phases."""
    conv, rate_hz = _convolution(tower), frame_rate_hz(tower, sampling_rate)
    in_time = conv.kernel_size[0] >= LEAST_REACH_SECONDS * rate_hz and rate_hz >= 2.0 * TEMPI_BPM[1] / 60.0
    return in_time and not conv.out_channels // conv.groups % PHASES


def start_as_tempo_filters(tower: PreTrainedModel, sampling_rate: int) -> None:
    """Makes the positional convolution a bank of tempo filters, neighbouring tempi in different groups of channels.

    Raises ValueError where `hears_tempi` is false.
    """
    if not hears_tempi(tower, sampling_rate):
        raise ValueError(
            f"{_convolution(tower)} of {frame_rate_hz(tower, sampling_rate):g} frames a second hears no tempo; give it "
            f"{LEAST_REACH_SECONDS:g} s or more, {TEMPI_BPM[1] / 30.0:g} frames a second, and groups whose channels "
            f"divide by {PHASES}"
        )
    conv, rate_hz = _convolution(tower), frame_rate_hz(tower, sampling_rate)
    groups, each = conv.groups, conv.out_channels // conv.groups // PHASES
    tempi_bpm = np.geomspace(*TEMPI_BPM, groups * each).reshape(each, groups).T.ravel()
    waves = tempo_waves(tempi_bpm, conv.kernel_size[0], rate_hz) * GAIN / conv.weight.shape[1]
    with torch.no_grad():
        conv.weight = torch.tensor(waves, dtype=torch.float32)[:, None].expand_as(conv.weight).clone()
        conv.bias.zero_()


def tempo_waves(tempi_bpm: np.ndarray, length: int, rate_hz: float) -> np.ndarray:
    """(tempi x 3 phases, length): waves under a Hann window, without a mean, their magnitudes sum to 1."""
    times = (np.arange(length) - (length - 1) / 2) / rate_hz
    window = np.hanning(length + 2)[1:-1]
    phases = 2 * np.pi * np.arange(PHASES) / PHASES
    waves = window * np.cos(2 * np.pi * tempi_bpm[:, None, None] / 60 * times + phases[:, None])
    waves -= window * waves.sum(2, keepdims=True) / window.sum()
    return (waves / np.abs(waves).sum(2, keepdims=True)).reshape(-1, length)


def frame_rate_hz(tower: PreTrainedModel, sampling_rate: int) -> float:
    return sampling_rate / float(np.prod(tower.config.conv_stride))


def _convolution(tower: PreTrainedModel) -> torch.nn.Conv1d:
    return tower.encoder.pos_conv_embed.conv
