"""Rhythm as periods: how the frames of a recording repeat, on an axis on which tempo is only a shift.

Mean and maximum over time forget the order of what was heard, and with it the meter. Here a few activations, each the
probability of an event in a frame (a beat, the first of a bar, a drum), are compared with themselves at every lag.
Pulse and bar are two peaks, and on a logarithmic lag axis their distance, log2(5) octaves for five beats to the bar, is
the same at every tempo: convolutions along that axis find the pattern, and pooling over the axis forgets where it was.

Sources: the autocorrelation tempogram (Grosche, Müller, Kurth, ICASSP 2010); a logarithmic lag axis against changes of
tempo (Holzapfel, Stylianou, "Scale transform in rhythmic similarity of music", 2011). Lags are in frames.
"""

import math

import torch
from torch import Tensor, nn

SMALLEST_POWER = 1e-6  # of an activation; anything weaker is rounding, and has no period
LONGEST_RATIO = math.log2(11)  # octaves from a pulse to a bar of eleven
KERNEL = 7


def autocorrelation(signals: Tensor, mask: Tensor, max_lag: int, num_pairs: int = 0) -> tuple[Tensor, Tensor]:
    """How alike signals are to themselves some frames later: 1 at lag 0 and at an exact period, unbiased.

    Args:
        signals: (batch, frames, channels).
        mask: (batch, frames), True where a frame counts; it may have holes.
        max_lag: the longest lag, in frames.
        num_pairs: how many channels are also compared with the channel after them, both ways.

    Returns:
        correlations (batch, channels + num_pairs, max_lag + 1), float32, 0 throughout where a signal is constant; and
        the pairs of frames that each lag is the mean of, (batch, max_lag + 1).
    """
    mask = mask.float()[..., None]
    count = mask.sum(1, keepdim=True).clamp(min=1)
    mean = (signals.float() * mask).sum(1, keepdim=True) / count
    signals = (signals.float() - mean) * mask
    power = signals.square().sum(1, keepdim=True) / count
    size = 2 ** math.ceil(math.log2(signals.shape[1] + max_lag))  # long enough that the end does not meet the beginning
    spectra = torch.fft.rfft(signals, size, dim=1)
    others = torch.cat((spectra, spectra[..., 1 : num_pairs + 1]), dim=2)
    spectra = torch.cat((spectra, spectra[..., :num_pairs]), dim=2)
    sums = torch.fft.irfft((spectra * others.conj()).real, size, dim=1)[:, : max_lag + 1]
    powers = power * power, power[..., :num_pairs] * power[..., 1 : num_pairs + 1]
    # in units of the smallest, for exporters drop a summand of 1e-12
    scale = SMALLEST_POWER * (torch.cat(powers, dim=2) / SMALLEST_POWER**2 + 1).sqrt()
    overlap = torch.fft.irfft(torch.fft.rfft(mask, size, dim=1).abs().square(), size, dim=1)[:, : max_lag + 1].round()
    return (sums / overlap.clamp(min=1) / scale).transpose(1, 2), overlap[..., 0]


