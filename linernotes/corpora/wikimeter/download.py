"""Recordings of the catalog's works from YouTube, by yt-dlp: one search a work, slowly, and on where it was stopped.

What is fetched is the user's to answer for: recordings have their own rights, and YouTube its terms. yt-dlp is an
extra of the package and is imported only here, when this runs.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from linernotes.corpora.wikimeter.catalog import Work

FULL, LOG = "full", "downloads.jsonl"
SHORTEST_SECONDS, LONGEST_SECONDS = 35.0, 1800.0  # neither a teaser nor ten hours of rain
PAUSE_SECONDS = 5.0
BYTES_PER_SECOND = 2_000_000
FINDS = 5  # of a search, of which the first that suits is fetched
FAILURES_IN_A_ROW = 5  # then it is not the works: the network is down, or we are asked to stay away


@dataclass
class Downloads:
    """What became of the works: how many were `fetched` now and `there` before, and why which `failed`, by stem."""

    fetched: int = 0
    there: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def download(
    works: Iterable[Work],
    folder: Path | str,
    *,
    pause_seconds: float = PAUSE_SECONDS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Downloads:
    """Fetch a recording of each work into `folder`/full, as <stem>.<form>; what is there already stays.

    A work without a `video_id` is searched for, and the first find taken that lasts 35 s to 30 min and is no other
    work's. downloads.jsonl says which video each recording is. A download that was cut goes on where it was.

    Args:
        pause_seconds: between two works.
        progress: called with the number of works that are done and of all.

    Raises ModuleNotFoundError where yt-dlp is not installed, ConnectionError where five works in a row fail, ValueError
    for a path that yt-dlp would misread.
    """
    yt_dlp, works, folder = _yt_dlp(), list(works), Path(folder)
    if "$" in str(folder.resolve()):
        raise ValueError(f"{folder}: yt-dlp takes $ in a path for a variable: name a folder without it")
    (folder / FULL).mkdir(parents=True, exist_ok=True)
    downloads, in_a_row = Downloads(), 0
    for done, work in enumerate(works, start=1):
        if recording_of(folder, work):
            downloads.there += 1
        else:
            if downloads.fetched or downloads.failed:
                time.sleep(pause_seconds)
            reason = _fetch(yt_dlp, work, folder)
            if reason is None:
                downloads.fetched, in_a_row = downloads.fetched + 1, 0
            else:
                downloads.failed[work.stem], in_a_row = reason, in_a_row + 1
        progress(done, len(works))
        if in_a_row == FAILURES_IN_A_ROW:
            raise ConnectionError(
                f"{in_a_row} works in a row failed, the last ({work.stem}) with {reason!r}: what was fetched is kept, "
                "go on later with the same command"
            )
    return downloads


def recording_of(folder: Path | str, work: Work) -> Path | None:
    """The whole recording of a work in `folder`/full, if it is there. Unfinished ones end in .part and do not count."""
    return next((path for path in sorted((Path(folder) / FULL).glob(f"{work.stem}.*")) if path.stem == work.stem), None)


def _yt_dlp() -> ModuleType:
    try:
        import yt_dlp
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'yt-dlp is not installed: pip install "linernotes[wikimeter]"', name="yt_dlp"
        ) from error
    return yt_dlp


class _Complaints:
    """yt-dlp's logger: the errors, which it says and goes on to the next find."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def debug(self, message: str) -> None:
        """Said of every step."""

    warning = debug

    def error(self, message: str) -> None:
        self.errors.append(message)


def _fetch(yt_dlp: ModuleType, work: Work, folder: Path) -> str | None:
    """Why a work's recording could not be had, None if it is there now."""
    target = f"https://www.youtube.com/watch?v={work.video_id}" if work.video_id else f"ytsearch{FINDS}:{work.query}"
    taken, complaints = _taken(folder), _Complaints()

    def unsuitable(video: Mapping[str, Any], *, incomplete: bool = False) -> str | None:
        """yt-dlp's filter: why a find is not to be fetched. What is not known of it yet is no reason."""
        seconds = video.get("duration")
        if recording_of(folder, work):
            return "an earlier find was fetched"
        if video.get("id") in taken:
            return f"it is the recording of {taken[video['id']]}"
        if seconds is not None and not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
            return f"it lasts {seconds:g} s"
        return None

    options = _options(folder / FULL, work.stem) | {"match_filter": unsuitable, "logger": complaints}
    with yt_dlp.YoutubeDL(options) as youtube:
        found = youtube.extract_info(target, download=True) or {}
    if recording_of(folder, work) is None:
        wanted = f"no new video of {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} s for {target!r}"
        return complaints.errors[-1] if complaints.errors else wanted
    finds = (find for find in found.get("entries") or [found] if find and find.get("requested_downloads"))
    _write_log(folder, work, next(finds, {}))
    return None


def _taken(folder: Path) -> dict[str, str]:
    """The works of the videos that are there: two searches may find one video, and it must not stand for two works."""
    log = folder / LOG
    entries = map(json.loads, log.read_text(encoding="utf-8").splitlines()) if log.is_file() else ()
    return {entry["video_id"]: entry["stem"] for entry in entries}


def _write_log(folder: Path, work: Work, video: Mapping[str, Any]) -> None:
    about = {"stem": work.stem, "artist": work.artist, "title": work.title, "video_id": video.get("id")}
    about |= {"video_title": video.get("title"), "seconds": video.get("duration")}
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(about, ensure_ascii=False) + "\n")


def _options(folder: Path, stem: str) -> dict[str, Any]:
    return {
        "format": "bestaudio/best",
        "paths": {"home": str(folder.resolve())},
        "outtmpl": f"{stem}.%(ext)s",
        "noplaylist": True,
        "ignoreerrors": True,  # of one find; the next may do
        "ratelimit": BYTES_PER_SECOND,
        "sleep_interval_requests": 1,
        "retries": 3,
        "noprogress": True,
    }
