"""The poster's table on the data at hand: scratch, fine-tuned, fine-tuned with augmentation, at both bit rates.

    python benchmarks/mega_audioformer_table.py --data-dir DATA --pretrained 1.5=RUN/model 12=RUN12/model
        [--tasks genre instrument speech_music] [--rates 1.5 12] [--shares 0.05 0.2 1] [--seeds 3] [--runs RUNS]

Every cell learns for the same number of steps. The encoder's learning rate is chosen among the same ones for every
method, on validation rows, with a fifth of the labels. Every recording is heard at a level drawn for it. A trained cell
is kept in RUNS, so that a stopped run goes on; a folder of cells with other settings is refused.
Writes benchmarks/results/mega_audioformer_table.json, where lines of other tasks and rates stay: macro F1; accuracy, by
how much fine-tuning beats scratch, and augmentation plain fine-tuning, with 95 % intervals that resample seeds and
groups of test rows together. Each task's part also goes as benchmarks.json into its published folder, for the
card; with another --out nothing does.
"""

import argparse
import json
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import f1_score

from linernotes.training.bootstrap import RESAMPLES, resample, with_interval
from linernotes.training.config import Experiment, load_experiment
from linernotes.training.publish import add_benchmark
from linernotes.training.train import fit

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "mega_audioformer_table.json"
METHODS = ("scratch", "fine-tuned", "fine-tuned with augmentation")
LEARNING_RATES = (3e-4, 1e-3)  # of the encoder
TUNING_SHARE, WINDOW = 0.2, "model.window_seconds"
EMBEDDING_SIZES = {1.5: 48, 12.0: 24}  # of a code: sixteen of them are packed at 12 kbit/s


class Cell(NamedTuple):
    task: str
    rate_kbps: float
    method: str
    share: float
    seed: int

    @property
    def name(self) -> str:
        return "-".join(map(str, self)).replace(" ", "_")


def experiment_of(cell: Cell, learning_rate: float, pretrained: dict[float, str], overrides: list[str]) -> Experiment:
    augmented, scratch = cell.method == METHODS[2], cell.method == METHODS[0]
    return load_experiment(
        ROOT / "configs" / "mega_audioformer" / f"{cell.task}.yaml",
        [
            f"model.bandwidth_kbps={cell.rate_kbps}",
            f"model.code_embedding_size={EMBEDDING_SIZES[cell.rate_kbps]}",
            "model.level_db=null",
            f"data.copies={int(augmented)}",
            f"data.mask_share={0.15 if augmented else 0.0}",
            f"data.label_share={cell.share}",
            f"training.pretrained={'null' if scratch else pretrained[cell.rate_kbps]}",
            f"training.encoder_learning_rate={learning_rate}",
            f"training.seed={cell.seed}",
            *overrides,
        ],
    )


def answered(experiment: Experiment, data_dirs: list[Path]) -> dict[str, dict[str, Any]]:
    """Trains, and tells of validation and of every test which label each row has and which it was given."""
    recipe = experiment.recipe
    data = recipe.load_data(experiment, data_dirs)
    with TemporaryDirectory() as folder:
        model = fit(experiment, data.train, data.validation, Path(folder), experiment.training.seed, kept=False)
    tests = {"validation": data.validation, "test": data.test, **data.others}
    told = {}
    for name, rows in tests.items():
        if rows is not None:
            answer = recipe.answers.answer_rows(model, rows, experiment)
            said = [model.config.labels[index] for index in np.argmax(answer["logits"], axis=1)]
            told[name] = {"label": answer["label"], "said": said, "group": answer["group"]}
    return told | {"learned_from": len(data.train)}


