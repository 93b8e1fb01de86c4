"""Whether two answers of `predict` are the same: by how much numbers differ, and which texts do."""

from typing import Any


def differences(one: Any, other: Any, place: str = "") -> tuple[float, list[str]]:
    """The largest difference of a number, and the places where anything else differs, each with both values."""
    if isinstance(one, bool) or not isinstance(one, (int, float, dict, list)) or type(one) is not type(other):
        return 0.0, [] if one == other else [f"{place}: {one!r}, {other!r}"]
    if isinstance(one, (int, float)):
        return abs(one - other), []
    if isinstance(one, list):
        one, other = dict(enumerate(one)), dict(enumerate(other))
    if one.keys() != other.keys():
        return 0.0, [f"{place}: {list(one)}, {list(other)}"]
    found = [differences(one[key], other[key], f"{place}/{key}") for key in one]
    return max((largest for largest, _ in found), default=0.0), [text for _, texts in found for text in texts]


def alike(one: Any, other: Any, most: float = 2e-6) -> bool:
    """Whether nothing differs but the last digits of numbers, which depend on where in memory an array lies."""
    largest, texts = differences(one, other)
    return largest <= most and not texts


def labels_of(answer: dict[str, Any]) -> dict[str, str]:
    """What an answer says in one word, by question: `predicted_genre`, or `vibe` with its label."""
    nested = {name: value["label"] for name, value in answer.items() if isinstance(value, dict) and "label" in value}
    return {
        name: value for name, value in answer.items() if name.startswith("predicted_") and isinstance(value, str)
    } | nested
