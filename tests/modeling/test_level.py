import math

import pytest
import torch

from linernotes.modeling.level import at_level, gain_to_level

RATE = 24_000


def test_sound_is_brought_to_a_level_and_padding_is_not_heard_for_it():
    tone = 0.5 * torch.sin(2 * math.pi * 440 * torch.arange(RATE) / RATE)  # its root mean square is -9.03 dB
    batch, mask = torch.stack([tone, 0.01 * tone]), torch.ones(2, RATE)
    mask[1, RATE // 2 :] = 0  # whole periods
    levelled = at_level(batch, mask, -20.0)
    assert levelled[0].square().mean().sqrt().log10().item() * 20 == pytest.approx(-20.0, abs=1e-3)
    assert torch.allclose(levelled[0], levelled[1], atol=1e-4), "forty decibels apart, and half of it behind the end"
    assert torch.equal(at_level(batch, mask, None), batch)


def test_silence_is_not_made_louder():
    quiet = torch.stack([torch.zeros(RATE), torch.full((RATE,), 5e-6)])
    assert torch.equal(at_level(quiet, None, -20.0), quiet)


def test_gains_are_those_of_the_decibels_and_none_for_what_is_not_known():
    gains = gain_to_level(torch.tensor([1.0, 0.1, 0.01, 0.0, math.nan]), -20.0)
    assert gains.tolist() == pytest.approx([0.1, 1.0, 10.0, 1.0, 1.0])
