"""Convert a checkpoint of SonicVerse, a folder, to a folder that AutoModel loads.

    linernotes convert sonicverse FOLDER --out sonicverse-7b [--audio FOLDER] [--text FOLDER]

A published folder holds what was trained: `non_lora_trainables.bin`, the projector with its heads, and an adapter to
the language model (`adapter_model.bin` or `.safetensors`, `adapter_config.json`). Encoder and language model are
fetched, or read from folders. The adapter is merged; it changes nothing where it never learned, as with the flags of
the published training. As there, heads add up frames (`original_pooling`).
"""

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, HubertConfig, HubertModel

from linernotes.modeling.modeling_sonicverse import SonicVerseForConditionalGeneration as Model
from linernotes.modeling.modeling_sonicverse import speaker_config
from linernotes.modeling.music_tags import CLASSES
from linernotes.modeling.pretrained import load_backbone, load_tokenizer, name_of_backbone, preprocessing
from linernotes.torch_files import read_checkpoint, refuse_others

TRAINED, ADAPTER = "non_lora_trainables.bin", ("adapter_model.safetensors", "adapter_model.bin")
PREFIX = re.compile(r"(?:base_model\.model\.)?(?:model\.)?audio_mert_lmm_projector\.")
AUDIO, TEXT = "m-a-p/MERT-v1-95M", "mistralai/Mistral-7B-Instruct-v0.1"
LAYER = re.compile(r"\.layers\.(\d+)\.1\.weight$")


def convert(
    checkpoint: str | Path, out: str | Path, audio: str | Path | None = None, text: str | Path | None = None
) -> Path:
    """Writes the model of a checkpoint as a Hub folder and returns the folder.

    Args:
        checkpoint: a folder with `non_lora_trainables.bin`.
        audio, text: folders or Hub ids of the encoder and the language model; MERT-v1-95M, and what the adapter or the
            checkpoint's config.json names, by default.

    Raises:
        ValueError: the folder is no such checkpoint, or its weights do not fit the encoder and language model.
        OSError: there is no such file, encoder or language model.
    """
    checkpoint = Path(checkpoint)
    state = read(checkpoint / TRAINED)
    adapter = read_adapter(checkpoint)
    audio, text = audio or AUDIO, text or named(checkpoint) or TEXT
    encoder = HubertConfig.from_pretrained(audio)
    fields = {"audio_config": encoder, "audio_name": name_of_backbone(audio), **preprocessing(audio)}
    fields |= {"text_config": speaker_config(text), "text_name": name_of_backbone(text), "has_language_model": False}
    config = Model.config_class(**fields, **sizes(state), original_pooling=True)
    with torch.device("meta"):  # shapes first: a projector of random weights would be 4.5 GB for nothing
        expected = Model(config).projector.state_dict()
    remedy = "name the encoder and language model that it was trained on (--audio, --text)"
    refuse_others(state, expected, f"{checkpoint} does not fit {audio} and {text}", remedy)
    model = Model(config)
    model.projector.load_state_dict(state)
    model.audio_encoder.load_state_dict(load_backbone(HubertModel, audio).state_dict())
    model.language_model = merged(load_backbone(AutoModelForCausalLM, text), adapter, checkpoint)
    model.tokenizer = load_tokenizer(text)
    model.config.has_language_model = True
    model.eval().save_pretrained(out)
    return Path(out)


def read(file: Path) -> dict[str, Tensor]:
    """The projector's weights in the file of what was trained, by the names that they have here."""
    saved = read_checkpoint(file)
    names = (
        {name: PREFIX.sub("", name, count=1) for name in saved if PREFIX.match(name)} if isinstance(saved, dict) else {}
    )
    if not names:
        found = ", ".join(sorted(map(str, saved))[:3]) if isinstance(saved, dict) else type(saved).__name__
        raise ValueError(
            f"{file} holds {found or 'nothing'}; a checkpoint of SonicVerse has audio_mert_lmm_projector.*"
        )
    return {new: saved[old].float() for old, new in names.items()}


def sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    """The fields of SonicVerseConfig that the shapes of the weights tell: tasks, tokens, widths."""
    tasks = {}
    for name, classes in CLASSES.items():
        if f"{name}.output.weight" in state:
            number = len(state[f"{name}.output.weight"])
            known = list(classes) if number == len(classes) else [f"{name} {index}" for index in range(number)]
            tasks[name] = {"classes": known}
    found: dict[str, Any] = {"tasks": tasks}
    tokens = dict.fromkeys(("lmm_projector", *(f"{name}_projector" for name in tasks)), 0)
    for name in state:
        owner = name.split(".")[0]
        if owner in tokens and LAYER.search(name):
            tokens[owner] += 1
    found["content_tokens"] = tokens.pop("lmm_projector")
    if tokens:
        found["task_tokens"] = next(iter(tokens.values()))
        found["backbone_size"] = len(state.get("backbone.hidden_layer_1.weight", ()))
        found["head_hidden_size"] = state[f"{next(iter(tasks))}.output.weight"].shape[1]
    if "lmm_projector.layers.0.1.weight" in state:
        found["projector_hidden_size"] = len(state["lmm_projector.layers.0.1.weight"])
    return found


def named(checkpoint: Path) -> str | None:
    """The language model that an adapter's config names."""
    file = checkpoint / "adapter_config.json"
    return json.loads(file.read_text(encoding="utf-8")).get("base_model_name_or_path") if file.is_file() else None


def read_adapter(checkpoint: Path) -> dict[str, Tensor]:
    """The weights of the adapter, by their names in the file; none where there is no adapter."""
    for name in ADAPTER:
        if (checkpoint / name).is_file():
            file = checkpoint / name
            return load_file(file) if file.suffix == ".safetensors" else read_checkpoint(file)
    return {}


def merged(language_model: torch.nn.Module, adapter: dict[str, Tensor], checkpoint: Path) -> torch.nn.Module:
    """The language model with an adapter of LoRA added to its weights: W + B A alpha / r.

    Raises ValueError where the adapter belongs to other layers.
    """
    if not adapter:
        return language_model
    options = json.loads((checkpoint / "adapter_config.json").read_text(encoding="utf-8"))
    rank, alpha = options["r"], options["lora_alpha"]
    scale = alpha / rank**0.5 if options.get("use_rslora") else alpha / rank
    weights, pairs = language_model.state_dict(), {}
    for name, tensor in adapter.items():
        target, found, part = name.removeprefix("base_model.model.").partition(".lora_")
        if not found or f"{target}.weight" not in weights:
            raise ValueError(f"{checkpoint}: the adapter has {name}, for which the language model has no layer")
        pairs.setdefault(f"{target}.weight", {})[part[0]] = tensor.float()
    for name, pair in pairs.items():
        change = scale * pair["B"] @ pair["A"]
        if change.shape != weights[name].shape:
            shapes = f"{tuple(change.shape)}, the layer {tuple(weights[name].shape)}"
            raise ValueError(
                f"{checkpoint}: the adapter of {name} has shape {shapes}: name its language model (--text)"
            )
        weights[name] += change.to(weights[name].dtype)
    return language_model
