"""Files of torch that other projects saved: read without running any code in them, held against what a model has."""

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

# torch takes any file for a pickle, and a program of other bytes stumbles wherever it may
UNREADABLE = (
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def read_checkpoint(file: str | Path) -> Any:
    """What torch saved. Raises ValueError where it cannot be read without running code, OSError where it is missing."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ValueError(
            f"{file} is no checkpoint that can be read safely: it is another kind of file, damaged, or holds "
            f"more than weights ({type(error).__name__}); give a .pt or .pth file that torch.save wrote of tensors and "
            "plain values"
        ) from error


def refuse_others(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str, remedy: str) -> None:
    """Raises ValueError, beginning with `what`, where names and shapes of weights are not exactly those expected, and
    where one of them is no number."""
    shapes, wanted = ({name: tuple(tensor.shape) for name, tensor in part.items()} for part in (state, expected))
    differing = [name for name in sorted(shapes.keys() | wanted.keys()) if shapes.get(name) != wanted.get(name)]
    if differing:
        name = differing[0]
        raise ValueError(
            f"{what}: {name} should have shape {wanted.get(name, 'none')}, there is {shapes.get(name, 'none')} "
            f"({len(differing)} such weights); {remedy}"
        )
    if broken := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise ValueError(
            f"{what}: {broken[0]} holds NaN or infinity ({len(broken)} such weights): the file is damaged, or its "
            "training failed; give another checkpoint"
        )
