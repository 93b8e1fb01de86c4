"""The page's server, asked as a program would: right answers, for two at once, and nothing left behind."""

import json
import os
import tempfile
import threading
import time
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from joint_reports import tiny_models
from jsonschema import Draft202012Validator

from linernotes.demo import app
from linernotes.demo.app import running
from linernotes.demo.hearing import views
from linernotes.demo.uploads import Uploads
from linernotes.listening import Listener
from linernotes.report import joint

SCHEMA = Draft202012Validator(json.loads(Path(joint.__file__).with_name("listen.schema.json").read_text()))


@pytest.fixture
def client(site, tmp_path) -> Client:
    return Client(site.address, verbose=False, download_files=tmp_path)


def ask(client: Client, file: Path) -> tuple[str, str, dict]:
    """What stands on the page in the end: status, notes, report."""
    _, status, notes, text, *_ = client.predict(handle_file(file), False, "", api_name="/listen")
    return status, notes, json.loads(text)


def test_the_answer_is_that_of_listen(site, client, listener, song):
    file = song("as listen.wav")
    status, notes, report = ask(client, file)
    SCHEMA.validate(report)
    expected = listener.listen(str(file))
    assert report["path"] == "as listen.wav"
    assert {key: report[key] for key in joint.QUESTIONS} == {key: expected[key] for key in joint.QUESTIONS}
    assert report["sections"] == expected["sections"]
    assert (status, notes.count("<article")) == ("", 1)
    assert site.left() == []


def test_bad_files_are_told_and_not_kept(site, client, tmp_path, song):
    (tmp_path / "words.mp3").write_bytes(b"no sound in here")
    for file, code in ((tmp_path / "words.mp3", "not_audio"), (song("long one.wav", 21.0), "too_long")):
        status, notes, report = ask(client, file)
        SCHEMA.validate(report)
        assert (report["error"]["code"], report["error"]["path"], notes) == (code, file.name, "")
        assert file.name in status
        assert "Traceback" not in status
        assert site.left() == []


def test_large_files_are_refused_and_not_kept(site, client, tmp_path):
    (tmp_path / "large.wav").write_bytes(b"\0" * 1_100_000)
    with pytest.raises(ValueError, match="exceeds the maximum file size of 1048576 bytes"):
        ask(client, tmp_path / "large.wav")
    with open(tmp_path / "large.wav", "rb") as file:
        assert httpx.post(f"{site.address}gradio_api/upload", files={"files": file}).status_code == 413
    assert site.left() == []


def test_no_recording_is_said(client):
    _, status, *_ = client.predict(None, False, "", api_name="/listen")
    assert "there is no recording yet" in status


def raw(site, recording: dict) -> str:
    """The events of an answer, asked for as no client of gradio would: nothing is uploaded."""
    call = f"{site.address}gradio_api/call/listen"
    event = httpx.post(call, json={"data": [recording, False, ""]}).json()["event_id"]
    return httpx.get(f"{call}/{event}", timeout=60).text


def test_a_file_of_the_server_is_no_upload(site, song):
    secret = song("secret.wav")
    events = raw(site, gr.FileData(path=str(secret)).model_dump())
    assert "event: error" in events
    assert "duration_seconds" not in events
    assert secret.exists()


@pytest.mark.parametrize("names", [("one.wav", "the other.wav"), ("same.wav", "same.wav")])
def test_two_at_once_get_each_their_own(site, song, tmp_path, names):
    clients = [Client(site.address, verbose=False, download_files=tmp_path) for _ in names]
    files = [song(name, 4.0 + number * (names[0] != names[1])) for number, name in enumerate(names)]
    jobs = [
        client.submit(handle_file(file), False, "", api_name="/listen")
        for client, file in zip(clients, files, strict=True)
    ]
    for job, file, seconds in zip(jobs, files, (4.0, 4.0 + (names[0] != names[1])), strict=True):
        report = json.loads(job.result()[3])
        assert (report["path"], report["duration_seconds"]) == (file.name, seconds)
        grown = [json.loads(output[3])["path"] for output in job.outputs() if output[3]]
        assert set(grown) == {file.name}
    assert site.left() == []


def test_who_leaves_in_the_middle_leaves_nothing(site, client, song, monkeypatch):
    native, asked, goes_on = Listener._ask, threading.Event(), threading.Event()

    def ask_slowly(*arguments, **options):
        asked.set()
        goes_on.wait(30)
        return native(*arguments, **options)

    monkeypatch.setattr(Listener, "_ask", staticmethod(ask_slowly))
    job = client.submit(handle_file(song("left.wav")), False, "", api_name="/listen")
    assert asked.wait(30)
    assert site.left()  # the decoded sound
    threading.Timer(0.5, goes_on.set).start()  # a model that has begun is not stopped
    job.cancel()
    deadline = time.monotonic() + 30
    while site.left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert site.left() == []


