"""transformers' own tests on Mega-AudioFormer's three classes: both bit rates, and several frames to a position."""

import unittest
from typing import Any, ClassVar

import torch
from common import SOUND_ALONE, FamilyTester, FamilyTests
from torch import Tensor
from transformers.models.auto import modeling_auto

from linernotes.modeling.configuration_mega_audioformer import MegaAudioFormerConfig
from linernotes.modeling.modeling_mega_audioformer import (
    MegaAudioFormerForAudioClassification,
    MegaAudioFormerForMaskedLM,
    MegaAudioFormerModel,
)

FAMILY = MegaAudioFormerConfig.model_type
NO_VOCABULARY = {
    "test_resize_*embeddings*": "there are as many codes as the codec has: there is no vocabulary to resize",
}
ONE_RECORDING = dict.fromkeys(
    SOUND_ALONE, "the input is a recording, as sound or as codes, and there is no other model to hand its features to"
)


class MegaAudioFormerTester(FamilyTester):
    num_hidden_layers, num_attention_heads, hidden_size = 2, 2, 32
    frames = 20

    def __init__(self, **options: Any):
        self.options = options
        self.seq_length = -(-self.frames // options.get("frames_per_patch", 1))

    def get_config(self) -> MegaAudioFormerConfig:
        return MegaAudioFormerConfig(
            codec_config={"num_filters": 2, "hidden_size": 8, "num_lstm_layers": 1},
            code_embedding_size=4,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            intermediate_size=48,
            local_hidden_size=16,
            local_num_hidden_layers=1,
            local_num_attention_heads=2,
            local_intermediate_size=24,
            **self.options,
        )

    def get_inputs(self) -> dict[str, Tensor]:
        shape = (self.batch_size, self.get_config().num_codebooks, self.frames)
        lengths = torch.tensor([self.frames, 7, 13])
        return {
            "codes": torch.randint(1024, shape, generator=torch.Generator().manual_seed(0)),
            "attention_mask": (torch.arange(self.frames) < lengths[:, None]).long(),
        }


class MegaAudioFormerTests(FamilyTests):
    all_model_classes = (
        MegaAudioFormerModel,
        MegaAudioFormerForMaskedLM,
        MegaAudioFormerForAudioClassification,
    )  # transformers takes the last for the one that classifies
    has_attentions = True
    config_options: ClassVar = {"bandwidth_kbps": 12, "frames_per_patch": 3, "mask_unit": "span", "hidden_size": 48}
    skips: ClassVar = NO_VOCABULARY | ONE_RECORDING

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        """transformers gives masked language models a label a position; here a position is several tokens."""
        inputs = super()._prepare_for_class(inputs_dict, model_class, return_labels=return_labels)
        if return_labels and model_class is MegaAudioFormerForMaskedLM:
            inputs["labels"] = torch.zeros_like(inputs["codes"])
        return inputs


modeling_auto.MODEL_MAPPING_NAMES[FAMILY] = MegaAudioFormerModel.__name__
modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES[FAMILY] = MegaAudioFormerForMaskedLM.__name__


class LowRate(MegaAudioFormerTests, unittest.TestCase):
    tester = MegaAudioFormerTester()


class HighRate(MegaAudioFormerTests, unittest.TestCase):
    tester = MegaAudioFormerTester(bandwidth_kbps=12.0)


class ThreeFramesToAPosition(MegaAudioFormerTests, unittest.TestCase):
    tester = MegaAudioFormerTester(frames_per_patch=3)
