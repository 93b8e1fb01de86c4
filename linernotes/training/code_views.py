"""Rows of codes as `forward` takes them: of one length, with a mask, cut and hidden at random in training."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from linernotes.training.crops import cropped

SPANS = 3  # hidden stretches of a recording


def code_view(
    codes: Sequence[np.ndarray],
    frames: int,
    varied: bool,
    columns: dict[str, Sequence[Any]],
    change: Callable[[Tensor], Tensor] | None = None,
) -> Dataset:
    """A Dataset of `codes` (codebooks, frames) and `attention_mask` (frames,), and of the columns.

    A longer recording is cut at a random place, or in the middle; a shorter one is filled up with zeros, which the mask
    leaves out. `change` is then done to its codes.
    """
    rows = Dataset.from_dict({**columns, "index": range(len(codes))})

    def prepare(batch: dict[str, list]) -> dict[str, Any]:
        cut = [torch.from_numpy(cropped(codes[index], frames, varied)) for index in batch["index"]]
        heard = [row if change is None else change(row) for row in cut]
        filled = [torch.nn.functional.pad(row, (0, frames - row.shape[1])) for row in heard]
        masks = [(torch.arange(frames) < row.shape[1]).long() for row in heard]
        return {"codes": filled, "attention_mask": masks, **{name: batch[name] for name in columns}}

    return rows.with_transform(prepare)


def hidden_spans(codes: Tensor, share: float, config: Any) -> Tensor:
    """Codes (codebooks, frames) with spans of up to `share` of the frames hidden, as in pre-training a masked frame is.

    Source: SpecAugment (Park et al. 2019, arXiv 1904.08779), which hides stretches of a spectrogram. Of several
    codebooks the later ones may be hidden throughout: they are what a lower bit rate would not have.
    """
    books, frames = codes.shape
    hidden = torch.zeros(books, frames, dtype=torch.bool)
    for _ in range(SPANS):
        length = int(torch.randint(int(share * frames / SPANS) + 1, ()).item())
        start = int(torch.randint(frames - length + 1, ()).item())
        hidden[:, start : start + length] = True
    if books > 2 and torch.rand(()) < share:
        hidden[int(torch.randint(2, books, ()).item()) :] = True
    return codes.masked_fill(hidden, config.codec_config.codebook_size)
