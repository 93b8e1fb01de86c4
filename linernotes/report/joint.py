"""Several models' answers to one recording as one report: who answers which question, and where the music changes.

Pure functions on plain dicts. The report's form is `listen.schema.json`, beside this file.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

# which families answer a question, the preferred one first. Models are asked in the order of the questions, so that
# SonicVerse, which also has a word on genre, comes behind those that are preferred for it
ANSWERED_BY = {
    "genre": ("genre_moe", "mega_audioformer", "sonicverse"),
    "emotions": ("mathrock_affect",),
    "moods": ("sonicverse",),
    "vibe": ("mathrock_affect",),
    "intensity": ("mathrock_affect",),
    "tempo": ("mathrock_affect",),
    "meter": ("beatmeter",),
    "key": ("sonicverse",),
    "vocals": ("sonicverse",),
    "instruments": ("sonicverse", "mega_audioformer"),
    "speech_music": ("mega_audioformer",),
    "caption": ("sonicverse",),
}
QUESTIONS = tuple(ANSWERED_BY)
# what a Mega-AudioFormer was fine-tuned for shows in its labels
SUBJECTS = {
    "speech_music": {"speech", "music"},
    "instruments": {
        "bass", "brass", "cello", "clarinet", "drums", "flute", "guitar", "keyboard", "mallet", "organ", "piano",
        "reed", "saxophone", "string", "synth_lead", "trumpet", "violin", "vocal", "voice",
    },
    "genre": {
        "ambient", "blues", "classical", "country", "disco", "electronic", "experimental", "folk", "funk", "hiphop",
        "instrumental", "international", "jazz", "latin", "metal", "pop", "reggae", "rock", "soul",
    },
}  # fmt: skip
# questions of which one answer holds at a time, so that a change of it is a change of the music
FOLLOWED = ("genre", "vibe", "intensity", "tempo", "meter", "key", "vocals", "speech_music")
ROUNDING_SECONDS = 0.002  # window edges of models that hear at different rates


class Heard(NamedTuple):
    """What one model said: `source` is how it was named to `load`, `seconds` how long it took."""

    family: str
    source: str
    answer: dict[str, Any]
    seconds: float


# Who is asked


def subject(labels: Iterable[str]) -> str:
    """The question that labels of a Mega-AudioFormer answer: the one that most of them belong to.

    Raises ValueError where it is none of them.
    """
    labels = {label.lower() for label in labels}
    for question, known in SUBJECTS.items():
        if 2 * len(labels & known) > len(labels):
            return question
    raise ValueError(
        f"the labels {', '.join(sorted(labels))} answer none of {', '.join(SUBJECTS)}; "
        "ask this model by `linernotes predict --model`"
    )


def questions_of(family: str, labels: Iterable[str]) -> list[str]:
    """The questions that a model of a family can answer. Raises ValueError where there is none."""
    if family == "mega_audioformer":
        return [subject(labels)]
    if found := [question for question, families in ANSWERED_BY.items() if family in families]:
        return found
    raise ValueError(f"{family} answers none of {', '.join(QUESTIONS)}; ask it by `linernotes predict --model`")


def chosen(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the models that are needed, of those there are: for each question its preferred one.

    models: facts as `linernotes.bundled_models` gives them, in an order that decides between models of a family.
    """
    found = []
    for question, families in ANSWERED_BY.items():
        able = [model for model in models if question in questions_of(model["family"], model["labels"])]
        able.sort(key=lambda model: families.index(model["family"]))
        found += [model["name"] for model in able[:1]]
    return list(dict.fromkeys(found))


# What each family's answer says


def _choice(label: str, shares: Mapping[str, float], **more: Any) -> dict[str, Any]:
    return {"label": label, "confidence": shares[label], **more, "probabilities": dict(shares)}


