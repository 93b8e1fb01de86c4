"""transformers' own tests on the genre mixture: every encoder, sparse routing, the musicnn front end, the extractor."""

import copy
import unittest
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import torch
from common import FamilyTester, FamilyTests
from hf_common_tests import test_modeling_common
from hf_common_tests.test_feature_extraction_common import FeatureExtractionSavingTestMixin
from hf_common_tests.test_sequence_feature_extraction_common import SequenceFeatureExtractionTestMixin
from torch import Tensor

from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
from linernotes.modeling.feature_extraction_genre_moe import GenreMoeFeatureExtractor
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification


class GenreMoeTester(FamilyTester):
    """shape: of what one recording gives the model. lengths: how much of that is sound, recording by recording."""

    # A recording is one vector: there is one hidden state, the encoder's answer, and it is (batch, hidden_size).
    num_hidden_layers, seq_length, hidden_size = 0, FamilyTester.batch_size, 16

    def __init__(self, *shape: int, lengths: list[int] | None = None, num_features: int = 59, **options: Any):
        self.shape, self.lengths = shape, lengths
        mean, deviation = np.linspace(-1, 1, num_features), np.linspace(0.5, 2, num_features)
        statistics = {"feat_mean": mean.tolist(), "feat_std": deviation.tolist()}
        self.options = {"num_features": num_features, **statistics, **options}

    def get_config(self) -> GenreMoeConfig:
        return GenreMoeConfig(hidden_size=self.hidden_size, expert_hidden_size=8, expert_output_size=4, **self.options)

    def get_inputs(self) -> dict[str, Tensor]:
        values = torch.rand(self.batch_size, *self.shape, generator=torch.Generator().manual_seed(0))
        if self.lengths is None:
            return {"input_values": values}
        mask = torch.arange(self.shape[0]) < torch.tensor(self.lengths)[:, None]
        return {"input_values": values, "attention_mask": mask.long()}


class GenreMoeTests(FamilyTests):
    all_model_classes = (GenreMoeForAudioClassification,)
    has_attentions = False
    config_options: ClassVar = {"num_features": 7, "num_experts": 3, "top_k": 2, "encoder_type": "lstm"}
    config_properties: ClassVar = ["hidden_size"]
    skips: ClassVar = FamilyTests.skips | {
        "test_*gradient_checkpointing*": "not offered: what is trained is 0.2 million weights over features",
        "test_problem_types": "the loss is the mixture's own, of one genre or of shares: problem_type is not read",
    }

    def test_can_load_ignoring_mismatched_shapes(self) -> None:
        """transformers takes any option with `_std` in its name for the width of random weights; ours is a list."""
        with patch.object(test_modeling_common, "_config_zero_init", copy.deepcopy):
            super().test_can_load_ignoring_mismatched_shapes()


class FeatureRows(GenreMoeTests, unittest.TestCase):
    tester = GenreMoeTester(59)


class SparseRouting(GenreMoeTests, unittest.TestCase):
    tester = GenreMoeTester(59, top_k=2)


class ConvolvedFrames(GenreMoeTests, unittest.TestCase):
    tester = GenreMoeTester(20, 38, lengths=[7, 20, 13], num_features=38, encoder_type="cnn")


class RecurrentFrames(GenreMoeTests, unittest.TestCase):
    tester = GenreMoeTester(20, 38, lengths=[7, 20, 13], num_features=38, encoder_type="lstm")


class LogMelPatches(GenreMoeTests, unittest.TestCase):
    tester = GenreMoeTester(2, 187, 96, lengths=[1, 2, 2], num_features=150, frontend="musicnn", sampling_rate=16000)


# The extractor


class StatisticsExtractor(FeatureExtractionSavingTestMixin, unittest.TestCase):
    feature_extraction_class = GenreMoeFeatureExtractor
    feat_extract_dict: ClassVar = {"feature_type": "statistics", "hop_length": 256}


class LogMelExtractor(FeatureExtractionSavingTestMixin, unittest.TestCase):
    feature_extraction_class = GenreMoeFeatureExtractor
    feat_extract_dict: ClassVar = {"feature_type": "mel_patches", "patch_hop_frames": 187}


class FrameExtractorTester:
    """Sequences of frames, each longer than the one before, for transformers to pad and to cut."""

    batch_size, feature_size, min_seq_length, seq_length_diff = 5, 38, 40, 10
    max_seq_length = min_seq_length + seq_length_diff * batch_size

    def prepare_feat_extract_dict(self) -> dict[str, Any]:
        return {"feature_type": "frames", "feature_size": self.feature_size, "padding_value": 0.0}

    def prepare_inputs_for_common(self, equal_length: bool = False, numpify: bool = False) -> list:
        longer_and_longer = range(self.min_seq_length, self.max_seq_length, self.seq_length_diff)
        lengths = [self.max_seq_length] * self.batch_size if equal_length else longer_and_longer
        sequences = [np.linspace(0, 1, length * self.feature_size).reshape(length, -1) for length in lengths]
        return sequences if numpify else [sequence.tolist() for sequence in sequences]


class FrameExtractor(SequenceFeatureExtractionTestMixin, unittest.TestCase):
    feature_extraction_class = GenreMoeFeatureExtractor
    feat_extract_tester = FrameExtractorTester()
