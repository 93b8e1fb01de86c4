"""Training for every family: one experiment file in, one Hub folder out, by transformers' Trainer on accelerate.

    linernotes train configs/genre_moe/five_genres.yaml --data-dir DATA
    accelerate launch -m linernotes.training.train configs/genre_moe/five_genres.yaml --data-dir DATA

A run folder holds `checkpoint-N/` (each a whole Hub folder, or what learns of it where a part is frozen; the optimiser
beside it), `log.jsonl`, `experiment.json`, and `model/`: the trained, calibrated Hub folder, with `out_of_fold.json`
where there was cross-validation.
"""

import json
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
import transformers
from datasets import Dataset, concatenate_datasets
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import save_file
from transformers import EarlyStoppingCallback, PreTrainedModel, Trainer, TrainerCallback, set_seed

from linernotes.corpora.splits import grouped_folds
from linernotes.journal import write_whole
from linernotes.training.arguments import training_arguments
from linernotes.training.checkpoints import (
    LEARNED,
    frozen_weights,
    last_whole_checkpoint,
    load_learned,
    refusing_full_disk,
    without_what_learning_needs,
)
from linernotes.training.config import ConfigError, Experiment, load_experiment
from linernotes.training.resuming import ResumableEpochs, SeededBatches
from linernotes.training.rows import BASELINE
from linernotes.training.sampling import WeightedSampler

FINISHED = "training.json"  # in a run's `model` folder: written last
SHOWN = ("loss", "eval_loss", "eval_accuracy")  # on a terminal, while training


class MusicTrainer(Trainer):
    """transformers' Trainer with the family's way of drawing rows, of varying batches, and its learning rates.

    Where weights are frozen, a checkpoint holds the others alone: `create_model` brings the frozen ones again. Where
    the model has weights for learning alone, a checkpoint is a whole Hub folder without them, and has them beside it.
    """

    def __init__(self, *, experiment: Experiment, rows: Dataset, **kwargs):
        super().__init__(**kwargs)
        self.parameter_groups = experiment.recipe.parameter_groups(self.model, experiment)
        self.row_weights = experiment.recipe.row_weights(rows, experiment.data)
        self.make_batch = experiment.recipe.batch_maker(self.model, rows, experiment)

    def _get_train_sampler(self, train_dataset=None):
        if self.row_weights is None:
            return super()._get_train_sampler(train_dataset)
        return WeightedSampler(self.row_weights, self.args.seed)

    def training_step(self, model, inputs, *args, **kwargs):
        with torch.no_grad():
            inputs = self.make_batch(self._prepare_inputs(inputs))
        return super().training_step(model, inputs, *args, **kwargs)

    def _run_epoch(self, *args, **kwargs):
        if self.state.global_step < self.state.max_steps:  # a run resumed from its last step would take one more
            super()._run_epoch(*args, **kwargs)

    def create_optimizer(self, model=None):
        if self.parameter_groups is None or self.optimizer is not None:
            return super().create_optimizer(model)
        optimizer, settings = self.get_optimizer_cls_and_kwargs(self.args)
        self.optimizer = optimizer(self.parameter_groups, **settings)
        return self.optimizer

    def _save(self, output_dir=None, state_dict=None):
        frozen, plain = frozen_weights(self.model), without_what_learning_needs(self.model)
        if not frozen and plain is self.model:
            super()._save(output_dir, state_dict)
        elif self.args.should_save:
            Path(output_dir).mkdir(parents=True, exist_ok=True)
            if not frozen:
                plain.save_pretrained(output_dir)
            state = state_dict or self.model.state_dict()
            learned = {name: weight.contiguous() for name, weight in state.items() if name not in frozen}
            save_file(learned, Path(output_dir) / LEARNED)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        if not load_learned(self.model if model is None else model, Path(resume_from_checkpoint)):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self):
        if not load_learned(self.model, Path(self.state.best_model_checkpoint)):
            super()._load_best_model()