def _of_genre_moe(answer: Mapping[str, Any]) -> dict[str, dict]:
    gates = {"gate_weights": dict(answer["gate_weights"])}
    return {"genre": _choice(answer["predicted_genre"], answer["probabilities"], **gates)}


def _of_mega_audioformer(answer: Mapping[str, Any]) -> dict[str, dict]:
    label, shares = answer["predicted_label"], answer["probabilities"]
    question = subject(shares)
    return {question: _choice(label, shares, **({"labels": [label]} if question == "instruments" else {}))}


def _of_beatmeter(answer: Mapping[str, Any]) -> dict[str, dict]:
    several = {"labels": list(answer["meters"]), "polyrhythm": answer["polyrhythm"]}
    gap = {"confidence_gap": answer["confidence_gap"]}
    return {"meter": _choice(answer["predicted_meter"], answer["probabilities"], **several, **gap)}


def _of_mathrock_affect(answer: Mapping[str, Any]) -> dict[str, dict]:
    emotions = {"labels": list(answer["predicted_emotions"]), "probabilities": dict(answer["emotions"])}
    return {"emotions": emotions, **{task: dict(answer[task]) for task in ("vibe", "intensity", "tempo")}}


def _of_sonicverse(answer: Mapping[str, Any]) -> dict[str, dict]:
    found = {name: dict(answer[name]) for name in ("key", "vocals", "instruments", "moods") if name in answer}
    if "genres" in answer:
        shares = answer["genres"]["probabilities"]
        found["genre"] = _choice(max(shares, key=shares.get), shares, labels=list(answer["genres"]["labels"]))
    if answer.get("caption"):
        span = {name: answer[f"caption_{name}"] for name in ("start_seconds", "end_seconds")}
        longer = {name: answer[name] for name in ("segments", "story", "withheld") if name in answer}
        found["caption"] = {"text": answer["caption"], **span, **longer}
    return found


READERS: dict[str, Callable[[Mapping[str, Any]], dict[str, dict]]] = {
    "beatmeter": _of_beatmeter,
    "genre_moe": _of_genre_moe,
    "mathrock_affect": _of_mathrock_affect,
    "mega_audioformer": _of_mega_audioformer,
    "sonicverse": _of_sonicverse,
}


# The report


def joint_report(path: str | None, heard: Sequence[Heard], *, decoding_seconds: float, timeline: bool) -> dict:
    """One report of what several models said of a recording.

    Args:
        heard: of each model, asked with timeline=True; the first that answers a question is believed, and the others'
            answers to it stand beside it, as `also`.
        timeline: keeps each model's windows, as `timeline` of its entry in `models`.

    A recording of which no model could say anything gives {"path", "error"}, the first model's error.
    """
    answered = [each for each in heard if "error" not in each.answer]
    if not answered:
        return {"path": path, "error": {**heard[0].answer["error"], "path": path}}
    answers = _answers(answered)
    seconds = [each.seconds for each in heard]
    return {
        "path": path,
        "duration_seconds": max(each.answer["duration_seconds"] for each in answered),
        **{question: answers.get(question) for question in QUESTIONS},
        "unanswered": [question for question in QUESTIONS if question not in answers],
        "uncertain": [question for question in QUESTIONS if answers.get(question, {}).get("uncertain")],
        "warnings": _warnings(heard),
        "sections": sections(_tracks(answered)),
        "models": [_entry(each, answers, timeline) for each in heard],
        "decoding_seconds": round(decoding_seconds, 3),
        "total_seconds": round(decoding_seconds + sum(seconds), 3),
    }


def _answers(answered: Iterable[Heard]) -> dict[str, dict]:
    """By question the answer of the first model that has one; `uncertain` is about it alone where the model has such a
    word, else about all that the model said."""
    found: dict[str, dict] = {}
    for each in answered:
        said = {"model": each.answer["model"], "uncertain": each.answer["uncertain"]}
        for question, answer in READERS[each.family](each.answer).items():
            if question in found:
                found[question].setdefault("also", []).append(said | answer)
            else:
                found[question] = said | answer
    return found


