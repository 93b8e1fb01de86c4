"""What the recipes of all families share: rows by use, where data sets are found, and what most of them leave out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset

from linernotes.api import BUNDLED, HUB_ID

BASELINE = "baseline: "  # before the name of a plain method that answered the same rows


@dataclass(frozen=True)
class Data:
    """Rows by use, and where they come from. Cross-validation holds out groups of `crossed`, never of `uncrossed`.

    `others` are tested besides, each under its own name.
    """

    train: Dataset
    validation: Dataset | None = None
    test: Dataset | None = None
    crossed: Dataset | None = None
    uncrossed: Dataset | None = None
    others: dict[str, Dataset] = field(default_factory=dict)
    sources: list[dict[str, Any]] = field(default_factory=list)


def find_folder(name: str, data_dirs: list[Path]) -> Path:
    """The first of the data folders' subfolders of that name. Raises FileNotFoundError, which says where it looked."""
    if not isinstance(name, str):
        raise FileNotFoundError(f"a data set is called {name!r}; its name must be that of a folder, a text")
    for folder in data_dirs:
        if (folder / name).is_dir():
            return folder / name
    places = ", ".join(map(str, data_dirs)) or "nowhere: give --data-dir"
    raise FileNotFoundError(f"the data set {name!r} was not found; looked in {places}")


def find_model(name: str, setting: str, kind: str, remedy: str) -> str:
    """Where a published model lies: a bundled name's folder, or the folder or Hub id that is given.

    Raises FileNotFoundError where it is none of these, which names the setting, the kind of model and the remedy.
    """
    for folder in (BUNDLED / name, Path(name)):
        if (folder / "config.json").is_file():
            return str(folder)
    if not HUB_ID.fullmatch(name):
        raise FileNotFoundError(
            f"{setting} is {name!r}: no such {kind} in {BUNDLED}, no folder with a config.json; {remedy}"
        )
    return name


def source_of(name: str, learned: Dataset, held_out: Dataset | None = None) -> dict[str, Any]:
    """What a corpus is for the card: the licences are those of what is learned from."""
    counts = {"train": len(learned)} | ({} if held_out is None else {"test": len(held_out)})
    return {"name": name, "licence": licences_of(learned["licence"]), "rows": counts}


def licences_of(stated: Iterable[str]) -> str:
    """The licences of rows in one line, each part once: those of notes and of sounds meet in many combinations."""
    return "; ".join(sorted({part for licence in set(stated) for part in licence.split("; ")}))


def unchanged_batches(model: Any, rows: Dataset, experiment: Any) -> Any:
    """For recipes that vary rows one by one and not whole batches."""
    return lambda batch: batch


def no_pretraining(model: Any, rows: Dataset, experiment: Any) -> dict[str, list[float]]:
    """For recipes that train from the first step on."""
    return {}


def one_learning_rate(model: Any, experiment: Any) -> None:
    """For recipes that learn all weights at the same rate."""


def no_baselines(data: Data, experiment: Any) -> dict[str, Any]:
    """For recipes that set no plain method beside the model on the test rows."""
    return {}


def save_model(model: Any, folder: Path, experiment: Any) -> None:
    """For recipes whose trained model is what is published, in half precision where the training says so."""
    model.save_pretrained(folder, state_dict=halved(model) if experiment.training.half_precision else None)


def halved(model: Any) -> dict[str, Any]:
    """The weights in half precision; whole numbers (how a convolution is padded) stay what they are."""
    state = {name: part.half() if part.is_floating_point() else part for name, part in model.state_dict().items()}
    return {name: part.contiguous() for name, part in state.items()}
