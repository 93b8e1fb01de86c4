"""Models made of published towers: every weight carried over, or refused."""

from pathlib import Path

import pytest
import torch
from published_mathrock import RATE, noise
from small_mathrock import LYRICS, SIZES, save_towers
from transformers import ClapAudioModel, ClapModel, WavLMModel, XLMRobertaForMaskedLM

from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect


@pytest.fixture(scope="module")
def towers(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("towers")
    save_towers(folder)
    return folder


def test_a_new_model_has_the_towers_weights(towers):
    model = MathRockForAffect.from_backbones(towers / "wavlm", towers / "clap", text=towers / "text", **SIZES)
    pairs = [
        (model.wavlm, WavLMModel.from_pretrained(towers / "wavlm")),
        (model.clap, ClapModel.from_pretrained(towers / "clap").audio_model),
        (model.lyrics.xlm_roberta, XLMRobertaForMaskedLM.from_pretrained(towers / "text").roberta),
    ]
    for ours, theirs in pairs:
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, weight in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], weight), name
    config = model.config
    assert (config.wavlm_name, config.clap_name, config.text_name) == ("wavlm", "clap", "text")
    assert (config.do_normalize, config.wavlm_sampling_rate, config.mel_min_hz) == (True, 16_000, 60)
    assert model.predict(noise(2.0), sampling_rate=RATE, lyrics=LYRICS)["warnings"] == [
        "only 2.0 s were there to hear; answers are reliable from 5 s on"
    ]


def test_the_document_s_own_way_of_loading_leaves_the_clap_random(towers):
    theirs = ClapModel.from_pretrained(towers / "clap").audio_model.state_dict()
    name = "audio_encoder.layers.0.blocks.0.attention.self.query.weight"
    assert not torch.equal(ClapAudioModel.from_pretrained(towers / "clap").state_dict()[name], theirs[name])


@pytest.mark.parametrize(
    ("tower", "lost", "message"),
    [
        ("wavlm", "layers.1.attention", r"wavlm: missing keys encoder.layers.1.attention.* weights of a WavLMModel"),
        ("clap", "audio_model", r"clap: missing keys audio_model.audio_encoder.* must hold the weights of a ClapModel"),
        ("text", "word_embeddings", r"text: missing keys embeddings.word_embeddings.weight .* a XLMRobertaModel"),
    ],
)
def test_a_tower_without_all_its_weights_is_refused(towers, tmp_path, tower, lost, message):
    model_class = {"wavlm": WavLMModel, "clap": ClapModel, "text": XLMRobertaForMaskedLM}[tower]
    whole = model_class.from_pretrained(towers / tower)
    state = {
        name: weight
        for name, weight in whole.state_dict().items()
        if lost not in name and "lm_head.decoder" not in name
    }
    whole.config.tie_word_embeddings = False
    whole.save_pretrained(tmp_path / tower, state_dict=state)
    folders = {name: towers / name for name in ("wavlm", "clap", "text")} | {tower: tmp_path / tower}
    with pytest.raises(ValueError, match=message):
        MathRockForAffect.from_backbones(**folders)
