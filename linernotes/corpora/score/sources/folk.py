"""Books of folk tunes that music21 carries in its corpus: O'Neill's, Ryan's Mammoth Collection, Aird's Airs and more.

The folder is music21's corpus (`music21/corpus` of the package); the package itself is not needed. Of the corpus these
are the books whose tunes are in the public domain and whose transcribers state no condition. Left out are the Essen
collection (not for commercial use, its status unclear) and Josquin's masses (mensural). There are slip jigs in 9/8;
5/4 is rare and 7 does not occur: what has them is Essen.
"""

import re
from functools import partial
from pathlib import Path

from linernotes.corpora.score.sources.abcnotation import head, numerator, split_book
from linernotes.corpora.score.sources.pieces import Piece, Pieces
from linernotes.corpora.score.sources.tunes import play_tune, tune_group

NAME = "folk"
BOOKS = ("airdsAirs", "miscFolk", "oneills1850", "ryansMammoth")
LICENCE = "tunes: public domain; transcriptions: distributed with music21 by their makers' permission"


def read(folder: Path | str, *, seconds: float = 10.0) -> Pieces:
    """Tunes with a meter; which are too short shows when they are played. A title is a group, in whatever book."""
    pieces = Pieces(NAME)
    for book in BOOKS:
        for path in sorted((Path(folder) / book).glob("*.abc")):
            for text in split_book(path.read_text(encoding="utf-8")):
                fields = head(text)
                if not re.match(r"\d|C", fields.get("M", "")) or "K" not in fields:
                    pieces.left_out["no meter or no key"] += 1
                    continue
                title = fields.get("T", "")
                name = f"{book}/{path.stem} {fields['X']} {title}"
                play = partial(play_tune, name, text)
                pieces.append(Piece(name, tune_group(title, name), None, LICENCE, play, numerator(text)))
    return pieces.checked(folder)
