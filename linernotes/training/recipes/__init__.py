"""What each family needs to be trained: its rows, its batches, its metrics. One module a family, all of the same shape.

A recipe has `Config` and `Model`, a dataclass `DataOptions`, and the functions
    check(experiment)                                  refuses what cannot be trained, before anything is loaded
    load_data(experiment, data_dirs) -> Data           rows by use, with where they come from and their licences
    create_model(experiment, rows) -> Model            statistics fitted on the rows it will learn from
    row_weights(rows, options)                         how often a row is drawn, or None
    training_view(rows, experiment), plain_view(...)   rows as `forward` takes them, with and without variation
    batch_maker(model, rows, experiment) -> function   what is done to a whole batch in training
    pretrain(model, rows, experiment)                  what comes before training, if anything
    baselines(known, unknown, labels)                  the plain methods to beat, fitted on the same folds
    without_table(rows)                                rows with the columns that all sources have
    pictures(model, data, experiment)                  what only this family draws
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
