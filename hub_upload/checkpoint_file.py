"""The `.pt` checkpoint of "Music Genre MoE", read as numbers and names only.

It is a pickle, so it is read by torch's restricted reader, which builds numbers and containers and runs nothing. Arrays
of floats are let through besides tensors, because statistics taken with numpy are stored as such.
"""

import math
import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.serialization import safe_globals

from linernotes.hub_upload.errors import PublishError

WANTED = ("model_state_dict", "feat_mean", "feat_std", "genres")
SAVE_AGAIN = (
    f"save it again with torch.save as a dict of {', '.join(WANTED)}: the model's state_dict(), two tensors, arrays or "
    "lists of floats, and a list of strings"
)
REBUILD_ARRAY = np.zeros(0).__reduce__()[0]
FLOAT_ARRAYS = [
    *(np.ndarray, np.dtype, np.dtypes.Float32DType, np.dtypes.Float64DType),
    *((REBUILD_ARRAY, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),  # as numpy 1 and 2 say
]
# whatever torch.load raises for a file that is damaged, no checkpoint, or holds more than numbers
UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError),
    *(ArithmeticError, OSError, EOFError, MemoryError),
)
WRAPPERS = ("module", "_orig_mod")  # DataParallel and torch.compile put these into the names


class Checkpoint(NamedTuple):
    """weights: tensors by the names of the bare model, finite; feat_mean, feat_std: one float a feature."""

    weights: dict[str, Tensor]
    feat_mean: list[float]
    feat_std: list[float]
    genres: list[str]


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises PublishError where the file is anything else than exactly this, or would run code to be read."""
    stored = _load(path)
    try:
        return Checkpoint(
            _weights(stored["model_state_dict"]),
            _numbers("feat_mean", stored["feat_mean"], -math.inf),
            _numbers("feat_std", stored["feat_std"], 0.0),
            _genres(stored["genres"]),
        )
    except PublishError as error:
        raise PublishError(f"{path}: {error}") from None


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise PublishError(f"{path} is not a file; give a moe_genre_checkpoint.pt")
    try:
        with safe_globals(FLOAT_ARRAYS):
            stored = torch.load(path, weights_only=True, map_location="cpu")
    except UNREADABLE as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        found = f"needs {code[1]} to be run, which is not done" if code else "is damaged, or holds more than numbers"
        raise PublishError(f"{path} cannot be read: it {found}; {SAVE_AGAIN}") from None
    keys = sorted(map(str, stored)) if isinstance(stored, dict) else []
    if set(keys) == set(WANTED):
        return stored
    if keys and all(isinstance(value, Tensor) for value in stored.values()):
        raise PublishError(
            f"{path} is a bare state dict ({some(keys)}) without feat_mean, feat_std and genres, so that no recording "
            "could be normalised and no answer named; give the moe_genre_checkpoint.pt that was saved with it"
        )
    holds = f"a dict of {some(keys)}" if keys else f"a {type(stored).__name__} and no keys"
    raise PublishError(f"{path} holds {holds}; wanted are exactly {', '.join(WANTED)}: {SAVE_AGAIN}")


def _weights(stored: Any) -> dict[str, Tensor]:
    if not isinstance(stored, dict) or not all(isinstance(name, str) for name in stored):
        raise PublishError(f"model_state_dict is a {type(stored).__name__}, not tensors by name; {SAVE_AGAIN}")
    state = {".".join(part for part in name.split(".") if part not in WRAPPERS): stored[name] for name in stored}
    if len(state) != len(stored):
        raise PublishError("model_state_dict holds tensors twice, with and without a wrapper's 'module.': keep one")
    for name, value in state.items():
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.layout != torch.strided:
            raise PublishError(f"{name!r} in model_state_dict is no tensor of floats; {SAVE_AGAIN}")
        if not value.isfinite().all():
            raise PublishError(
                f"{name!r} in model_state_dict holds NaN or infinite numbers; take an earlier checkpoint"
            )
    return state


def _numbers(name: str, stored: Any, above: float) -> list[float]:
    values = stored.tolist() if isinstance(stored, (Tensor, np.ndarray)) else stored
    if not isinstance(values, (list, tuple)) or not all(type(value) in (int, float) for value in values):
        raise PublishError(f"{name} is no row of numbers; {SAVE_AGAIN}")
    if wrong := [value for value in values if not above < value < math.inf]:
        bound = " and above 0" if above == 0 else ""
        raise PublishError(f"{name} holds {wrong[0]}; all must be finite{bound}: take it of the training rows again")
    return [float(value) for value in values]


def _genres(stored: Any) -> list[str]:
    genres = list(stored) if isinstance(stored, (list, tuple)) else []
    if not genres or not all(isinstance(genre, str) and genre.strip() for genre in genres):
        raise PublishError(f"genres is {stored!r}; it must be a list of names that are not empty")
    if len(set(genres)) != len(genres):
        raise PublishError(f"genres is {stored!r}; no name may stand twice")
    return genres


def some(names: list[str], count: int = 4) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(map(repr, names[:count]))
    return shown if len(names) <= count else f"{shown} and {len(names) - count} more"
