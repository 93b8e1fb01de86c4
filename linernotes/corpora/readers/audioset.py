"""AudioSet: lists of segments, names of the classes, the ontology, and the segments that you have as sound.

A list (https://research.google.com/audioset/download.html) begins with three lines of comment, the last of which names
the columns: YTID, start_seconds, end_seconds, positive_labels (machine ids such as /m/04rlf, comma between, quoted).
`class_labels_indices.csv` (index, mid, display_name) has the 527 names, `ontology.json` the tree. The lists are
disjoint by video; eval_segments.csv is the test split. On the Hub `agkphysics/AudioSet` has video_id, audio, labels
(machine ids) and human_labels, in the configurations balanced and unbalanced.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.hub import load_splits, stored
from linernotes.corpora.readers.records import (
    NO_RECORDING,
    Rows,
    check_columns,
    excerpt,
    number,
    read_table,
    recordings,
    required,
    video_id,
    video_rule,
)

NAME = "audioset"
MUSIC = "/m/04rlf"
COLUMNS = ("YTID", "start_seconds", "end_seconds", "positive_labels")
PARTS = ("balanced_train", "unbalanced_train", "eval")
NO_MUSIC = "no music class"


def read(
    folder: Path | str,
    parts: Sequence[str] = ("balanced_train", "eval"),
    music_only: bool = True,
    whole_videos: bool = False,
) -> Rows:
    """Rows of the segments that have a recording: labels are the display names of all classes heard.

    Args:
        folder: what holds the lists, the names, the ontology and, at any depth, recordings named <ytid> or Y<ytid>.
        parts: of balanced_train, unbalanced_train, eval.
        music_only: leave out segments without a class under Music in the ontology.
        whole_videos: the recordings are whole videos, and not the segments.

    Raises FileNotFoundError for a missing file or where no segment has a recording, ManifestError for a line in
    another form. `left_out` counts segments without music and without a recording.
    """
    if unknown := [part for part in parts if part not in PARTS]:
        raise ValueError(f"parts={tuple(parts)}: choose from {', '.join(PARTS)}, not {unknown[0]!r}")
    folder = Path(folder)
    names = _class_names(required(folder / "class_labels_indices.csv", NAME))
    music = music_classes(required(folder / "ontology.json", NAME)) if music_only else names.keys()
    rows, found = Rows(NAME), recordings(folder)
    for part in parts:
        for where, segment in _segments(required(folder / f"{part}_segments.csv", NAME)):
            video = video_id(segment["YTID"], "YTID", where)
            mids = segment["positive_labels"].split(",")
            if unknown := [mid for mid in mids if mid not in names]:
                raise ManifestError(f"{where}: class {unknown[0]!r} is not in class_labels_indices.csv: mend the line")
            start, end = (number(segment, column, where) for column in ("start_seconds", "end_seconds"))
            clip = excerpt(start, end, where, whole_videos)
            path = found.get(video) or found.get(f"Y{video}")
            if music.isdisjoint(mids):
                rows.left_out[NO_MUSIC] += 1
            elif path is None:
                rows.left_out[NO_RECORDING] += 1
            else:
                about = {"ytid": video, "mids": mids, "segment_start_seconds": start, "segment_end_seconds": end}
                rows.add(path, [names[mid] for mid in mids], **video_rule(NAME, video, part == "eval"), **clip, **about)
    return rows.checked(folder)


def from_hub(folder: Path | str, part: str = "balanced", music_only: bool = True, repo: str | None = None) -> Rows:
    """Rows of `agkphysics/AudioSet`, whose recordings are put into `folder`/sound. With music_only: as `read`, and
    `folder` must hold ontology.json. `part` is balanced (50 GB) or unbalanced (2.4 TB)."""
    folder = Path(folder)
    music = music_classes(required(folder / "ontology.json", NAME)) if music_only else None
    rows = Rows(NAME)
    columns = ("video_id", "audio", "labels", "human_labels")
    for split, records in load_splits(NAME, columns, repo, name=part).items():
        for position, record in enumerate(records):
            video = video_id(record["video_id"], "video_id", f"{split}, row {position}")
            if music is not None and music.isdisjoint(record["labels"]):
                rows.left_out[NO_MUSIC] += 1
                continue
            path = stored(record["audio"], folder / "sound", video)
            about = {"ytid": video, "mids": record["labels"]}
            rows.add(path, record["human_labels"], **video_rule(NAME, video, split == "test"), **about)
    return rows.checked(folder)


def music_classes(ontology: Path | str) -> frozenset[str]:
    """The machine ids of Music and of all classes under it in ontology.json. Raises ManifestError for another form."""
    try:
        children = {node["id"]: node["child_ids"] for node in json.loads(Path(ontology).read_text(encoding="utf-8"))}
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise ManifestError(
            f"{ontology} is not the ontology ({error!r}): expected nodes with id and child_ids"
        ) from error
    if MUSIC not in children:
        raise ManifestError(f"{ontology} has no class {MUSIC} (Music): download it again")
    reached, waiting = set(), [MUSIC]
    while waiting:
        mid = waiting.pop()
        if mid not in reached:
            reached.add(mid)
            waiting += children.get(mid, ())
    return frozenset(reached)


def _class_names(path: Path) -> dict[str, str]:
    return {row["mid"]: row["display_name"] for _, row in read_table(path, ("index", "mid", "display_name"))}


def _segments(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as lines:
        header = [next(lines, "") for _ in range(3)][-1].removeprefix("#")
        check_columns([column.strip() for column in header.split(",")], COLUMNS, f"{path.name}, line 3")
        for position, fields in enumerate(csv.reader(lines, skipinitialspace=True), start=4):
            where = f"{path.name}, line {position}"
            if len(fields) != len(COLUMNS):
                raise ManifestError(f"{where}: got {len(fields)} fields, expected {', '.join(COLUMNS)}: mend the line")
            yield where, dict(zip(COLUMNS, fields, strict=True))
