"""A plain method for meters, to be beaten: how the onsets of a recording repeat, and logistic regression on that.

Onset strength of all bands and of the bass, autocorrelated over the whole recording; statistics are its values on a
logarithmic axis of lags, and at multiples of the likeliest pulse, where the bar stands out at any tempo (tempogram
ratios: Peeters, "Rhythm classification using spectral rhythm patterns", ISMIR 2005).
"""

from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from linernotes.corpora.manifest import read_excerpt
from linernotes.modeling.spectral import mel_spectrogram, onset_strength, power_to_db, spectrogram

RATE_HZ = 22_050
N_FFT, HOP = 2048, 256
BANDS, BASS_BANDS = 64, 8  # the lowest eight of 64 mel bands end at about 350 Hz
SHORTEST_LAG_SECONDS, OCTAVES, LAGS_PER_OCTAVE = 0.1, 6, 12
PULSE_SECONDS = (0.12, 0.7)
LONGEST_BAR = 12  # pulses
TOLERANCE = 0.04  # of a multiple of the pulse


def logistic_baseline(known: Dataset, unknown: Dataset, labels: Sequence[str]) -> np.ndarray:
    """Probabilities (rows, labels) for the rows of `unknown`, learned from those of `known`; both have `labels`."""
    return learned_answers(statistics(known), known["labels"], statistics(unknown), labels)


def learned_answers(learned: np.ndarray, stated: Sequence[Sequence[str]], asked: np.ndarray, labels) -> np.ndarray:
    """Probabilities (rows, labels) for statistics that are asked about; of a label that tells nothing, its share."""
    scaler = StandardScaler().fit(learned)
    probabilities = np.empty((len(asked), len(labels)))
    for column, label in enumerate(labels):
        truths = np.array([label in row for row in stated])
        probabilities[:, column] = truths.mean()
        if 0 < truths.mean() < 1:
            regression = LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced")
            regression.fit(scaler.transform(learned), truths)
            probabilities[:, column] = regression.predict_proba(scaler.transform(asked))[:, 1]
    return probabilities


def statistics(rows: Dataset) -> np.ndarray:
    """(rows, statistics) of recordings or excerpts."""
    excerpts = zip(rows["audio"], rows["start_seconds"], rows["end_seconds"], strict=True)
    return np.stack([periodicity(read_excerpt(audio, start or 0.0, end, RATE_HZ)) for audio, start, end in excerpts])


def periodicity(samples: np.ndarray) -> np.ndarray:
    """The statistics of a recording (samples,) at RATE_HZ; zeros where nothing ever sets in."""
    power = spectrogram(torch.from_numpy(samples)[None], N_FFT, HOP, dtype=torch.float32)
    decibels = power_to_db(mel_spectrogram(power, RATE_HZ, BANDS))
    envelopes = [onset_strength(part, N_FFT, HOP)[0] for part in (decibels, decibels[..., :BASS_BANDS])]
    lags = SHORTEST_LAG_SECONDS * 2 ** (np.arange(OCTAVES * LAGS_PER_OCTAVE + 1) / LAGS_PER_OCTAVE)
    longest = int(np.ceil(max(lags[-1], PULSE_SECONDS[1] * LONGEST_BAR) * RATE_HZ / HOP * (1 + TOLERANCE))) + 1
    curves = [autocorrelation(envelope, longest).numpy() for envelope in envelopes]
    pulse = likeliest_pulse(curves[0])
    places = lags * RATE_HZ / HOP
    parts = [np.interp(places, np.arange(longest + 1), curve) for curve in curves]
    return np.concatenate([*parts, *(at_multiples(curve, pulse) for curve in curves)]).astype(np.float32)


def autocorrelation(envelope: Tensor, longest: int) -> Tensor:
    """Of (frames,), 1 at lag 0, for lags up to `longest` frames: (longest + 1,). 0 beyond half of the recording."""
    frames = len(envelope)
    centred = envelope - envelope.mean()
    spectrum = torch.fft.rfft(centred, 2 * (frames + longest))
    sums = torch.fft.irfft(spectrum.abs().square())[: longest + 1]
    lags = torch.arange(longest + 1)
    unbiased = sums / (frames - lags).clamp(min=1) * frames / sums[0].clamp(min=1e-9)
    return torch.where(lags <= frames / 2, unbiased, 0.0)


def likeliest_pulse(curve: np.ndarray) -> int:
    """The lag, in frames, at which the autocorrelation of an onset strength is highest among those of pulses."""
    first, last = (round(seconds * RATE_HZ / HOP) for seconds in PULSE_SECONDS)
    return first + int(curve[first : last + 1].argmax())


def at_multiples(curve: np.ndarray, pulse: int) -> np.ndarray:
    """(LONGEST_BAR,): the highest value near each multiple of the pulse."""
    found = []
    for multiple in range(1, LONGEST_BAR + 1):
        reach = max(1, round(TOLERANCE * multiple * pulse))
        around = curve[multiple * pulse - reach : multiple * pulse + reach + 1]
        found.append(around.max() if len(around) else 0.0)
    return np.array(found)