class JsonlLog(TrainerCallback):
    """Every logged figure, one JSON object a line. A resumed run starts from what its checkpoint had seen.

    What came before training stands first, as records with `stage`; the Trainer keeps them in its checkpoints.
    """

    def __init__(self, path: Path):
        self.path = path
        self.stages: list[dict[str, Any]] = []

    def on_train_begin(self, args, state, control, **kwargs):
        state.log_history[:0] = self.stages
        if state.is_world_process_zero:
            self.path.write_text("".join(json.dumps(record) + "\n" for record in state.log_history))

    def on_log(self, args, state, control, logs=None, **kwargs):
        if state.is_world_process_zero and state.log_history:
            record = state.log_history[-1]
            with self.path.open("a") as file:
                file.write(json.dumps(record) + "\n")
            if sys.stderr.isatty():
                figures = ", ".join(f"{name} {record[name]:.3f}" for name in SHOWN if name in record)
                print(f"\r{self.path.parent.name}, epoch {record['epoch']:.0f}: {figures}   ", end="", file=sys.stderr)


def train(
    config: str | Path,
    data_dirs: list[str | Path] | tuple[str | Path, ...] = (),
    overrides: list[str] | tuple[str, ...] = (),
    out: str | Path | None = None,
    resume: bool = False,
    extra_data: list[str | Path] | tuple[str | Path, ...] = (),
) -> Path:
    """Trains the experiment of a config file and returns the finished Hub folder, RUN/model.

    Args:
        config: an experiment file, see `linernotes.training.config`.
        data_dirs: folders in which the recipe looks for the data sets it names.
        overrides: "block.key=value", over the file.
        out: the run folder; runs/<name> by default.
        resume: go on from the newest whole checkpoint of the run folder; the result is that of an unbroken run.
        extra_data: folders that are learned from besides, for families whose data block has `extra_data`.

    Raises:
        ConfigError: the experiment is not one, or the run folder holds another or an unfinished one.
        FileNotFoundError: a data set is in none of the folders.
        OSError: the disk is full; what was written before is whole.
    """
    transformers.utils.logging.disable_progress_bar()
    datasets.utils.logging.set_verbosity_error()  # views are functions: that they have no fingerprint is no news
    extra = [Path(folder).absolute() for folder in extra_data]
    if extra:  # by name: where they lie is no part of the experiment
        overrides = [*overrides, f"data.extra_data={json.dumps([folder.name for folder in extra])}"]
        data_dirs = [*(folder.parent for folder in extra), *data_dirs]
    experiment = load_experiment(config, overrides)
    recipe, options = experiment.recipe, experiment.training
    run = Path(out or Path("runs") / experiment.name)
    with refusing_full_disk(run):
        run.mkdir(parents=True, exist_ok=True)
        remember(experiment, run, resume)
        started = time.monotonic()
        data = recipe.load_data(experiment, [Path(folder) for folder in data_dirs])
        crossed = cross_validate(experiment, data, run) if options.folds else None
        model = fit(experiment, data.train, data.validation, run, options.seed, resume)
        recipe.finish(model, data, experiment, crossed, run)
        folder = run / "model"
        recipe.save(model, folder, experiment)
        if crossed is not None:
            (folder / "out_of_fold.json").write_text(json.dumps(crossed))
        shutil.copyfile(run / "log.jsonl", folder / "training_log.jsonl")
        facts = training_facts(experiment, model, data.sources, time.monotonic() - started)
        write_whole(folder / FINISHED, json.dumps(facts, indent=2).encode())
    return folder


def remember(experiment: Experiment, run: Path, resume: bool) -> None:
    """Writes down what is run; a run that is resumed must be the one that was begun, and one that was stopped is not
    begun anew by mistake."""
    if not resume and not (run / "model" / FINISHED).is_file() and (checkpoint := last_whole_checkpoint(run)):
        raise ConfigError(
            f"{run} holds {checkpoint.name} of a run that was stopped; go on with --resume, name another folder with "
            "--out, or remove this one"
        )
    path, document = run / "experiment.json", json.dumps(experiment.as_dict(), indent=2)
    if resume and path.is_file() and path.read_text() != document:
        raise ConfigError(
            f"{path} describes another experiment; resume with the same settings, or train without --resume"
        )
    if not resume:  # before the new experiment is there, which would be resumed from them
        for stale in (run / "model", *run.glob("checkpoint-*")):
            shutil.rmtree(stale, ignore_errors=True)
    write_whole(path, document.encode())  # cut short, it would be another experiment


