"""What is heard of a recording in training and when it is measured: an excerpt of one length, varied or not."""

import numpy as np
import torch

COLOUR_POINTS = 6  # over the mel bands: some one and a half octaves apart


def cropped(samples: np.ndarray, length: int, varied: bool) -> np.ndarray:
    """At most `length` of the last axis, samples or frames, from a random place or from the middle."""
    room = max(samples.shape[-1] - length, 0)
    start = int(torch.randint(room + 1, ()).item()) if varied else room // 2
    return samples[..., start : start + length]


def augmented(samples: np.ndarray, noise_std: float, most_shift: int) -> np.ndarray:
    """With noise, then turned by up to `most_shift` samples to either side."""
    noisy = samples + noise_std * torch.randn(len(samples)).numpy()
    return np.roll(noisy, int(torch.randint(-most_shift, most_shift + 1, ()).item()))


def loudened(samples: np.ndarray, most_db: float) -> np.ndarray:
    """Louder or softer by a drawn gain, as far as full scale allows."""
    gain_db = most_db * (2.0 * torch.rand(()).item() - 1.0)
    return samples * min(10.0 ** (gain_db / 20.0), 1.0 / max(float(np.abs(samples).max()), 1e-9))


def coloured(log_mel: torch.Tensor, most_db: float) -> torch.Tensor:
    """Each of the clips (batch, 1, frames, mels) as another room or instrument colours it.

    An equaliser with gains that are drawn at a few places, and straight lines between them.
    """
    gains_db = most_db * (2.0 * torch.rand(len(log_mel), 1, COLOUR_POINTS) - 1.0)
    curves = torch.nn.functional.interpolate(gains_db, log_mel.shape[-1], mode="linear", align_corners=True)
    return log_mel + curves[:, :, None]


def band_limited(log_mel: torch.Tensor, odds: float) -> torch.Tensor:
    """Some of the clips (batch, 1, frames, mels) without what is above a drawn band of the upper fifth."""
    bands, limited = log_mel.shape[-1], log_mel.clone()
    for clip in limited:
        if torch.rand(()).item() < odds:
            first = bands - 1 - int(torch.randint(max(bands // 5, 1), ()).item())
            clip[..., first:] = -100.0  # the extractor's decibels of nothing
    return limited
