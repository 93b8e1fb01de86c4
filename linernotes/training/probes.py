"""Linear probes: what can be read off a backbone's hidden states, beside what can be read off simpler or older ears.

    python -m linernotes.training.probes models/pocket-mert --data-dir DATA --corpus CORPUS --out metrics.json

Every probe is z-scores and one linear layer on frozen vectors: logistic regression for classes and tags, ridge
regression for tempo. Which vectors of an ear (which layer) and how much regularisation is decided on the training part
alone, by inner cross-validation with whole groups. All ears answer about the same recordings: differences are paired.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from linernotes.training.bootstrap import LEVEL, RESAMPLES, resample, share_with_interval, with_interval
from linernotes.training.evaluate import provenance
from linernotes.training.probe_features import Ears, backbones, kept, log_mel_statistics, musicnn
from linernotes.training.probe_kinds import KINDS, Kind
from linernotes.training.probe_tasks import (
    Recording,
    Task,
    describe_sources,
    read_rendered,
    real_tasks,
    rendered_tasks,
    transfer_tasks,
)

INNER_FOLDS, OUTER_FOLDS = 3, 5
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # C: smaller is smoother
TABLE_COLUMNS = 140  # of text, also where the terminal does not say
FIRST_STRENGTH = 1e-2  # with which vectors are chosen
Vectors = dict[str, np.ndarray]  # what one ear has of each recording: (recordings, size), by name


# Learning and answering


def fit(kind: Kind, vectors: np.ndarray, targets: np.ndarray, strength: float) -> Pipeline:
    return make_pipeline(StandardScaler(), kind.learner(strength)).fit(vectors, targets)


def folds(targets: np.ndarray, groups: Sequence[str], number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to learn from and rows held out, groups whole, classes spread evenly where the targets are classes."""
    classes = targets if targets.ndim == 1 and targets.dtype.kind == "i" else np.zeros(len(targets), int)
    number = min(number, len(set(groups)), *np.bincount(classes)[np.unique(classes)])
    if number < 2:
        raise ValueError(
            f"{len(targets)} rows in {len(set(groups))} groups, {np.bincount(classes).min()} of the rarest class; "
            "a probe needs two rows a class and two groups to choose by"
        )
    splitter = StratifiedGroupKFold(number, shuffle=True, random_state=0)
    return list(splitter.split(classes, classes, groups))


def chosen(kind: Kind, candidates: Vectors, targets: np.ndarray, groups: Sequence[str]) -> tuple[str, float]:
    """The name of the vectors and the strength that do best in inner cross-validation."""
    parts = folds(targets, groups, INNER_FOLDS)
    held_out = np.concatenate([out for _, out in parts])

    @cache
    def score(name: str, strength: float) -> float:
        vectors = candidates[name]
        answers = [kind.answer(fit(kind, vectors[rest], targets[rest], strength), vectors[out]) for rest, out in parts]
        return kind.score(targets[held_out], np.concatenate(answers))

    name = (
        max(candidates, key=lambda name: score(name, FIRST_STRENGTH)) if len(candidates) > 1 else next(iter(candidates))
    )
    return name, max(STRENGTHS, key=lambda strength: score(name, strength))


def answer(kind: Kind, learn: Vectors, targets: np.ndarray, groups: Sequence[str], test: Vectors) -> tuple:
    """The answers about `test`, and the name and strength that were chosen."""
    name, strength = chosen(kind, learn, targets, groups)
    probe = fit(kind, learn[name], targets, strength)
    return kind.answer(probe, test[name]), f"{name}, C {strength:g}"


def answer_task(task: Task, vectors_of: Callable[[Sequence[Recording]], Vectors]) -> tuple[np.ndarray, list[str]]:
    """The answers about all that is asked, and what was chosen, for each fold where there is no test part."""
    kind, learn = KINDS[task.kind], vectors_of(task.learn.recordings)
    targets, groups = task.learn.targets, np.array(task.learn.groups)
    if task.test is not None:
        answers, choice = answer(kind, learn, targets, groups, vectors_of(task.test.recordings))
        return answers, [choice]
    answers, choices = np.empty_like(targets), []
    for rest, out in folds(targets, groups, OUTER_FOLDS):
        parts = [{name: vectors[rows] for name, vectors in learn.items()} for rows in (rest, out)]
        answers[out], choice = answer(kind, parts[0], targets[rest], groups[rest], parts[1])
        choices.append(choice)
    return answers, choices


# Measuring


def measure(task: Task, answers: dict[str, np.ndarray], choices: dict[str, list[str]], seed: int = 0) -> dict[str, Any]:
    """The figures of the first ear, and in `baselines` those of the others, with the first minus each.

    Every figure is {"value", "low", "high"} by a bootstrap over groups; the first ear's have the majority baseline
    besides: the constant answer that is right most often.
    """
    kind, asked = KINDS[task.kind], task.asked
    groups = np.unique(asked.groups, return_inverse=True)[1]
    counts = resample(int(groups.max()) + 1, seed)
    always = np.array([kind.constant(asked.targets)] * len(asked.targets))
    ours, *others = answers
    measured = {name: figures(kind, asked.targets, given, counts, groups) for name, given in answers.items()}
    result = {
        "sources": task.sources,
        "learned_from": len(task.learn.recordings),
        "n": len(asked.targets),
        "n_groups": counts.shape[1],
        "interval": {"level": LEVEL, "method": "bootstrap over groups", "resamples": RESAMPLES, "seed": seed},
        "chosen": choices[ours],
    }
    for key, (figure, _) in measured[ours].items():
        baseline = kind.figures[key](asked.targets, always, np.ones((1, len(groups))))[0]
        result[key] = figure | {"majority_baseline": round(float(baseline), 6)}
    result["baselines"] = {name: beside(measured[ours], measured[name]) | {"chosen": choices[name]} for name in others}
    return result | ({"labels": task.labels} if task.labels else {})


