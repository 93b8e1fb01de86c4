"""What every source gives: pieces by name, each of which can be cut and played, and how its files are read."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.records import read_table
from linernotes.corpora.score.score import Score
from linernotes.corpora.splits import SPLIT_NAMES, check_no_leak

TABLE = "metadata.csv"


@dataclass(frozen=True)
class Piece:
    """A piece of a set; nothing of it is read before it is played, but what the set's table says.

    group: what must not be on both sides of a split. split: as the set has it; None where it has none. meter,
        grouping: the numerator and the pulses a group that the set's table states for the whole piece; None where they
        change or are not told.
    score: from a generator, which draws the place and the instruments, and a length in seconds. The same state of the
        generator gives the same score. Raises ExcerptError where the piece has no such place, ManifestError where it is
        not in the published form.
    """

    name: str
    group: str
    split: str | None
    licence: str
    score: Callable[[np.random.Generator, float], Score]
    meter: int | None = None
    grouping: tuple[int, ...] | None = None


class Pieces(list[Piece]):
    """The pieces of a set in the order of its files; `left_out` counts those that cannot be used, by reason."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.left_out: Counter[str] = Counter()

    def checked(self, folder: Path | str) -> "Pieces":
        """Self, which has a piece at least and no group in two splits.

        Raises FileNotFoundError where nothing is left, SplitLeakError where a group is in two splits.
        """
        if not self:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(self.left_out.items()))
            raise FileNotFoundError(
                f"no piece of {self.source} is left in {folder} ({reasons or 'it lists none'}): "
                "name the folder that holds the set, or ask for shorter clips"
            )
        check_no_leak((piece.group for piece in self), (piece.split for piece in self))
        return self


def table(folder: Path | str, source: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """(where, row) of the set's metadata.csv; the column `split` is checked if it is among those asked for.

    Raises FileNotFoundError where there is none, ManifestError for missing columns and for what is no split.
    """
    path = Path(folder) / TABLE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: name the folder that holds {source}")
    for where, row in read_table(path, columns):
        if "split" in columns and row["split"] not in SPLIT_NAMES:
            raise ManifestError(f"{where}: split={row['split']!r}: choose from {', '.join(SPLIT_NAMES)}")
        yield where, row


def content(folder: Path | str, archive: str, name: str) -> bytes:
    """A file of the set, out of the archive in its folder, or of that name where the archive has been unpacked there.

    Raises FileNotFoundError where neither is, ManifestError for an archive that is none.
    """
    folder = Path(folder)
    if (folder / name).is_file():
        return (folder / name).read_bytes()
    if not (folder / archive).is_file():
        raise FileNotFoundError(f"{folder} has neither {archive} nor {name}: name the folder that holds the set")
    try:
        with ZipFile(folder / archive) as files:
            return files.read(name)
    except BadZipFile as error:
        raise ManifestError(f"{folder / archive} is no zip archive ({error}): download it again") from error
    except KeyError as error:
        raise FileNotFoundError(f"{folder / archive} has no {name}, though {TABLE} lists it: get both again") from error


def signature(text: str, where: str) -> tuple[int, int]:
    """ "7/8" -> (7, 8). Raises ManifestError for what is no signature; denominators are 1, 2, 4, 8 ... 64."""
    numerator, _, denominator = text.partition("/")
    if not (numerator.isdecimal() and denominator.isdecimal() and int(numerator) > 0):
        raise ManifestError(f"{where}: signature {text!r}, expected such as 7/8: mend it")
    if int(denominator) not in (1, 2, 4, 8, 16, 32, 64):
        raise ManifestError(f"{where}: signature {text!r} counts in no note value: expected 1, 2, 4, 8, 16, 32 or 64")
    return int(numerator), int(denominator)
