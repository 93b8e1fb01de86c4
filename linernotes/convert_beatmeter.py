"""Convert a checkpoint of the BeatMeter project, a .pt file of torch, to a folder that AutoModel loads.

    linernotes convert beatmeter meter_mert_finetuned.pt --out beatmeter-330m [--backbone FOLDER]

A checkpoint holds a head, adapters to the backbone's attention where it was trained with LoRA, and the backbone's
name; the backbone itself is fetched, or read from a folder. Adapters are merged: the folder needs no peft. The two
classifiers over stored embeddings, which the project had before, are converted too.
"""

from pathlib import Path
from typing import Any

import torch

from linernotes.modeling.modeling_beatmeter import BeatMeterForMeterClassification as Model
from linernotes.torch_files import read_checkpoint, refuse_others
from linernotes.training.lora import add_lora, merge_lora, trained_state

FINETUNED, LEGACY = "head_state_dict", "classifier_state_dict"
LEGACY_METERS = {0: 3, 1: 4, 2: 5, 3: 7}
LEGACY_HEADS = {  # the beginning of a weight's name there, and here
    "single_layer": {"net": "head"},
    "multi_layer": {f"classifier.{place}": f"head.{place + 1}" for place in (0, 3, 6)} | {"layer_norm": "head.0"},
}
SIZES = {"pooled": ("head_dim",), "multi_layer": ("hidden_dim",), "single_layer": ("hidden_dim", "layer_idx")}
NEVER = -1e4  # as a logit: no weight at all, and still a finite number


def convert(checkpoint: str | Path, out: str | Path, backbone: str | Path | None = None) -> Path:
    """Writes the model of a checkpoint as a Hub folder and returns the folder.

    Args:
        checkpoint: a file that the project's `finetune_mert.py` or `train_meter_mert.py` saved.
        backbone: a folder or Hub id; by default the one that the checkpoint names.

    Raises:
        ValueError: the file is no such checkpoint, or its weights do not fit the backbone.
        OSError: there is no such file or backbone.
    """
    saved = read(checkpoint)
    source = backbone or saved.get("model_name")
    if source is None:
        raise ValueError(f"{checkpoint} names no backbone; say which (--backbone), such as m-a-p/MERT-v1-95M")
    model = Model.from_backbone(source, **options(saved))
    load_head(model, saved, str(checkpoint))
    if saved.get("lora_state_dict"):
        load_adapters(model, saved, str(checkpoint))
    model.eval().save_pretrained(out)
    return Path(out)


def read(checkpoint: str | Path) -> dict[str, Any]:
    """What torch saved, unpickled without running any code of it. Raises ValueError where it is not of this project."""
    saved = read_checkpoint(checkpoint)
    if not isinstance(saved, dict) or not {FINETUNED, LEGACY} & set(saved):
        found = ", ".join(sorted(map(str, saved))[:5]) if isinstance(saved, dict) else type(saved).__name__
        raise ValueError(f"{checkpoint} holds {found}; a BeatMeter checkpoint has {FINETUNED} or {LEGACY}")
    if missing := [name for name in SIZES[head_type(saved)] if name not in saved]:
        raise ValueError(f"{checkpoint} does not say {' and '.join(missing)}; give the file as its training wrote it")
    return saved


def head_type(saved: dict[str, Any]) -> str:
    if FINETUNED in saved:
        return "pooled"
    return "multi_layer" if saved.get("multi_layer") else "single_layer"


def options(saved: dict[str, Any]) -> dict[str, Any]:
    """The fields of BeatMeterConfig that a checkpoint sets."""
    kind = head_type(saved)
    meters = saved.get("class_map") or (LEGACY_METERS if kind != "pooled" else dict(enumerate((3, 4, 5, 7, 9, 11))))
    return {
        "head_type": kind,
        "original_pooling": True,
        "id2label": {int(index): str(meter) for index, meter in meters.items()},
        "problem_type": f"{'multi' if kind == 'pooled' else 'single'}_label_classification",
        "head_hidden_size": int(saved["head_dim"] if kind == "pooled" else saved["hidden_dim"]),
        "dropout": float(saved.get("dropout", 0.4 if kind == "pooled" else 0.3)),
    }


def load_head(model: Model, saved: dict[str, Any], origin: str) -> None:
    """Puts in the head and the weights of the layers. Raises ValueError where they do not fit."""
    kind = head_type(saved)
    state = dict(saved[FINETUNED] if kind == "pooled" else saved[LEGACY])
    for theirs, ours in LEGACY_HEADS.get(kind, {}).items():
        state = {_renamed(name, theirs, ours): tensor for name, tensor in state.items()}
    if kind == "single_layer":
        state["layer_logits"] = torch.full_like(model.layer_logits.detach(), NEVER)
        state["layer_logits"][int(saved["layer_idx"])] = 0.0
    expected = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("backbone.")}
    refuse_others(state, expected, f"{origin} does not fit the backbone", "give the backbone it was trained on")
    model.load_state_dict(state, strict=False)


def load_adapters(model: Model, saved: dict[str, Any], origin: str) -> None:
    """Adds the adapters to the backbone's weights. Raises ValueError where they do not fit."""
    add_lora(model, rank=int(saved.get("lora_rank", 16)), alpha=int(saved.get("lora_alpha", 32)))
    state = {f"backbone.{name}": tensor for name, tensor in saved["lora_state_dict"].items()}
    expected = {name: tensor for name, tensor in trained_state(model).items() if name.startswith("backbone.")}
    refuse_others(state, expected, f"{origin} does not fit the backbone", "give the backbone it was trained on")
    model.load_state_dict(state, strict=False)
    merge_lora(model)


def _renamed(name: str, theirs: str, ours: str) -> str:
    return ours + name.removeprefix(theirs) if name.startswith(f"{theirs}.") else name
