"""Readers of public data sets: each by its published files and columns, all of one shape.

`READERS[name].read(folder)` gives the rows of a manifest from files that you downloaded; `from_hub(name, folder)` gives
them by Hub id, for the sets that `datasets.load_dataset` can read. Rows go to `manifest.make_manifest` or
`manifest.write_manifest`. What to download is in `linernotes.corpora.sources`. A set's official test part is the split
"test" and nothing else is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linernotes.corpora.readers import (
    audioset,
    gtzan,
    jamendo,
    meter2800,
    music_speech,
    musicbench,
    musiccaps,
    neural_mathrock,
    nsynth,
    wikimeter,
)
from linernotes.corpora.readers.records import Rows, needs
from linernotes.corpora.sources import SOURCES


@dataclass(frozen=True)
class Reader:
    """How a set is read: from a `folder` and, if its Hub repository holds what is needed, `from_hub` into one."""

    name: str
    read: Callable[..., Rows]
    from_hub: Callable[..., Rows] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """What the folder must hold."""
        return SOURCES[self.name].download


READERS = {
    module.NAME: Reader(module.NAME, module.read, getattr(module, "from_hub", None))
    for module in (
        *(gtzan, nsynth, music_speech, musiccaps, musicbench, neural_mathrock, audioset, jamendo),
        *(meter2800, wikimeter),
    )
}


def from_hub(name: str, folder: Path | str, **options: Any) -> Rows:
    """Rows of a set by its Hub id. `folder` is where recordings are put or, where the Hub has none, where they lie.

    `options` are the reader's own, and `repo`: another repository of the same form. Raises ValueError for a set that is
    unknown or that the Hub has not in a form that can be loaded, ConnectionError where the Hub has no answer, and the
    reader's errors.
    """
    known = [reader.name for reader in READERS.values() if reader.from_hub]
    if name not in known:
        hint = f"download {needs(name)}, and read the folder" if name in READERS else "see `linernotes corpus sources`"
        raise ValueError(f"{name!r} cannot be loaded by Hub id (these can: {', '.join(known)}): {hint}")
    return READERS[name].from_hub(folder, **options)