def run_cell(cell: Cell, learning_rate: float, options: argparse.Namespace) -> dict[str, Any]:
    """The answers of a cell, trained where they are not kept yet."""
    kept = options.runs / f"{cell.name}-{learning_rate:g}.json"
    if not kept.is_file():
        experiment = experiment_of(cell, learning_rate, options.pretrained, options.set)
        told = answered(experiment, options.data_dir)
        aside = kept.with_suffix(".part")
        aside.write_text(json.dumps(told))
        aside.rename(kept)
    return json.loads(kept.read_text())


def tuned_rate(task: str, rate_kbps: float, method: str, options: argparse.Namespace) -> float:
    """The learning rate whose validation accuracy is highest, the smaller one where they are equal."""
    cell = Cell(task, rate_kbps, method, TUNING_SHARE, 0)
    return max(LEARNING_RATES, key=lambda rate: accuracy(run_cell(cell, rate, options)["validation"]))


def accuracy(told: dict[str, list]) -> float:
    return float(np.mean(right(told)))


def right(told: dict[str, list]) -> np.ndarray:
    return np.array(told["label"]) == np.array(told["said"])


def figures(told: list[dict[str, list]], baselines: dict[str, list[dict[str, list]]]) -> dict[str, Any]:
    """Of the answers of several seeds: means over seeds, and what they have over those of each baseline."""
    labels, counts = np.unique(told[0]["label"], return_counts=True)
    scores = [f1_score(each["label"], each["said"], labels=labels, average="macro", zero_division=0) for each in told]
    measured = {
        "accuracy": mean_with_interval([right(answer) for answer in told], told[0]["group"]),
        "macro_f1": round(float(np.mean(scores)), 4),
        "n": int(counts.sum()),
        "groups": len(set(told[0]["group"])),
        "majority": round(float(counts.max() / counts.sum()), 4),
    }
    for name, theirs in baselines.items():
        differences = [right(a).astype(float) - right(b) for a, b in zip(told, theirs, strict=True)]
        measured[f"accuracy_minus_{name.replace('-', '_')}"] = mean_with_interval(differences, told[0]["group"])
    return measured


def mean_with_interval(values: list[np.ndarray], groups: list[str]) -> dict[str, float]:
    """The mean of values (rows,) of each seed, with seeds and groups drawn anew in every resample."""
    ids = np.unique(groups, return_inverse=True)[1]
    sums = np.stack([np.bincount(ids, seed_values.astype(float)) for seed_values in values])
    sizes = np.bincount(ids)
    of_groups = np.broadcast_to(resample(len(sizes), seed=0), (RESAMPLES, len(sizes)))
    of_seeds = np.broadcast_to(resample(len(values), seed=1), (RESAMPLES, len(values)))
    draws = np.einsum("rs,sg,rg->r", of_seeds, sums, of_groups) / (len(values) * (of_groups @ sizes))
    return with_interval(float(np.mean(np.stack(values))), draws)


def table(options: argparse.Namespace) -> list[dict[str, Any]]:
    lines = []
    for task, rate_kbps in product(options.tasks, options.rates):
        rates = {method: tuned_rate(task, rate_kbps, method, options) for method in METHODS}
        for share in options.shares:
            told = {
                method: [
                    run_cell(Cell(task, rate_kbps, method, share, seed), rates[method], options)
                    for seed in range(options.seeds)
                ]
                for method in METHODS
            }
            for method, name in product(METHODS, [key for key in told[METHODS[0]][0] if key != "learned_from"]):
                before = METHODS[: METHODS.index(method)]
                baselines = {other: [seed[name] for seed in told[other]] for other in before}
                measured = figures([seed[name] for seed in told[method]], baselines)
                about = {"task": task, "evaluation": name, "kbit_per_second": rate_kbps, "label_share": share}
                about |= {"method": method, "encoder_learning_rate": rates[method], "seeds": options.seeds}
                lines.append(about | {"learned_from": told[method][0]["learned_from"]} | measured)
    return lines


