"""How loud a clip is to a listener, after ITU-R BS.1770."""

import numpy as np
import pyloudnorm

BLOCK_SECONDS = 0.4
WEIGHTING = "DeMan"  # the standard's own filters at any rate; pyloudnorm's default comes 0.05 dB near to them


def loudness(samples: np.ndarray, sampling_rate: int) -> float:
    """Integrated loudness in LUFS of `(samples,)` or `(samples, channels)`, full scale 1; `-inf` for silence.

    A mono sine of 997 Hz at full scale has -3.01. Silence is what never reaches -70. Raises ValueError for less than
    0.4 s, the standard's block.
    """
    if len(samples) < BLOCK_SECONDS * sampling_rate:
        raise ValueError(
            f"{len(samples) / sampling_rate:.3f} s are too short to have a loudness: give {BLOCK_SECONDS} s or more"
        )
    return float(pyloudnorm.Meter(sampling_rate, WEIGHTING).integrated_loudness(np.asarray(samples, np.float64)))
