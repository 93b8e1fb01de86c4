"""Sound brought to one level, so that a quiet copy of a recording is answered as a loud one is.

A level is a root mean square, in decibels of full scale; None, wherever one may be given, leaves sound as it is.
"""

import torch
from torch import Tensor

SILENCE = 1e-5  # root mean square, full scale 1, under which there is nothing to be made louder, but dither


def gain_to_level(loudness: Tensor, level_db: float) -> Tensor:
    """Factors by which sound of that root mean square comes to the level; 1 for silence, and where it is NaN."""
    return torch.where(loudness > SILENCE, 10 ** (level_db / 20) / loudness, torch.ones_like(loudness))


def at_level(input_values: Tensor, attention_mask: Tensor | None, level_db: float | None) -> Tensor:
    """Sound (batch, samples), each recording's root mean square (where its mask is 1) brought to the level."""
    if level_db is None:
        return input_values
    valid = torch.ones_like(input_values) if attention_mask is None else attention_mask.to(input_values.dtype)
    power = (input_values * valid).square().sum(1, keepdim=True) / valid.sum(1, keepdim=True).clamp(min=1)
    return input_values * gain_to_level(power.sqrt(), level_db)
