"""MusicCaps: `musiccaps-public.csv`, and the clips that you have as `<ytid>.wav` (or another form), in one folder.

Columns (https://huggingface.co/datasets/google/MusicCaps): ytid, start_s, end_s, audioset_positive_labels (comma
between), aspect_list (a Python list), caption, author_id, is_balanced_subset, is_audioset_eval. All clips last ten
seconds. The rows that come from AudioSet's evaluation part (2,858 of 5,521) are the test split.
"""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.hub import load_splits
from linernotes.corpora.readers.records import (
    NO_RECORDING,
    Rows,
    excerpt,
    flag,
    number,
    read_table,
    recordings,
    required,
    video_id,
    video_rule,
)

NAME = "musiccaps"
COLUMNS = (
    "ytid",
    "start_s",
    "end_s",
    "audioset_positive_labels",
    "aspect_list",
    "caption",
    "author_id",
    "is_balanced_subset",
    "is_audioset_eval",
)


def read(folder: Path | str, whole_videos: bool = False) -> Rows:
    """Rows of the clips that have a recording: labels are the aspects; caption and the other columns are beside.

    Args:
        folder: what holds the table and, at any depth, the recordings.
        whole_videos: the recordings are whole videos, from which start_s to end_s counts, and not the clips.

    Raises FileNotFoundError for a missing table or where no clip has a recording, ManifestError for a line in another
    form. `left_out` counts the clips without a recording.
    """
    table = required(Path(folder) / "musiccaps-public.csv", NAME)
    return _rows(read_table(table, COLUMNS), folder, whole_videos)


def from_hub(folder: Path | str, whole_videos: bool = False, repo: str | None = None) -> Rows:
    """As `read`, with the table from `google/MusicCaps`; the Hub has no recordings, `folder` must."""
    splits = load_splits(NAME, COLUMNS, repo)
    records = ((f"{split}, row {i}", record) for split, part in splits.items() for i, record in enumerate(part))
    return _rows(records, folder, whole_videos)


def _rows(records: Iterable[tuple[str, Mapping[str, Any]]], folder: Path | str, whole_videos: bool) -> Rows:
    rows, found = Rows(NAME), recordings(folder)
    for where, record in records:
        video = video_id(record["ytid"], "ytid", where)
        columns = _columns(record, video, where)
        clip = excerpt(columns["start_s"], columns["end_s"], where, whole_videos)
        labels, rule = _aspects(record, where), video_rule(NAME, video, columns["is_audioset_eval"])
        if video in found:
            rows.add(found[video], labels, **rule, **clip, **columns)
        else:
            rows.left_out[NO_RECORDING] += 1
    return rows.checked(folder)


def _columns(record: Mapping[str, Any], video: str, where: str) -> dict[str, Any]:
    flags = {column: flag(record, column, where) for column in ("is_balanced_subset", "is_audioset_eval")}
    times = {column: number(record, column, where) for column in ("start_s", "end_s")}
    about = {"caption": record["caption"], "author_id": int(number(record, "author_id", where))}
    return {"ytid": video, **times, "audioset_positive_labels": record["audioset_positive_labels"], **about, **flags}


def _aspects(record: Mapping[str, Any], where: str) -> list[str]:
    try:
        aspects = ast.literal_eval(record["aspect_list"])
    except (ValueError, SyntaxError) as error:
        raise ManifestError(f"{where}: aspect_list={record['aspect_list']!r} is no list: mend the line") from error
    if not isinstance(aspects, list) or not all(isinstance(aspect, str) for aspect in aspects):
        raise ManifestError(f"{where}: aspect_list={record['aspect_list']!r}, expected a list such as ['slow tempo']")
    return [aspect for aspect in aspects if aspect]
