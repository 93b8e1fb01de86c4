"""What is wrong with a corpus: recordings that cannot be read, are silent, clipped, doubled or not as long as is said.

Every recording is read once, to its end and at its own rate, in blocks, by several processes; each holds one block at a
time. The result does not depend on their number.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from sklearn.neighbors import KDTree

from linernotes.corpora.check_recording import LENGTH_TOLERANCE_SECONDS, Excerpt, Finding, Heard, Task, listen
from linernotes.corpora.manifest import MANIFEST, RECIPE, ManifestError, read_manifest
from linernotes.corpora.processes import worker_pool

LENGTH_COLUMNS = ("duration_seconds", "duration", "seconds")
TASKS_IN_FLIGHT = 4  # a process
LIKENESS_DB = 0.75


def check_corpus(
    place: Path | str, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """Listen to every row of a manifest; the faults, in the order of rows.

    Args:
        place: a .jsonl or .parquet manifest, or a folder with one.
        workers: processes; 1 is this one.
        progress: called with the number of recordings heard and their total, in this process.

    Raises ManifestError for what is no manifest, SplitLeakError where a group is in two splits.
    """
    if workers < 1:
        raise ValueError(f"workers={workers} must be 1 or more")
    manifest = read_manifest(_manifest_of(Path(place)))
    excerpts = _excerpts_by_recording(manifest)
    findings: list[Finding] = []
    heard: list[Heard] = []
    for done, (faults, parts) in enumerate(_reports(_tasks(manifest, excerpts), workers), start=1):
        findings += faults
        heard += parts
        if progress is not None:
            progress(done, len(excerpts))
    heard.sort(key=lambda part: part.row)
    return sorted([*findings, *_duplicates(heard, manifest), *_near_duplicates(heard, manifest)])


def _manifest_of(place: Path) -> Path:
    if not place.is_dir():
        return place
    found = sorted(path for path in place.iterdir() if path.suffix in (".jsonl", ".parquet"))
    if not found and (place / RECIPE).is_file():
        made = len(list(place.glob("audio/*/*.flac")))
        raise ManifestError(
            f"{place} is a build that is not finished ({made} clips so far, no {MANIFEST}): give the same "
            "`linernotes corpus build` command again, it goes on where it was stopped, then check"
        )
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ManifestError(f"{place} must hold one .jsonl or .parquet manifest, it has {names}: give the file's path")
    return found[0]


def _excerpts_by_recording(manifest: Dataset) -> dict[str | int, list[Excerpt]]:
    """The rows of each file, by its path, so that it is read once; rows with bytes by their number."""
    excerpts: dict[str | int, list[Excerpt]] = defaultdict(list)
    for row, about in enumerate(manifest, start=1):
        told = ((column, about.get(column)) for column in LENGTH_COLUMNS)
        stated = tuple((column, seconds) for column, seconds in told if isinstance(seconds, (int, float)))
        excerpt = Excerpt(row, about["start_seconds"], about["end_seconds"], stated)
        excerpts[about["audio"]["path"] if about["audio"]["bytes"] is None else row].append(excerpt)
    return excerpts


def _tasks(manifest: Dataset, excerpts: dict[str | int, list[Excerpt]]) -> Iterator[Task]:
    for recording, parts in excerpts.items():
        source = recording if isinstance(recording, str) else manifest[recording - 1]["audio"]
        name = recording if isinstance(recording, str) else source["path"] or f"row {recording}"
        yield Task(source, name, tuple(parts))


def _reports(tasks: Iterable[Task], workers: int) -> Iterator[tuple[list[Finding], list[Heard]]]:
    """What was heard, in the order of the tasks, of which few are held at a time."""
    if workers == 1:
        yield from map(listen, tasks)
        return
    waiting: deque = deque()
    with worker_pool(workers) as pool:
        for task in tasks:
            waiting.append(pool.submit(listen, task))
            if len(waiting) >= TASKS_IN_FLIGHT * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _duplicates(heard: Sequence[Heard], manifest: Dataset) -> Iterator[Finding]:
    by_digest: dict[bytes, list[Heard]] = defaultdict(list)
    for part in heard:
        by_digest[part.digest].append(part)
    splits, labels = manifest["split"][:], manifest["labels"][:]
    for same in by_digest.values():
        if len(same) > 1:
            rows, names = tuple(part.row for part in same), tuple(part.name for part in same)
            where = sorted({splits[row - 1] for row in rows})
            differ = ", under other labels" if len({tuple(labels[row - 1]) for row in rows}) > 1 else ""
            kind = "duplicate" if len(where) == 1 else "leak"
            yield Finding(rows, kind, names, f"the same samples, in {' and '.join(where)}{differ}: keep one of them")


def _near_duplicates(heard: Sequence[Heard], manifest: Dataset) -> Iterator[Finding]:
    parts = [part for part in heard if part.levels is not None]
    if not parts:
        return
    splits, levels = manifest["split"][:], np.stack([part.levels for part in parts])
    alike = KDTree(levels, metric="chebyshev").query_radius(levels, LIKENESS_DB)
    for first, part in enumerate(parts):
        for other in (parts[second] for second in alike[first] if first < second):
            if abs(part.seconds - other.seconds) <= LENGTH_TOLERANCE_SECONDS and part.digest != other.digest:
                where = " and ".join(sorted({splits[part.row - 1], splits[other.row - 1]}))
                message = f"one length and spectra within {LIKENESS_DB:g} dB, in {where}: listen, and keep one of them"
                yield Finding((part.row, other.row), "near_duplicate", (part.name, other.name), message)
