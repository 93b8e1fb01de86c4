"""Tempo filters: a pulse is loudest in the filter of its tempo, whatever its phase; short convolutions are refused."""

import numpy as np
import pytest
import torch
from transformers import WavLMConfig, WavLMModel

from linernotes.training.tempo_filters import PHASES, TEMPI_BPM, hears_tempi, start_as_tempo_filters, tempo_waves

RATE, HOP = 16_000, 1280
FRAMES_PER_SECOND = RATE / HOP


def tower(reach: int = 64, groups: int = 4, size: int = 48, hop: int = HOP) -> WavLMModel:
    return WavLMModel(
        WavLMConfig(
            hidden_size=size, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, conv_dim=[size],
            conv_kernel=[hop], conv_stride=[hop], num_conv_pos_embeddings=reach, feat_extract_activation="relu6",
            num_conv_pos_embedding_groups=groups, num_feat_extract_layers=1,
        )
    )  # fmt: skip


@pytest.mark.parametrize("tempo_bpm", [60.0, 97.0, 120.0, 180.0])
@pytest.mark.parametrize("phase", [0.0, 1.0, 2.5])
def test_a_pulse_is_loudest_in_the_filter_of_its_tempo(tempo_bpm, phase):
    model = tower()
    start_as_tempo_filters(model, RATE)
    times = torch.arange(125) / FRAMES_PER_SECOND
    pulse = torch.sin(2 * np.pi * tempo_bpm / 60 * times + phase)
    with torch.inference_mode():
        loud = model.encoder.pos_conv_embed(pulse[None, :, None].expand(1, -1, 48)).mean(1)[0]
    found = loud.view(4, 4, PHASES).mean(2).T.ravel()  # groups, tempi of each, phases; neighbours lie in other groups
    tempi_bpm = np.geomspace(*TEMPI_BPM, 16)
    assert tempi_bpm[found.argmax()] == pytest.approx(min(tempi_bpm, key=lambda t: abs(np.log(t / tempo_bpm))))


def test_what_does_not_move_is_not_heard():
    assert tempo_waves(np.array([60.0, 200.0]), 64, FRAMES_PER_SECOND).sum(1) == pytest.approx(0.0, abs=1e-12)


def test_the_weights_are_learned_from_there_on():
    model = tower()
    start_as_tempo_filters(model, RATE)
    model(torch.randn(1, RATE)).last_hidden_state.square().mean().backward()
    gradients = [p.grad for p in model.encoder.pos_conv_embed.conv.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(
    "wrong", [tower(reach=30), tower(groups=24), tower(hop=1600)], ids=["short", "grouped", "slow"]
)
def test_a_convolution_that_hears_no_tempo(wrong):
    assert not hears_tempi(wrong, RATE)
    with pytest.raises(ValueError, match=r"hears no tempo; give it 2\.5 s or more, 12 frames a second, and groups"):
        start_as_tempo_filters(wrong, RATE)
