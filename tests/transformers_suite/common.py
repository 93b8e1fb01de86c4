"""What transformers' own tests ask of every family, and what of them cannot be asked of music.

A family has a `suite_<family>.py`: a `FamilyTester` that says how small a model is made and what it hears, and a class
of `FamilyTests` for each variant of the model. A test that does not apply is named in `skips`, with the reason.
"""

from fnmatch import fnmatchcase
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from hf_common_tests.test_configuration_common import ConfigTester
from hf_common_tests.test_modeling_common import ModelTesterMixin
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.models.auto import modeling_auto

NO_TOKENS = {
    "test_model_get_set_embeddings": "sound is no sequence of tokens: there are no embeddings to exchange",
    "test_resize_*embeddings*": "sound is no sequence of tokens: there are no embeddings to resize",
    "test_inputs_embeds*": "sound is no sequence of tokens: there are no embeddings to give in its place",
    "test_load_with_mismatched_shapes": "it gives tokens to AutoModelForSequenceClassification; "
    "test_can_load_ignoring_mismatched_shapes asks the same of a model for audio",
}
SOUND_ALONE = {
    f"test_get_{kind}_*": "the input is sound, and there is no other model to hand its features to"
    for kind in ("audio", "image", "text", "video")
}


class FamilyTester:
    """One variant of a family, as small as may be; transformers checks outputs against its attributes.

    A family adds those that its tests look for: hidden_size, seq_length (frames behind the front end),
    num_attention_heads, and num_hidden_layers, which is one less than there are hidden states.
    """

    batch_size = 3
    is_training = True

    def get_config(self) -> PreTrainedConfig:
        raise NotImplementedError(f"{type(self).__name__} makes no config")

    def get_inputs(self) -> dict[str, Tensor]:
        """The inputs of `forward` for `batch_size` recordings, without labels; the same ones each time."""
        raise NotImplementedError(f"{type(self).__name__} has no inputs")

    def prepare_config_and_inputs_for_common(self) -> tuple[PreTrainedConfig, dict[str, Tensor]]:
        return self.get_config(), self.get_inputs()


class FamilyTests(ModelTesterMixin):
    """transformers' tests on one variant of a family; a subclass is also a `unittest.TestCase`.

    tester: the variant.
    config_options: options of the config, none at its default, that are written and read back.
    config_properties: names that any config of the family must have.
    skips: why tests do not apply, by their name or a pattern of it. Raises ValueError where no test has that name.
    """

    test_can_init_all_missing_weights_before_2023 = True  # or skipped, for want of a year in the file's first line
    tester: ClassVar[FamilyTester]
    config_options: ClassVar[dict[str, Any]] = {}
    config_properties: ClassVar[list[str]] = []
    skips: ClassVar[dict[str, str]] = NO_TOKENS | SOUND_ALONE

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        for model_class in cls.all_model_classes:  # by the name of a class transformers knows what labels it takes
            family = model_class.config_class.model_type
            modeling_auto.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES[family] = model_class.__name__
        for pattern in cls.skips:
            if not any(fnmatchcase(name, pattern) for name in dir(cls)):
                raise ValueError(f"{cls.__name__}.skips has {pattern!r}, but transformers has no such test: remove it")

    def setUp(self) -> None:
        for pattern, reason in self.skips.items():
            if fnmatchcase(self._testMethodName, pattern):
                self.skipTest(reason)
        self.model_tester = self.tester
        self.config_tester = ConfigTester(
            self,
            config_class=self.all_model_classes[0].config_class,
            has_text_modality=False,
            common_properties=self.config_properties,
            **self.config_options,
        )

    def test_config(self) -> None:
        self.config_tester.run_common_tests()

    def test_model_forward_default_config_values(self) -> None:
        """transformers asks this of base models only, and trains none of those: ours counts as one for this test."""
        names = {model_class.__name__: model_class.__name__ for model_class in self.all_model_classes}
        with patch.dict(modeling_auto.MODEL_MAPPING_NAMES, names):
            super().test_model_forward_default_config_values()

    def test_the_loss_is_the_first_of_a_tuple(self) -> None:
        """Whoever asks for `return_dict=False` takes it for granted; transformers' own tests do not look."""
        config, inputs = self.tester.prepare_config_and_inputs_for_common()
        for model_class in self.all_model_classes:
            labelled = self._prepare_for_class(inputs, model_class, return_labels=True)
            if "labels" not in labelled:  # a base model
                continue
            model = model_class(config).eval()
            assert torch.equal(model(**labelled, return_dict=False)[0], model(**labelled).loss)
