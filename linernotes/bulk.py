"""A folder of recordings as one table: `linernotes listen FOLDER --out notes.parquet`, and on several processes

    accelerate launch -m linernotes.bulk FOLDER --out notes.parquet

Files are heard in groups that are the same for any number of processes, and so are the rows. What is done is kept in
a journal beside the table (`notes.parquet.journal`, on a disk that all processes see); the table is written from it at
the end, whole, and the journal removed. Files are decoded by threads, one group ahead of the models.
"""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from linernotes.decoding import Decoded, decode_into
from linernotes.journal import Journal, write_whole
from linernotes.listening import Listener, recorded
from linernotes.modeling.audio import AudioError
from linernotes.report.rows import COLUMNS, row_of
from linernotes.tags import can_read_tags, read_tags, write_row_tags

SUFFIXES = {
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64",
    ".rf64", ".m4a", ".m4b", ".mp4", ".aac", ".wma", ".webm", ".mka", ".wv",
}  # fmt: skip
FORMS = (".parquet", ".csv", ".jsonl")
PATIENCE = timedelta(days=30)  # of a process that is done, for the slowest


class Outcome(NamedTuple):
    """How many files have a row, how many of them could not be heard, and into which no tags could be written."""

    files: int = 0
    unheard: int = 0
    untagged: Sequence[Path] = ()


class _Alone:
    """The state of one process, in accelerate's words: alone, nobody needs accelerate."""

    is_main_process, device = True, None

    def wait_for_everyone(self) -> None:
        return

    @contextmanager
    def split_between_processes(self, inputs: list) -> Iterator[list]:
        yield inputs


