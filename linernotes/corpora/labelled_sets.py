"""Labelled recordings of several sets as rows with one label each: which parts of a set, which label, which split.

A set is a folder with `manifest.jsonl` (made by `linernotes corpus build`, `excerpts` or `read`) or with `metadata.csv`
(file_name, label, split, group, seconds). Rows have audio, start_seconds, end_seconds, channel (None: all of them
mixed), label, group, split, licence, clip, source, evaluation (under which name a test row is reported).
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pretty_midi
from datasets import Dataset, Features, Value

from linernotes.corpora.manifest import MANIFEST, dataset_of, read_manifest
from linernotes.corpora.splits import SPLIT_NAMES, SplitRule, check_no_leak

TABLE = "metadata.csv"
CHANNELS = ("left", "right")
# NSynth's families (https://magenta.tensorflow.org/datasets/nsynth) by the General MIDI programs that belong to them.
# Harp, timpani, ensembles of strings, ethnic instruments, pads and effects belong to none.
FAMILY_PROGRAMS = {
    "bass": range(32, 40), "brass": range(56, 64), "flute": range(72, 80), "guitar": range(24, 32),
    "keyboard": range(8), "mallet": range(8, 16), "organ": range(16, 24), "reed": range(64, 72),
    "string": range(40, 46), "synth_lead": range(80, 88), "vocal": range(52, 55),
}  # fmt: skip
ROW = Features(
    {
        "audio": {"path": Value("string"), "bytes": Value("binary")},
        "start_seconds": Value("float64"),
        "end_seconds": Value("float64"),
        "channel": Value("int64"),
        **dict.fromkeys(("label", "group", "split", "licence", "clip", "source", "evaluation"), Value("string")),
    }
)


@dataclass(frozen=True)
class SetOptions:
    """What of a set is used, and how it is named.

    Args:
        name: of the folder, in the data folders.
        label: for all of its rows; None takes each row's own.
        column: of a table, where a row's own label stands; "label" by default.
        families: labels are the instrument family of whoever plays alone, of NSynth's; other rows are left out.
        splits: the set's splits that are used, and what they become, such as {train: train, validation: test}.
        validation_share: of the training groups, by hash, that become validation.
        channel: "left" or "right" of a stereo recording; None mixes them.
        at_most: rows of each split, spread evenly over it; None for all.
        licence: of a table, which states none of its own for each row.
        evaluation: under which name test rows are reported.
    """

    name: str
    label: str | None = None
    column: str = "label"
    families: bool = False
    splits: Mapping[str, str] | None = None
    validation_share: float = 0.0
    channel: str | None = None
    at_most: int | None = None
    licence: str = "none stated"
    evaluation: str = "test"

    def __post_init__(self):
        mapped = set(self.splits or {}) | set((self.splits or {}).values())
        if unknown := sorted(mapped - set(SPLIT_NAMES)):
            raise ValueError(f"set {self.name}: split {unknown[0]!r}; allowed are {', '.join(SPLIT_NAMES)}")
        if self.channel not in (None, *CHANNELS):
            raise ValueError(f"set {self.name}: channel is {self.channel!r}; allowed are left, right and null")
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"set {self.name}: validation_share is {self.validation_share}; it is a share of 1")


class LabelledRows(NamedTuple):
    """Rows as dicts, and how many gave none, by reason."""

    rows: list[dict[str, Any]]
    left_out: Counter


def parse_sets(given: Iterable[Mapping[str, Any]]) -> list[SetOptions]:
    """SetOptions of a config's list. Raises ValueError for what is none."""
    known = {f.name for f in fields(SetOptions)}
    for entry in given:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise ValueError(f"{entry!r} is no set; give a mapping with its name")
        if unknown := sorted(set(entry) - known):
            raise ValueError(f"set {entry['name']} has no key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    return [SetOptions(**entry) for entry in given]


def labelled_rows(folder: Path, options: SetOptions, labels: Sequence[str]) -> LabelledRows:
    """Rows of a set whose label is one of `labels`.

    Raises FileNotFoundError for a folder with neither a manifest nor a table, SplitLeakError for a group in two splits.
    """
    read = _manifest_rows if (folder / MANIFEST).is_file() else _table_rows
    rows, left_out = [], Counter()
    for row in read(folder, options):
        split = (options.splits or dict.fromkeys(SPLIT_NAMES)).get(row["split"], "")
        if split == "":
            left_out[f"{row['split']}: not used"] += 1
        elif row["label"] not in labels:
            left_out[f"{row['split']}: {row['label'] or 'no label'} is no class"] += 1
        else:
            rows.append({**row, "split": split or row["split"]})
    _split_validation(rows, options)
    check_no_leak((row["group"] for row in rows), (row["split"] for row in rows))
    return LabelledRows(spread(rows, options.at_most), left_out)


def as_dataset(rows: Sequence[dict[str, Any]]) -> Dataset | None:
    return dataset_of(rows, ROW)


def _manifest_rows(folder: Path, options: SetOptions) -> Iterator[dict[str, Any]]:
    for row in read_manifest(folder / MANIFEST):
        label = options.label or (family_of(row) if options.families else next(iter(row["labels"]), ""))
        path = Path(row["audio"]["path"])
        clip = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
        kept = {name: row[name] for name in ("audio", "start_seconds", "end_seconds", "group", "split", "licence")}
        yield kept | _about(options, clip, label)


def _table_rows(folder: Path, options: SetOptions) -> Iterator[dict[str, Any]]:
    if not (folder / TABLE).is_file():
        raise FileNotFoundError(f"{folder} has neither {MANIFEST} nor {TABLE}: it is no set of labelled recordings")
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            where = {"audio": {"path": str(folder / row["file_name"]), "bytes": None}}
            where |= {"start_seconds": 0.0, "end_seconds": None}
            where |= {"group": row["group"], "split": row["split"], "licence": row.get("licence") or options.licence}
            yield where | _about(options, row["file_name"], options.label or row[options.column])


def _about(options: SetOptions, clip: str, label: str) -> dict[str, Any]:
    part = f" ({options.channel})" if options.channel else ""
    return {
        "channel": CHANNELS.index(options.channel) if options.channel else None,
        "label": label,
        "clip": f"{options.name}/{clip}{part}",
        "source": options.name,
        "evaluation": options.evaluation,
    }


def family_of(row: Mapping[str, Any]) -> str:
    """The family of whoever plays alone on a rendered row; "" for bands, drums, voices and other families."""
    facts = json.loads(row["facts"])
    players = facts["instruments"]
    if facts["style"] != "solo" or len(players) != 1 or players[0] in ("drums", "voice"):
        return "vocal" if facts["style"] == "solo" and players == ["voice"] else ""
    program = pretty_midi.instrument_name_to_program(players[0])
    return next((family for family, programs in FAMILY_PROGRAMS.items() if program in programs), "")


def _split_validation(rows: list[dict[str, Any]], options: SetOptions) -> None:
    """Deals some of the training groups to validation, where there are none yet."""
    if not options.validation_share:
        return
    share = options.validation_share
    rule = SplitRule(f"{options.name} validation", (("train", 1 - share), ("validation", share)))
    for row in rows:
        if row["split"] == "train":
            row["split"] = rule.split_of(row["group"])


def spread(rows: list[dict[str, Any]], at_most: int | None) -> list[dict[str, Any]]:
    """At most so many rows of each split, drawn by a hash of the clip, in their old order."""
    if at_most is None:
        return rows
    kept: set[str] = set()
    for split in SPLIT_NAMES:
        part = sorted((rank(row["clip"]), row["clip"]) for row in rows if row["split"] == split)
        kept |= {clip for _, clip in part[:at_most]}
    return [row for row in rows if row["clip"] in kept]


def rank(clip: str) -> str:
    """By which clips are drawn: alike whenever they are asked for, and in no order of theirs."""
    return sha256(clip.encode()).hexdigest()


def share_of(rows: Dataset, share: float, seed: int) -> list[int]:
    """Row numbers of a share of each label's rows, at least one; a smaller share of the same seed is a part of it."""
    ranks = [sha256(f"{seed}\n{clip}".encode()).hexdigest() for clip in rows["clip"]]
    by_label: dict[str, list[int]] = {}
    for number in sorted(range(len(ranks)), key=ranks.__getitem__):
        by_label.setdefault(rows["label"][number], []).append(number)
    return sorted(n for members in by_label.values() for n in members[: max(1, round(share * len(members)))])
