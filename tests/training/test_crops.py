"""Variations of what is heard in training: how far they go, and that they are drawn anew."""

import numpy as np
import torch

from linernotes.training.crops import band_limited, coloured, loudened


def test_bands_are_limited_in_the_upper_fifth_and_as_often_as_is_asked():
    log_mel = torch.zeros(40, 1, 3, 64)
    assert band_limited(log_mel, 0.0).equal(log_mel)
    limited = band_limited(log_mel, 1.0)
    assert (limited[..., -1] == -100).all()
    assert not limited[..., :51].any()
    assert not log_mel.any()


def test_colour_is_one_smooth_curve_for_all_frames_of_a_clip():
    log_mel = torch.randn(30, 1, 4, 64)
    assert coloured(log_mel, 0.0).equal(log_mel)
    curves = coloured(log_mel, 10.0) - log_mel
    assert torch.allclose(curves, curves[:, :, :1].expand_as(curves), atol=1e-5)
    assert 8 < curves.abs().max() <= 10.0
    assert curves.diff(dim=-1).abs().max() <= 20.0 * 5 / 63 + 1e-5  # five straight lines over 63 steps
    assert curves[:, 0, 0].std(0).min() > 2  # drawn anew for each


def test_gains_stay_within_full_scale():
    loudest = [float(np.abs(loudened(np.array([0.5, -0.9]), 20.0)).max()) for _ in range(40)]
    assert max(loudest) <= 1.0 + 1e-6
    assert min(loudest) < 0.5
