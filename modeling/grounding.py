"""Captions that agree with what the heads hear: which statements contradict them, and which caption to take.

Only confident heads have a say: of an exclusive head (key, vocals) the class whose probability is high enough, of the
others the classes that are surely there and those that surely are not. What no head hears cannot be contradicted.
"""

from dataclasses import dataclass, field
from typing import Any

from .caption_facts import Statement, sentences, statements
from .music_words import meant_by


@dataclass
class Known:
    """What is sure about a recording.

    key, vocals: the class that holds, None where that is not sure. instruments, genres: each class with its
    probability. above, below: from where on a class is surely there, up to where surely not.
    """

    key: str | None = None
    vocals: str | None = None
    instruments: dict[str, float] = field(default_factory=dict)
    genres: dict[str, float] = field(default_factory=dict)
    above: float = 0.8
    below: float = 0.05


def known(answer: dict[str, Any], above: float, below: float) -> Known:
    """What is sure in an answer of SonicVerse; what has no head in this model is not in the answer."""
    sure = Known(above=above, below=below)
    for name in ("key", "vocals"):
        if name in answer and answer[name]["confidence"] >= above:
            setattr(sure, name, answer[name]["label"])
    for name in ("instruments", "genres"):
        if name in answer:
            setattr(sure, name, answer[name]["probabilities"])
    return sure


def contradicts(statement: Statement, sure: Known) -> bool:
    """Whether a statement is false of what is sure."""
    if statement.kind == "key":
        return sure.key is not None and statement.value != sure.key
    if statement.kind == "vocals":
        claims_any = statement.value == "voice" and sure.vocals in ("female", "male")
        return sure.vocals is not None and statement.value != sure.vocals and not claims_any
    if statement.kind not in ("instrument", "style"):
        return False
    heard = sure.instruments if statement.kind == "instrument" else sure.genres
    shares = [heard[each] for each in meant_by(statement.value, list(heard))]
    if statement.denied:
        return any(share >= sure.above for share in shares)
    return bool(shares) and all(share <= sure.below for share in shares)


def confirms(statement: Statement, sure: Known) -> bool:
    """Whether a statement is true of what is sure."""
    if statement.kind in ("key", "vocals"):
        return statement.value == getattr(sure, statement.kind)
    heard = {"instrument": sure.instruments, "style": sure.genres}.get(statement.kind, {})
    shares = [heard[each] for each in meant_by(statement.value, list(heard))]
    return not statement.denied and any(share >= sure.above for share in shares)


def contradictions(caption: str, sure: Known) -> list[Statement]:
    """The statements of a caption that are false of what is sure."""
    return [statement for statement in statements(caption) if contradicts(statement, sure)]


def best(captions: list[str], sure: Known) -> str:
    """The caption with the fewest contradictions, of these that with the most confirmed facts, of these the first."""

    def order(caption: str) -> tuple[int, int]:
        confirmed = {(each.kind, each.value) for each in statements(caption) if confirms(each, sure)}
        return len(contradictions(caption, sure)), -len(confirmed)

    return min(captions, key=order)


def agreeing(caption: str, sure: Known) -> tuple[str, list[str]]:
    """A caption without the sentences that contradict what is sure, and those sentences."""
    kept, withheld = [], []
    for sentence in sentences(caption):
        (withheld if contradictions(sentence, sure) else kept).append(sentence)
    return " ".join(kept), withheld
