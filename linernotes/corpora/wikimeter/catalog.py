"""The catalog: works, their meters, and where each meter is stated.

`catalog.json` is a list of objects {"artist", "title", "meters" {"3": 1.0}, "query" (optional), "video_id" (null unless
somebody has verified it), "source"}. Of the meters of a polyrhythm, 1.0 is what is counted and less what goes across
it. `source` names the kind of reference that states the meter. Schema: BeatMeter's wikimeter.json; the works are ours.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from linernotes.corpora.meters import METER_CLASSES, MeterError, known_meters, parse_meters

REQUIRED = ("artist", "title", "meters", "video_id", "source")
OPTIONAL = ("query",)
VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
LONGEST_STEM = 80
NOT_COMPOSED = str.maketrans("ıøłđßæœ", "ioldsao")  # letters that Unicode does not take apart


class CatalogError(ValueError):
    """A catalog that is none; the message names the work, what it has and what belongs there."""


@dataclass(frozen=True)
class Work:
    """A work. `meters` maps meters to weights, `query` is what to search for, `stem` begins its files' names."""

    artist: str
    title: str
    meters: Mapping[int, float]
    video_id: str | None
    source: str
    query: str

    @property
    def stem(self) -> str:
        return file_stem(self.artist, self.title)


def load_catalog(path: Path | str | None = None) -> list[Work]:
    """The works of a catalog, by default of the one that comes with the package.

    Raises CatalogError for an entry of another form, an unknown meter, and two works whose files would have one name.
    """
    place = files(__package__) / "catalog.json" if path is None else Path(path)
    try:
        entries = json.loads(place.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CatalogError(f"{place} is not JSON ({error}): give a list of works") from error
    if not isinstance(entries, list) or not entries:
        raise CatalogError(f"{place} has no works: give a list of objects with {', '.join(REQUIRED)}")
    works = [_work(entry, f"work {number} of {place.name}") for number, entry in enumerate(entries, start=1)]
    stems: dict[str, Work] = {}
    for work in works:
        if (twin := stems.setdefault(work.stem, work)) is not work:
            raise CatalogError(
                f"{work.artist!r}, {work.title!r} and {twin.artist!r}, {twin.title!r} are both {work.stem}: "
                "leave one out, or tell them apart in the title"
            )
    return works


def file_stem(artist: str, title: str) -> str:
    """A file name of a work: "Dave Brubeck", "Take Five" is dave_brubeck_take_five; at most 80 characters."""
    letters = unicodedata.normalize("NFKD", f"{artist} {title}".lower().translate(NOT_COMPOSED))
    plain = "".join(c for c in letters if not unicodedata.combining(c) and c not in ("'", "\u2019"))
    words = re.sub(r"[^a-z0-9]+", "_", plain)
    return words.strip("_")[:LONGEST_STEM].rstrip("_")


def _work(entry: Any, where: str) -> Work:
    def refuse(reason: str) -> None:
        raise CatalogError(f"{where}: {reason}")

    if not isinstance(entry, Mapping) or not set(REQUIRED) <= set(entry) <= {*REQUIRED, *OPTIONAL}:
        refuse(f"got {sorted(entry) if isinstance(entry, Mapping) else entry!r}, expected {', '.join(REQUIRED)}")
    for key in ("artist", "title", "source", *(key for key in OPTIONAL if key in entry)):
        if not isinstance(entry[key], str) or not entry[key].strip():
            refuse(f"{key}={entry[key]!r}, expected text")
    video_id = entry["video_id"]
    if video_id is not None and not (isinstance(video_id, str) and VIDEO_ID.fullmatch(video_id)):
        refuse(f"video_id={video_id!r}, expected 11 letters, digits, - or _, or null")
    try:
        meters = parse_meters(entry["meters"])
    except MeterError as error:
        raise CatalogError(f"{where}: {error}") from error
    if known_meters(meters) != meters:
        refuse(f"meters {', '.join(map(str, meters))}, expected some of {', '.join(map(str, METER_CLASSES))}")
    about = {key: entry[key] for key in ("artist", "title", "source")}
    return Work(
        **about, meters=meters, video_id=video_id, query=entry.get("query", f"{about['artist']} {about['title']}")
    )
