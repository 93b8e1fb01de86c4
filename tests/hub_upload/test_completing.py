"""A folder without its language model is exported with it: whole, number for number, and alone."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from published_sonicverse import SIZES, TASKS, audio_config, text_config, tiny_tokenizer
from safetensors.torch import load_file
from transformers import HubertModel, LlamaForCausalLM

import linernotes
from linernotes.hub_upload.asking import sound
from linernotes.hub_upload.card import build_card
from linernotes.hub_upload.clean import SECONDS, ask, differences
from linernotes.hub_upload.errors import PublishError
from linernotes.hub_upload.export import export
from linernotes.hub_upload.manifest import verify
from linernotes.modeling.language_models import place_in_cache
from linernotes.modeling.modeling_sonicverse import SonicVerseForConditionalGeneration as Model


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(3)
    HubertModel(audio_config()).save_pretrained(folder / "ears")
    speaker = LlamaForCausalLM(text_config(tie_word_embeddings=True))
    for weight in speaker.parameters():
        torch.nn.init.normal_(weight, std=0.3 if weight.dim() > 1 else 1.0)
    speaker.bfloat16().save_pretrained(folder / "words")
    tiny_tokenizer().save_pretrained(folder / "words")
    return folder


@pytest.fixture
def source(parts, tmp_path, monkeypatch) -> Path:
    """A folder in half precision that leaves its language model to the cache, where it lies."""
    monkeypatch.setenv("LINERNOTES_CACHE", str(tmp_path / "cache"))
    shutil.copytree(parts / "words", place_in_cache("you/tiny-llama"))
    model = Model.from_backbones(parts / "ears", "you/tiny-llama", tasks=TASKS, model_name="tiny", **SIZES)
    model.drop_language_model()
    model.half().save_pretrained(tmp_path / "tiny")
    settings = json.loads((tmp_path / "tiny" / "config.json").read_text())
    (tmp_path / "tiny" / "config.json").write_text(json.dumps(settings | {"dtype": "float32"}))
    return tmp_path / "tiny"


def test_the_export_holds_every_weight_as_it_was(source, parts, tmp_path):
    out = export(source, tmp_path / "out")
    verify(out)
    own, words, whole = (load_file(folder / "model.safetensors") for folder in (source, parts / "words", out))
    assert whole.keys() == own.keys() | {f"language_model.{name}" for name in words}
    for name, weight in (own | {f"language_model.{name}": each for name, each in words.items()}).items():
        assert whole[name].dtype == weight.dtype == (torch.bfloat16 if "language_model" in name else torch.float16)
        assert torch.equal(whole[name], weight), name
    settings = json.loads((out / "config.json").read_text())
    assert (settings["has_language_model"], settings["dtype"]) == (True, "float32")
    assert {"tokenizer.json", "tokenizer_config.json"} <= {file.name for file in out.iterdir()}
    assert not (source / "tokenizer.json").exists()


def test_its_card_says_whether_the_language_model_is_there(source, tmp_path):
    front = "---\nlicense: apache-2.0\npipeline_tag: audio-text-to-text\n---\n"
    (source / "card.md").write_text(f"{front}It {{{{ 'speaks' if config.has_language_model else 'listens' }}}}.\n")
    assert "It listens." in build_card(source)
    assert "It speaks." in (export(source, tmp_path / "out") / "README.md").read_text()


@pytest.mark.slow
def test_the_export_answers_alone_as_the_folder_does_with_the_cache(source, tmp_path):
    here = linernotes.load(source).predict(sound(SECONDS, 24_000), sampling_rate=24_000)
    assert here["caption"]
    assert here["warnings"] == ["only 4.0 s were there to hear; answers are reliable from 5 s on"]
    found = ask(export(source, tmp_path / "out"))
    assert found["missing_keys"] == found["unexpected_keys"] == []
    assert not differences(here, found["predict"])


def test_without_the_language_model_nothing_is_exported(source, tmp_path, monkeypatch):
    monkeypatch.setenv("LINERNOTES_CACHE", str(tmp_path / "empty"))
    with pytest.raises(PublishError, match=r"its language model, you/tiny-llama, is not here, and what is publish"):
        export(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
