"""An experiment as a YAML file: `family`, `name`, and the blocks `model`, `data`, `training`; nothing unknown."""

import json
import math
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any, get_args

import yaml
from huggingface_hub.errors import StrictDataclassError

from linernotes.training.recipes import recipe_for

AT_LEAST_ONE = (
    "epochs", "max_steps", "batch_size", "eval_batch_size", "gradient_accumulation_steps", "logging_steps",
    "eval_steps", "save_steps", "keep_checkpoints",
)  # fmt: skip


class ConfigError(ValueError):
    """An experiment file says something that no recipe understands."""


@dataclass(frozen=True)
class TrainingOptions:
    """How any family is trained. The defaults are those of "Music Genre MoE".

    Args:
        epochs: passes over the training rows.
        max_steps: batches after which training ends, whatever the epochs say; None for all of them.
        patience: epochs without a better `best_metric` before training stops; None runs them all.
        best_metric: which validation figure chooses the epoch that is kept; None keeps the last epoch.
        scheduler: "cosine" to the smallest learning rate, "constant", or "plateau": the rate is multiplied by
            `plateau_factor` after more than `plateau_patience` epochs without a better `best_metric`.
        min_learning_rate: where the cosine of the learning rate ends, and below which no plateau brings it.
        mixed_precision: on a GPU, bfloat16 where it has it, else float16 with scaled losses; on a CPU bfloat16 where it
            has instructions for it, else nothing.
        tf32: on a GPU that has it, whether products of float32 matrices are rounded to TF32.
        gradient_checkpointing: whether activations are computed again for the gradient instead of being kept.
        logging_steps: steps between two lines of the log; None for one an epoch.
        eval_steps, save_steps: steps between two validations, and two checkpoints; None for one an epoch.
        workers: processes that read rows beside the one that trains.
        half_precision: whether the published weights are half as large on disk; they load as float32 all the same.
            Backbones and codecs always are.
        folds: grouped cross-validation folds over the rows that have no test split of their own; 0 for none.
        fold_seeds: repetitions of the cross-validation with other fold boundaries and other initial weights.
    """

    seed: int = 0
    epochs: int = 120
    max_steps: int | None = None
    batch_size: int = 64
    learning_rate: float = 3e-3
    min_learning_rate: float = 1e-5
    scheduler: str = "cosine"
    plateau_factor: float = 0.5
    plateau_patience: int = 5
    warmup_ratio: float = 0.0
    weight_decay: float = 1e-4
    max_grad_norm: float = 1.0
    gradient_accumulation_steps: int = 1
    eval_batch_size: int = 256
    mixed_precision: bool = False
    tf32: bool = False
    gradient_checkpointing: bool = False
    logging_steps: int | None = None
    eval_steps: int | None = None
    save_steps: int | None = None
    workers: int = 0
    patience: int | None = 20
    best_metric: str | None = "accuracy"
    keep_checkpoints: int = 2
    half_precision: bool = False
    folds: int = 0
    fold_seeds: int = 1

    def __post_init__(self):
        for name in AT_LEAST_ONE:
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"training.{name} is {value}; it must be 1 or more")
        if not self.min_learning_rate <= self.learning_rate or not self.learning_rate:
            rates = f"training.learning_rate is {self.learning_rate} and min_learning_rate {self.min_learning_rate}"
            raise ConfigError(f"{rates}; the first must be above 0, and not below the second")
        if self.warmup_ratio > 1:
            raise ConfigError(f"training.warmup_ratio is {self.warmup_ratio}; it is a share of 1")
        if self.scheduler not in ("cosine", "constant", "plateau"):
            raise ConfigError(f"training.scheduler is {self.scheduler!r}; allowed are cosine, constant and plateau")
        if self.scheduler == "plateau" and not (self.best_metric and 0 < self.plateau_factor < 1):
            raise ConfigError(
                f"training.scheduler is 'plateau' with best_metric {self.best_metric!r} and plateau_factor "
                f"{self.plateau_factor}; it needs a figure to watch, and a factor above 0 and below 1"
            )
        if self.best_metric is not None and self.eval_steps != self.save_steps:
            raise ConfigError(
                f"training.eval_steps is {self.eval_steps} and save_steps {self.save_steps}; they must be equal, so "
                "that the best checkpoint is there, or best_metric null"
            )


