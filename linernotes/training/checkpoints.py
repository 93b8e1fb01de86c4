"""Checkpoints of a run: which are whole, and those that hold what a model learned, besides or in place of a folder."""

import errno
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
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
    """The newest checkpoint that is whole, as is the best one that it names; broken ones are removed."""
    folders, best_of = {}, {}
    for folder in run.glob("checkpoint-*"):
        try:
            state = json.loads((folder / "trainer_state.json").read_text())  # it is written last
            step = state["global_step"] if is_whole(folder) else None
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            step = None
        if step is None:  # the run was killed while writing it, or there was no room
            shutil.rmtree(folder)
        else:
            folders[step], best_of[step] = folder, state.get("best_global_step")
    usable = [step for step, best in best_of.items() if not best or best in folders]
    return folders[max(usable)] if usable else None


def is_whole(checkpoint: Path) -> bool:
    """Whether weights and optimiser are there to their ends, by what files say of their own lengths."""
    weights, states = list(checkpoint.glob("*.safetensors")), [*checkpoint.glob("*.pt"), *checkpoint.glob("*.pth")]
    try:
        for path in weights:
            with safe_open(path, "pt"):
                pass
    except SafetensorError:
        return False
    return bool(weights) and (checkpoint / "optimizer.pt").is_file() and all(map(is_zipfile, states))


@contextmanager
def refusing_full_disk(run: Path) -> Iterator[None]:
    """A run that has no room to be written in ends with one line, an OSError that says where and how to go on."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if not _tells_of_no_room(error):
            raise
        place, reason = getattr(error, "filename", None) or run, str(error).splitlines()[0]
        raise OSError(
            f"{place} cannot be written ({reason}): make room on that disk, then go on with --resume from the last "
            f"whole checkpoint in {run}"
        ) from error


def _tells_of_no_room(error: Exception) -> bool:
    """Python says it by a number; safetensors in words; torch only that a file is shorter than what it wrote."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    told = re.search(r"os error (\d+)|PytorchStreamWriter|unexpected pos", str(error))
    return bool(told) and (told[1] is None or int(told[1]) in NO_ROOM)
