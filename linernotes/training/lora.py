"""LoRA on the backbone inside a model (Hu et al. 2021, arXiv 2106.09685), by peft.

While adapters are in, a model's weights go by other names: what `model.save_pretrained(folder)` writes then loads as
random weights. `save_adapter` writes what was trained (a run's `adapter/`), which `load_adapter` puts into a model on
the same backbone. `merge_lora` makes the model a plain one again, to be saved and published without peft.
"""

import json
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

TARGETS = ("q_proj", "v_proj")
WEIGHTS, ABOUT = "adapter.safetensors", "adapter.json"  # not peft's names, which transformers looks for when it loads


def add_lora(
    model: nn.Module,
    rank: int = 16,
    alpha: int = 32,
    dropout: float = 0.05,
    target_modules: tuple[str, ...] = TARGETS,
) -> nn.Module:
    """Freezes `model.backbone` and puts adapters into its attention; returns the model, changed in place.

    Everything outside the backbone stays as trainable as it was. Raises ValueError where there are adapters already.
    """
    if isinstance(model.backbone, PeftModel):
        raise ValueError("the backbone has adapters already; merge them first (merge_lora), or go on with them")
    settings = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(target_modules), bias="none"
    )
    model.freeze_backbone()
    model.backbone = get_peft_model(model.backbone, settings)
    return model


def merge_lora(model: nn.Module) -> nn.Module:
    """Adds the adapters to the weights they belong to; returns the model, changed in place, a plain one again."""
    model.backbone = _with_adapters(model).merge_and_unload()
    return model


def save_adapter(model: nn.Module, folder: str | Path) -> Path:
    """Writes what is trained, adapters and head, and how the adapters were made; not the frozen weights."""
    settings = _with_adapters(model).peft_config["default"]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(trained_state(model), folder / WEIGHTS)
    about = {
        "backbone": model.config.backbone_name,
        "rank": settings.r,
        "alpha": settings.lora_alpha,
        "dropout": settings.lora_dropout,
        "target_modules": sorted(settings.target_modules),
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return folder


def load_adapter(model: nn.Module, folder: str | Path) -> nn.Module:
    """Puts into a model on the same backbone what `save_adapter` wrote; returns it, changed in place.

    Raises ValueError where the files do not fit the model, FileNotFoundError where they are not there.
    """
    about: dict[str, Any] = json.loads((Path(folder) / ABOUT).read_text(encoding="utf-8"))
    if about.pop("backbone") != model.config.backbone_name:
        raise ValueError(f"{folder}: the adapter is not for the backbone {model.config.backbone_name!r}; see {ABOUT}")
    add_lora(model, **about)
    state, expected = load_file(Path(folder) / WEIGHTS), trained_state(model)
    if state.keys() != expected.keys():
        differing = sorted(state.keys() ^ expected.keys())
        raise ValueError(f"{folder}: {WEIGHTS} and the model differ in {len(differing)} weights, {differing[0]} first")
    model.load_state_dict(state, strict=False)
    return model


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that learn, by name."""
    learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items() if name in learns}


def _with_adapters(model: nn.Module) -> PeftModel:
    if not isinstance(model.backbone, PeftModel):
        raise ValueError("the backbone has no adapters; put them in with add_lora or load_adapter")
    return model.backbone
