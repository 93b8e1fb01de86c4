"""SonicVerse made of pretrained parts, saved, loaded, with its language model and without."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
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
from linernotes.hub_upload.clean import SCRIPT, SECONDS, ask, clean_environment, differences
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
    found, model = ask(folder), linernotes.load(folder)
    here = model.predict(sound(SECONDS, RATE), sampling_rate=RATE)
    assert found["missing_keys"] == found["unexpected_keys"] == found["imported"] == []
    assert not differences(here, found["predict"])


ASKING = """
import json, runpy, sys
script = runpy.run_path(sys.argv[1])
sys.meta_path.insert(0, script["Hidden"]())
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[2], trust_remote_code=True)
answer = model.predict(script["sound"](33.0, 24000), sampling_rate=24000, long=True)
print()  # behind progress bars
print(json.dumps({"answer": answer, "imported": [name for name in sys.modules if name.startswith("linernotes")]}))
"""


@pytest.mark.slow
def test_a_folder_tells_a_long_story_without_this_package(folder, tmp_path):
    command = [sys.executable, "-I", "-c", ASKING, str(SCRIPT), str(folder)]
    environment = clean_environment(tmp_path / "home") | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    found = json.loads(run.stdout.splitlines()[-1])
    here = linernotes.load(folder).predict(sound(33.0, RATE), sampling_rate=RATE, long=True)
    assert not differences(here, found["answer"])
    assert found["imported"] == []


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
