"""LoRA on the language model of a SonicVerse (Hu et al. 2021, arXiv 2106.09685), by peft: all its linear layers.

Source: SonicVerse puts adapters of rank 64, alpha 16, dropout 0.05 into every linear layer but the one that names the
next word. With its own flags they then get no gradient; here they learn where a stage asks for them.
"""

from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn


def add_speaker_lora(model: nn.Module, rank: int, alpha: int, dropout: float) -> nn.Module:
    """Puts adapters into `model.language_model`, whose own weights stay frozen; returns the model, changed in place.

    Raises ValueError where it has no language model, or there are adapters already.
    """
    if model.language_model is None or isinstance(model.language_model, PeftModel):
        found = "none" if model.language_model is None else "one with adapters already"
        raise ValueError(f"LoRA needs a plain language model; this model has {found}")
    settings = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules="all-linear", bias="none", task_type="CAUSAL_LM"
    )
    model.language_model = get_peft_model(model.language_model, settings)
    return model


def merge_speaker_lora(model: nn.Module, folder: Path) -> nn.Module:
    """Writes the adapters to a folder, adds them to the weights they belong to, and returns the model, a plain one."""
    model.language_model.save_pretrained(str(folder))
    model.language_model = model.language_model.merge_and_unload()
    return model
