"""A joint report as JAMS 0.3, the JSON in which tools of music research keep annotations. Pure functions.

"JAMS: A JSON Annotated Music Specification for Reproducible MIR Research" (Humphrey et al. 2014). An annotation for
each answer, on the whole recording, and one of the sections. Where JAMS has a vocabulary that all labels of a model
belong to (GTZAN's genres, keys) it is used, else tags are open. Beats a minute and places of beats no model here knows.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import linernotes
from linernotes.report.joint import QUESTIONS

JAMS_VERSION = "0.3.4"
OPEN = "tag_open"
GENRES = ("blues", "classical", "country", "disco", "hip-hop", "jazz", "metal", "pop", "reggae", "rock")
KEYS = [(f"{letter}{sign}", mode) for letter in "ABCDEFG" for sign in ("", "b", "#") for mode in ("major", "minor")]
# question -> its namespace, and by label what it is called there
NAMESPACES = {
    "genre": ("tag_gtzan", {genre.replace("-", ""): genre for genre in GENRES}),
    "key": ("key_mode", {f"{tonic} {mode}": f"{tonic}:{mode}" for tonic, mode in KEYS}),
}


def as_jams(report: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations of one recording, to be written as JSON.

    report: of `linernotes.listen`. Raises ValueError where the recording could not be heard.
    """
    if "error" in report:
        raise ValueError(f"nothing was heard that could be annotated: {report['error']['message']}")
    seconds, annotations = report["duration_seconds"], []
    for question in QUESTIONS:
        if (believed := report[question]) is not None:
            annotations += [_of_answer(question, each, seconds) for each in (believed, *believed.get("also", []))]
    return {
        "file_metadata": {"duration": seconds, "identifiers": {}, "jams_version": JAMS_VERSION},
        "annotations": [*annotations, _of_sections(report)],
        "sandbox": {"path": report["path"]},
    }


def _of_answer(question: str, answer: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    said = {"question": question, "uncertain": answer["uncertain"]}
    if question == "caption":
        whole = [{**answer, "caption": answer["text"]}]
        found = [_observed(each, each["caption"], None) for each in answer.get("segments", whole)]
        return _annotation(OPEN, found, seconds, [answer["model"]], said)
    shares = answer["probabilities"]
    namespace, words = NAMESPACES.get(question, (OPEN, {}))
    if not shares.keys() <= words.keys():
        namespace, words = OPEN, {}
    span = {"start_seconds": 0.0, "end_seconds": seconds}
    labels = answer["labels"] if "labels" in answer else [answer["label"]]
    found = [_observed(span, words.get(label, label), shares[label]) for label in labels]
    return _annotation(namespace, found, seconds, [answer["model"]], {**said, "probabilities": dict(shares)})


def _of_sections(report: Mapping[str, Any]) -> dict[str, Any]:
    """Stretches in which no answer changes, each labelled "genre: jazz, meter: 4" of the whole."""
    found = [
        _observed(each, ", ".join(f"{question}: {label}" for question, label in each["labels"].items()), None)
        for each in report["sections"]
    ]
    models = (each["model"] for each in report["models"] if "model" in each)
    return _annotation("segment_open", found, report["duration_seconds"], models, {"question": "sections"})


def _observed(span: Mapping[str, Any], value: str, confidence: float | None) -> dict[str, Any]:
    start, end = span["start_seconds"], span["end_seconds"]
    return {"time": start, "duration": round(end - start, 3), "value": value, "confidence": confidence}


def _annotation(
    namespace: str, observed: list[dict], seconds: float, models: Iterable[str], said: Mapping[str, Any]
) -> dict[str, Any]:
    """said: what JAMS has no place for; `jam.search(question="genre")` finds it."""
    source = {"annotation_tools": f"linernotes {linernotes.__version__}", "data_source": ", ".join(models)}
    span = {"time": 0.0, "duration": seconds}
    return {"namespace": namespace, "annotation_metadata": source, "data": observed, "sandbox": {**said}, **span}
