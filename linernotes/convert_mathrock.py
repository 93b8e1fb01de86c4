"""Convert a checkpoint of Neural Math Rock, a .pth file of torch, to a folder that AutoModel loads.

    linernotes convert mathrock model.pth --out mathrock-base [--wavlm FOLDER] [--clap FOLDER]

A checkpoint holds all weights, those of both towers too, and nothing of their shapes: they are wavlm-base's and
clap-htsat-unfused's, or those of other towers that are named. As its training did, the folder's model fills what is
shorter than a window up with silence, which counts in the mean (`original_pooling`).
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import ClapConfig, WavLMConfig

from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig as Config
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect as Model
from linernotes.modeling.pretrained import name_of_backbone
from linernotes.modeling.towers import heard_by
from linernotes.torch_files import read_checkpoint, refuse_others

STATE = "model_state_dict"
WAVLM, CLAP = "microsoft/wavlm-base", "laion/clap-htsat-unfused"
OLD_NORM = {"pos_conv_embed.conv.weight_g": "original0", "pos_conv_embed.conv.weight_v": "original1"}  # before torch 2


def convert(
    checkpoint: str | Path, out: str | Path, wavlm: str | Path | None = None, clap: str | Path | None = None
) -> Path:
    """Writes the model of a checkpoint as a Hub folder and returns the folder.

    Args:
        checkpoint: a file with `model_state_dict`, or with nothing but the weights.
        wavlm, clap: folders or Hub ids of towers of another shape; the CLAP a whole one. Only configs are read.

    Raises:
        ValueError: the file is no such checkpoint, or its weights do not fit the towers.
        OSError: there is no such file or tower.
    """
    state = read(checkpoint)
    with torch.device("meta"):  # shapes first: a model of random weights would be 0.5 GB for nothing
        expected = Model(Config(**options(wavlm, clap))).state_dict()
    remedy = "name the towers it was trained on (--wavlm, --clap)"
    refuse_others(state, expected, f"{checkpoint} does not fit the towers", remedy)
    model = Model(Config(**options(wavlm, clap)))
    model.load_state_dict(state)
    model.eval().save_pretrained(out)
    return Path(out)


def read(checkpoint: str | Path) -> dict[str, Tensor]:
    """The weights of a checkpoint, by the names that they have here, read without running any code of it."""
    saved = read_checkpoint(checkpoint)
    state = saved.get(STATE, saved) if isinstance(saved, dict) else saved
    if not isinstance(state, dict) or not state or not all(isinstance(each, Tensor) for each in state.values()):
        found = ", ".join(sorted(map(str, saved))[:5]) if isinstance(saved, dict) else type(saved).__name__
        raise ValueError(f"{checkpoint} holds {found or 'nothing'}; a checkpoint has {STATE}, or weights alone")
    return {renamed(name): tensor for name, tensor in state.items()}


def renamed(name: str) -> str:
    for old, new in OLD_NORM.items():
        if name.endswith(old):
            return f"{name.removesuffix(old)}pos_conv_embed.conv.parametrizations.weight.{new}"
    return name


def options(wavlm: str | Path | None, clap: str | Path | None) -> dict[str, Any]:
    """The fields of MathRockAffectConfig that are not at their defaults."""
    fields: dict[str, Any] = {"original_pooling": True, "wavlm_name": WAVLM, "clap_name": CLAP}
    if wavlm is not None:
        fields |= {"wavlm_config": WavLMConfig.from_pretrained(wavlm), "wavlm_name": name_of_backbone(wavlm)}
    if clap is not None:
        fields |= {"clap_config": ClapConfig.from_pretrained(clap).audio_config, "clap_name": name_of_backbone(clap)}
    return fields | heard_by(wavlm, clap)
