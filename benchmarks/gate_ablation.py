"""Which remedy makes every expert keep to its own genre: the same experiment under several gate losses, in one run.

    python benchmarks/gate_ablation.py CONFIG --data-dir DATA [--data-dir DATA ...]

Writes benchmarks/results/gate_ablation_<name>.json and prints the table of docs/expert-collapse.md. Real rows are
answered out of fold (artists apart), generated clips from their held-out split.
"""

import argparse
import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import transformers

from linernotes.training.answers import answer_rows, figures
from linernotes.training.config import load_experiment
from linernotes.training.train import cross_validate, fit

PLAIN = (
    "model.load_balance_weight=0.05",
    "model.entropy_weight=0.01",
    "model.gate_alignment_weight=0.0",
    "model.mutual_information_weight=0.0",
    "data.pretrain_epochs=0",
    "training.fold_seeds=1",
)
VARIANTS = {
    "as published": (),
    "load balance 0.05 -> 0.5": ("model.load_balance_weight=0.5",),
    "mutual information for entropy": ("model.entropy_weight=0.0", "model.mutual_information_weight=0.1"),
    "pre-trained experts": ("data.pretrain_epochs=30",),
    "gate alignment": ("model.gate_alignment_weight=0.5",),
    "alignment + mutual information": (
        "model.entropy_weight=0.0",
        "model.mutual_information_weight=0.1",
        "model.gate_alignment_weight=0.5",
    ),
}


def measure_variant(config: str, data_dirs: list[Path], overrides: tuple[str, ...]) -> dict[str, dict]:
    """Figures by evaluation ("generated", "real") of one variant."""
    experiment = load_experiment(config, [*PLAIN, *overrides])
    data = experiment.recipe.load_data(experiment, data_dirs)
    measured = {}
    with TemporaryDirectory() as run:
        if data.crossed is not None:
            model = experiment.recipe.create_model(experiment, data.train)
            measured["real"] = figures(cross_validate(experiment, data, Path(run)), model.config)
        if data.test is not None:
            model = fit(experiment, data.train, data.validation, Path(run), experiment.training.seed)
            measured["generated"] = figures(answer_rows(model, data.test, experiment), model.config)
    return measured


def row(name: str, figure: dict) -> dict:
    own = figure["self_activation"]
    return {
        "variant": name,
        "accuracy": figure["accuracy"],
        "self_activation_mean": own["mean"],
        "self_activation_min": own["min"],
        "self_activation": {genre: weight["value"] for genre, weight in own["per_class"].items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config")
    parser.add_argument("--data-dir", action="append", type=Path, default=[])
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    tables: dict[str, list[dict]] = {}
    for name, overrides in VARIANTS.items():
        for evaluation, figure in measure_variant(arguments.config, arguments.data_dir, overrides).items():
            tables.setdefault(evaluation, []).append(row(name, figure))
            print(evaluation, json.dumps(tables[evaluation][-1]), flush=True)
    name = load_experiment(arguments.config).name
    out = Path(__file__).parent / "results" / f"gate_ablation_{name}.json"
    out.write_text(json.dumps({"config": Path(arguments.config).name, "tables": tables}, indent=1) + "\n")
    for evaluation, rows in tables.items():
        print(f"\n{name}, {evaluation}\n\n| remedy | accuracy | self-activation, mean | least |\n|---|---|---|---|")
        for line in rows:
            figures_of_line = (line["accuracy"], line["self_activation_mean"], line["self_activation_min"])
            print(
                f"| {line['variant']} | "
                + " | ".join(f"{np.ravel(value_of(f))[0]:.2f}" for f in figures_of_line)
                + " |"
            )


def value_of(figure: dict | float) -> float:
    return figure["value"] if isinstance(figure, dict) else figure


if __name__ == "__main__":
    main()
