"""Joint reports as one HTML page that needs nothing else: styles, words and pictures are inside it.

The template escapes everything; a browser that reads the page asks nobody for anything, which its
Content-Security-Policy says too. Light or dark is the reader's choice, by `prefers-color-scheme`.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from linernotes.decoding import Decoded
from linernotes.rendering import clock, printable
from linernotes.report.joint import FOLLOWED
from linernotes.report.page import BLOCKS, caption_text, name_of, others, verdict
from linernotes.report.page_pictures import gate_radar, spectrogram_address, spectrogram_ticks

SHOWN = 12  # of long lists of probabilities
COLOURS = 8  # of labels in a lane, then they begin anew; the template has so many


def song_of(
    report: dict[str, Any],
    title: str,
    sound: Decoded,
    *,
    spectrogram: str | None = None,
    waiting: Sequence[str] = (),
    playable: bool = False,
) -> dict[str, Any]:
    """What the template needs of one recording, drawn while its decoded sound is there.

    Args:
        title: the recording's name.
        spectrogram: as `spectrogram_address` gives it, where it was drawn before.
        waiting: models that are still to answer, of a report that grows.
        playable: the stretches of the timeline can be pressed, in a page that plays the recording.
    """
    answers = [(name, report[name]) for name in (*BLOCKS, "speech_music") if report[name] is not None]
    gates = report["genre"] and report["genre"].get("gate_weights")
    return {
        "title": printable(title),
        "report": report,
        "answers": [
            (name_of(name), verdict(name, said), said["uncertain"], others(name, said)) for name, said in answers
        ],
        "lists": [(name_of(name), *_likeliest(answer["probabilities"])) for name, answer in answers],
        "lanes": _lanes(report),
        "ticks": _ticks(report["duration_seconds"]),
        "spectrogram": spectrogram or spectrogram_address(sound),
        "pitches": spectrogram_ticks(),
        "radar": Markup(gate_radar(gates)) if gates else None,
        "gates": _likeliest(gates)[0] if gates else None,
        "waiting": waiting,
        "playable": playable,
    }


def html_page(songs: Iterable[dict[str, Any]]) -> str:
    """The page of some recordings, each as `song_of` gives it."""
    return _environment().get_template("page.html.j2").render(songs=list(songs))


def html_part(song: dict[str, Any]) -> str:
    """One recording as a part of another page, which has the `html_style`."""
    return f'<div class="notes">{_environment().get_template("song.html.j2").render(song=song)}</div>'


def html_style() -> str:
    """The styles of `html_part`: dark inside of an element of the class `dark`."""
    return _environment().get_template("notes.css.j2").render(themed=True)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("linernotes.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": clock, "printable": printable, "name_of": name_of, "caption_text": caption_text}
    return environment


def _likeliest(shares: dict[str, float]) -> tuple[list[tuple[str, float]], int]:
    """The first so many shares by label, and how many there are."""
    return sorted(shares.items(), key=lambda item: -item[1])[:SHOWN], len(shares)


def _lanes(report: dict[str, Any]) -> list[dict[str, Any]]:
    """By question its stretches, as percentages of the whole, each label with a colour of its own."""
    duration = report["duration_seconds"]
    lanes = []
    for question in FOLLOWED:
        stretches: list[dict[str, Any]] = []
        for section in (each for each in report["sections"] if question in each["labels"]):
            label, doubt = section["labels"][question], question in section["uncertain"]
            if stretches and (stretches[-1]["label"], stretches[-1]["uncertain"]) == (label, doubt):
                stretches[-1]["end_seconds"] = section["end_seconds"]
            else:
                stretches.append({"label": label, "uncertain": doubt, **_span(section)})
        colours = {label: place % COLOURS for place, label in enumerate(dict.fromkeys(s["label"] for s in stretches))}
        for each in stretches:
            each["colour"] = colours[each["label"]]
            each["left"] = 100 * each["start_seconds"] / duration
            each["width"] = 100 * (each["end_seconds"] - each["start_seconds"]) / duration
        if stretches:
            lanes.append({"name": name_of(question), "stretches": stretches})
    return lanes


def _span(section: dict[str, Any]) -> dict[str, float]:
    return {"start_seconds": section["start_seconds"], "end_seconds": section["end_seconds"]}


def _ticks(duration_seconds: float) -> list[tuple[float, str]]:
    """Where the axis of time is marked, in percent, and what with: four to eight round times."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    step = next((each for each in steps if duration_seconds / each <= 8), steps[-1] * 10)
    marks = [step * number for number in range(int(duration_seconds / step) + 1)]
    return [(100 * mark / duration_seconds, clock(mark).removesuffix(".0")) for mark in marks]
