"""The tables of docs/reliability.md are those that benchmarks/reliability.py measured, and reach their aims."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mutated_audio import failures
from small_experiments import SMALL

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
CLOSE = 1e-5


def measured(what: str) -> dict[str, Any]:
    return json.loads((ROOT / "benchmarks" / "results" / f"reliability_{what}.json").read_text())


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def hostile() -> Iterator[str]:
    for name, figures in measured("hostile")["models"].items():
        answered = figures["outcomes"]["answer"]
        counts = [figures[key] for key in ("crashes", "not_finite", "confident_on_nothing")]
        refused = figures["files"] - answered - figures["crashes"]
        yield row(name, figures["files"], answered, refused, *counts, ", ".join(figures["exception_classes"]))


def mutated() -> Iterator[str]:
    for name, figures in measured("mutated")["formats"].items():
        outcomes = figures["outcomes"]
        answered, bad = outcomes.get("answer", 0), list(failures(outcomes))
        counts = [
            sum(outcomes[each] for each in bad if each.startswith(kind)) for kind in ("hang", "death", "crash", "not")
        ]
        yield row(name, f"{figures['files']:,}", answered, figures["files"] - answered - sum(counts), *counts)


def determinism() -> Iterator[str]:
    for name, ways in measured("determinism")["models"].items():
        yield row(name, *(f"{way['largest_difference']:.0e}".replace("0e+00", "0") for way in ways.values()))


def shift() -> Iterator[str]:
    for name, ways in measured("shift")["models"].items():
        every = [moved["same_label"] for way in ways.values() for moved in way.values()]
        for question in every[0]:
            shares = [stayed[question] for stayed in every]
            yield row(name, question.removeprefix("predicted_"), *(f"{share:.2f}" for share in shares))


def long() -> Iterator[str]:
    for name, cost in measured("long")["models"].items():
        peaks = [f"{part['peak_bytes_above_loaded'] / 2**20:.0f}" for part in cost["recordings"]]
        yield row(name, *peaks, f"{cost['recordings'][1]['seconds']:.0f}", f"{cost['times_the_tenth']:.1f}")


def batch() -> Iterator[str]:
    found = measured("batch")
    for name, told in [*found["models"].items(), ("genre-moe, as a folder", found["table"])]:
        yield row(name, told["answers"], told["records"], len(told["misplaced"]))


def killed() -> Iterator[str]:
    for name, run in measured("killed")["recipes"].items():
        kills = run["kills"]
        begun = sum(kill["begun_checkpoints"] > 0 for kill in kills)
        yield row(name, len(kills), sum(kill["checkpoints"] > 0 for kill in kills), begun, sum(map(differs, kills)))


def differs(kill: dict[str, Any]) -> bool:
    return bool(kill["differs"])


TABLES = [hostile, mutated, determinism, shift, long, batch, killed]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_the_document_says_what_was_measured(table):
    assert [line for line in table() if line not in DOCUMENT] == []


def test_the_hostile_corpus_was_survived():
    found = measured("hostile")
    assert (found["kinds"], found["seeds"]) == (29, 20)
    for figures in found["models"].values():
        assert figures["files"] == 580
        assert figures["exception_classes"] == ["AudioError"]
        assert not any(figures[key] for key in ("crashes", "not_finite", "confident_on_nothing", "unexpected"))


def test_ten_thousand_damaged_files_were_survived_by_one_process():
    found = measured("mutated")
    assert sum(figures["files"] for figures in found["formats"].values()) >= 10_000
    assert found["child_starts"] == 1
    assert not any(figures["failed"] for figures in found["formats"].values())


def test_answers_do_not_depend_on_how_they_are_computed():
    for ways in measured("determinism")["models"].values():
        assert ways["again"]["largest_difference"] == 0
        assert all(way["largest_difference"] <= CLOSE and way["other_texts"] == 0 for way in ways.values())


def test_ten_hours_are_heard_in_bounded_memory_and_in_proportion():
    found = measured("long")
    assert found["hours"] == [1.0, 10.0]
    for cost in found["models"].values():
        assert [part["heard_seconds"] for part in cost["recordings"]] == [3_600, 36_000]
        assert max(part["peak_bytes_above_loaded"] for part in cost["recordings"]) < 2**30
        assert 5 < cost["times_the_tenth"] < 15  # quadratic would be a hundred


def test_a_thousand_recordings_a_tenth_of_them_bad_keep_their_places():
    found = measured("batch")
    assert (found["recordings"], found["bad"]) == (1_000, 100)
    for told in found["models"].values():
        assert (told["answers"], told["records"]) == (900, 100)
    assert found["table"]["answers"] == 900
    assert not any(told["misplaced"] for told in [*found["models"].values(), found["table"]])


def test_every_training_killed_at_twenty_points_came_to_the_same_result():
    found = measured("killed")
    assert sorted(found["recipes"]) == sorted(SMALL)
    for run in found["recipes"].values():
        assert len(run["kills"]) >= 20
        assert not any(map(differs, run["kills"]))


def test_of_every_family_something_was_measured():
    families = {path.stem.removeprefix("modeling_") for path in ROOT.glob("modeling/modeling_*.py")}
    of_folders = {
        path.parent.name: json.loads(path.read_text())["model_type"] for path in ROOT.glob("models/*/config.json")
    }
    for what in ("hostile", "determinism", "long", "batch"):
        names = [name.removesuffix(", untrained") for name in measured(what)["models"]]
        assert {of_folders.get(name, name) for name in names} == families