def fit(
    experiment: Experiment,
    train_rows: Dataset,
    validation_rows: Dataset | None,
    run: Path,
    seed: int,
    resume: bool = False,
    kept: bool = True,
) -> PreTrainedModel:
    """One model trained on `train_rows`: the best epoch on `validation_rows` if the experiment asks, else the last.

    A model that is not `kept` (a fold's) writes no checkpoints, and so is that of the last epoch.
    """
    set_seed(seed)
    recipe, options = experiment.recipe, experiment.training
    model = created(experiment, train_rows)
    checkpoint = last_whole_checkpoint(run) if resume else None
    run.mkdir(parents=True, exist_ok=True)
    log = JsonlLog(run / "log.jsonl")
    callbacks: list[TrainerCallback] = [log]
    if options.patience is not None and options.best_metric is not None and kept:
        callbacks.append(EarlyStoppingCallback(options.patience))
    view = recipe.training_view(train_rows, experiment)
    if options.save_steps is not None:
        view = SeededBatches(view, seed)
        callbacks.append(ResumableEpochs(view))
    trainer = MusicTrainer(
        experiment=experiment,
        rows=train_rows,
        model=model,
        args=training_arguments(experiment, run, seed, validation_rows is not None, kept),
        train_dataset=view,
        eval_dataset=recipe.plain_view(validation_rows, experiment) if validation_rows is not None else None,
        compute_metrics=recipe.measure_epoch(experiment),
        data_collator=getattr(recipe, "collate", None),
        callbacks=callbacks,
    )
    if checkpoint is None:
        log.stages = stage_records(recipe.pretrain(model, train_rows, experiment))
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    vars(model.config).pop("use_cache", None)  # the Trainer's word for language models, which no config here has
    return without_what_learning_needs(model).eval()


def created(experiment: Experiment, rows: Dataset) -> PreTrainedModel:
    """The model that the experiment describes. Raises ConfigError where none can be made of its words."""
    try:
        return experiment.recipe.create_model(experiment, rows)
    except (KeyError, StrictDataclassError, ValueError) as error:
        told = str(error.__cause__ if isinstance(error, StrictDataclassError) else error).strip().splitlines()[0]
        raise ConfigError(f"the model block cannot be built: {told}") from error


def stage_records(losses: dict[str, list[float]]) -> list[dict[str, Any]]:
    """What a recipe's `pretrain` gives, as records of the log."""
    return [
        {"stage": stage, "epoch": float(epoch), "loss": loss}
        for stage, of_epochs in losses.items()
        for epoch, loss in enumerate(of_epochs, 1)
    ]


def cross_validate(experiment: Experiment, data: Any, run: Path) -> dict[str, Any]:
    """Every row of `data.crossed` answered by models that never met its group (artist); all else is always learned.

    Beside the model's answers stand those of the recipe's plain baselines, fitted on the same folds.
    """
    recipe, options = experiment.recipe, experiment.training
    rows, parts = data.crossed, []
    for repetition in range(options.fold_seeds):
        seed = options.seed + repetition
        folds = grouped_folds(rows["label"], rows["group"], options.folds, seed)
        for number, (learned, held_out) in enumerate(folds):
            known, unknown = rows.select(learned), rows.select(held_out)
            learned_rows = recipe.without_table(known)
            if data.uncrossed is not None:
                met = np.isin(data.uncrossed["group"], unknown["group"])
                learned_rows = concatenate_datasets([data.uncrossed.select(np.flatnonzero(~met)), learned_rows])
            model = fit(experiment, learned_rows, None, run / f"fold-{repetition}-{number}", seed, kept=False)
            part = recipe.answers.answer_rows(model, unknown, experiment)
            for name, probabilities in recipe.baselines(known, unknown, model.config.labels).items():
                part[f"{BASELINE}{name}"] = probabilities.round(5).tolist()
            part["repetition"] = [repetition] * len(unknown)
            parts.append(part)
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}


def training_facts(
    experiment: Experiment, model: PreTrainedModel, sources: list[dict[str, Any]], seconds: float
) -> dict[str, Any]:
    """How the weights came to be, for the card: experiment, data and licences, duration, machine, versions, commit."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "experiment": experiment.as_dict(),
        "data": sources,
        "parameters": sum(p.numel() for p in model.parameters()),
        "duration_seconds": round(seconds, 1),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {model.device.type}",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "commit": commit or None,
    }


if __name__ == "__main__":
    from linernotes.cli import main

    main(["train", *sys.argv[1:]])
