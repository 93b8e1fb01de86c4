"""MusicBench: lists of one JSON object a line, and `MusicBench.tar.gz` unpacked anywhere below the folder.

Columns (https://huggingface.co/datasets/amaai-lab/MusicBench): dataset, location (data/<ytid>.wav, augmented copies
data_aug2/<ytid>_1.wav), main_caption, alt_caption, prompt_aug, prompt_ch, prompt_bt, prompt_bpm, prompt_key, beats
(times in seconds, numbers in the bar), bpm (may be null), chords, chords_time, key (root, mode), keyprob,
is_audioset_eval_mcaps. Key, beats, chords and tempo were found by algorithms. Test lists A and B name the same
recordings; the captions of B also tell the four features. Whether copies of test recordings stand in the training list
is not said: they are left out. The videos are those of MusicCaps and AudioSet, whose test parts are cut otherwise.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.hub import load_splits
from linernotes.corpora.readers.records import (
    NO_RECORDING,
    Rows,
    check_columns,
    flag,
    number,
    recordings,
    required,
    video_id,
    video_rule,
)

NAME = "musicbench"
TEXTS = ("dataset", "main_caption", "alt_caption", "prompt_aug", "prompt_ch", "prompt_bt", "prompt_bpm", "prompt_key")
LISTS = ("chords", "chords_time", "key", "keyprob")
COLUMNS = ("location", *TEXTS, "beats", "bpm", *LISTS, "is_audioset_eval_mcaps")
IN_TEST = "copy of a test recording"


def read(folder: Path | str, test_list: str = "A") -> Rows:
    """Rows of the listed clips that have a recording: no labels, all the published columns.

    Args:
        folder: what holds the JSON lists and, at any depth, the recordings.
        test_list: "A" or "B".

    Raises FileNotFoundError for a missing list or where no clip has a recording, ManifestError for a line in another
    form. `left_out` counts clips without a recording, and training clips whose video is in the test list.
    """
    lists = {split: required(Path(folder) / file, NAME) for split, file in _files(test_list).items()}
    return _rows({split: _lines(path) for split, path in lists.items()}, folder)


def from_hub(folder: Path | str, test_list: str = "A", repo: str | None = None) -> Rows:
    """As `read`, with the lists from `amaai-lab/MusicBench`; the archive must lie unpacked in `folder`."""
    splits = load_splits(NAME, COLUMNS, repo, data_files=_files(test_list))
    return _rows(
        {split: ((f"{split}, row {i}", r) for i, r in enumerate(part)) for split, part in splits.items()}, folder
    )


def _files(test_list: str) -> dict[str, str]:
    if test_list not in ("A", "B"):
        raise ValueError(f"test_list={test_list!r}: choose from A, B")
    return {"test": f"MusicBench_test_{test_list}.json", "train": "MusicBench_train.json"}


def _rows(splits: Mapping[str, Iterable[tuple[str, Mapping[str, Any]]]], folder: Path | str) -> Rows:
    rows, found, test_videos = Rows(NAME), recordings(folder), set()
    for split in ("test", "train"):  # the test list first: nothing of it may be trained on
        for where, record in splits[split]:
            name = Path(str(record["location"])).stem
            video = video_id(name, "location", where)
            columns = _columns(record, where)
            if split == "test":
                test_videos.add(video)
            elif video in test_videos:
                rows.left_out[IN_TEST] += 1
                continue
            if name in found:
                rows.add(found[name], [], **video_rule(NAME, video, split == "test"), ytid=video, **columns)
            else:
                rows.left_out[NO_RECORDING] += 1
    return rows.checked(folder)


def _columns(record: Mapping[str, Any], where: str) -> dict[str, Any]:
    beats = record["beats"]
    parts = beats if isinstance(beats, list) and all(isinstance(part, list) for part in beats) else ()
    if len(parts) != 2 or len(parts[0]) != len(parts[1]):
        raise ManifestError(f"{where}: beats={beats!r}, expected two lists of one length, times and numbers in the bar")
    if wrong := [column for column in LISTS if not isinstance(record[column], list)]:
        raise ManifestError(f"{where}: {wrong[0]}={record[wrong[0]]!r}, expected a list: mend the line")
    texts = {column: record[column] for column in TEXTS}
    bpm = None if record["bpm"] is None else number(record, "bpm", where)
    times = {"beats": [[float(value) for value in part] for part in parts], "bpm": bpm}
    origin = {"is_audioset_eval_mcaps": flag(record, "is_audioset_eval_mcaps", where)}
    return {**texts, **times, **{column: record[column] for column in LISTS}, **origin}


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8") as lines:
        for position, line in enumerate(lines, start=1):
            where = f"{path.name}, line {position}"
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise ManifestError(f"{where} is not JSON ({error}): expected one object a line") from error
            check_columns(record if isinstance(record, dict) else (), COLUMNS, where)
            yield where, record
