"""What has been done of a long job, on disk as soon as it is done, so that a job that was killed goes on.

A journal is a folder: `settings.json`, what was asked for, and a file of JSON lines for each process and run. Nobody
writes into a file that another run began, so that a line which a kill cut short stays the last of its file, and is
left out when the journal is read.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4


class Journal:
    """Entries by key. Processes that share a folder write beside each other; each sees others' entries by `read`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._own = folder / f"{uuid4().hex}.jsonl"

    def begin(self, settings: Mapping[str, Any], allowed: str) -> None:
        """Makes the folder, or raises ValueError where it is of a job with other settings. `allowed`: what to do."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "settings.json"
        if not file.exists():
            write_whole(file, json.dumps(settings).encode())
        found = json.loads(file.read_text(encoding="utf-8"))
        for name in sorted(found.keys() | settings.keys()):
            if found.get(name) != settings.get(name):
                raise ValueError(
                    f"{self.folder} was begun with {name} {found.get(name)!r}, and now it is {settings.get(name)!r}: "
                    f"{allowed}, or delete that folder to begin anew"
                )

    def read(self) -> dict[str, Any]:
        """All entries by key, of all processes and runs."""
        entries: dict[str, Any] = {}
        for file in sorted(self.folder.glob("*.jsonl")):
            for line in file.read_bytes().split(b"\n")[:-1]:  # what a kill cut short has no end of line
                key, entry = json.loads(line)
                entries.setdefault(key, entry)
        return entries

    def add(self, entries: Iterable[tuple[str, Any]]) -> None:
        """Appends; what is on disk when this returns stays there, whatever happens to the process."""
        with self._own.open("ab") as file:
            file.writelines(json.dumps(entry).encode() + b"\n" for entry in entries)
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """The settings go last: what is left by a kill in between is still a journal."""
        for file in self.folder.glob("*.jsonl"):
            file.unlink()
        (self.folder / "settings.json").unlink()
        self.folder.rmdir()


def write_whole(file: Path, content: bytes) -> None:
    """Writes a file that is there with all of its content, or not at all."""
    aside = file.with_name(f".{uuid4().hex}")  # not of the file's own name, which may be as long as names can be
    try:
        with aside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, file)
    finally:
        aside.unlink(missing_ok=True)
