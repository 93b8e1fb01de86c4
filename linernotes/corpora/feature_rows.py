"""Rows of feature vectors or of taggrams, as tensors: what the genre models are trained and measured on.

A row has `features` (num_features,), NaN where its source has none, or a `taggram` (frames, 50).
"""

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from linernotes.modeling.mixture import taggram_statistics


def decoded(rows: Dataset) -> list[np.ndarray]:
    """The inputs of rows, feature rows (num_features,) or taggrams (frames, 50)."""
    rows = rows.with_format("numpy")
    return [np.asarray(row, np.float32) for row in rows["taggram" if "taggram" in rows.column_names else "features"]]


def as_features(inputs: list[np.ndarray]) -> Tensor:
    """Raw features (batch, num_features); taggrams, of any lengths, become their statistics."""
    if inputs[0].ndim == 1:
        return torch.from_numpy(np.stack(inputs))
    lengths = torch.tensor([len(taggram) for taggram in inputs])
    padded = pad_sequence([torch.from_numpy(taggram) for taggram in inputs], batch_first=True)
    return taggram_statistics(padded, torch.arange(padded.shape[1]) < lengths[:, None])


def raw_features(rows: Dataset) -> np.ndarray:
    """(rows, num_features), NaN where a row has none."""
    return as_features(decoded(rows)).numpy()


def crop(taggram: np.ndarray, min_frames: int | None) -> np.ndarray:
    """A random stretch of at least `min_frames` frames, by torch's generator, which a resume restores; all if None."""
    if min_frames is None or taggram.ndim == 1 or len(taggram) <= min_frames:
        return taggram
    length = int(torch.randint(min_frames, len(taggram) + 1, ()))
    start = int(torch.randint(0, len(taggram) - length + 1, ()))
    return taggram[start : start + length]
