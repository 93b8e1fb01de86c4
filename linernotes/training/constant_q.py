"""Filters for the first convolution of a backbone that listens to music: one semitone apart, three phases each.

A Hubert's first layer learns short filters from speech; notes a semitone apart need long ones. These are windowed
sinusoids whose length is a fixed number of their periods (a constant-Q transform, Brown 1991) as far as the kernel
allows. A rectifying activation keeps only half of each wave; three phases, 120 degrees apart, sum to a steady envelope.
"""

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

PHASES = 3
# One gain a phase: a rectifier that clips keeps what is loud by the first and what is 36 dB softer by the last, as a
# logarithm would, which a Hubert has not. benchmarks/front_ends.py measures what that is worth.
PHASE_GAINS = (1.0, 8.0, 64.0)
LOWEST_HZ = 32.70  # C1
BINS_PER_OCTAVE = 12
PERIODS = 17.0  # Q: a semitone is resolved by 1 / (2 ** (1 / 12) - 1) periods
EMPHASIS = 0.35  # music's energy falls with frequency: gain rises with this power of it


def filter_frequencies_hz(channels: int, sampling_rate: int) -> np.ndarray:
    """Centre frequencies, a third as many as channels: semitones from C1, then bands up to 0.45 of the rate.

    Raises ValueError for a number of channels that is not three times at least 24.
    """
    count, rest = divmod(channels, PHASES)
    if rest or count < 24:
        raise ValueError(f"{channels} channels: three phases of 24 bands or more are needed, such as 288")
    semitones = LOWEST_HZ * 2.0 ** (np.arange(min(count, 90)) / BINS_PER_OCTAVE)
    above = np.geomspace(semitones[-1], 0.45 * sampling_rate, count - len(semitones) + 1)[1:]
    return np.concatenate([semitones, above])


def constant_q_filters(channels: int, kernel_size: int, sampling_rate: int) -> Tensor:
    """Weights of the first convolution, float32 (channels, 1, kernel_size): bands in order, phase by phase."""
    frequencies = filter_frequencies_hz(channels, sampling_rate)
    times = (np.arange(kernel_size) - (kernel_size - 1) / 2) / sampling_rate
    lengths = np.minimum(PERIODS / frequencies, kernel_size / sampling_rate)
    lengths = np.maximum(lengths, 64 / sampling_rate)  # the highest bands are clicks otherwise, and hear every hiss
    places = times / lengths[:, None]
    window = np.where(np.abs(places) <= 0.5, 0.5 + 0.5 * np.cos(2 * np.pi * places), 0.0)
    gains = (frequencies / frequencies[0]) ** EMPHASIS / window.sum(1)
    phases = 2 * np.pi * np.arange(PHASES) / PHASES
    waves = np.cos(2 * np.pi * frequencies[:, None, None] * times + phases[:, None])
    filters = gains[:, None, None] * window[:, None, :] * waves
    return torch.tensor(filters.reshape(channels, 1, kernel_size), dtype=torch.float32)


def start_as_filter_bank(tower: PreTrainedModel, sampling_rate: int) -> None:
    """Makes the first convolution of a Hubert or WavLM a fixed constant-Q filter bank; what follows passes it on.

    Where each band is normalised by itself (`feat_extract_norm="group"`), its three phases start with three gains.
    The later convolutions start as averages over time and the projection as the identity, so that the first hidden
    state is a spectrum: what training does not change for the better is still there.
    """
    first, *later = tower.feature_extractor.conv_layers
    filters = first.conv
    with torch.no_grad():
        if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
            first.layer_norm.weight.copy_(torch.tensor(PHASE_GAINS).repeat(len(first.layer_norm.weight) // PHASES))
        filters.weight.copy_(constant_q_filters(filters.out_channels, filters.kernel_size[0], sampling_rate))
        for layer in later:
            to_channels, from_channels, reach = layer.conv.weight.shape
            layer.conv.weight.copy_(torch.eye(to_channels, from_channels)[:, :, None].repeat(1, 1, reach) / reach)
        for conv in (filters, *(layer.conv for layer in later)):
            if conv.bias is not None:
                conv.bias.zero_()
        nn.init.eye_(tower.feature_projection.projection.weight)
    filters.requires_grad_(False)


def log_magnitudes(filtered: Tensor) -> Tensor:
    """What the filters hear, without their phases: (batch, channels, frames) -> (batch, bands, frames).

    Logarithmic, in units of 20 dB, from 60 dB under the loudest value of each item; three phases of a sinusoid have
    squares that sum to a constant.
    """
    batch, channels, frames = filtered.shape
    power = filtered.view(batch, channels // PHASES, PHASES, frames).square().sum(2)
    loudest = power.amax((1, 2), keepdim=True).clamp(min=1e-12)
    return (power / loudest).clamp(min=1e-6).log10() / 2 + 3.0
