"""Music by people instead of the composer's: sets of scores and performances, as clips with exact facts.

`read(source, folder)` gives the pieces of a set that you have downloaded; `piece.score(rng, seconds)` plays one: an
excerpt from a random place, by instruments that are drawn, as a `Score` that the renderer plays like any other. To add
a set, write a module with NAME, LICENCE and `read`, and list its name here.
"""

from importlib import import_module
from pathlib import Path

from linernotes.corpora.score.sources.excerpt import ExcerptError
from linernotes.corpora.score.sources.pieces import Piece, Pieces

__all__ = ["SOURCES", "ExcerptError", "Piece", "Pieces", "read"]

SOURCES = ("symbtr", "asap", "groove", "pop909", "nottingham", "folk", "classical", "jazz-standards")


def read(source: str, folder: Path | str, *, seconds: float = 10.0) -> Pieces:
    """The pieces of a set, without those that its own table shows to be shorter than clips of `seconds`.

    What the folder must hold is in the docstring of the source's module. Raises ValueError for an unknown source,
    FileNotFoundError for what is not there, ManifestError for a table that is not in the published form.
    """
    if source not in SOURCES:
        raise ValueError(f"source={source!r} is not known: choose from {', '.join(SOURCES)}")
    return import_module(f"{__name__}.{source.replace('-', '_')}").read(folder, seconds=seconds)
