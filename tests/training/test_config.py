"""Experiment files: what they may say, what overrides change, what is refused and how."""

from pathlib import Path

import pytest

from linernotes.training import recipes
from linernotes.training.config import ConfigError, load_experiment, parse_experiment

GENERATED = "family: genre_moe\ndata: {generated_per_genre: 6}\n"
ROOT = Path(__file__).parents[2]
OTHERS = {"accelerate", "corpora"}  # folders of other configs
CONFIGS = sorted(path for path in ROOT.glob("configs/*/*.yaml") if path.parent.name not in OTHERS)


def test_there_are_experiments():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_committed_experiment_is_understood(path):
    experiment = load_experiment(path)
    assert experiment.family == path.parent.name
    # the model block makes a config, and the whole survives being written down as JSON
    fields = {name: value for name, value in experiment.model.items() if name != "labels"}
    labels = experiment.model.get("labels") or getattr(experiment.recipe.Config, "default_labels", None)
    experiment.recipe.Config(**fields, **({"num_labels": len(labels)} if labels else {}))
    assert parse_experiment(experiment.as_dict()) == experiment


def test_the_published_recipe_has_the_published_hyper_parameters():
    options = load_experiment(CONFIGS[0].parents[1] / "genre_moe" / "published.yaml").training
    assert (options.learning_rate, options.min_learning_rate, options.weight_decay) == (3e-3, 1e-5, 1e-4)
    assert (options.epochs, options.patience, options.batch_size, options.max_grad_norm) == (120, 20, 64, 1.0)


def test_a_recipe_whose_needs_are_not_installed_names_the_extra(monkeypatch, tmp_path):
    def missing(module):
        raise ModuleNotFoundError("No module named 'pretty_midi'", name="pretty_midi")

    monkeypatch.setattr(recipes, "import_module", missing)
    with pytest.raises(ConfigError, match=r'pretty_midi is not installed; .* needs: pip install "linernotes\[train\]"'):
        load_experiment(write(tmp_path, GENERATED))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    return path


def test_overrides_change_any_value(tmp_path):
    path = write(tmp_path, "family: genre_moe\ndata: {generated_per_genre: 6}\ntraining: {epochs: 3}\n")
    experiment = load_experiment(path, ["training.learning_rate=5e-5", "training.patience=null", "model.top_k=2"])
    assert experiment.training.learning_rate == 5e-5
    assert experiment.training.patience is None
    assert experiment.training.epochs == 3
    assert experiment.model == {"top_k": 2}


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("family: [", (), "is not YAML"),
        ("- a list", (), "an experiment is a mapping with the keys family"),
        ("family: polka", (), r"no recipe for the family 'polka'; there are .*genre_moe"),
        ("family: genre_moe\nmodle: {}", (), r"the experiment has no key 'modle'; known are data, family, model"),
        ("family: genre_moe\nmodel: {hiden_size: 3}", (), r"model has no key 'hiden_size'; known are .*hidden_size"),
        ("family: genre_moe\ndata: {folder: x}", (), r"data has no key 'folder'; known are artist_exponent"),
        ("family: genre_moe\ntraining: {lr: 1}", (), r"training has no key 'lr'; known are batch_size"),
        ("family: genre_moe", (), "cannot be run: the data block names no data"),
        (GENERATED, ("training.epochs=abc",), r"training\.epochs is 'abc'; it must be int"),
        (GENERATED, ("training.epochs=0",), r"training\.epochs is 0; it must be 1 or more"),
        (GENERATED, ("training.max_steps=0",), r"training\.max_steps is 0; it must be 1 or more"),
        (GENERATED, ("training.learning_rate=-1",), r"training\.learning_rate is -1\.0; it must be finite and not"),
        (GENERATED, ("training.weight_decay=.nan",), r"training\.weight_decay is nan; it must be finite and not"),
        (GENERATED, ("training.weight_decay=[1]",), r"weight_decay is \[1\]; it must be a number"),
        (GENERATED, ("training.learning_rate=0", "training.min_learning_rate=0"), "the first must be above 0"),
        (
            GENERATED,
            ("training.min_learning_rate=5",),
            r"min_learning_rate 5\.0; the first must be above 0, and not below",
        ),
        (GENERATED, ("training.warmup_ratio=3",), r"training\.warmup_ratio is 3\.0; it is a share of 1"),
        (GENERATED, ("training.folds=3",), "cross-validates real rows"),
        (GENERATED, ("training.best_metric=f1",), "best_metric is 'f1'; allowed are accuracy, loss and null"),
        (GENERATED, ("training.scheduler=step",), "scheduler is 'step'; allowed are cosine, constant and plateau"),
        (GENERATED, ("training.scheduler=plateau", "training.plateau_factor=1"), r"plateau_factor 1\.0; it needs"),
        (GENERATED, ("training.epochs={a",), "cannot read the value of --set"),
        (GENERATED, ("model.top_k=9",), "top_k is 9; allowed are 1 to 5"),
        (GENERATED, ("model.encoder_type=cnn",), "encoder_type is 'cnn'; this recipe trains on feature rows"),
        (GENERATED, ("model.labels=jazz",), "labels are 'jazz'; give a list"),
        (GENERATED, ("model.gate_alignment_weight=1", "model.num_experts=3"), "3 experts, 5 genres"),
        (GENERATED, ("data.real_share=2",), r"data\.real_share is 2\.0; it is a share of 1"),
        ("family: genre_moe", ("epochs=3",), r"cannot read --set 'epochs=3'; write block\.key=value"),
        ("family: genre_moe", ("family.x=3",), r"'family' is not a block; blocks are model, data and training"),
    ],
)
def test_mistakes_are_named(tmp_path, text, overrides, message):
    with pytest.raises(ValueError, match=message):
        load_experiment(write(tmp_path, text), overrides)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml is not a file"):
        load_experiment(tmp_path / "nowhere.yaml")
