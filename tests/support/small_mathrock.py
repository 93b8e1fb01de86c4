"""Small models of Neural Math Rock with random weights, and the towers they can be made of."""

from pathlib import Path

import numpy as np
import torch
from published_mathrock import RATE, TINY_CLAP, TINY_TEXT, TINY_WAVLM, noise, tiny_tokenizer
from transformers import (
    BatchFeature,
    ClapAudioConfig,
    ClapConfig,
    ClapModel,
    ClapTextConfig,
    WavLMConfig,
    WavLMModel,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect

HEADS = ("logits", "vibe_logits", "intensity_logits", "tempo_logits")
SIZES = {"projection_size": 20, "fusion_size": 24, "head_hidden_size": 16}
LYRICS = "never meant summer ends"


def make(wavlm: dict | None = None, **options) -> MathRockForAffect:
    torch.manual_seed(0)
    towers = {"wavlm_config": TINY_WAVLM | (wavlm or {}), "clap_config": TINY_CLAP}
    model = MathRockForAffect(MathRockAffectConfig(**towers | SIZES | options)).eval()
    for name, parameter in model.named_parameters():
        if "head" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return model


def make_reader(**options) -> MathRockForAffect:
    """One that reads lyrics too."""
    model = make(text_config=TINY_TEXT, **options)
    model.tokenizer = tiny_tokenizer()
    return model


def inputs_of(model: MathRockForAffect, *recordings: np.ndarray) -> BatchFeature:
    return model.feature_extractor(list(recordings), sampling_rate=RATE, return_tensors="pt")


def four_heard() -> dict[str, torch.Tensor]:
    return dict(inputs_of(make(), *[noise(1.0, seed=seed) for seed in range(4)]))


def heads_of(output) -> list[torch.Tensor]:
    return [output[name] for name in HEADS]


def save_towers(folder: Path) -> None:
    """A WavLM, a whole CLAP and an XLM-RoBERTa with a head for another task, each saved as the Hub has them."""
    torch.manual_seed(7)
    WavLMModel(WavLMConfig(**TINY_WAVLM)).save_pretrained(folder / "wavlm")
    (folder / "wavlm" / "preprocessor_config.json").write_text('{"do_normalize": true, "sampling_rate": 16000}')
    text = ClapTextConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    clap = ClapModel(ClapConfig(text_config=text, audio_config=ClapAudioConfig(**TINY_CLAP)))
    for parameter in clap.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    clap.save_pretrained(folder / "clap")
    (folder / "clap" / "preprocessor_config.json").write_text(
        '{"sampling_rate": 48000, "max_length_s": 10, "fft_window_size": 1024, "hop_length": 480, "frequency_min": 60,'
        ' "frequency_max": 14000}'
    )
    XLMRobertaForMaskedLM(XLMRobertaConfig(**TINY_TEXT)).save_pretrained(folder / "text")
    tiny_tokenizer().save_pretrained(folder / "text")
