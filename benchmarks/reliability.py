"""What models make of recordings not to be trusted, very long, very many, heard twice or after some silence; and
what training makes of being killed.

    python benchmarks/reliability.py hostile [--seeds 20]
    python benchmarks/reliability.py mutated [--files 10000]
    python benchmarks/reliability.py determinism --data-dir DATA
    python benchmarks/reliability.py shift --data-dir DATA
    python benchmarks/reliability.py long [--hours 10] [--models genre-moe ...]
    python benchmarks/reliability.py batch [--recordings 1000]
    python benchmarks/reliability.py killed [--points 20] [--recipes genre_moe ...]

Asked are the published models.
DATA is a folder that holds `gtzan-audio-mini`, or that folder; only its training clips are heard.
Writes benchmarks/results/reliability_<what>.json, which docs/reliability.md is held to.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel
from transformers.utils import logging

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from hostile_audio import KINDS, counted, judged, make_corpus  # noqa: E402
from killing import killed_at_random  # noqa: E402
from long_audio import cost_of_hearing, write_long  # noqa: E402
from mixed_batches import Member, as_answers, make_batch, misplaced  # noqa: E402
from mutated_audio import FORMATS, MEMORY_BYTES, SECONDS, Child, failures, mutated  # noqa: E402
from sameness import differences, labels_of  # noqa: E402
from small_experiments import SMALL  # noqa: E402

import linernotes  # noqa: E402
from linernotes.bulk import listen_to_folder  # noqa: E402
from linernotes.corpora.gtzan import load_audio_clips  # noqa: E402
from linernotes.modeling.audio import read_audio  # noqa: E402

NAMES = [facts["name"] for facts in linernotes.bundled_models()]
RATE = 24_000
SHIFTS_SECONDS, LEVELS_DB = (0.5, 1.0, 2.0), (-20.0, -6.0, 6.0)
PREDICTING = "from mutated_audio import predicting; listener = predicting()"


def published(wanted: list[str] | None) -> Iterator[tuple[str, Any]]:
    """Name and model of every folder with weights and an answer, or of those that are wanted."""
    for name in NAMES:
        if wanted is None or name in wanted:
            yield name, AutoModel.from_pretrained(ROOT / "models" / name, trust_remote_code=True).eval()


def hostile(options: argparse.Namespace) -> dict[str, Any]:
    """The corpus through `predict` of every family."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        corpus = list(make_corpus(Path(folder), range(options.seeds)))
        for name, model in published(options.models):
            judgements = [(kind, judged(model, kind, path)) for kind, path in corpus]
            wrong = Counter(kind for kind, each in judgements if each.unexpected or each.crashed or each.confident)
            found[name] = {**counted(each for _, each in judgements), "wrong_kinds": dict(wrong)}
            print(name, found[name])
    return {"kinds": len(KINDS), "seeds": options.seeds, "models": found}


def damaged(options: argparse.Namespace) -> dict[str, Any]:
    """Damaged files through decoding and the smallest published model, in a child process."""
    found, each, child = {}, options.files // len(FORMATS), Child(PREDICTING)
    for name in FORMATS:
        outcomes, failed, started = Counter(), [], time.perf_counter()
        for seed in range(each):
            outcome = child.hear(mutated(name, seed))
            outcomes[outcome] += 1
            failed += [{"seed": seed, "outcome": outcome}] if list(failures(Counter([outcome]))) else []
        seconds = round(time.perf_counter() - started, 1)
        found[name] = {"files": each, "seconds": seconds, "outcomes": dict(sorted(outcomes.items())), "failed": failed}
        print(name, found[name])
    child.stop()
    limits = {"seconds": SECONDS, "memory_bytes": MEMORY_BYTES}
    return {"model": "genre-moe", "limits": limits, "child_starts": child.starts, "formats": found}


def determinism(options: argparse.Namespace) -> dict[str, Any]:
    """The same recordings again, one window at a time, and on two threads."""
    found, songs = {}, [{"array": clip, "sampling_rate": RATE} for _, clip in recordings(options, most=8)]
    for name, model in published(options.models):
        torch.set_num_threads(1)
        first = model.predict(songs, timeline=True, batch_size=8)
        others = {
            "again": model.predict(songs, timeline=True, batch_size=8),
            "batches_of_one": model.predict(songs, timeline=True, batch_size=1),
            "alone": [model.predict(song, timeline=True) for song in songs],
        }
        torch.set_num_threads(2)
        others["two_threads"] = model.predict(songs, timeline=True, batch_size=8)
        found[name] = {way: _compared(first, answers) for way, answers in others.items()}
        print(name, found[name])
    return {"recordings": len(songs), "models": found}


def _compared(answers: list[dict], others: list[dict]) -> dict[str, Any]:
    pairs = [differences(one, other) for one, other in zip(answers, others, strict=True)]
    return {"largest_difference": max(each for each, _ in pairs), "other_texts": sum(len(texts) for _, texts in pairs)}


def shift(options: argparse.Namespace) -> dict[str, Any]:
    """The same recordings with silence before them, without their beginning, and played more quietly or louder."""
    found, clips = {}, [clip for _, clip in recordings(options)]
    torch.set_num_threads(1)
    for name, model in published(options.models):
        before = [_asked(model, clip) for clip in clips]
        ways = found[name] = {"silence": {}, "trimmed": {}, "level_db": {}}
        for seconds in SHIFTS_SECONDS:
            silence = np.zeros(round(seconds * RATE), np.float32)
            later = [_asked(model, np.concatenate((silence, clip))) for clip in clips]
            cut = [_asked(model, clip[len(silence) :]) for clip in clips]
            ways["silence"][f"{seconds:g}"] = _moved(before, later)
            ways["trimmed"][f"{seconds:g}"] = _moved(before, cut)
        for level_db in LEVELS_DB:
            scaled = [_asked(model, clip * 10 ** (level_db / 20)) for clip in clips]
            ways["level_db"][f"{level_db:g}"] = _moved(before, scaled)
        print(name, ways)
    return {"data": "gtzan-audio-mini, training clips", "recordings": len(clips), "models": found}


