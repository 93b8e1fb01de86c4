"""transformers' own tests on BeatMeter: both heads, over backbones with and without a norm that hears padding."""

import unittest
from typing import Any, ClassVar

import torch
from common import FamilyTester, FamilyTests
from torch import Tensor

from linernotes.modeling.configuration_beatmeter import BeatMeterConfig
from linernotes.modeling.modeling_beatmeter import BeatMeterForMeterClassification

RATE = 24_000
BACKBONE = {
    "conv_dim": [16, 16], "conv_kernel": [40, 4], "conv_stride": [40, 8], "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0,
}  # fmt: skip


class BeatMeterTester(FamilyTester):
    # A hidden state is a layer, pooled over time, (batch, mean and maximum); there is none from before the first layer.
    num_hidden_layers, seq_length, hidden_size = 1, FamilyTester.batch_size, 64

    def __init__(self, norm: str, **options: Any):
        self.options = {"backbone_config": BACKBONE | {"feat_extract_norm": norm}, **options}

    def get_config(self) -> BeatMeterConfig:
        return BeatMeterConfig(head_hidden_size=16, tempogram_hidden_size=8, tempogram_channels=4, **self.options)

    def get_inputs(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(0)
        lengths = torch.tensor([6 * RATE, 2 * RATE, 4 * RATE + 321])
        mask = (torch.arange(6 * RATE) < lengths[:, None]).long()
        return {
            "input_values": torch.randn(self.batch_size, 6 * RATE, generator=generator) * mask,
            "attention_mask": mask,
        }


class BeatMeterTests(FamilyTests):
    all_model_classes = (BeatMeterForMeterClassification,)
    has_attentions = False
    _is_composite = True
    config_options: ClassVar = {"head_type": "tempogram", "chunk_seconds": 4.0, "original_pooling": True}
    skips: ClassVar = FamilyTests.skips | {
        "test_problem_types": "a meter is there or not, or is the only one: there is no regression",
    }


class PooledLayers(BeatMeterTests, unittest.TestCase):
    tester = BeatMeterTester("layer")


class PooledLayersOverGroupNorm(BeatMeterTests, unittest.TestCase):
    tester = BeatMeterTester("group", do_normalize=False)


class Periods(BeatMeterTests, unittest.TestCase):
    tester = BeatMeterTester("layer", head_type="tempogram", tempogram_pairs=1)
