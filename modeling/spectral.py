"""One short-time Fourier transform, and what is computed from it: timbre, pitch classes, rhythm.

The definitions and defaults are librosa 0.11's (https://doi.org/10.25080/Majora-7b98e3ed-003), so numbers can be mixed
with tables that librosa made, but librosa itself is not needed. Conventions, for all functions:
signals are (batch, samples) floats of about full scale 1; spectrograms are (batch, frames, bins), linear in frequency
from 0 Hz to half the sampling rate; frame t is centred on sample t * hop_length, with silence beyond both ends, so
there are 1 + samples // hop_length frames; answers are float32. A clip's answer never depends on the rest of its batch.
"""

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = torch.finfo(torch.float32).tiny  # a sum below this is silence: dividing by it would say nothing
BLOCK_FRAMES = 64  # transformed at once: they stay in the processor's cache, and long recordings in bounded memory


@lru_cache(maxsize=16)
def hann_window(length: int) -> np.ndarray:
    """The periodic Hann window (length,), float64."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def spectrogram(
    samples: Tensor,
    n_fft: int = 2048,
    hop_length: int = 512,
    power: float = 2.0,
    dtype: torch.dtype = torch.float64,
    pad_mode: str = "constant",
) -> Tensor:
    """Power (`power=2`) or magnitude (`power=1`) spectrogram of (batch, samples): (batch, frames, n_fft // 2 + 1).

    `dtype` is the precision of the transform. Rounding in float32 is a noise floor 140 dB below a pure tone, which is
    enough to widen the tone's bandwidth by several per cent; where only mel bands follow, float32 will do.
    `pad_mode` is what lies beyond both ends: silence, or with "reflect" the signal mirrored, as CLAP learned from.
    """
    window = torch.as_tensor(hann_window(n_fft), dtype=dtype, device=samples.device)
    frames = F.pad(samples, (n_fft // 2, n_fft // 2), mode=pad_mode).unfold(-1, n_fft, hop_length)
    squared = torch.empty(*frames.shape[:2], n_fft // 2 + 1, device=samples.device)
    for block, result in zip(frames.split(BLOCK_FRAMES, 1), squared.split(BLOCK_FRAMES, 1), strict=True):
        parts = torch.view_as_real(torch.fft.rfft(block.to(dtype, copy=True).mul_(window))).float().square_()
        torch.add(parts[..., 0], parts[..., 1], out=result)
    return squared if power == 2.0 else squared.pow_(power / 2)


def hz_to_mel(frequency_hz: np.ndarray | float) -> np.ndarray:
    """Slaney's mel scale: linear up to 1 kHz (15 mel), then 27 mel for each factor of 6.4."""
    frequency_hz = np.asarray(frequency_hz, dtype=np.float64)
    above = 15 + 27 * np.log(np.maximum(frequency_hz, 1000) / 1000) / np.log(6.4)
    return np.where(frequency_hz < 1000, frequency_hz * 3 / 200, above)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """The inverse of `hz_to_mel`."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15) - 15) * np.log(6.4) / 27))


@lru_cache(maxsize=16)
def mel_filterbank(
    sampling_rate: int, n_fft: int, n_mels: int = 128, fmin_hz: float = 0.0, fmax_hz: float | None = None
) -> np.ndarray:
    """Triangles of equal area (Slaney's normalisation), (n_fft // 2 + 1, n_mels)."""
    limits = hz_to_mel(fmin_hz), hz_to_mel(sampling_rate / 2 if fmax_hz is None else fmax_hz)
    edges = mel_to_hz(np.linspace(*limits, n_mels + 2))
    bins = np.linspace(0, sampling_rate / 2, n_fft // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (edges[2:] - edges[:-2])).astype(np.float32)


@lru_cache(maxsize=128)
def chroma_filterbank(sampling_rate: int, n_fft: int, tuning: float = 0.0) -> np.ndarray:
    """Gaussian bumps around the pitch classes C, C#, ... B, (n_fft // 2 + 1, 12), strongest around 880 Hz.

    `tuning` is the distance of the recording's pitch from A = 440 Hz, in semitones. Ellis 2007, "Chroma feature
    analysis and synthesis".
    """
    hz = np.arange(1, n_fft // 2 + 2) * sampling_rate / n_fft
    semitones = 12 * np.log2(hz / (440.0 / 16 * 2 ** (tuning / 12)))  # above A0
    # 0 Hz has no pitch: put an octave and a half under the first bin it spreads over all pitch classes alike.
    semitones = np.concatenate(([semitones[0] - 18], semitones))
    width = np.maximum(np.diff(semitones), 1.0)
    semitones = semitones[:-1]
    distance = np.remainder(semitones[:, None] - np.arange(12) + 6 + 120, 12) - 6
    bumps = np.exp(-0.5 * (2 * distance / width[:, None]) ** 2)
    bumps /= np.linalg.norm(bumps, axis=1, keepdims=True)
    loudest_in_the_middle = np.exp(-0.5 * ((semitones / 12 - 5) / 2) ** 2)
    return np.roll(bumps * loudest_in_the_middle[:, None], -3, axis=1).astype(np.float32)


@lru_cache(maxsize=16)
def dct_basis(size: int, coefficients: int) -> np.ndarray:
    """The first columns of the orthonormal type-II cosine transform, (size, coefficients)."""
    basis = np.cos(np.pi / size * (np.arange(size)[:, None] + 0.5) * np.arange(coefficients))
    basis *= np.sqrt(2 / size)
    basis[:, 0] /= np.sqrt(2)
    return basis.astype(np.float32)


def project(spectra: Tensor, basis: np.ndarray) -> Tensor:
    """(batch, frames, bins) through a filter bank (bins, bands): (batch, frames, bands).

    One product a clip: in a single large one the rounding of a clip would depend on the size of the batch.
    """
    filters = torch.as_tensor(basis, device=spectra.device)
    return torch.stack([clip @ filters for clip in spectra])


def mel_spectrogram(power: Tensor, sampling_rate: int, n_mels: int = 128, **limits_hz: float) -> Tensor:
    """Mel bands of a power spectrogram: (batch, frames, n_mels). `limits_hz`: fmin_hz, fmax_hz."""
    return project(power, mel_filterbank(sampling_rate, 2 * (power.shape[-1] - 1), n_mels, **limits_hz))


def power_to_db(power: Tensor, floor: float = 1e-10, top_db: float | None = 80.0) -> Tensor:
    """Decibels, no lower than `top_db` under the clip's loudest value and 10 * log10(floor). Any (batch, ...)."""
    decibels = 10 * power.clamp(min=floor).log10()
    if top_db is None:
        return decibels
    loudest = decibels.amax(dim=tuple(range(1, decibels.dim())), keepdim=True)
    return decibels.maximum(loudest - top_db)


def mfcc(mel_db: Tensor, coefficients: int = 20) -> Tensor:
    """Mel-frequency cepstral coefficients of mel bands in decibels: (batch, frames, coefficients)."""
    return project(mel_db, dct_basis(mel_db.shape[-1], coefficients))


def log_mel_musicnn(
    samples: Tensor, sampling_rate: int = 16000, n_fft: int = 512, hop_length: int = 256, n_mels: int = 96
) -> Tensor:
    """What the musicnn taggers hear: log10(1 + 10,000 * mel power), (batch, frames, n_mels), of (batch, samples).

    The networks were trained on bands stored in half precision, so the rounding is repeated here. Pons & Serra 2019,
    https://github.com/jordipons/musicnn.
    """
    mel = mel_spectrogram(spectrogram(samples, n_fft, hop_length, dtype=torch.float32), sampling_rate, n_mels)
    halved = mel.clamp(max=torch.finfo(torch.float16).max).half().float()
    return (10000 * halved + 1).log10()


def spectral_moments(magnitude: Tensor, sampling_rate: int) -> tuple[Tensor, Tensor]:
    """Spectral centroid (mean frequency) and bandwidth (standard deviation around it) in Hz, each (batch, frames).

    Both are 0 in silence.
    """
    hz = np.linspace(0, sampling_rate / 2, magnitude.shape[-1])
    # Float64: the variance is the small difference of two large numbers.
    sums = project(magnitude.double(), np.stack((np.ones_like(hz), hz, hz**2), axis=1))
    total, first, second = sums.unbind(-1)
    total = total.masked_fill(total < SMALLEST, 1.0)
    centroid = first / total
    return centroid.float(), (second / total - centroid.square()).clamp(min=0).sqrt().float()


def spectral_rolloff(magnitude: Tensor, sampling_rate: int, share: float = 0.85) -> Tensor:
    """The frequency in Hz below which `share` of the magnitude lies, (batch, frames); 0 in silence."""
    cumulative = magnitude.cumsum(-1)
    bins_below = torch.searchsorted(cumulative, share * cumulative[..., -1:])[..., 0]
    return bins_below * (sampling_rate / (2 * (magnitude.shape[-1] - 1)))


def zero_crossing_rate(samples: Tensor, frame_length: int = 2048, hop_length: int = 512) -> Tensor:
    """Changes of sign per sample, (batch, frames). The ends are held, not silenced: silence would add a crossing."""
    half, first, last = frame_length // 2, samples[:, :1], samples[:, -1:]
    held = torch.cat((first.expand(-1, half + 1), samples, last.expand(-1, half)), dim=1)
    negative = held < -1e-10  # rounding around 0 has no sign
    running = (negative[:, 1:] != negative[:, :-1]).cumsum(-1, dtype=torch.int32)
    return (running[:, frame_length - 1 :: hop_length] - running[:, : 1 - frame_length : hop_length]) / frame_length


def rms(samples: Tensor, frame_length: int = 2048, hop_length: int = 512) -> Tensor:
    """Root mean square amplitude, (batch, frames)."""
    frames = F.pad(samples, (frame_length // 2, frame_length // 2)).unfold(-1, frame_length, hop_length)
    return torch.linalg.vector_norm(frames, dim=-1) / math.sqrt(frame_length)


def estimate_tuning(
    power: Tensor, sampling_rate: int, fmin_hz: float = 150.0, fmax_hz: float = 4000.0, threshold: float = 0.1
) -> list[float]:
    """How far each clip's pitch lies from A = 440 Hz: one number a clip, in semitones, from -0.5 in steps of 0.01.

    The commonest distance of the spectral peaks from the tempered scale: peaks above `threshold` of their frame's
    loudest bin, placed between bins by a parabola, and of these the louder half. 0 where there are none.
    """
    hz_per_bin = sampling_rate / (2 * (power.shape[-1] - 1))
    first = max(1, math.ceil(fmin_hz / hz_per_bin))
    last = min(power.shape[-1] - 1, math.ceil(fmax_hz / hz_per_bin))
    loud = power[..., first:last] > threshold * power.amax(-1, keepdim=True)
    clip, frame, index = loud.nonzero(as_tuple=True)
    index = index + first
    below, here, above = (power[clip, frame, index + step] for step in (-1, 0, 1))
    is_peak = (here > below) & (here >= above)
    clip, index, below, here, above = (each[is_peak] for each in (clip, index, below, here, above))
    slope, curvature = (above - below) / 2, above + below - 2 * here
    shift = torch.where(slope.abs() < curvature.abs(), -slope / curvature, 0)
    height = here + 0.5 * slope * shift
    semitones = 12 * ((index + shift) * (hz_per_bin / 27.5)).log2()
    distance = torch.remainder(semitones + 0.5, 1) - 0.5
    return [_commonest(distance[clip == i], height[clip == i]) for i in range(power.shape[0])]


def _median(values: Tensor) -> Tensor:
    """Median over the last axis; of an even number the mean of the middle two (torch.median takes the lower)."""
    lower = values.median(-1, keepdim=True).values
    if values.shape[-1] % 2:
        return lower[..., 0]
    above = torch.where(values > lower, values, torch.inf).amin(-1)
    several = (values <= lower).sum(-1) > values.shape[-1] // 2
    return (lower[..., 0] + torch.where(several, lower[..., 0], above)) / 2


def _commonest(distance: Tensor, height: Tensor) -> float:
    """The lower edge of the fullest of 100 classes over [-0.5, 0.5), among the louder half."""
    if not len(height):
        return 0.0
    edges = torch.linspace(-0.5, 0.5, 101, dtype=torch.float64, device=distance.device)
    classes = torch.bucketize(distance[height >= _median(height)].double(), edges, right=True) - 1
    return round(-0.5 + 0.01 * int(classes.bincount().argmax()), 2)


def chroma(power: Tensor, sampling_rate: int, tuning: list[float] | None = None) -> Tensor:
    """Strength of the pitch classes C to B, the strongest of a frame being 1: (batch, frames, 12); 0 in silence.

    `tuning` in semitones, one number a clip; by default it is estimated.
    """
    tuning = estimate_tuning(power, sampling_rate) if tuning is None else tuning
    banks = [chroma_filterbank(sampling_rate, 2 * (power.shape[-1] - 1), clip_tuning) for clip_tuning in tuning]
    raw = torch.cat([project(clip[None], bank) for clip, bank in zip(power, banks, strict=True)])
    strongest = raw.amax(-1, keepdim=True)
    return raw / strongest.masked_fill(strongest < SMALLEST, 1.0)


def onset_strength(mel_db: Tensor, n_fft: int = 2048, hop_length: int = 512, aggregate: str = "mean") -> Tensor:
    """How much louder the mel bands became since the frame before, in decibels, (batch, frames).

    `aggregate` over the bands is "mean" or "median". An onset is dated to the middle of the first frame that holds it.
    """
    if aggregate not in ("mean", "median"):
        raise ValueError(f"aggregate is {aggregate!r}, but must be 'mean' or 'median'")
    rise = mel_db.diff(dim=1).clamp(min=0)
    strength = rise.mean(-1) if aggregate == "mean" else _median(rise)
    return F.pad(strength, (1 + n_fft // (2 * hop_length), 0))[:, : mel_db.shape[1]]


def _local_spectra(onsets: Tensor, win_length: int) -> Iterator[Tensor]:
    """Spectra of the windows of unit energy around each frame: complex blocks (batch, <= 1024 frames, bins).

    Float64, because where nothing repeats the tempo is decided by differences of a millionth.
    """
    onsets, ramp = onsets.double(), torch.arange(win_length // 2, device=onsets.device) / (win_length // 2)
    padded = torch.cat((onsets[:, :1] * ramp, onsets, onsets[:, -1:] * ramp.flip(0)), dim=1)
    window = torch.as_tensor(hann_window(win_length), device=onsets.device)
    n_fft = math.ceil(2 * win_length / 256) * 256  # no lag wraps around, and multiples of 256 transform fast
    for block in padded.unfold(-1, win_length, 1)[:, : onsets.shape[1]].split(1024, dim=1):
        stretch = block * window
        energy = torch.linalg.vector_norm(stretch, dim=-1, keepdim=True)
        yield torch.fft.rfft(stretch.div_(energy.masked_fill(energy < SMALLEST, 1.0)), n=n_fft)


def tempogram(onsets: Tensor, win_length: int = 384) -> Tensor:
    """Local autocorrelation of the onset strength (batch, frames), by lag in frames: (batch, frames, win_length)."""
    squared = (spectra.abs().square() for spectra in _local_spectra(onsets, win_length))
    return torch.cat([torch.fft.irfft(block)[..., :win_length].float() for block in squared], dim=1)


def tempo(
    onsets: Tensor, sampling_rate: int, hop_length: int = 512, prior_bpm: float = 120.0, max_bpm: float = 320.0
) -> Tensor:
    """Beats per minute (batch,): the lag at which the mean tempogram over 8 s windows, times a prior, is highest.

    The prior is log-normal, one octave wide, around `prior_bpm` (Ellis 2007, "Beat tracking by dynamic programming").
    0 where nothing ever sets in.
    """
    win_length = int(8 * sampling_rate / hop_length)
    # The mean over frames is taken before the inverse transform, which is linear: one inverse instead of thousands.
    squared = (torch.view_as_real(spectra).square_() for spectra in _local_spectra(onsets, win_length))
    mean = sum(block.sum(1) for block in squared).sum(-1) / onsets.shape[1]
    strength = (1e6 * torch.fft.irfft(mean)[..., 1:win_length]).log1p()
    bpm = 60 * sampling_rate / hop_length / torch.arange(1, win_length, device=onsets.device).double()
    prior = -0.5 * (bpm / prior_bpm).log2().square()
    best = (strength + prior.masked_fill(bpm >= max_bpm, -torch.inf)).argmax(-1)
    return torch.where(onsets.any(-1), bpm[best], 0).float()
