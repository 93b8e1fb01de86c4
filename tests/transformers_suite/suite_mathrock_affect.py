"""transformers' own tests on Neural Math Rock: padded sound, both norms of the WavLM, the branch that reads lyrics."""

import unittest
from typing import Any, ClassVar

import torch
from common import FamilyTester, FamilyTests
from hf_common_tests.test_feature_extraction_common import FeatureExtractionSavingTestMixin
from torch import Tensor

from linernotes.modeling.affect import CHOICES
from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
from linernotes.modeling.feature_extraction_mathrock_affect import MathRockAffectFeatureExtractor
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect

WAVLM = {
    "conv_dim": [16, 16], "conv_kernel": [40, 4], "conv_stride": [40, 8], "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2, "num_buckets": 32, "mask_time_prob": 0.0, "layerdrop": 0.0,
}  # fmt: skip
CLAP = {
    "hidden_size": 32, "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2],
    "num_hidden_layers": 2, "patch_size": 16, "patch_stride": [16, 16], "window_size": 4,
}  # fmt: skip
TEXT = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 40,
}  # fmt: skip


class MathRockTester(FamilyTester):
    # A recording is one vector: there is one hidden state, what the heads hear, and it is (batch, fusion_size).
    num_hidden_layers, seq_length, hidden_size = 0, FamilyTester.batch_size, 24

    def __init__(self, norm: str, **options: Any):
        self.options = {"wavlm_config": WAVLM | {"feat_extract_norm": norm}, "clap_config": CLAP, **options}

    def get_config(self) -> MathRockAffectConfig:
        sizes = {"projection_size": 20, "fusion_size": self.hidden_size, "head_hidden_size": 16}
        return MathRockAffectConfig(**sizes, **self.options)

    def get_inputs(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(0)
        lengths = torch.tensor([32_000, 16_000, 24_321])
        mask = (torch.arange(32_000) < lengths[:, None]).long()
        inputs = {
            "input_values": torch.randn(self.batch_size, 32_000, generator=generator) * mask,
            "input_features": torch.randn(self.batch_size, 1, 1001, 64, generator=generator),
            "attention_mask": mask,
        }
        if "text_config" in self.options:
            lengths = torch.tensor([7, 12, 3])
            inputs["input_ids"] = torch.randint(5, 50, (self.batch_size, 12), generator=generator)
            inputs["text_attention_mask"] = (torch.arange(12) < lengths[:, None]).long()
        return inputs


class MathRockTests(FamilyTests):
    all_model_classes = (MathRockForAffect,)
    has_attentions = False
    _is_composite = True
    config_options: ClassVar = {"fusion_size": 24, "original_pooling": True, "task_weights": [1.0, 0.5, 0.0, 2.0]}
    skips: ClassVar = FamilyTests.skips | {
        "test_problem_types": "emotions hold or not, each for itself: there is no other problem, and no regression",
        "test_can_load_ignoring_mismatched_shapes": "it takes a linear layer of the model itself for the head that "
        "changes; ours ends a sequence, and the model's own tests ask the same of it",
        "test_can_init_all_missing_weights": "outside of transformers' own classes it passes over modules without "
        "weights of their own, and so over WavLM's rules for its projection; predict refuses what has missing weights",
        "test_training_gradient_checkpointing_use_reentrant_true": "a plain WavLMModel fails it too: its layers share "
        "a position bias, and the backward pass of a reentrant checkpoint runs through it without end",
    }

    def _prepare_for_class(self, inputs_dict: dict[str, Any], model_class: type, return_labels: bool = False) -> dict:
        """With labels for all four heads: transformers knows of those of the first."""
        inputs = super()._prepare_for_class(inputs_dict, model_class, return_labels=return_labels)
        if return_labels:
            inputs |= {f"{task}_labels": inputs["labels"] for task in CHOICES}
        return inputs


class TwoEars(MathRockTests, unittest.TestCase):
    tester = MathRockTester("layer")


class TwoEarsOverGroupNorm(MathRockTests, unittest.TestCase):
    tester = MathRockTester("group", do_normalize=True)


class TwoEarsAndLyrics(MathRockTests, unittest.TestCase):
    tester = MathRockTester("group", text_config=TEXT)


class Extractor(FeatureExtractionSavingTestMixin, unittest.TestCase):
    feature_extraction_class = MathRockAffectFeatureExtractor
    feat_extract_dict: ClassVar = {"window_seconds": 5.0, "mel_max_hz": 12_000, "pad_to_window": True}