def for_card(lines: list[dict[str, Any]], task: str, seeds: int, overrides: list[str]) -> dict[str, Any]:
    """The lines of a task as a table of its card; validation rows chose the learning rates, and are left out."""
    given = dict(each.split("=", 1) for each in overrides)
    steps, window = (given.get(name, "as in its own config") for name in ("training.max_steps", WINDOW))
    return {
        "title": "From scratch, fine-tuned, with augmentation",
        "about": f"Beside the published model, which learned longer: every cell learned for {steps} steps of windows "
        f"of {window} s, with {seeds} seeds, of a share of the labels, and was asked about recordings at levels drawn "
        "for them. Intervals resample seeds and groups of rows together; the last column is what fine-tuning adds to "
        "the same network that starts without any pre-training.",
        "columns": ["asked about", "method", "kbit/s", "labels", "n", "accuracy", "95 % interval", "minus scratch"],
        "rows": [
            [
                line["evaluation"].replace("_", " "),
                line["method"],
                f"{line['kbit_per_second']:g}",
                f"{line['label_share']:.0%}",
                f"{line['n']:,}",
                f"{line['accuracy']['value']:.3f}",
                between(line["accuracy"]),
                f"{gain['value']:+.3f} ({between(gain)})" if (gain := line.get("accuracy_minus_scratch")) else "-",
            ]
            for line in lines
            if line["task"] == task and line["evaluation"] != "validation"
        ],
    }


def between(figure: dict[str, float]) -> str:
    return f"{figure['low']:.3f} to {figure['high']:.3f}"


def parse_pretrained(text: str) -> tuple[float, str]:
    rate, _, folder = text.partition("=")
    return float(rate), folder


def refuse_other_settings(options: argparse.Namespace) -> None:
    """Raises SystemExit where the kept cells were trained otherwise: their names do not tell."""
    file, folders = options.runs / "settings.json", sorted(map(str, options.data_dir))
    pretrained = {f"{rate:g}": folder for rate, folder in sorted(options.pretrained.items())}
    settings = {"set": sorted(options.set), "data": folders, "pretrained": pretrained}
    known = json.loads(file.read_text()) if file.is_file() else settings
    if known != settings:
        raise SystemExit(f"{options.runs} holds cells of {known}, asked for are {settings}: name other --runs")
    file.write_text(json.dumps(settings, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--pretrained", type=parse_pretrained, nargs="+", required=True, metavar="RATE=FOLDER")
    parser.add_argument("--tasks", nargs="+", default=["genre", "instrument", "speech_music"])
    parser.add_argument("--rates", type=float, nargs="+", default=[1.5, 12.0])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.2, 1.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/mega-audioformer-table"))
    parser.add_argument("--set", action="append", default=[], help="as of `linernotes train`, for every cell")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    options.pretrained = dict(options.pretrained)
    options.runs.mkdir(parents=True, exist_ok=True)
    refuse_other_settings(options)
    lines = table(options)
    asked = set(product(options.tasks, options.rates))
    known = json.loads(options.out.read_text()) if options.out.is_file() else []
    whole = [line for line in known if (line["task"], line["kbit_per_second"]) not in asked] + lines
    whole.sort(key=lambda line: (line["task"], line["kbit_per_second"]))
    options.out.write_text(json.dumps(whole, indent=1) + "\n")
    for task in options.tasks if options.out == RESULT else ():
        folder = ROOT / "models" / f"mega-audioformer-{task.replace('_', '-')}"
        add_benchmark(folder, "table", for_card(whole, task, options.seeds, options.set))
    for line in lines:
        gain = line.get("accuracy_minus_scratch", {"value": 0.0})
        about = (
            f"{line['task']:<13}{line['evaluation']:<12}{line['kbit_per_second']:>5g} kbit/s{line['label_share']:>6.0%}"
        )
        print(f"{about}  {line['method']:<29} {line['accuracy']['value']:.3f} ({gain['value']:+.3f}), n {line['n']}")


if __name__ == "__main__":
    main()
