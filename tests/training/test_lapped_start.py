"""A codec that starts as a lapped transform says again what it hears, before it has learned anything."""

import pytest
import torch
from transformers import EncodecConfig, EncodecModel

from linernotes.training.codec_training import log_mel, mel_distance, si_sdr
from linernotes.training.lapped_start import mdct_basis, start_as_lapped_transform

SMALL = {
    "sampling_rate": 2400, "num_filters": 4, "upsampling_ratios": [4, 2, 4], "hidden_size": 32, "num_lstm_layers": 1,
    "target_bandwidths": [0.75], "use_causal_conv": False,
}  # fmt: skip


def tones(*hz: float, seconds: float = 2.0, rate: int = 2400) -> torch.Tensor:
    times = torch.arange(round(seconds * rate)) / rate
    return sum(0.2 * torch.sin(2 * torch.pi * frequency * times) for frequency in hz)[None]


def test_frames_of_the_basis_are_orthogonal_to_each_other_and_to_their_neighbours():
    basis = mdct_basis(8, 8)
    assert torch.allclose(basis @ basis.T, torch.eye(8), atol=1e-6)
    assert torch.allclose(basis[:, :8] @ basis[:, 8:].T, torch.zeros(8, 8), atol=1e-6)


def test_what_lies_below_its_coefficients_comes_back():
    torch.manual_seed(0)
    codec = EncodecModel(EncodecConfig(**SMALL)).eval()
    start_as_lapped_transform(codec)
    sound = tones(110, 330)  # 21 of 32 coefficients reach up to 790 Hz
    with torch.no_grad():
        again = codec.decoder(codec.encoder(sound[:, None]))[:, 0]
    assert si_sdr(again, sound).item() > 15
    with torch.no_grad():
        lost = codec.decoder(codec.encoder(tones(1100)[:, None]))[:, 0]
    assert lost.std() < 0.5 * sound.std()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_causal_conv": True}, "use_causal_conv is true; a lapped transform hears what follows"),
        ({"num_filters": 2, "upsampling_ratios": [2, 4, 4]}, "16 samples before the last stride, and 8 channels"),
    ],
)
def test_a_codec_that_cannot_hold_the_transform_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        start_as_lapped_transform(EncodecModel(EncodecConfig(**SMALL | change)))


def test_si_sdr_of_a_known_ratio_whatever_the_level():
    torch.manual_seed(0)
    sound, noise = tones(110, 220), torch.randn(1, 4800)
    noise = noise - noise.mean() - sound * (noise * sound).sum() / sound.square().sum()
    noise = noise * (sound.square().sum() / noise.square().sum()).sqrt() / 10  # 20 dB under the sound
    assert si_sdr(sound + noise, sound).item() == pytest.approx(20, abs=0.05)
    assert si_sdr(0.1 * (sound + noise), sound).item() == pytest.approx(20, abs=0.05)


def test_half_the_level_is_a_known_mel_distance():
    torch.manual_seed(0)
    noise = 0.1 * torch.randn(2, 24_000)
    assert mel_distance(noise, noise, 24_000).tolist() == [0.0, 0.0]
    assert mel_distance(0.5 * noise, noise, 24_000).tolist() == pytest.approx([0.693] * 2, abs=0.02)
    assert log_mel(torch.zeros(1, 24_000), 24_000, 512, 40).unique().numel() == 1, "silence has a floor"
