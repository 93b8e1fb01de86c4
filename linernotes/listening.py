"""Several models hear one recording, decoded once: `linernotes.listen("song.mp3")`.

Every model is asked by its own `predict`, so that what the report says is what each model says by itself.
Importing this module loads no library.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

from linernotes import api
from linernotes.report.joint import Heard, chosen, joint_report, questions_of

if TYPE_CHECKING:
    from linernotes.decoding import Decoded
    from linernotes.modeling.music_model import MusicModel


class Member(NamedTuple):
    """A loaded model, and how it was named."""

    source: str
    model: "MusicModel"


def listen(
    audio: Any,
    models: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    *,
    sampling_rate: int | None = None,
    timeline: bool = False,
    batch_size: int = 8,
    device: str | None = None,
    errors: str = "raise",
) -> dict[str, Any] | list[dict[str, Any]]:
    """What all models say of a recording, as one plain dict: see docs/listen.md, and `listen.schema.json` for its form.

    Args:
        audio: a path, bytes, a binary file object, an array with `sampling_rate`, a dict as `datasets` has them, or a
            list of any of these: then a list is answered, in order.
        models: bundled names, folders, Hub ids, or one of them alone; where two can answer a question, the first is
            believed. By default of the bundled models one for each question.
        sampling_rate: rate in Hz of a bare array.
        timeline: adds each model's windows; and a model that writes captions describes a long recording part by part.
        batch_size: windows per forward pass.
        device: where the models compute, such as "cuda"; the CPU by default.
        errors: "raise", or "record" to put {"path", "error": {"code", "message", "path"}} in the place of a bad
            recording.

    Raises:
        AudioError: a recording cannot be read; not with errors="record".
        ValueError: there is no such model or device, or a model that answers none of the questions.
        OSError: no room on disk for the decoded sound, or the Hub cannot be reached.

    >>> report = listen("linernotes/assets/morning_mood.ogg", models="genre-moe")
    >>> report["genre"]["label"], report["genre"]["model"]
    ('classical', 'genre-moe')
    >>> "key" in report["unanswered"]
    True
    """
    if errors == "raise":
        _refuse_absent(audio)
    listener = Listener(models, device=device)
    options = {"sampling_rate": sampling_rate, "timeline": timeline, "batch_size": batch_size, "errors": errors}
    return listener.listen(audio, **options)


def _refuse_absent(audio: Any) -> None:
    """Raises AudioError, in its reader's words, for a path where nothing is: models take seconds to load."""
    from linernotes.modeling.audio import open_audio

    for source in audio if isinstance(audio, (list, tuple)) else [audio]:
        if isinstance(source, (str, PathLike)) and not os.path.exists(source):
            with open_audio(source):
                return


