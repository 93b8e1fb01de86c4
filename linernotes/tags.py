"""What a file says of itself (ID3, Vorbis comments, MP4 atoms), read; and genre and mood written into it on request.

mutagen does it, which is under the GPL and therefore an extra, `linernotes[tags]`, that is imported here alone. Without
it no tags are read. Old tags are on disk before a file is touched: `python -m linernotes.tags BACKUP` puts them back.
"""

import json
import os
import shutil
import struct
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from linernotes.report.rows import TAGS
from linernotes.terminal import complain

FRAMES = {  # of ID3 in WAV and AIFF; elsewhere mutagen translates
    "title": "TIT2", "artist": "TPE1", "album": "TALB", "date": "TDRC", "genre": "TCON", "bpm": "TBPM", "mood": "TMOO",
}  # fmt: skip
BACKUP = "notes.parquet.old-tags.jsonl"  # what the backup of notes.parquet is called
MOST_LETTERS = 1_000  # of a tag in a row; there are files with books in them
# what mutagen stumbles over in damaged files, besides errors of its own
DAMAGED = (OSError, ValueError, LookupError, ArithmeticError, AttributeError, TypeError, struct.error)


def can_read_tags() -> bool:
    return find_spec("mutagen") is not None


def read_tags(path: Path) -> dict[str, str]:
    """The tags of a file by name (`TAGS`), several values divided by "; "; none where there are none to be read."""
    if not can_read_tags():
        return {}
    from mutagen import MutagenError

    try:
        tags = _opened(path).tags
        found = {name: "; ".join(_get(tags, name))[:MOST_LETTERS] for name in TAGS}
    except (MutagenError, *DAMAGED):  # a broken tag says nothing of the sound behind it
        return {}
    return {name: text for name, text in found.items() if text}


def write_row_tags(rows: Iterable[tuple[Path, Mapping[str, Any]]], backup: Path) -> list[Path]:
    """Writes into each file the genre and the moods of its row where the models are certain of them.

    There is no tempo in beats a minute to be written: no model answers it. A file is changed in a copy that takes its
    place; before, its old tags are added to `backup`, a file of JSON lines. Files that say the same already stay
    untouched, and those whose tags cannot be written are returned.
    """
    return [path for path, row in rows if (new := tags_of(row)) and not _retagged(path, new, backup)]


def tags_of(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a row says as tags: `genre` and `mood`, those of which its models are certain."""
    genre = [row["genre"]] if row["genre"] and not row["genre_uncertain"] else []
    moods = [row[name].split("; ") for name in ("emotions", "moods") if row[name] and not row[f"{name}_uncertain"]]
    found = {"genre": genre, "mood": list(dict.fromkeys(mood for each in moods for mood in each))}
    return {name: values for name, values in found.items() if values}


def restore_tags(backup: Path) -> list[Path]:
    """Puts back what `write_row_tags` has changed; returns the files in which that failed.

    Raises ValueError where the backup is none, OSError where it cannot be read.
    """
    first: dict[str, dict[str, list[str]]] = {}
    for number, line in enumerate(backup.read_bytes().split(b"\n")[:-1], 1):  # a line cut by a kill: nothing changed
        try:
            entry = json.loads(line)
            first.setdefault(entry["path"], dict(entry["tags"]))
        except (ValueError, LookupError, TypeError):
            raise ValueError(
                f"{backup}: line {number} holds no old tags; name a file that --write-tags left, as {BACKUP}"
            ) from None
    return [Path(path) for path, tags in first.items() if not _retagged(Path(path), tags, None)]


def _retagged(path: Path, new: Mapping[str, list[str]], backup: Path | None) -> bool:
    """Whether the file says what is new, now or already."""
    from mutagen import MutagenError

    path = path.resolve()  # or a link would become a file
    aside = path.with_name(f".{uuid4().hex}{path.suffix}")
    try:
        old_tags = _opened(path).tags
        old = {name: _get(old_tags, name) for name in new}
        if old == new:
            return True
        if backup is not None:
            _append(backup, {"path": str(path), "tags": old})
        shutil.copy2(path, aside)
        file = _opened(aside)
        if file.tags is None:
            file.add_tags()
        for name, values in new.items():
            _put(file.tags, name, values)
        file.save()
        with aside.open("rb") as copy:
            os.fsync(copy.fileno())
        os.replace(aside, path)
    except (MutagenError, *DAMAGED):
        return False
    finally:
        aside.unlink(missing_ok=True)
    return True


def _append(file: Path, entry: Mapping[str, Any]) -> None:
    with file.open("ab") as stream:
        stream.write(json.dumps(entry).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _opened(path: Path) -> Any:
    """mutagen's file, of a kind whose tags have names in common. Raises ValueError for any other."""
    import mutagen
    from mutagen.asf import ASF
    from mutagen.easymp4 import EasyMP4Tags

    EasyMP4Tags.RegisterFreeformKey("mood", "MOOD")
    if not path.is_file():  # a pipe would be waited for, a device read to an end that it has not
        raise ValueError(f"{path}: a directory, a pipe or a device has no tags")
    file = mutagen.File(path, easy=True)
    if file is None or isinstance(file, ASF):
        raise ValueError(f"{path}: the tags of such a file are not known here")
    return file


def _get(tags: Any, name: str) -> list[str]:
    from mutagen.id3 import ID3

    if tags is None:
        return []
    if isinstance(tags, ID3):
        return [str(text) for frame in tags.getall(FRAMES[name]) for text in frame.text]
    try:
        return [str(text) for text in tags[name]]
    except KeyError:
        return []


def _put(tags: Any, name: str, values: list[str]) -> None:
    from mutagen import id3

    if isinstance(tags, id3.ID3):
        frame = getattr(id3, FRAMES[name])
        tags.setall(FRAMES[name], [frame(encoding=3, text=values)] if values else [])
    elif values:
        tags[name] = values
    elif name in tags:
        del tags[name]


def main(arguments: list[str]) -> int:
    """Puts the tags of a backup back; the exit code is 1 where some could not be, 2 where nothing could be done."""
    if len(arguments) != 1:
        complain(f"{len(arguments)} files are named, one is allowed: python -m linernotes.tags {BACKUP}")
        return 2
    try:
        failed = restore_tags(Path(arguments[0]))
    except (ValueError, OSError) as error:
        complain(str(error))
        return 2
    except ModuleNotFoundError as error:
        complain(f'{error.name} is not installed; this command needs: pip install "linernotes[tags]"')
        return 2
    for file in failed:
        complain(f"{file}: its old tags could not be put back")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