def listen_to_folder(
    folder: Path,
    out: Path,
    *,
    models: Sequence[str] | None = None,
    device: str | None = None,
    batch_size: int = 8,
    workers: int = 2,
    write_tags: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Writes one row for each recording under `folder`, in the order of their paths.

    Args:
        folder: it and what is below it, without links to folders; what counts as a recording is told by its suffix.
        out: a new .parquet, .csv or .jsonl file.
        models, device: see `linernotes.listen`; of several processes each has a GPU of its own where there are any.
        batch_size: files, and windows, that the models hear at a time.
        workers: threads that decode.
        write_tags: then write genre and mood into the files, see `linernotes.tags`.
        progress: told how many of this process's files are done, and of how many.

    Raises:
        ValueError: no recordings; the table is there already, has another suffix, or was begun with other models.
        OSError: a folder cannot be read, or a disk is full.
    """
    check_table(out, write_tags)
    state, files = _state(), recordings(folder)
    listener = Listener(models, device=device or (str(state.device) if state.device else None))
    journal = Journal(out.with_name(f"{out.name}.journal"))
    named = [member.source for member in listener.members]
    if state.is_main_process:
        journal.begin({"models": named, "tags": can_read_tags()}, "name the same models in the same surroundings")
    state.wait_for_everyone()
    done = journal.read()
    state.wait_for_everyone()  # nobody writes before everybody has read: all see the same groups
    with state.split_between_processes(_groups(files, done, batch_size)) as own:
        _hear(listener, folder, own, journal, batch_size, workers, progress)
    state.wait_for_everyone()
    if not state.is_main_process:
        return Outcome()
    done = journal.read()
    rows = {name: done[name] for name in files}
    untagged = []
    if write_tags:
        backup = out.with_name(f"{out.name}.old-tags.jsonl")
        untagged = write_row_tags(((folder / name, row) for name, row in rows.items()), backup)
    _write_table(list(rows.values()), out)
    journal.remove()
    return Outcome(len(rows), sum(row["error_code"] is not None for row in rows.values()), untagged)


def check_table(out: Path, write_tags: bool) -> None:
    """Raises ValueError where what is asked for cannot be written at the end, hours from now."""
    if out.suffix not in FORMS:
        raise ValueError(f"{out} ends in {out.suffix or 'nothing'}; allowed are {', '.join(FORMS)}")
    if out.exists():
        raise ValueError(f"{out} is there already: delete it to listen anew, or name another file")
    if out.suffix == ".parquet":
        import pyarrow  # noqa: F401 (better missed now than at the end)
    if write_tags and not can_read_tags():
        raise ValueError('--write-tags needs mutagen: pip install "linernotes[tags]"')


def _state() -> Any:
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return _Alone()
    import torch
    from accelerate import PartialState

    # accelerate does not join processes that have no accelerator, unless it is told that they compute on the CPU
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)


def recordings(folder: Path) -> list[str]:
    """Paths below the folder, with forward slashes, of the files that are called like recordings, in order.

    Raises ValueError where there are none, and OSError where a folder cannot be read: a row would be missing, and
    nobody would know.
    """

    def refuse(error: OSError) -> None:
        raise error

    found = []
    for place, _, names in os.walk(folder, onerror=refuse):
        found += [Path(place, name) for name in names if Path(name).suffix.lower() in SUFFIXES]
    if not found:
        raise ValueError(f"no recordings in {folder}: looked for {', '.join(sorted(SUFFIXES))} in it and below it")
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _groups(files: Sequence[str], done: dict[str, Any], size: int) -> list[list[str]]:
    """What is still to be heard; a file is in the same group whatever was done before, by however many processes."""
    cuts = (files[start : start + size] for start in range(0, len(files), size))
    return [left for group in cuts if (left := [name for name in group if name not in done])]


def _hear(
    listener: Listener,
    folder: Path,
    groups: list[list[str]],
    journal: Journal,
    batch_size: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    total, finished = sum(map(len, groups)), 0
    for names, sounds in _decoded(folder, groups, workers):
        heard = [sound for sound in sounds if isinstance(sound, Decoded)]
        reports = iter(listener.hear(heard, batch_size=batch_size) if heard else ())
        answers = [next(reports) if isinstance(sound, Decoded) else {"error": sound} for sound in sounds]
        tags = [read_tags(folder / name) for name in names]
        journal.add((name, row_of(name, *each)) for name, *each in zip(names, answers, tags, strict=True))
        finished += len(names)
        if progress is not None:
            progress(finished, total)


def _decoded(folder: Path, groups: list[list[str]], workers: int) -> Iterator[tuple[list[str], list[Any]]]:
    """Group by group a `Decoded` for each file, or its error; the next group is decoded meanwhile."""
    with TemporaryDirectory(prefix="linernotes-") as scratch, ThreadPoolExecutor(workers) as pool:
        waiting: list[list[Future]] = []
        try:
            for number, names in enumerate([*groups, []]):
                place = Path(scratch, str(number))
                place.mkdir()
                waiting.append([pool.submit(_decode, folder / name, place / str(i)) for i, name in enumerate(names)])
                if number:
                    sounds = [future.result() for future in waiting.pop(0)]
                    yield groups[number - 1], sounds
                    for sound in sounds:
                        if isinstance(sound, Decoded):
                            sound.source.unlink()
        finally:
            pool.shutdown(cancel_futures=True)


def _decode(recording: Path, file: Path) -> Decoded | dict[str, Any]:
    try:
        return decode_into(file.with_suffix(".wav"), recording)
    except AudioError as error:
        file.with_suffix(".wav").unlink(missing_ok=True)
        return recorded(error)


# The table


def _write_table(rows: list[dict[str, Any]], out: Path) -> None:
    form = {".parquet": _as_parquet, ".csv": _as_csv, ".jsonl": _as_lines}[out.suffix]
    write_whole(out, form(rows))


def _as_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(COLUMNS))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _as_parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    kinds = {str: pyarrow.string(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    buffer = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), buffer)
    return buffer.getvalue().to_pybytes()


if __name__ == "__main__":
    from linernotes.cli import main

    main(["listen", *sys.argv[1:]])