class Listener:
    """Models that stay loaded, for many recordings.

    >>> listener = Listener(["genre-moe"])
    >>> listener.listen("linernotes/assets/morning_mood.ogg")["duration_seconds"]
    15.25
    """

    def __init__(
        self, models: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None, *, device: str | None = None
    ):
        """Arguments and errors: `listen`. A model may also be given as it is, loaded."""
        alone = isinstance(models, (str, PathLike))
        named = chosen(api.bundled_models()) if models is None else [models] if alone else list(models)
        if not named:
            raise ValueError(
                "no model is bundled here, and none was named: name a folder or a Hub id"
                if models is None
                else "models is empty: name at least one, or leave it out for the bundled ones"
            )
        self.members = [self._member(each, device) for each in named]

    @staticmethod
    def _member(named: Any, device: str | None) -> Member:
        given = not isinstance(named, (str, PathLike))
        model = named if given else api.load(named, device=device)
        questions_of(model.config.model_type, getattr(model.config, "labels", []))  # a model of none is refused
        return Member(model.config.model_name if given else str(named), model)

    def listen(
        self,
        audio: Any,
        *,
        sampling_rate: int | None = None,
        timeline: bool = False,
        batch_size: int = 8,
        errors: str = "raise",
        say: Callable[[str], None] | None = None,
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """As the function `listen`; `say` is told what is going on, for people who wait."""
        from linernotes.decoding import decoded
        from linernotes.modeling.audio import AudioError, describe

        if errors not in ("raise", "record"):
            raise ValueError(f"errors is {errors!r}; allowed are 'raise' and 'record'")
        reports = []
        for source in audio if isinstance(audio, (list, tuple)) else [audio]:
            try:
                with decoded(source, sampling_rate=sampling_rate) as sound:
                    reports += self.hear([sound], timeline=timeline, batch_size=batch_size, say=say)
            except AudioError as error:
                reports.append({"path": describe(source), "error": recorded(error)})
            if errors == "raise" and "error" in reports[-1]:
                raise _raisable(reports[-1]["error"])
        return reports if isinstance(audio, (list, tuple)) else reports[0]

    def hear(
        self,
        sounds: Sequence["Decoded"],
        *,
        timeline: bool = False,
        batch_size: int = 8,
        say: Callable[[str], None] | None = None,
    ) -> list[dict[str, Any]]:
        """The report of each decoded recording; the models hear all of them together, batch by batch."""
        heard: list[list[Heard]] = [[] for _ in sounds]
        for member in self.members:
            if say is not None:
                say(member.source)
            for found, each in zip(heard, self._ask(member, sounds, timeline, batch_size), strict=True):
                found.append(each)
        return [self._report(sound, found, timeline) for sound, found in zip(sounds, heard, strict=True)]

    def growing(
        self, sound: "Decoded", *, timeline: bool = False, batch_size: int = 8, lyrics: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """The report of one decoded recording as it grows, once after each model; the last is the one of `hear`.

        lyrics: the words of the recording, for models that read them.
        """
        heard: list[Heard] = []
        for member in self.members:
            heard += self._ask(member, [sound], timeline, batch_size, lyrics=lyrics)
            yield self._report(sound, heard, timeline)

    @staticmethod
    def _ask(member: Member, sounds: Sequence["Decoded"], timeline: bool, batch_size: int, **asked: Any) -> list[Heard]:
        """What one model says of each recording, by its own `predict`."""
        started, model = time.perf_counter(), member.model
        known = signature(model.predict).parameters
        options = {name: given for name, given in (asked | {"long": timeline}).items() if given and name in known}
        files = [str(sound.source) for sound in sounds]
        answers = model.predict(files, timeline=True, batch_size=batch_size, errors="record", **options)
        seconds = (time.perf_counter() - started) / max(len(sounds), 1)
        told = [_renamed(answer, sound) for sound, answer in zip(sounds, answers, strict=True)]
        return [Heard(model.config.model_type, member.source, answer, seconds) for answer in told]

    @staticmethod
    def _report(sound: "Decoded", heard: Sequence[Heard], timeline: bool) -> dict[str, Any]:
        return joint_report(sound.path, heard, decoding_seconds=sound.decoding_seconds, timeline=timeline)


def recorded(error: Any) -> dict[str, Any]:
    """An AudioError as `predict` records it."""
    return {"code": error.code, "message": str(error), "path": error.path}


def _renamed(answer: dict[str, Any], sound: "Decoded") -> dict[str, Any]:
    """The same answer; an error names the recording, not the temporary file."""
    if "error" not in answer:
        return answer
    message = answer["error"]["message"].removeprefix(f"{str(sound.source)!r}: ")
    message = message if sound.path is None else f"{sound.path!r}: {message}"
    return {"error": {**answer["error"], "message": message, "path": sound.path}}


def _raisable(error: dict[str, Any]) -> Exception:
    from linernotes.modeling.audio import AudioError

    return AudioError(error["code"], error["message"].removeprefix(f"{error['path']!r}: "), error["path"])