def figures(kind: Kind, targets: np.ndarray, answers: np.ndarray, counts: np.ndarray, groups: np.ndarray) -> dict:
    """Each figure of the kind with its interval, and its draws."""
    found = {}
    for key, figure in kind.figures.items():
        value = float(figure(targets, answers, np.ones((1, len(targets))))[0])
        draws = figure(targets, answers, counts[:, groups])
        limits = (
            share_with_interval(value, draws, counts.shape[1]) if key != "r_squared" else with_interval(value, draws)
        )
        found[key] = limits, (value, draws)
    return found


def beside(ours: dict[str, tuple], its: dict[str, tuple]) -> dict[str, Any]:
    """Another ear's figures on the same rows, and ours minus each."""
    result = {}
    for key, (figure, (value, draws)) in its.items():
        our_value, our_draws = ours[key][1]
        result |= {key: figure, f"our_{key}_minus_its": with_interval(our_value - value, our_draws - draws)}
    return result


# All of it


def probe(
    ears: Sequence[Ears], tasks: Sequence[Task], cache: Path | None = None, shown: bool = False
) -> dict[str, dict[str, Any]]:
    """The figures of every task, by its name; the first of the ears is compared with each other."""
    rows: dict[str, dict[Recording, int]] = {}
    for recording in (r for task in tasks for part in (task.learn, task.asked) for r in part.recordings):
        numbers = rows.setdefault(recording.source, {})
        numbers.setdefault(recording, len(numbers))
    answers: dict[str, dict[str, np.ndarray]] = {task.name: {} for task in tasks}
    choices: dict[str, dict[str, list[str]]] = {task.name: {} for task in tasks}
    for ear in ears:
        heard = {
            source: kept(ear, list(numbers), cache, f"{ear.name}: {Path(source).name}" if shown else "")
            for source, numbers in rows.items()
        }
        for task in tasks:
            given = answer_task(task, lambda recordings, heard=heard: gather(heard, rows, recordings))
            answers[task.name][ear.name], choices[task.name][ear.name] = given
    return {task.name: measure(task, answers[task.name], choices[task.name]) for task in tasks}


def gather(
    heard: dict[str, Vectors], rows: dict[str, dict[Recording, int]], recordings: Sequence[Recording]
) -> Vectors:
    """The vectors of some recordings, in their order, from those of whole sources."""
    names = heard[recordings[0].source]
    return {name: np.stack([heard[r.source][name][rows[r.source][r]] for r in recordings]) for name in names}


def show(results: dict[str, dict[str, Any]], ours: str, console: Console) -> None:
    """One line a task: the first figure of each ear; those that ours is surely over or under are marked."""
    others = list(next(iter(results.values()))["baselines"])
    table = Table("task", "n", "groups", "figure", ours, *others, "majority")
    for name, result in results.items():
        key = next(key for kind in KINDS.values() for key in kind.figures if key in result)
        figure = result[key]
        cells = [f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"]
        for other in (result["baselines"][name] for name in others):
            difference = other[f"our_{key}_minus_its"]
            mark = "+" if difference["low"] > 0 else "-" if difference["high"] < 0 else "="
            cells.append(f"{other[key]['value']:.3f} {mark}")
        size = (str(result["n"]), str(result["n_groups"]))
        table.add_row(name, *size, key, *cells, f"{figure['majority_baseline']:.3f}")
    console.print(table)


def all_tasks(data_dirs: Sequence[Path], corpora: Sequence[Path], train_clips: int, seed: int = 0) -> list[Task]:
    """Everything that can be asked with the sets and corpora that are there. Raises ValueError where nothing can."""
    clips = [clip for corpus in corpora for clip in read_rendered(corpus, train_clips, seed)]
    tasks = real_tasks(data_dirs)
    if clips:
        tasks += [*transfer_tasks(clips, data_dirs), *rendered_tasks(clips)]
    if not tasks:
        raise ValueError("there is nothing to ask about: give --data-dir with real sets, or --corpus, or both")
    return tasks


def training_facts(folder: Path) -> dict[str, Any]:
    """What training.json says; nothing where there is none."""
    path = folder / "training.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m linernotes.training.probes", description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, help="a backbone: config.json, model.safetensors, preprocessor_config.json"
    )
    parser.add_argument("--data-dir", type=Path, action="append", default=[], help="holds real-notes, mir1k-vocals ...")
    parser.add_argument("--corpus", type=Path, action="append", default=[], help="made by `linernotes corpus build`")
    parser.add_argument("--musicnn", type=Path, default=Path("models/genre-moe-tags"), help="its weights")
    parser.add_argument("--train-clips", type=int, default=1000, help="that are drawn from each corpus (%(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("runs/probes"), help="of vectors (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights and of what is drawn")
    parser.add_argument("--out", type=Path, help="FOLDER/metrics.json by default")
    options = parser.parse_args(arguments)
    try:
        tasks = all_tasks(options.data_dir, options.corpus, options.train_clips, options.seed)
        facts = training_facts(options.folder)
        name = facts.get("experiment", {}).get("name", options.folder.resolve().name)
        ears = [*backbones(options.folder, name, options.seed), log_mel_statistics(), musicnn(options.musicnn)]
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    results = probe(ears, tasks, options.cache, shown=True)
    metrics = {
        "model": name,
        **({"training": provenance(facts)} if facts else {}),
        "data": describe_sources(options.data_dir, options.corpus),
        "results": results,
    }
    (options.out or options.folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    show(results, name, Console(width=max(Console().width, TABLE_COLUMNS)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
