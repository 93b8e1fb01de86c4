"""transformers' own tests on SonicVerse: over both norms of the encoder, with a small Llama that speaks."""

import unittest
from typing import Any, ClassVar

import torch
from common import SOUND_ALONE, FamilyTester, FamilyTests
from torch import Tensor

from linernotes.modeling.configuration_sonicverse import SonicVerseConfig
from linernotes.modeling.modeling_sonicverse import SonicVerseForConditionalGeneration

RATE = 24_000
ENCODER = {
    "conv_dim": [16, 16], "conv_kernel": [40, 4], "conv_stride": [40, 8], "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0,
}  # fmt: skip
SPEAKER = {
    "model_type": "llama", "vocab_size": 99, "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3,
}  # fmt: skip
TASKS = {
    "key_detection": {"classes": ["C major", "A minor", "G major"]},
    "instrument_detection": {"classes": ["piano", "drums"]},
}
ONE_MODEL = dict.fromkeys(
    SOUND_ALONE, "the projector's tokens are for its own language model, and there is no other to hand features to"
)
WORDS = 6  # in a chat, besides the places of the sound


class SonicVerseTester(FamilyTester):
    num_hidden_layers, num_attention_heads, hidden_size = 2, 2, 24
    sizes: ClassVar = {"content_tokens": 2, "task_tokens": 1, "backbone_size": 8, "head_hidden_size": 8}

    def __init__(self, norm: str, **options: Any):
        self.options = {"audio_config": ENCODER | {"feat_extract_norm": norm}, "text_config": SPEAKER, **options}
        self.seq_length = self.get_config().audio_tokens + WORDS

    def get_config(self) -> SonicVerseConfig:
        return SonicVerseConfig(**{"tasks": TASKS} | self.sizes | self.options)

    def get_inputs(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(0)
        lengths = torch.tensor([32_000, 16_000, 24_321])
        sound = (torch.arange(32_000) < lengths[:, None]).long()
        ids = torch.randint(4, 99, (self.batch_size, self.seq_length), generator=generator)
        ids[:, 2:-4] = self.get_config().audio_token_id
        mask = torch.ones_like(ids)
        mask[1, -2:] = 0
        return {
            "input_values": torch.randn(self.batch_size, 32_000, generator=generator) * sound,
            "audio_attention_mask": sound,
            "input_ids": ids,
            "attention_mask": mask,
        }


class SonicVerseTests(FamilyTests):
    all_model_classes = (SonicVerseForConditionalGeneration,)
    has_attentions = True
    _is_composite = True
    config_options: ClassVar = {"content_tokens": 6, "original_pooling": True, "confident_above": 0.9}
    skips: ClassVar = ONE_MODEL | {
        "test_can_load_ignoring_mismatched_shapes": "classes are those of the tasks: no head has num_labels of them",
        "test_eager_matches_sdpa_inference*": "it gives sound alone, of which the heads answer and the language model "
        "says nothing; the model's own tests ask the same with words",
        "test_training_gradient_checkpointing*": "it watches the first layer there is, one of the encoder's, which "
        "listens in eval mode; the model's own tests watch the language model's",
    }

    def _prepare_for_class(self, inputs_dict: dict[str, Any], model_class: type, return_labels: bool = False) -> dict:
        """Labels are words; transformers takes the class for one that classifies audio."""
        inputs = super()._prepare_for_class(inputs_dict, model_class, return_labels=return_labels)
        if return_labels:
            inputs["labels"] = inputs["input_ids"].clamp(min=-100).masked_fill(inputs["input_ids"] < 0, -100)
            inputs["task_labels"] = {"key_detection": torch.zeros(len(inputs["labels"]), dtype=torch.long)}
        return inputs


class OverGroupNorm(SonicVerseTests, unittest.TestCase):
    tester = SonicVerseTester("group")


class OverLayerNorm(SonicVerseTests, unittest.TestCase):
    tester = SonicVerseTester("layer", do_normalize=True)


class AsPublished(SonicVerseTests, unittest.TestCase):
    tester = SonicVerseTester("group", original_pooling=True)


class Baseline(SonicVerseTests, unittest.TestCase):
    tester = SonicVerseTester("group", tasks={})

    def _prepare_for_class(self, inputs_dict: dict[str, Any], model_class: type, return_labels: bool = False) -> dict:
        inputs = super()._prepare_for_class(inputs_dict, model_class, return_labels=return_labels)
        inputs.pop("task_labels", None)
        return inputs
