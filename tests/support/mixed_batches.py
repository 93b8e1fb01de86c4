"""A batch in which some recordings are bad, and whether each got what it should, in its place."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hostile_audio import ANSWER, KINDS, SILENCE, sound, written

RATE = 22_050
REFUSED = [kind for kind in KINDS.values() if not kind.right & {ANSWER, SILENCE}]


class Member(NamedTuple):
    """A recording with its length, or, where it is bad, with the codes that may tell why."""

    path: Path
    seconds: float | None
    codes: frozenset[str] = frozenset()


def make_batch(folder: Path, count: int, bad: int) -> list[Member]:
    """Recordings of which no two are equally long, and hostile ones of all kinds in places that are drawn."""
    places = set(np.random.default_rng(0).permutation(count)[:bad].tolist())
    members = []
    for number in range(count):
        rng, path = np.random.default_rng((1, number)), folder / f"{number:04d}.wav"
        if number in places:
            kind = REFUSED[number % len(REFUSED)]
            content = kind.make(rng)
            path.mkdir() if content is None else path.write_bytes(content)
            members.append(Member(path, None, frozenset(kind.right)))
        else:
            seconds = 1.1 + 0.002 * number
            path.write_bytes(written(sound(rng, RATE, seconds), RATE))
            members.append(Member(path, seconds))
    return members


def misplaced(members: list[Member], answers: list[dict[str, Any]]) -> list[str]:
    """Names of recordings that did not get their own answer or record in their place."""
    return [member.path.name for member, answer in zip(members, answers, strict=True) if not _right(member, answer)]


def as_answers(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Rows of a table of the folder, as `predict` would have said them."""
    return [
        {"error": {"path": str(folder / row["path"]), "code": row["error_code"]}} if row["error_code"] else row
        for row in rows
    ]


def _right(member: Member, answer: dict[str, Any]) -> bool:
    error = answer.get("error")
    if member.seconds is None:
        return error is not None and error["path"] == str(member.path) and error["code"] in member.codes
    return error is None and abs(answer["duration_seconds"] - member.seconds) < 0.001
