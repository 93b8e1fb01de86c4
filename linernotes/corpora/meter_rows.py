"""Rows of music with its meters as labels, one form for rendered scores and for recordings, with what is known of each.

Columns: audio, start_seconds, end_seconds, labels (meters, such as ["3", "4"]), group, split, licence, and as text or
None: clip, source (composer, symbtr, meter2800 ...), origin (composed, real scores, recordings), grouping ("7: 3+2+2",
of meters whose groups differ), novelty (of a test row: whether its grouping is among the training rows), tempo, facts
(of rendered scores).
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset, Features, Value

from linernotes.corpora.manifest import FEATURES, MANIFEST, make_manifest, read_manifest
from linernotes.corpora.meters import meters_of, why_left_out
from linernotes.corpora.readers.records import Rows
from linernotes.corpora.splits import SPLIT_NAMES

ABOUT = ("clip", "source", "origin", "novelty", "grouping", "tempo", "facts")
ROW = Features({**FEATURES, **dict.fromkeys(ABOUT, Value("string"))})
TEMPI_BPM = (0, 90, 120, 150)


class MeterRows(NamedTuple):
    """Rows as dicts, and how many records gave none, by reason."""

    rows: list[dict[str, Any]]
    left_out: Counter


def rendered_rows(folder: Path, classes: Sequence[int]) -> MeterRows:
    """Rows of a corpus with facts. Left out is music in a meter that is no class, or in several by turns."""
    rows, left_out = [], Counter()
    for row in read_manifest(folder / MANIFEST):
        facts = json.loads(row["facts"], object_hook=lambda fields: SimpleNamespace(**fields))
        meters = meters_of(facts, classes)
        if not meters:
            left_out[f"{row['split']}: {why_left_out(facts, classes) or 'no layer of it is a class'}"] += 1
            continue
        grouping = f"{facts.meter}: {'+'.join(map(str, facts.grouping))}" if len(set(facts.grouping)) > 1 else None
        about = {
            "clip": f"{folder.name}/{Path(row['audio']['path']).relative_to(folder)}",
            "source": row.get("source") or "composer",
            "origin": "real scores" if row.get("piece") else "composed",
            "novelty": None,
            "grouping": grouping,
            "tempo": tempo_heading(facts.tempo_bpm),
        }
        rows.append({**row, **about, "labels": [str(meter) for meter in meters]})
    return MeterRows(rows, left_out)


def recorded_rows(read: Rows, classes: Sequence[int]) -> MeterRows:
    """Rows of what a reader of recordings gives, whose labels are their meters; those that are no class are dropped."""
    known, rows, left_out = {str(meter) for meter in classes}, [], Counter(read.left_out)
    for row in make_manifest(read):
        labels = [label for label in row["labels"] if label in known]
        if not labels:
            left_out[f"{row['split']}: meter {', '.join(row['labels'])} is no class"] += 1
            continue
        about = dict.fromkeys(ABOUT) | {"source": read.name, "origin": "recordings"}
        about["clip"] = "/".join(filter(None, (row.get("collection"), row["clip"])))
        rows.append({**row, **about, "labels": labels})
    return MeterRows(rows, left_out)


def tempo_heading(tempo_bpm: float) -> str:
    place = int(np.searchsorted(TEMPI_BPM, tempo_bpm, side="right"))
    bounds = TEMPI_BPM[place - 1 : place + 1]
    return f"{bounds[0]} to {bounds[1]} bpm" if len(bounds) > 1 else f"{bounds[0]} bpm and more"


def as_datasets(rows: Iterable[dict[str, Any]]) -> dict[str, Dataset | None]:
    """Rows by split, None for one that has none; `novelty` of the test rows is told here."""
    dealt: dict[str, list] = {split: [] for split in SPLIT_NAMES}
    for row in rows:
        dealt[row["split"]].append({name: row[name] for name in ROW})
    learned = {row["grouping"] for row in dealt["train"]}
    for row in dealt["test"]:
        if row["grouping"] is not None:
            row["novelty"] = "grouping learned" if row["grouping"] in learned else "grouping never learned"
    return {split: Dataset.from_list(part, features=ROW) if part else None for split, part in dealt.items()}