def test_the_example_is_not_taken_for_an_upload(site):
    before = app.EXAMPLE.read_bytes()
    page = gr.FileData(path=str(app.EXAMPLE))
    events = raw(site, page.model_dump())
    assert '\\"duration_seconds\\": 15.25' in events
    assert app.EXAMPLE.read_bytes() == before
    assert site.left() == []


def test_every_answer_forbids_the_outside(site):
    for path in ("", "config", "gradio_api/info", "nothing-here"):
        policy = httpx.get(site.address + path).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "http" not in policy


def test_no_variable_makes_gradio_tell_or_offer_more(folders, monkeypatch):
    for variable in ("ANALYTICS_ENABLED", "SHARE", "SSR_MODE", "RUN_HISTORY", "MCP_SERVER"):
        monkeypatch.setenv(f"GRADIO_{variable}", "True")
    launched = {}

    def launch(page, **options):
        launched.update(options, analytics=page.analytics_enabled)
        return None, "http://here", None

    monkeypatch.setattr(gr.Blocks, "launch", launch)
    with running(folders[:1]):
        pass
    for name in ("analytics", "share", "ssr_mode", "run_history", "mcp_server", "pwa", "enable_monitoring"):
        assert launched[name] is False, name
    assert launched["footer_links"] == []


def test_uploads_lie_in_a_folder_that_goes(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "elsewhere")
    with running(folders[:1]):
        (place,) = tmp_path.iterdir()
        assert os.environ["GRADIO_TEMP_DIR"] == str(place)
    assert not list(tmp_path.iterdir())
    assert os.environ["GRADIO_TEMP_DIR"] == "elsewhere"


# About one model


@pytest.fixture(scope="module")
def of_each_family(folders, tmp_path_factory) -> dict:
    from small_sonicverse import make

    without_words = make()
    without_words.drop_language_model()
    more = tiny_models(tmp_path_factory.mktemp("singles"))
    return {"genre_moe": folders[0], **more, "sonicverse": without_words}


@pytest.mark.parametrize("family", ["genre_moe", "beatmeter", "mathrock_affect", "mega_audioformer", "sonicverse"])
def test_a_page_about_one_model_of_any_family(of_each_family, song, family):
    listener, file = Listener([of_each_family[family]]), song("single.wav")
    page = app.build(listener, Uploads(), app.Limits(), single=True)
    (model,) = (member.model for member in listener.members)
    texts = " ".join(str(block.value) for block in page.blocks.values() if isinstance(block, gr.HTML))
    assert page.title == model.config.model_name
    assert f"a {family}." in texts
    assert ("Captions need its language model" in texts) == (family == "sonicverse")
    (checkbox,) = (block for block in page.blocks.values() if isinstance(block, gr.Checkbox))
    assert ("a caption of every part" in checkbox.label) == (family == "sonicverse")
    (lyrics,) = (block for block in page.blocks.values() if isinstance(block, gr.Textbox))
    assert not lyrics.visible
    recording = {"path": "single.wav", "bytes": file.read_bytes()}
    *_, view = views(listener, lambda: recording, max_seconds=60.0)
    SCHEMA.validate(view.report)
    assert [each["family"] for each in view.report["models"]] == [family]


def test_a_model_that_reads_is_told_the_words(song):
    from published_mathrock import TINY_CLAP, TINY_TEXT, TINY_WAVLM, tiny_tokenizer

    from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
    from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect

    sizes = {"projection_size": 8, "fusion_size": 8, "head_hidden_size": 8}
    config = MathRockAffectConfig(**sizes, wavlm_config=TINY_WAVLM, clap_config=TINY_CLAP, text_config=TINY_TEXT)
    model, told = MathRockForAffect(config).eval(), []
    model.tokenizer = tiny_tokenizer()
    native = model.predict

    def predict(audio, *, lyrics=None, **options):
        told.append(lyrics)
        return native(audio, lyrics=lyrics, **options)

    model.predict = predict
    listener, recording = Listener([model]), {"path": "x.wav", "bytes": song("words.wav").read_bytes()}
    page = app.build(listener, Uploads(), app.Limits(), single=True)
    (lyrics,) = (block for block in page.blocks.values() if isinstance(block, gr.Textbox))
    assert lyrics.visible
    for words in ("la la", None):
        *_, view = views(listener, lambda: recording, max_seconds=60.0, lyrics=words)
        SCHEMA.validate(view.report)
    assert told == ["la la", None]
