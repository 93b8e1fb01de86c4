"""What is heard of a recording in training and when it is measured: an excerpt of one length, varied or not."""

import numpy as np
import torch


def cropped(samples: np.ndarray, length: int, varied: bool) -> np.ndarray:
    """At most `length` of the last axis, samples or frames, from a random place or from the middle."""
    room = max(samples.shape[-1] - length, 0)
    start = int(torch.randint(room + 1, ()).item()) if varied else room // 2
    return samples[..., start : start + length]


def augmented(samples: np.ndarray, noise_std: float, most_shift: int) -> np.ndarray:
    """With noise, then turned by up to `most_shift` samples to either side."""
    noisy = samples + noise_std * torch.randn(len(samples)).numpy()
    return np.roll(noisy, int(torch.randint(-most_shift, most_shift + 1, ()).item()))
