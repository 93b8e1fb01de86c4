"""The gate's losses and the temporal encoders, against values worked out by hand."""

import math

import pytest
import torch

from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
from linernotes.modeling.mixture import ConvEncoder, GatingNetwork, LstmEncoder, gate_losses, masked_mean

EVEN = torch.full((10, 5), 0.2)
COLLAPSED = torch.eye(5)[torch.zeros(10, dtype=torch.long)].clamp(1e-9)
SPECIALISED = torch.eye(5).repeat(2, 1).clamp(1e-9)
TARGETS = torch.eye(5).repeat(2, 1)


def only(**weights) -> GenreMoeConfig:
    return GenreMoeConfig(**{"load_balance_weight": 0.0, "entropy_weight": 0.0, **weights})


def test_load_balance_is_least_when_every_expert_is_chosen_equally_often():
    config = only(load_balance_weight=1.0)
    assert gate_losses(config, SPECIALISED, TARGETS).item() == pytest.approx(1.0, abs=1e-5)
    assert gate_losses(config, COLLAPSED, TARGETS).item() == pytest.approx(5.0, abs=1e-5)


def test_entropy_term_rewards_even_gates():
    config = only(entropy_weight=1.0)
    assert gate_losses(config, EVEN, TARGETS).item() == pytest.approx(-math.log(5), abs=1e-5)
    assert gate_losses(config, SPECIALISED, TARGETS).item() == pytest.approx(0.0, abs=1e-5)


def test_mutual_information_rewards_sharp_gates_that_differ_between_songs():
    config = only(mutual_information_weight=1.0)
    assert gate_losses(config, SPECIALISED, TARGETS).item() == pytest.approx(-math.log(5), abs=1e-5)
    assert gate_losses(config, COLLAPSED, TARGETS).item() == pytest.approx(0.0, abs=1e-5)
    assert gate_losses(config, EVEN, TARGETS).item() == pytest.approx(0.0, abs=1e-5)


def test_alignment_is_the_cross_entropy_of_gate_and_genre():
    config = only(gate_alignment_weight=2.0)
    assert gate_losses(config, EVEN, TARGETS).item() == pytest.approx(2 * math.log(5), abs=1e-5)
    assert gate_losses(config, SPECIALISED, TARGETS).item() == pytest.approx(0.0, abs=1e-5)


def test_noise_moves_the_gate_in_training_only():
    gate = GatingNetwork(GenreMoeConfig(gate_noise=1.0))
    hidden_states = torch.randn(4, 128)
    assert not torch.equal(gate.train()(hidden_states), gate(hidden_states))
    assert torch.equal(gate.eval()(hidden_states), gate(hidden_states))
    assert torch.allclose(gate(hidden_states).sum(-1), torch.ones(4))


def test_masked_mean_leaves_padding_out():
    frames = torch.tensor([[[1.0], [3.0], [100.0]]])
    assert masked_mean(frames, torch.tensor([[1, 1, 0]])).item() == 2.0


@pytest.mark.parametrize("encoder_class", [ConvEncoder, LstmEncoder])
@pytest.mark.parametrize("length", [1, 6, 7, 8])
def test_padding_never_changes_what_a_temporal_encoder_says(encoder_class, length):
    torch.manual_seed(0)
    encoder = encoder_class(GenreMoeConfig(num_features=38, encoder_type="cnn")).eval()
    frames = torch.randn(1, length, 38)
    padded = torch.cat([frames, torch.randn(1, 5, 38)], dim=1)
    mask = torch.tensor([[1.0] * length + [0.0] * 5])
    assert torch.allclose(encoder(frames, torch.ones(1, length)), encoder(padded, mask), atol=1e-6)


@pytest.mark.parametrize("encoder_class", [ConvEncoder, LstmEncoder])
def test_a_temporal_encoder_hears_the_order_of_frames(encoder_class):
    torch.manual_seed(0)
    encoder = encoder_class(GenreMoeConfig(num_features=38, encoder_type="cnn")).eval()
    frames, mask = torch.randn(1, 20, 38), torch.ones(1, 20)
    assert not torch.allclose(encoder(frames, mask), encoder(frames.flip(1), mask), atol=1e-4)