@dataclass(frozen=True)
class Experiment:
    """One training run, as its file and the command line say it."""

    family: str
    name: str
    model: dict[str, Any]
    data: Any
    training: TrainingOptions = field(default_factory=TrainingOptions)

    @property
    def recipe(self) -> ModuleType:
        return recipe_for(self.family)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def load_experiment(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Experiment:
    """Reads an experiment file; `overrides` are "block.key=value" with the value in YAML, as given by `--set`.

    Raises:
        ConfigError: a file that is not YAML or not an experiment, an unknown block or key, a bad override.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path} is not a file; experiments lie in configs/<family>/<variant>.yaml")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    for override in overrides:
        _apply(document, override)
    return parse_experiment(_with_files(document, path.parent))


def parse_experiment(document: Any) -> Experiment:
    """The experiment that a parsed YAML document describes. Raises ConfigError."""
    if not isinstance(document, dict) or not isinstance(document.get("family"), str):
        raise ConfigError("an experiment is a mapping with the keys family, name, model, data, training")
    _refuse_unknown("the experiment", document, {"family", "name", "model", "data", "training"})
    family = document["family"]
    try:
        recipe = recipe_for(family)
    except (ModuleNotFoundError, ValueError) as error:
        raise ConfigError(str(error)) from error
    model, data, training = (document.get(block) or {} for block in ("model", "data", "training"))
    _refuse_unknown("model", model, {f.name for f in fields(recipe.Config)} | {"labels"})
    for name, part in recipe.Config.sub_configs.items():
        if not isinstance(model.get(name), (dict, NoneType)):
            raise ConfigError(f"model.{name} is {model[name]!r}; it must be a block of fields")
        if is_dataclass(part) and model.get(name):
            _refuse_unknown(f"model.{name}", model[name], set(vars(part())))
    experiment = Experiment(
        family=family,
        name=document.get("name") or family.replace("_", "-"),
        model=_as_declared(model, recipe.Config),
        data=_build("data", recipe.DataOptions, data),
        training=_build("training", getattr(recipe, "TrainingOptions", TrainingOptions), training),
    )
    metrics = (*recipe.EPOCH_METRICS, "loss")
    if experiment.training.best_metric not in (None, *metrics):
        given = experiment.training.best_metric
        raise ConfigError(f"training.best_metric is {given!r}; allowed are {', '.join(metrics)} and null")
    try:
        recipe.check(experiment)
    except (StrictDataclassError, ValueError) as error:
        raise ConfigError(f"the experiment cannot be run: {error.__cause__ or error}") from error
    return experiment


def _with_files(document: Any, folder: Path) -> Any:
    """The document with what stands in JSON files beside it, where values of the model block name such files."""
    model = document.get("model") if isinstance(document, dict) else None
    for key, value in (model if isinstance(model, dict) else {}).items():
        if isinstance(value, str) and value.endswith(".json"):
            if not (folder / value).is_file():
                raise ConfigError(f"model.{key} is {value!r}, which is no file in {folder}")
            model[key] = json.loads((folder / value).read_text(encoding="utf-8"))
    return document


def _build(block: str, options: type, given: dict[str, Any]) -> Any:
    _refuse_unknown(block, given, {f.name for f in fields(options)})
    values = _as_declared(given, options)
    for f in fields(options):
        if f.name in values and not isinstance(values[f.name], f.type):
            raise ConfigError(
                f"{block}.{f.name} is {values[f.name]!r}; it must be {getattr(f.type, '__name__', f.type)}"
            )
        if isinstance(values.get(f.name), (int, float)) and not 0 <= values[f.name] < math.inf:
            raise ConfigError(f"{block}.{f.name} is {values[f.name]!r}; it must be finite and not negative")
    return options(**values)


def _as_declared(given: dict[str, Any], options: type) -> dict[str, Any]:
    """Values with numbers made floats where floats are declared: YAML reads 3e-3 as text and 1 as an integer."""
    floats, declared = {f.name for f in fields(options) if float in (f.type, *get_args(f.type))}, dict(given)
    for key in floats & {key for key, value in given.items() if value is not None}:
        try:
            declared[key] = float(given[key])
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{key} is {given[key]!r}; it must be a number") from error
    return declared


def _refuse_unknown(where: str, given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigError(f"{where} has no key {', '.join(map(repr, unknown))}; known are {', '.join(sorted(known))}")


def _apply(document: Any, override: str) -> None:
    keys, separator, text = override.partition("=")
    block, dot, key = keys.strip().partition(".")
    if not separator or not dot or not key:
        raise ConfigError(
            f"cannot read --set {override!r}; write block.key=value, such as training.learning_rate=0.001"
        )
    document.setdefault(block, {})
    if not isinstance(document[block], dict):
        raise ConfigError(f"cannot set {keys!r}: {block!r} is not a block; blocks are model, data and training")
    try:
        document[block][key] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"cannot read the value of --set {override!r} as YAML: {error}") from error