def _asked(model: Any, clip: np.ndarray) -> dict[str, Any]:
    return model.predict(clip, sampling_rate=RATE)


def _moved(answers: list[dict], others: list[dict]) -> dict[str, Any]:
    """By question, of how many recordings the label stayed; and by how much probabilities moved."""
    pairs = list(zip(answers, others, strict=True))
    stayed = {
        question: float(np.mean([labels_of(one)[question] == labels_of(other)[question] for one, other in pairs]))
        for question in labels_of(answers[0])
    }
    moved = [np.abs(np.subtract(shares_of(one), shares_of(other))).mean() for one, other in pairs]
    return {"same_label": stayed, "mean_change_of_a_probability": float(np.mean(moved))}


def shares_of(answer: dict[str, Any]) -> list[float]:
    """Every probability of an answer."""
    found = []
    for name, value in answer.items():
        if name in ("probabilities", "emotions"):
            found += value.values()
        elif isinstance(value, dict) and "probabilities" in value:
            found += value["probabilities"].values()
    return found


def recordings(options: argparse.Namespace, most: int | None = None) -> list[tuple[str, np.ndarray]]:
    """Training clips by name, mono at RATE; of `most` as many labels as there are."""
    folder = options.data_dir / "gtzan-audio-mini"
    rows = load_audio_clips(folder if folder.is_dir() else options.data_dir)
    rows = sorted((row for row in rows if row["split"] == "train"), key=lambda row: row["clip"][::-1])
    return [(row["clip"], read_audio(row["audio"]["path"], RATE)) for row in rows[:most]]


def long(options: argparse.Namespace) -> dict[str, Any]:
    """A recording of hours and one of a tenth, through every model in a process of its own."""
    found, hours = {}, (options.hours / 10, options.hours)
    with tempfile.TemporaryDirectory() as folder:
        recordings = [write_long(Path(folder) / f"{each:g}.flac", 3_600 * each) for each in hours]
        for model in options.models or NAMES:
            cost = found[model] = cost_of_hearing(model, *recordings)
            part, whole = cost["recordings"]
            cost["times_the_tenth"] = round(whole["seconds"] / part["seconds"], 2)
            print(model, cost)
    return {"hours": hours, "threads": 1, "models": found}


def batch(options: argparse.Namespace) -> dict[str, Any]:
    """Many recordings, a tenth of them bad, in one call of `predict`, and as a folder that becomes a table."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder, table = Path(place) / "recordings", Path(place) / "notes.jsonl"
        folder.mkdir()
        members = make_batch(folder, options.recordings, options.recordings // 10)
        for name, model in published(options.models):
            started = time.perf_counter()
            answers = model.predict([member.path for member in members], errors="record")
            found[name] = _tallied(members, answers, time.perf_counter() - started)
            print(name, found[name])
        started, files = time.perf_counter(), [member for member in members if member.path.is_file()]
        listen_to_folder(folder, table, models=["genre-moe"])
        answers = as_answers([json.loads(line) for line in table.read_text().splitlines()], folder)
        tabled = {"model": "genre-moe", **_tallied(files, answers, time.perf_counter() - started)}
        print("table", tabled)
    return {"recordings": options.recordings, "bad": options.recordings // 10, "models": found, "table": tabled}


def _tallied(members: list[Member], answers: list[dict], seconds: float) -> dict[str, Any]:
    errors = sum("error" in answer for answer in answers)
    wrong = misplaced(members, answers)
    return {"answers": len(answers) - errors, "records": errors, "misplaced": wrong, "seconds": round(seconds, 1)}


def killed(options: argparse.Namespace) -> dict[str, Any]:
    """Small experiments of all recipes, killed at random times and resumed: is the result that of an unbroken run?"""
    torch.set_num_threads(1)  # and so no threads, which a fork would lose
    found = {}
    for number, name in enumerate(SMALL):
        if name in (options.recipes or SMALL):
            with tempfile.TemporaryDirectory() as folder:
                found[name] = killed_at_random(SMALL[name], Path(folder), options.points, seed=number)
            differing = sum(bool(kill["differs"]) for kill in found[name]["kills"])
            print(f"{name}: of {options.points} results {differing} differ; a run took {found[name]['seconds']} s")
    return {"points": options.points, "recipes": found}


WHAT = {
    "hostile": hostile,
    "mutated": damaged,
    "determinism": determinism,
    "shift": shift,
    "long": long,
    "batch": batch,
    "killed": killed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument(
        "--models",
        nargs="+",
        choices=NAMES,
        help="all by default; figures of the others stay in the result",
    )
    parser.add_argument("--recordings", type=int, default=1_000)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--recipes", nargs="+", choices=SMALL, help="all by default")
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    if options.what in ("determinism", "shift") and options.data_dir is None:
        parser.error(f"{options.what} hears recordings: give --data-dir")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    machine = {"python": platform.python_version(), "machine": platform.machine(), "torch": torch.__version__}
    figures = {"machine": machine, **WHAT[options.what](options)}
    out = ROOT / "benchmarks" / "results" / f"reliability_{options.what}.json"
    if options.models and out.is_file():
        whole = json.loads(out.read_text())["models"] | figures["models"]
        figures["models"] = dict(sorted(whole.items()))
    out.write_text(json.dumps(figures, indent=1) + "\n")
    print(out)


if __name__ == "__main__":
    main()
