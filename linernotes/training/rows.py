"""What the recipes of all families share: rows by use, where data sets are found, and what most of them leave out."""

from collections import Counter
from collections.abc import Iterable, Mapping
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


def collected(
    read: Mapping[str, tuple[list[dict[str, Any]], Counter]], test_corpora: list | None, of_learned: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of all sets that were read, of `test_corpora` the test split alone, and what the sets are for the card.

    Args:
        read: by the set's name its rows, and how many were left out, by reason.
        of_learned: whether a set's licences are those of the rows that are learned from, where it has any, or of all.
    """
    found, sources = [], []
    for name, (rows, left_out) in read.items():
        kept = [row for row in rows if name not in (test_corpora or ()) or row["split"] == "test"]
        found += kept
        learned = [row for row in kept if row["split"] == "train"] if of_learned else []
        counts, licence = Counter(row["split"] for row in kept), licences_of(row["licence"] for row in learned or kept)
        sources.append({"name": name, "licence": licence, "rows": dict(counts), "left_out": dict(left_out)})
    return found, sources


def refuse_empty(train: Dataset | None, sources: list[dict[str, Any]]) -> None:
    """Raises FileNotFoundError where there are no training rows, which names the sets that were read."""
    if train is None:
        raise FileNotFoundError(f"there is nothing to learn from in {', '.join(s['name'] for s in sources)}")


def source_of(name: str, learned: Dataset, held_out: Dataset | None = None) -> dict[str, Any]:
    """What a corpus is for the card: the licences are those of what is learned from."""
    counts = {"train": len(learned)} | ({} if held_out is None else {"test": len(held_out)})
    return {"name": name, "licence": licences_of(learned["licence"]), "rows": counts}


def licences_of(stated: Iterable[str]) -> str:
    """The licences of rows in one line, each part once: those of notes and of sounds meet in many combinations."""
    return "; ".join(sorted({part for licence in set(stated) for part in licence.split("; ")}))


def labels_of(experiment: Any) -> list[str]:
    """The labels of the model block, else the family's own."""
    return experiment.model.get("labels") or list(experiment.recipe.Config.default_labels)


def unchanged_batches(model: Any, rows: Dataset, experiment: Any) -> Any:
    """For recipes that vary rows one by one and not whole batches."""
    return lambda batch: batch


def no_pretraining(model: Any, rows: Dataset, experiment: Any) -> dict[str, list[float]]:
    """For recipes that train from the first step on."""
    return {}


def one_learning_rate(model: Any, experiment: Any) -> None:
    """For recipes that learn all weights at the same rate."""


def no_measuring(experiment: Any) -> None:
    """For recipes of which the loss on the validation rows says enough."""


def no_calibration(model: Any, data: Data, experiment: Any, crossed: dict[str, Any] | None, run: Path) -> None:
    """For recipes whose models answer nothing that could be calibrated."""


def no_pictures(model: Any, data: Data, experiment: Any) -> dict[str, Any]:
    """For recipes that draw nothing besides what all models of such answers have."""
    return {}


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
