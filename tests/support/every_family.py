"""A small model of each family that nobody trained, in eval mode: what all families promise is asked of each."""

import torch
from pocket_codec import tiny
from published_beatmeter import make as beatmeter
from published_mathrock import TINY_CLAP, TINY_WAVLM
from small_sonicverse import make as sonicverse

from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerForAudioClassification
from linernotes.modeling.music_model import MusicModel

WINDOW_SECONDS = 3.0  # so that what lasts some seconds has several windows


def genre_moe() -> MusicModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "expert_hidden_size": 8, "expert_output_size": 4, "dropout": 0.0}
    config = GenreMoeConfig(**sizes, temperature=0.05, window_seconds=WINDOW_SECONDS)
    return GenreMoeForAudioClassification(config).eval()


def mathrock_affect() -> MusicModel:
    torch.manual_seed(0)
    sizes = {"projection_size": 8, "fusion_size": 8, "head_hidden_size": 8, "window_seconds": WINDOW_SECONDS}
    model = MathRockForAffect(MathRockAffectConfig(**sizes, wavlm_config=TINY_WAVLM, clap_config=TINY_CLAP)).eval()
    for name, parameter in model.named_parameters():
        if "head" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return model


EVERY_FAMILY = {
    "genre_moe": genre_moe,
    "mathrock_affect": mathrock_affect,
    "mega_audioformer": lambda: tiny(MegaAudioFormerForAudioClassification, window_seconds=WINDOW_SECONDS),
    "sonicverse": lambda: sonicverse(window_seconds=WINDOW_SECONDS),
    "beatmeter": lambda: beatmeter(window_seconds=WINDOW_SECONDS),
}
