"""Checkpoints of a run: which are whole, and those that hold what a model learned, besides or in place of a folder."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

LEARNED = "learned.safetensors"  # in a checkpoint: all weights but the frozen ones, and those of learning alone


def frozen_weights(model: torch.nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def without_what_learning_needs(model: torch.nn.Module) -> torch.nn.Module:
    """The model as it is published: one that has parts for learning alone has a method `published` that says so."""
    return model.published() if hasattr(model, "published") else model


def load_learned(model: torch.nn.Module, checkpoint: Path) -> bool:
    """Whether the checkpoint is of a model that is partly frozen or learned beside what it publishes; if so its weights
    are loaded.

    Raises ValueError where they are not those that the model learns.
    """
    if not (checkpoint / LEARNED).is_file():
        return False
    found = model.load_state_dict(load_file(checkpoint / LEARNED), strict=False)
    if wrong := sorted(found.unexpected_keys) + sorted(set(found.missing_keys) - frozen_weights(model)):
        raise ValueError(f"{checkpoint / LEARNED} is of another model: {wrong[0]} and {len(wrong) - 1} more differ")
    return True


def last_whole_checkpoint(run: Path) -> Path | None:
    """The newest checkpoint written to its end (trainer_state.json is written last); broken ones are removed."""
    whole = []
    for folder in run.glob("checkpoint-*"):
        try:
            step = json.loads((folder / "trainer_state.json").read_text())["global_step"]
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            shutil.rmtree(folder)  # the run was killed while writing it
        else:
            whole.append((step, folder))
    return max(whole)[1] if whole else None
