"""A joint report as one flat row of a table, the same columns whichever models were asked. Pure functions.

Labels of which several may hold stand in one cell, divided by "; "; what has no flat form (probabilities, sections)
is JSON in a cell. Text that is no Unicode, as names of files may be, has its bytes as backslash escapes.
"""

import json
from collections.abc import Mapping
from typing import Any

from linernotes.report.joint import QUESTIONS

SEVERAL = ("emotions", "moods", "instruments")
DIGITS = 5  # what batches of other sizes do to an answer lies behind them
TAGS = ("title", "artist", "album", "date", "genre", "bpm", "mood")


def _columns() -> dict[str, type]:
    found: dict[str, type] = {"path": str, "error_code": str, "error_message": str, "duration_seconds": float}
    for question in QUESTIONS:
        found[question] = str
        if question not in (*SEVERAL, "caption"):
            found[f"{question}_confidence"] = float
        if question != "caption":
            found[f"{question}_probabilities"] = str
        found |= {f"{question}_uncertain": bool, f"{question}_model": str}
    found |= {"genre_gate_weights": str, "meters": str, "polyrhythm": bool, "sections": str, "warnings": str}
    return found | {f"tag_{name}": str for name in TAGS}


COLUMNS = _columns()  # name -> str, float or bool; any cell may be None


def row_of(path: str, report: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """One row, its keys `COLUMNS`.

    Args:
        path: as the row names it.
        report: of `listen`, or its error.
        tags: what the file says of itself, by name.
    """
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"path": path, **{f"tag_{name}": tags[name] for name in TAGS if name in tags}}
    if "error" in report:
        error = report["error"]  # whose message begins with where the file lies, which is not the same everywhere
        row |= {"error_code": error["code"], "error_message": error["message"].removeprefix(f"{error['path']!r}: ")}
    else:
        row |= {"duration_seconds": report["duration_seconds"], "sections": _json(report["sections"])}
        row["warnings"] = "; ".join(warning["text"] for warning in report["warnings"]) or None
        for question in QUESTIONS:
            row |= _cells(question, report[question]) if report[question] else {}
    return {name: _clean(value) for name, value in row.items()}


def _cells(question: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    cells = {f"{question}_uncertain": answer["uncertain"], f"{question}_model": answer["model"]}
    if question == "caption":
        return cells | {question: answer["text"]}
    cells[f"{question}_probabilities"] = _json(answer["probabilities"])
    if question in SEVERAL:
        return cells | {question: "; ".join(answer["labels"])}
    cells |= {question: answer["label"], f"{question}_confidence": round(answer["confidence"], DIGITS)}
    if question == "meter":
        cells |= {"meters": "; ".join(answer["labels"]), "polyrhythm": answer["polyrhythm"]}
    if "gate_weights" in answer:
        cells[f"{question}_gate_weights"] = _json(answer["gate_weights"])
    return cells


def _json(value: Any) -> str:
    return json.dumps(_rounded(value), ensure_ascii=False)


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def _clean(value: Any) -> Any:
    """Unicode that any form can hold: no zero bytes, no halves of characters."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
