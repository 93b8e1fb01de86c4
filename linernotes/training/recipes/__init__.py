"""What each family needs to be trained: its rows, its batches, its metrics. One module a family, all of the same shape.

A recipe has `Config` and `Model`, a dataclass `DataOptions`, and the functions
    load_data(options, data_dirs, seed) -> Data        rows by split, with their licences
    create_model(experiment, rows) -> Model            statistics fitted on the rows it will learn from
    training_view(rows, options) / plain_view(rows)    rows as `forward` takes them, with and without augmentation
    augment(batch, options) -> batch                   augmentation that mixes rows of a batch
    measure(rows, answers, labels) -> dict             the figures of metrics.json
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def recipe_for(family: str) -> ModuleType:
    """The recipe module of a family. Raises ValueError naming the families there are."""
    families = sorted(module.name for module in iter_modules(__path__))
    if family not in families:
        raise ValueError(f"there is no recipe for the family {family!r}; there are {', '.join(families)}")
    return import_module(f"{__name__}.{family}")
