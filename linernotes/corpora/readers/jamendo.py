"""MTG-Jamendo: `data/splits/split-0/autotagging*-{train,validation,test}.tsv` of its repository, and the recordings.

Columns (https://github.com/MTG/mtg-jamendo-dataset), tabs between: TRACK_ID, ARTIST_ID, ALBUM_ID, PATH (14/214.mp3),
DURATION (seconds), TAGS, of which there are as many more fields as the track has tags, such as genre---rock,
instrument---piano, mood/theme---calm. No artist is in two lists of a split. `audio_licenses.txt` has for each
recording its path, a line that names it, and a line with its licence.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.records import NO_RECORDING, Rows, check_columns, number, recordings, required
from linernotes.corpora.splits import SPLIT_NAMES

NAME = "mtg-jamendo"
COLUMNS = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
SUBSETS = ("autotagging", *(f"autotagging_{kind}" for kind in ("genre", "instrument", "moodtheme", "top50tags")))
KINDS = {"genre": "genres", "instrument": "instruments", "mood/theme": "moods"}


def read(
    folder: Path | str, subset: str = "autotagging", split_number: int = 0, audio_folder: Path | str | None = None
) -> Rows:
    """Rows of the listed tracks that have a recording: labels are the tags; genres, instruments, moods without prefix.

    duration_seconds, track, album are beside. Groups are artists. Licences are the recordings' own where
    audio_licenses.txt has them.

    Args:
        folder: a copy of the repository.
        subset: autotagging, or one of its parts: autotagging_genre, _instrument, _moodtheme, _top50tags.
        split_number: which of the five published splits, 0 to 4.
        audio_folder: what holds <track>.mp3 or <track>.low.mp3 at any depth, by default `folder`.

    Raises FileNotFoundError for a missing list or where no track has a recording, ManifestError for a line in another
    form, SplitLeakError where an artist is in two lists.
    """
    if subset not in SUBSETS or split_number not in range(5):
        raise ValueError(f"subset={subset!r}, split_number={split_number}: choose from {', '.join(SUBSETS)} and 0 to 4")
    folder = Path(folder)
    lists = folder / "data" / "splits" / f"split-{split_number}"
    rows, found, licences = Rows(NAME), recordings(audio_folder or folder), _licences(folder / "audio_licenses.txt")
    for split in SPLIT_NAMES:
        for where, fields in _tracks(required(lists / f"{subset}-{split}.tsv", NAME)):
            track = dict(zip(COLUMNS, fields, strict=False))
            tags = fields[len(COLUMNS) - 1 :]
            kinds = _by_kind(tags, where)
            seconds = number(track, "DURATION", where)
            stem = Path(track["PATH"]).stem
            path = found.get(stem) or found.get(f"{stem}.low")
            if path is None:
                rows.left_out[NO_RECORDING] += 1
                continue
            about = {"duration_seconds": seconds, "track": track["TRACK_ID"], "album": track["ALBUM_ID"]}
            rows.add(path, tags, track["ARTIST_ID"], split, licences.get(track["PATH"]), **kinds, **about)
    return rows.checked(folder)


def _tracks(path: Path) -> Iterator[tuple[str, list[str]]]:
    with path.open(encoding="utf-8") as lines:
        check_columns(next(lines, "").rstrip("\n").split("\t"), COLUMNS, path)
        for position, line in enumerate(lines, start=2):
            fields = line.rstrip("\n").split("\t")
            where = f"{path.name}, line {position}"
            if len(fields) < len(COLUMNS):
                got = f"got {len(fields)} fields"
                raise ManifestError(f"{where}: {got}, expected {', '.join(COLUMNS)} and more tags: mend the line")
            yield where, fields


def _by_kind(tags: list[str], where: str) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {column: [] for column in KINDS.values()}
    for tag in tags:
        kind, separator, name = tag.partition("---")
        if kind not in KINDS or not separator or not name:
            raise ManifestError(f"{where}: tag {tag!r}, expected {', '.join(f'{known}---name' for known in KINDS)}")
        kinds[KINDS[kind]].append(name)
    return kinds


def _licences(path: Path) -> dict[str, str]:
    """Licences by path, from blocks of lines: 14/214.mp3, the title and artist, the licence. Without the file none."""
    if not path.is_file():
        return {}
    blocks = re.split(r"\n\s*\n", path.read_text(encoding="utf-8").strip())
    lines = [[line.strip() for line in block.splitlines()] for block in blocks]
    return {block[0]: re.sub(r"^Available under an? ", "", block[2]) for block in lines if len(block) == 3}