class LagAxis:
    """Lags in equal steps of an octave's fraction, from `min_lag` frames over so many octaves; `size` of them.

    A step at the long end is many frames, and a peak between two points would be missed: a point stands for the largest
    value around it, half a step to both sides, in steps of at most half a frame.
    """

    def __init__(self, min_lag: float, octaves: int, per_octave: int):
        self.size = octaves * per_octave + 1
        longest = min_lag * 2 ** (octaves + 0.5 / per_octave)
        self.per_point = math.ceil(longest * math.log(2) / per_octave / 0.5)
        self.min_lag, self.per_octave, self.max_lag = min_lag, per_octave, math.ceil(longest) + 1

    def lags(self, device: torch.device) -> Tensor:
        """(size, per_point) lags in frames; a row is the neighbourhood of one point."""
        points = torch.arange(self.size * self.per_point, device=device).double()
        steps = (points + 0.5) / self.per_point - 0.5
        return (self.min_lag * 2 ** (steps / self.per_octave)).float().view(self.size, self.per_point)

    def sample(self, correlations: Tensor, overlap: Tensor) -> tuple[Tensor, Tensor]:
        """What `autocorrelation` gives -> values (batch, channels, size), and which lags were heard, (batch, size).

        A lag is heard where the sound is at least twice as long, so that a period can come again; others are 0.
        """
        lags = self.lags(correlations.device)
        before = lags.long().flatten()
        share = (lags.flatten() - before).to(correlations.dtype)
        values = correlations[..., before] * (1 - share) + correlations[..., before + 1] * share
        middle = lags[:, self.per_point // 2]
        heard = overlap[:, middle.ceil().long()] >= middle
        return values.unflatten(-1, lags.shape).amax(-1) * heard[:, None], heard


class LagBlock(nn.Module):
    """A residual convolution along the lag axis, (batch, channels, lags) -> the same."""

    def __init__(self, channels: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(channels)  # over channels, lag by lag: a shift of the lags stays a shift
        self.conv = nn.Conv1d(channels, channels, KERNEL, padding=KERNEL // 2 * dilation, dilation=dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        normed = self.norm(values.transpose(1, 2)).transpose(1, 2)
        return values + self.dropout(nn.functional.gelu(self.conv(normed)))


class Tempogram(nn.Module):
    """Frames (batch, frames, hidden_size) and their mask -> (batch, 2 * tempogram_hidden_size), the same at any tempo.

    config: a BeatMeterConfig. frame_rate: frames a second.
    """

    def __init__(self, config, frame_rate: float):
        super().__init__()
        channels, width, pairs = config.tempogram_channels, config.tempogram_hidden_size, config.tempogram_pairs
        if not 0 <= pairs < channels:
            raise ValueError(f"tempogram_pairs is {pairs}; allowed are 0 to {channels - 1}, below tempogram_channels")
        self.pairs = pairs
        self.axis = LagAxis(config.min_lag_seconds * frame_rate, config.lag_octaves, config.lags_per_octave)
        reach = LONGEST_RATIO * config.lags_per_octave  # dilations 1, 2, 4 ... until the last layer hears as far
        depth = math.ceil(math.log2(reach / (KERNEL - 1) + 1))
        self.norm = nn.LayerNorm(config.backbone_config.hidden_size)
        self.activations = nn.Linear(config.backbone_config.hidden_size, channels)
        self.stem = nn.Conv1d(channels + pairs, width, 1)
        self.blocks = nn.ModuleList(LagBlock(width, 2**layer, config.dropout / 4) for layer in range(depth))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        return self.patterns(*self.periods(frames, mask))

    def patterns(self, values: Tensor, heard: Tensor) -> Tensor:
        """What `periods` gives -> (batch, 2 * tempogram_hidden_size)."""
        hidden = self.stem(values.to(self.stem.weight.dtype))
        for block in self.blocks:
            hidden = block(hidden)
        missing = ~heard[:, None]
        mean = hidden.masked_fill(missing, 0.0).sum(-1) / heard.sum(-1, keepdim=True).clamp(min=1)
        largest = hidden.masked_fill(missing, -torch.inf).amax(-1).masked_fill(missing.all(-1), 0.0)
        return torch.cat((mean, largest), dim=-1)

    def listening_parameters(self) -> list[nn.Parameter]:
        """Of what makes activations of frames; the others look for patterns in their periods."""
        return [*self.norm.parameters(), *self.activations.parameters()]

    def events(self, frames: Tensor) -> Tensor:
        """Logits of the events in each frame, (batch, frames, channels)."""
        return self.activations(self.norm(frames))

    def periods(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The tempogram, (batch, channels + pairs, lags) between about -1 and 1, and which lags were heard."""
        activations = self.events(frames).sigmoid()
        with torch.autocast(frames.device.type, enabled=False):  # a spectrum of half precision loses its small lines
            correlations, overlap = autocorrelation(activations, mask, self.axis.max_lag, self.pairs)
            return self.axis.sample(correlations, overlap)
