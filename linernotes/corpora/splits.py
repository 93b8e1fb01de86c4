"""Who is trained on and who is tested on: splits by group, so that no artist, song or soundfont is on both sides.

A group's split follows from a hash of its name: adding recordings never moves one that was there, and two machines
agree without exchanging a list. Each corpus has one rule, in `SPLIT_RULES`. Corpora that come with an official split
keep it; theirs is checked with `check_no_leak` all the same.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isclose

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

SPLIT_NAMES = ("train", "validation", "test")


class SplitLeakError(ValueError):
    """The same group stands in more than one split. `groups` maps each such group to its splits."""

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        first, splits = next(iter(groups.items()))
        more = f", and {len(groups) - 1} more" if len(groups) > 1 else ""
        super().__init__(
            f"group {first!r} is in {' and '.join(splits)}{more}: a group belongs to one split; "
            "move all its rows to one side, or leave them out"
        )
        self.groups = dict(groups)


@dataclass(frozen=True)
class SplitRule:
    """How a corpus's groups are dealt out: `shares` of them by split name, which sum to 1; `salt` shuffles the deal."""

    salt: str
    shares: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        if any(not 0.0 < share <= 1.0 for _, share in self.shares) or not isclose(sum(s for _, s in self.shares), 1.0):
            raise ValueError(f"shares={dict(self.shares)} must be more than 0 each and sum to 1")
        if unknown := [name for name, _ in self.shares if name not in SPLIT_NAMES]:
            raise ValueError(f"unknown split {unknown[0]!r}: choose from {', '.join(SPLIT_NAMES)}")

    def split_of(self, group: str) -> str:
        """The split of a group, from the first eight bytes of the SHA-256 of `salt` and the group's name."""
        if not group:
            raise ValueError("an empty group has no split: name the artist or song, or the recording itself")
        drawn = int.from_bytes(sha256(f"{self.salt}\n{group}".encode()).digest()[:8], "big") / 2**64
        bound = 0.0
        for name, share in self.shares:
            bound += share
            if drawn < bound:
                return name
        return self.shares[-1][0]  # where the shares sum to a hair under 1


SPLIT_RULES: dict[str, SplitRule] = {}


def register_split(corpus: str, shares: Mapping[str, float], salt: str | None = None) -> SplitRule:
    """Enter a corpus's rule once and for all; the same rule again is allowed, another one is not."""
    rule = SplitRule(corpus if salt is None else salt, tuple(shares.items()))
    if SPLIT_RULES.setdefault(corpus, rule) != rule:
        raise ValueError(
            f"corpus {corpus!r} is already split by {SPLIT_RULES[corpus]}, not {rule}: its split is decided once"
        )
    return rule


def split_of(corpus: str, group: str) -> str:
    """The split of a group under the corpus's registered rule."""
    if corpus not in SPLIT_RULES:
        known = ", ".join(SPLIT_RULES) or "none yet"
        raise ValueError(f"no split rule for corpus {corpus!r} (known: {known}): register_split() it first")
    return SPLIT_RULES[corpus].split_of(group)


def group_name(name: str | None, clip: str) -> str:
    """An artist's name as a group: spelling, case and '&' evened out; a clip by nobody known is a group of its own."""
    plain = unicodedata.normalize("NFKC", name or "").casefold().replace("&", " and ")
    words = re.findall(r"\w+", plain)
    return " ".join(words) if words and words[0] != "unknown" else f"unknown {clip}"


def check_no_leak(groups: Iterable[str], splits: Iterable[str]) -> None:
    """Raise SplitLeakError if any group stands in two splits (both sequences by row)."""
    found: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(groups, splits, strict=True):
        found[group].add(split)
    if leaks := {group: sorted(splits) for group, splits in sorted(found.items()) if len(splits) > 1}:
        raise SplitLeakError(leaks)


def grouped_folds(
    labels: Sequence[str], groups: Sequence[str], folds: int = 5, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each fold the row numbers to learn from and those held out: groups whole, labels spread as evenly as they go.

    Every row is held out once. Raises ValueError where there are fewer groups than folds, and where a label has one
    group only: held out, it would leave nothing to learn the label from.
    """
    labels, groups = list(labels), list(groups)
    if len(labels) != len(groups):
        raise ValueError(f"{len(labels)} labels and {len(groups)} groups: one of each a row")
    if not 2 <= folds <= len(set(groups)):
        raise ValueError(f"folds={folds} with {len(set(groups))} groups: choose from 2 to the number of groups")
    groups_of: dict[str, set[str]] = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        groups_of[label].add(group)
    if lonely := sorted(label for label, members in groups_of.items() if len(members) < 2):
        raise ValueError(f"label {lonely[0]!r} has one group only: held out, it leaves nothing to learn the label from")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(labels)), labels, groups))
