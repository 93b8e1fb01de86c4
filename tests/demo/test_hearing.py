"""The page's steps without a page: a report that grows, and what is said of recordings that cannot be heard."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from linernotes.demo.hearing import View, views
from linernotes.listening import Listener
from linernotes.modeling.audio import AudioError
from linernotes.report import joint

SCHEMA = Draft202012Validator(json.loads(Path(joint.__file__).with_name("listen.schema.json").read_text()))
TIMES = ("decoding_seconds", "total_seconds")


def steps(listener, file: Path, name: str | None = None, max_seconds: float = 60.0, **asked) -> list[View]:
    recording = {"path": name or file.name, "bytes": file.read_bytes()}
    return list(views(listener, lambda: recording, max_seconds=max_seconds, **asked))


def timeless(report: dict) -> dict:
    models = [{key: value for key, value in each.items() if key != "seconds"} for each in report["models"]]
    return {key: value for key, value in report.items() if key not in TIMES} | {"models": models}


def test_the_report_grows_to_what_listen_says(listener, song):
    file = song("a song.wav")
    shown = steps(listener, file)
    assert [view.status.count("listens (") for view in shown] == [1, 1, 0]
    assert "(1 of 2)" in shown[0].status
    assert (shown[0].report, shown[0].notes) == (None, "")
    first, whole = shown[1].report, shown[2].report
    for report in (first, whole):
        SCHEMA.validate(report)
    assert (first["meter"], whole["genre"]) == (None, first["genre"])
    assert "Still to listen" in shown[1].notes
    assert "No model here answers: Emotions" in shown[2].notes
    assert timeless(whole) == timeless(listener.listen(str(file))) | {"path": "a song.wav"}


def test_windows_are_kept_where_they_are_asked_for(listener, song):
    file = song("windows.wav")
    assert "timeline" not in steps(listener, file)[-1].report["models"][0]
    report = steps(listener, file, timeline=True)[-1].report
    SCHEMA.validate(report)
    assert timeless(report) == timeless(listener.listen(str(file), timeline=True)) | {"path": "windows.wav"}


def test_stretches_say_where_they_play(listener, song):
    notes = steps(listener, song("stretches.wav"))[-1].notes
    assert 'data-duration-seconds="7.0"' in notes
    assert 'role="button" tabindex="0"' in notes
    assert 'data-start-seconds="0.0"' in notes


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("text.mp3", b"words", "not_audio", "&#39;text.mp3&#39;: "),
        ("empty.wav", b"", "empty", "&#39;empty.wav&#39;: "),
        ("<b>&.mp3", b"words", "not_audio", "&lt;b&gt;&amp;.mp3"),
    ],
)
def test_bad_files_are_told_by_their_name(listener, tmp_path, name, content, code, words):
    (tmp_path / "file").write_bytes(content)
    (view,) = steps(listener, tmp_path / "file", name)
    SCHEMA.validate(view.report)
    assert (view.report["path"], view.report["error"]["code"]) == (name, code)
    assert words in view.status
    assert "<b>" not in view.status
    assert view.notes == ""


def test_long_recordings_are_refused_before_they_are_heard(listener, song):
    (view,) = steps(listener, song("long.wav"), max_seconds=5.0)
    assert view.report["error"]["code"] == "too_long"
    assert (
        view.report["error"]["message"] == "'long.wav': longer than the 5 s that are allowed here: give a shorter one"
    )
    assert "give a shorter one" in view.status
    assert "max_seconds" not in view.status


def test_what_no_model_can_hear_is_said_once(listener, song):
    shown = steps(listener, song("short.wav", 0.5))
    assert [view.report is None for view in shown] == [True, True, False]
    assert shown[-1].report["error"]["code"] == "too_short"
    assert "complaint" in shown[-1].status


def test_one_model_that_fails_does_not_take_the_others_along(listener, song, monkeypatch):
    native = Listener._ask

    def ask(member, *arguments, **asked):
        heard = native(member, *arguments, **asked)
        failed = {"error": {"code": "too_short", "message": "not for me", "path": "x"}}
        return [each._replace(answer=failed) for each in heard] if member is listener.members[1] else heard

    monkeypatch.setattr(Listener, "_ask", staticmethod(ask))
    view = steps(listener, song("half.wav"))[-1]
    SCHEMA.validate(view.report)
    assert view.report["genre"]["label"]
    assert view.status == ""
    assert "Warning: not for me" in view.notes


def test_an_upload_that_is_gone_is_said(listener):
    def take():
        raise AudioError("not_found", "the upload is no longer here: upload it again", "x.wav")

    (view,) = views(listener, take, max_seconds=60.0)
    SCHEMA.validate(view.report)
    assert "upload it again" in view.status
