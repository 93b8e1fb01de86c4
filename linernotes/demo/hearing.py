"""What the web page shows of one recording, step by step, while models listen. Nothing in here knows gradio."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from markupsafe import escape

from linernotes.decoding import Decoded, decoded
from linernotes.listening import Listener, recorded
from linernotes.modeling.audio import AudioError
from linernotes.rendering import printable
from linernotes.report.html import html_part, song_of
from linernotes.report.page_pictures import spectrogram_address


class View(NamedTuple):
    """The page at one moment: who listens or what is wrong, and the report as far as it is known."""

    status: str  # HTML
    notes: str  # HTML
    report: dict[str, Any] | None


def views(
    listener: Listener,
    take: Callable[[], dict[str, Any]],
    *,
    max_seconds: float,
    folder: str | None = None,
    **asked: Any,
) -> Iterator[View]:
    """The page after each step; the last one has the whole report, or the error as `listen` records it.

    Args:
        take: gives the recording, {"path": its name, "bytes": the file}.
        max_seconds: longer recordings are refused.
        folder: where the decoded sound lies meanwhile.
        asked: `timeline` and `lyrics` of `Listener.growing`.
    """
    try:
        with decoded(take(), max_seconds=max_seconds, folder=folder) as sound:
            yield from _growing(listener, sound, asked)
    except AudioError as error:
        failed = recorded(_for_visitors(error, max_seconds))
        yield View(complaint(failed["message"]), "", {"path": error.path, "error": failed})


def _for_visitors(error: AudioError, max_seconds: float) -> AudioError:
    """The same error without what only the owner of the page can do about it."""
    if error.code != "too_long":
        return error
    return AudioError(
        "too_long", f"longer than the {max_seconds:g} s that are allowed here: give a shorter one", error.path
    )


def _growing(listener: Listener, sound: Decoded, asked: dict[str, Any]) -> Iterator[View]:
    names = [str(member.model.config.model_name) for member in listener.members]
    picture, view = spectrogram_address(sound), View(_listens(names, 0), "", None)
    yield view
    for done, report in enumerate(listener.growing(sound, **asked), 1):
        waiting = names[done:]
        if "error" not in report:
            shown = {"spectrogram": picture, "waiting": waiting, "playable": True}
            view = View("", html_part(song_of(report, sound.path, sound, **shown)), report)
        elif not waiting:  # no model could hear it
            view = View("", "", report)
        failed = complaint(report["error"]["message"]) if "error" in report else ""
        yield view._replace(status=_listens(names, done) if waiting else failed)


def _listens(names: list[str], done: int) -> str:
    who = f"{printable(names[done])} listens ({done + 1} of {len(names)})"
    return f'<p class="listens" role="status">{escape(who)}</p>'


def complaint(message: str) -> str:
    return f'<p class="complaint" role="alert">{escape(printable(message))}</p>'
