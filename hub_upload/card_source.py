"""What a folder says of itself: its JSON files, and card.md, a YAML front matter and prose in sections.

What is not known is refused, because it would be missing on the page without anybody noticing.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from linernotes.hub_upload.errors import PublishError
from linernotes.hub_upload.strict_json import read_json

METADATA = ("license", "license_name", "license_link", "language", "library_name", "pipeline_tag", "base_model")
FRONT_MATTER = {
    **dict.fromkeys((*METADATA, "config", "measured_by"), str),
    **dict.fromkeys(("language", "base_model"), (str, list)),
    **dict.fromkeys(("tags", "datasets"), list),
    **dict.fromkeys(("evaluations", "pictures", "facts"), dict),
}
OF_A_HEAD = {"title": str, "about": str, "unit": str, "groups": str, "dataset": dict}
OF_AN_EVALUATION = {**OF_A_HEAD, "heads": dict}
OF_A_DATASET = {"name": str, "type": str}
OF_A_FACT = {"value": (int, float), "because": str}
SECTIONS = (
    "Use",
    "What it answers",
    "Measured",
    "Intended use",
    "Limits",
    "Training data",
    "How it was trained",
    "How to reproduce it",
    "Citation",
    "Licence",
)


@dataclass(frozen=True)
class Source:
    """card.md: its front matter, the text before the first section, and the sections by their headings."""

    front: dict[str, Any] = field(default_factory=dict)
    intro: str = ""
    sections: dict[str, str] = field(default_factory=dict)


def read_object(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None where there is no such file."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
    except ValueError as error:
        raise PublishError(f"{path} {error}") from None
    if not isinstance(content, dict):
        raise PublishError(f"{path} holds no JSON object")
    return content


def read_source(path: Path) -> Source:
    """Reads card.md; a folder without one says nothing. Raises PublishError for what would be lost on the page."""
    if not path.is_file():
        return Source()
    match = re.fullmatch(r"---\n(.*?)^---\n(.*)", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if match is None:
        raise PublishError(f"{path} has no front matter; begin it with a line '---', YAML, and another line '---'")
    try:
        front = yaml.safe_load(match[1]) or {}
    except yaml.YAMLError as error:
        raise PublishError(f"the front matter of {path} is not YAML: {error}") from None
    check(front, FRONT_MATTER, f"the front matter of {path}")
    for name, said in front.get("evaluations", {}).items():
        check(said, OF_AN_EVALUATION, f"evaluations: {name} in {path}")
        heads = {f"{name}: heads: {head}": told for head, told in said.get("heads", {}).items()}
        for place, told in heads.items():
            check(told, OF_A_HEAD, f"evaluations: {place} in {path}")
        for place, told in ({name: said} | heads).items():
            if "dataset" in told:
                check(told["dataset"], OF_A_DATASET, f"evaluations: {place}: dataset in {path}", whole=True)
    for name, fact in front.get("facts", {}).items():
        check(fact, OF_A_FACT, f"facts: {name} in {path}", whole=True)
    intro, *parts = re.split(r"^## (.+)\n", match[2], flags=re.MULTILINE)
    sections = {heading.strip(): text.strip() for heading, text in zip(parts[::2], parts[1::2], strict=True)}
    check(sections, dict.fromkeys(SECTIONS, str), f"the sections of {path}")
    return Source(front, intro.strip(), sections)


def check(given: Any, allowed: dict[str, Any], where: str, whole: bool = False) -> None:
    """Raises PublishError unless `given` maps known keys to values of their types; with `whole`, to all of them."""
    if not isinstance(given, dict):
        raise PublishError(f"{where}: got {given!r}; it must map {', '.join(allowed)}")
    if unknown := [key for key in given if key not in allowed]:
        raise PublishError(f"{where}: unknown {unknown[0]!r}; allowed are {', '.join(allowed)}")
    if missing := [key for key in allowed if whole and key not in given]:
        raise PublishError(f"{where}: {missing[0]!r} is missing; needed are {', '.join(allowed)}")
    for key, value in given.items():
        if not isinstance(value, allowed[key]) or isinstance(value, bool):
            kinds = allowed[key] if isinstance(allowed[key], tuple) else (allowed[key],)
            raise PublishError(
                f"{where}: {key} is {value!r}; it must be a {' or '.join(kind.__name__ for kind in kinds)}"
            )
