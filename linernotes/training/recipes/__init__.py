"""What each family needs to be trained: its rows, its batches, its metrics. One module a family, all of the same shape.

A recipe has `Config` and `Model`, a dataclass `DataOptions` (and `TrainingOptions`, where a family has options or
defaults of its own), LABEL_NAMES (what of a batch the model is to say), EPOCH_METRICS (what `measure_epoch` gives, and
`best_metric` may name), and
    answers                                            the module that says what is answered and how good that is, of
                                                       linernotes.training: answers (one label a recording), multilabel
                                                       (several), affect_answers (several heads),
                                                       caption_answers; None where nothing is answered
    check(experiment)                                  refuses what cannot be trained, before anything is loaded
    load_data(experiment, data_dirs) -> Data           rows by use, with where they come from and their licences
    create_model(experiment, rows) -> Model            statistics fitted on the rows it will learn from; what is not to
                                                       learn is frozen
    parameter_groups(model, experiment)                groups with their own learning rates for the optimiser, or None
    row_weights(rows, options)                         how often a row is drawn, or None
    training_view(rows, experiment), plain_view(...)   rows as `forward` takes them, with and without variation
    collate                                            rows of a view as a batch, where they are more than tensors of
                                                       one shape; may be left out
    batch_maker(model, rows, experiment) -> function   what is done to a whole batch in training
    pretrain(model, rows, experiment) -> losses        what comes before training, if anything; of its stages by name
                                                       and in order the loss of each epoch
    measure_epoch(experiment) -> function              what is measured after an epoch, of transformers' EvalPrediction
    finish(model, data, experiment, crossed, run)      what comes after training: calibration, files in the run folder
    save(model, folder, experiment)                    writes the Hub folder
and, where `answers` is not None,
    test_baselines(data, experiment)                   the plain methods to beat on the test rows, by name
    pictures(model, data, experiment)                  what only this family draws
and, where rows are cross-validated,
    baselines(known, unknown, labels)                  the plain methods to beat, fitted on the same folds
    without_table(rows)                                rows with the columns that all sources have
`linernotes.training.rows` has the answers of recipes that leave one of these out.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def recipe_for(family: str) -> ModuleType:
    """The recipe module of a family.

    Raises ValueError naming the families there are, ModuleNotFoundError naming the extra that brings what is missing.
    """
    families = sorted(module.name for module in iter_modules(__path__))
    if family not in families:
        raise ValueError(f"there is no recipe for the family {family!r}; there are {', '.join(families)}")
    try:
        return import_module(f"{__name__}.{family}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "linernotes":
            raise
        told = f'{error.name} is not installed; the recipe of {family} needs: pip install "linernotes[train]"'
        raise ModuleNotFoundError(told, name=error.name) from error
