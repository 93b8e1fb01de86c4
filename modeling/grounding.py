"""Captions that agree with what the heads hear: which statements contradict them, and which caption to take.

Only confident heads have a say: what one surely hears may not be denied, what it surely does not hear may not be
claimed. Of an exclusive head (key, vocals) a class also rules out others. What no head hears cannot be contradicted.
"""

from dataclasses import dataclass, field
from typing import Any

from .caption_facts import Statement, sentences, statements
from .music_words import meant_by

HEARD_BY = {"key": "key", "vocals": "vocals", "instrument": "instruments", "style": "genres"}  # kinds of statements
EXCLUSIVE = ("key", "vocals")


@dataclass
class Known:
    """What heads say of a recording.

    heard: by kind of statement each class with its probability. above, below: from where on a class is surely there, up
    to where surely not.
    """

    heard: dict[str, dict[str, float]] = field(default_factory=dict)
    above: float = 0.8
    below: float = 0.05


def known(answer: dict[str, Any], above: float, below: float) -> Known:
    """What an answer of SonicVerse says; what has no head in this model is not in the answer."""
    heard = {kind: answer[name]["probabilities"] for kind, name in HEARD_BY.items() if name in answer}
    return Known(heard, above, below)


def claimed(statement: Statement, classes: list[str]) -> list[str]:
    """Classes of a head, by any of which a statement would be true; "a voice" is a woman's or a man's."""
    if statement.kind in EXCLUSIVE:
        meant = ("female", "male") if statement.value == "voice" else (statement.value,)
        return [name for name in classes if name in meant]
    return meant_by(statement.value, classes)


def contradicts(statement: Statement, sure: Known) -> bool:
    """Whether a statement is false of what is sure."""
    heard = sure.heard.get(statement.kind, {})
    meant = claimed(statement, list(heard))
    if statement.value == "instrumental" and sure.heard.get("instrument", {}).get("voice", 0.0) >= sure.above:
        return True  # whatever the head of vocals says
    if statement.kind in EXCLUSIVE:
        ruled_out = any(share >= sure.above for name, share in heard.items() if name not in meant)
        return ruled_out or (bool(meant) and sum(heard[name] for name in meant) <= sure.below)
    if statement.denied:
        return any(heard[name] >= sure.above for name in meant)
    return bool(meant) and all(heard[name] <= sure.below for name in meant)


def confirms(statement: Statement, sure: Known) -> bool:
    """Whether a statement is true of what is sure."""
    heard = sure.heard.get(statement.kind, {})
    return not statement.denied and any(heard[name] >= sure.above for name in claimed(statement, list(heard)))


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