def _warnings(heard: Iterable[Heard]) -> list[dict[str, Any]]:
    """What models warn of, each text once."""
    found: dict[str, list[str]] = {}
    for each in heard:
        if "error" in each.answer:
            found.setdefault(each.answer["error"]["message"], []).append(each.source)
        for text in each.answer.get("warnings", []):
            found.setdefault(text, []).append(each.answer["model"])
    return [{"text": text, "models": models} for text, models in found.items()]


def _entry(each: Heard, answers: Mapping[str, dict], timeline: bool) -> dict[str, Any]:
    entry = {"source": each.source, "family": each.family, "seconds": round(each.seconds, 3)}
    if "error" in each.answer:
        return entry | {"error": each.answer["error"]["code"]}
    name = each.answer["model"]
    believed = [question for question in QUESTIONS if answers.get(question, {}).get("model") == name]
    entry |= {"model": name, "heard_seconds": each.answer["heard_seconds"], "answers": believed}
    return entry | ({"timeline": each.answer["timeline"]} if timeline else {})


# Where the music changes


def _tracks(answered: Iterable[Heard]) -> dict[str, list[tuple[float, float, str, bool]]]:
    """By question (start, end, label, uncertain) of stretches that follow each other; of each question's model."""
    tracks: dict[str, list[tuple[float, float, str, bool]]] = {}
    for each in answered:
        found: dict[str, list] = {}
        doubted = {name for name, answer in READERS[each.family](each.answer).items() if _unsure(answer, each.answer)}
        for window in each.answer["timeline"]:
            said = {name: answer for name, answer in READERS[each.family](window).items() if name in FOLLOWED}
            for question, answer in said.items():
                track = found.setdefault(question, [])
                start = track[-1][1] if track else 0.0  # the last window overlaps the one before it
                unsure = question in doubted or _unsure(answer, window)  # what is doubted as a whole is so in parts
                track.append((start, window["end_seconds"], answer["label"], unsure))
        tracks = found | tracks
    return {question: tracks[question] for question in FOLLOWED if question in tracks}


def _unsure(answer: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """A model's doubt about one answer, else about all that it said."""
    return bool(answer.get("uncertain", said.get("uncertain")))


def sections(tracks: Mapping[str, Sequence[tuple[float, float, str, bool]]]) -> list[dict[str, Any]]:
    """Stretches in which no answer changes: {"start_seconds", "end_seconds", "labels" by question, "uncertain"}.

    tracks: by question (start_seconds, end_seconds, label, uncertain), each following the one before. Borders as
    close as the rounding of two sampling rates are one.
    """
    if not tracks:
        return []
    starts = {start for track in tracks.values() for start, *_ in _runs(track)}
    borders: list[float] = []
    for start in sorted(starts):
        if not borders or start - borders[-1] > ROUNDING_SECONDS:
            borders.append(start)
    end = max(track[-1][1] for track in tracks.values())
    ends = {question: [end for _, end, *_ in track] for question, track in tracks.items()}
    found = []
    for start, stop in zip(borders, [*borders[1:], end], strict=True):
        middle = (start + stop) / 2
        at = {name: track[min(bisect_right(ends[name], middle), len(track) - 1)] for name, track in tracks.items()}
        labels, unsure = {name: at[name][2] for name in at}, [name for name in at if at[name][3]]
        found.append({"start_seconds": start, "end_seconds": stop, "labels": labels, "uncertain": unsure})
    return found


def _runs(track: Iterable[tuple[float, float, str, bool]]) -> list[tuple[float, float, str, bool]]:
    runs: list[tuple[float, float, str, bool]] = []
    for start, end, label, uncertain in track:
        if runs and runs[-1][2:] == (label, uncertain):
            start = runs.pop()[0]
        runs.append((start, end, label, uncertain))
    return runs
