"""SonicVerse made of pretrained parts, saved, loaded, with its language model and without."""

import shutil
from pathlib import Path

import pytest
import torch
from elsewhere import assert_answers_alike_elsewhere, predicted_elsewhere
from published_sonicverse import (
    RATE,
    SIZES,
    TASKS,
    TINY_TEXT,
    audio_config,
    noise,
    text_config,
    tiny_tokenizer,
)
from small_sonicverse import make
from transformers import HubertModel, LlamaForCausalLM

import linernotes
from linernotes.hub_upload.asking import sound
from linernotes.hub_upload.clean import differences
from linernotes.modeling.language_models import place_in_cache
from linernotes.modeling.modeling_sonicverse import SonicVerseForConditionalGeneration as Model

# Parts and folders


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Path:
    """An encoder and a language model with its tokenizer, each saved as the Hub has them."""
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(7)
    HubertModel(audio_config()).save_pretrained(folder / "tiny-mert")
    (folder / "tiny-mert" / "preprocessor_config.json").write_text('{"do_normalize": true, "sampling_rate": 24000}')
    speaker = LlamaForCausalLM(text_config(tie_word_embeddings=True))
    speaker.generation_config.eos_token_id = [2, 3]
    speaker.save_pretrained(folder / "tiny-llama")
    tiny_tokenizer().save_pretrained(folder / "tiny-llama")
    return folder


def test_a_new_model_has_its_parts_weights(parts):
    model = Model.from_backbones(parts / "tiny-mert", parts / "tiny-llama", tasks=TASKS, **SIZES)
    for ours, theirs in (
        (model.audio_encoder, HubertModel.from_pretrained(parts / "tiny-mert")),
        (model.language_model, LlamaForCausalLM.from_pretrained(parts / "tiny-llama")),
    ):
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, weight in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], weight), name
    config = model.config
    assert (config.audio_name, config.text_name, config.do_normalize) == ("tiny-mert", "tiny-llama", True)
    assert config.text_config.eos_token_id == [2, 3]
    assert config.has_language_model
    assert isinstance(model.predict(noise(2.0), sampling_rate=RATE)["caption"], str)


def test_words_are_added_to_a_folder_that_was_saved_without_them(parts, tmp_path):
    model = Model.from_backbones(parts / "tiny-mert", parts / "tiny-llama", tasks=TASKS, **SIZES)
    whole = model.predict(noise(6.0), sampling_rate=RATE)
    model.drop_language_model()
    model.save_pretrained(tmp_path / "ears")
    assert not (tmp_path / "ears" / "tokenizer_config.json").exists()
    ears = linernotes.load(tmp_path / "ears")
    assert not [name for name in ears.state_dict() if name.startswith("language_model")]
    answer = ears.predict(noise(6.0), sampling_rate=RATE)
    assert "model.add_language_model('tiny-llama')" in answer["warnings"][0]
    ears.add_language_model(parts / "tiny-llama")
    answer = ears.predict(noise(6.0), sampling_rate=RATE)
    assert (answer["caption"], answer["warnings"]) == (whole["caption"], [])


def test_words_of_another_shape_are_refused(parts, tmp_path):
    model = Model.from_backbones(parts / "tiny-mert", None, text_config=TINY_TEXT, tasks=TASKS, **SIZES)
    LlamaForCausalLM(text_config(hidden_size=32)).save_pretrained(tmp_path / "narrow")
    with pytest.raises(ValueError, match=r"narrow is a llama of width 32 with .* speaks to a llama of width 48"):
        model.add_language_model(tmp_path / "narrow")
    LlamaForCausalLM(text_config()).save_pretrained(tmp_path / "mute")
    with pytest.raises(ValueError, match="mute has no tokenizer; give the one of this language model as tokenizer="):
        model.add_language_model(tmp_path / "mute")
    assert model.language_model is None
    model.add_language_model(tmp_path / "mute", tokenizer=tiny_tokenizer())
    assert isinstance(model.predict(noise(2.0), sampling_rate=RATE)["caption"], str)


@pytest.fixture(scope="module")
def folder(parts, tmp_path_factory) -> Path:
    model = Model.from_backbones(parts / "tiny-mert", parts / "tiny-llama", tasks=TASKS, model_name="tiny", **SIZES)
    folder = tmp_path_factory.mktemp("sonicverse") / "sonicverse-tiny"
    model.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_folder_answers_alike_without_this_package(folder):
    assert_answers_alike_elsewhere(folder, RATE, probabilities=None)


@pytest.mark.slow
def test_a_folder_tells_a_long_story_without_this_package(folder):
    here = linernotes.load(folder).predict(sound(33.0, RATE), sampling_rate=RATE, long=True)
    assert not differences(here, predicted_elsewhere(folder, 33.0, RATE, long=True))


def test_a_folder_is_loaded_without_asking_whether_its_code_may_run(folder, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail(question))
    assert linernotes.load(folder).tokenizer.get_vocab() == tiny_tokenizer().get_vocab()


def test_a_folder_names_no_place_and_saves_the_same_again(folder, tmp_path):
    model = linernotes.load(folder)
    assert not model.audio_encoder.feature_projection.projection.weight.requires_grad
    model.save_pretrained(tmp_path)
    for file in folder.glob("*.json"):
        text = file.read_text()
        assert str(folder.parent.parent) not in text
        assert "_name_or_path" not in text
        assert (tmp_path / file.name).read_text() == text
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in folder.iterdir()}


@pytest.fixture
def cached(parts, tmp_path, monkeypatch) -> Path:
    """The language model where `linernotes fetch-llm` would put one of that Hub id."""
    monkeypatch.setenv("LINERNOTES_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(parts / "tiny-llama", place_in_cache("you/tiny-llama")))


def test_a_fetched_language_model_is_found_by_its_hub_id(parts, cached, tmp_path):
    model = Model.from_backbones(parts / "tiny-mert", "you/tiny-llama", tasks=TASKS, **SIZES)
    assert model.config.text_name == "you/tiny-llama"
    whole = model.predict(noise(6.0), sampling_rate=RATE)
    model.drop_language_model()
    model.save_pretrained(tmp_path / "ears")
    found = linernotes.load(tmp_path / "ears")
    assert found.config.has_language_model
    assert not any(parameter.requires_grad for parameter in found.language_model.parameters())
    assert found.predict(noise(6.0), sampling_rate=RATE) == whole
    shutil.rmtree(cached)
    without = linernotes.load(tmp_path / "ears")
    assert without.predict(noise(6.0), sampling_rate=RATE)["caption"] is None


def test_what_is_missing_is_said_with_the_command_that_fetches_it():
    model = make(has_language_model=False, text_name="HuggingFaceTB/SmolLM2-135M-Instruct")
    assert model.predict(noise(6.0), sampling_rate=RATE)["warnings"] == [
        "captions need the language model, which is not here: `linernotes fetch-llm` fetches it, or "
        "model.add_language_model('HuggingFaceTB/SmolLM2-135M-Instruct') fetches it from the Hub, or reads it from a "
        "folder"
    ]
