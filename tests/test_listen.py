"""`linernotes.listen` and `linernotes listen`: each field is its family's own word, and what is printed where."""

import doctest
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jams
import numpy as np
import pytest
import soundfile
from joint_reports import tiny_models
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

import linernotes
from linernotes import api, cli, listening
from linernotes.modeling.audio import AudioError
from linernotes.report import joint

ROOT = Path(__file__).parents[1]
SCHEMA = Draft202012Validator(json.loads(Path(joint.__file__).with_name("listen.schema.json").read_text()))


@pytest.fixture(scope="module")
def folders(tmp_path_factory, tiny_folder) -> dict[str, Path]:
    return {"genre_moe": tiny_folder, **tiny_models(tmp_path_factory.mktemp("models"))}


@pytest.fixture(scope="module")
def listener(folders) -> linernotes.Listener:
    return linernotes.Listener(list(folders.values()))


@pytest.fixture(scope="module")
def song(tmp_path_factory, tone) -> Path:
    """Seven seconds that change in the middle, in stereo."""
    path = tmp_path_factory.mktemp("songs") / "song.flac"
    noise = 0.1 * np.random.default_rng(0).standard_normal(44_100 * 7)
    left = np.where(np.arange(len(noise)) < len(noise) // 2, tone(7.0, 44_100), noise)
    soundfile.write(path, np.stack([left, 0.5 * left], 1), 44_100)
    return path


@pytest.fixture
def bundled(folders, tmp_path, monkeypatch) -> None:
    """The small models stand in for the published ones."""
    for family, folder in folders.items():
        (tmp_path / "models" / family).parent.mkdir(exist_ok=True)
        (tmp_path / "models" / family).symlink_to(folder)
    monkeypatch.setattr(api, "BUNDLED", tmp_path / "models")


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def closely(value):
    """Plain answers to be compared with == but for rounding error."""
    if isinstance(value, dict):
        return {name: closely(each) for name, each in value.items()}
    return pytest.approx(value, abs=1e-5) if isinstance(value, float) else value


# Each field


def test_each_field_is_what_its_family_says_by_itself(listener, folders, song):
    report = listener.listen(song)
    SCHEMA.validate(report)
    said = {family: linernotes.load(folder).predict(song) for family, folder in folders.items()}
    genre, meter, affect, kind = (
        said[each] for each in ("genre_moe", "beatmeter", "mathrock_affect", "mega_audioformer")
    )
    for question, expected in {
        "genre": {
            "model": "tiny-moe", "label": genre["predicted_genre"], "confidence": genre["confidence"],
            "probabilities": genre["probabilities"], "gate_weights": genre["gate_weights"],
            "uncertain": genre["uncertain"],
        },
        "meter": {
            "model": "tiny-meter", "label": meter["predicted_meter"], "labels": meter["meters"],
            "confidence": max(meter["probabilities"].values()), "polyrhythm": meter["polyrhythm"],
            "confidence_gap": meter["confidence_gap"], "probabilities": meter["probabilities"],
            "uncertain": meter["uncertain"],
        },
        "emotions": {
            "model": "tiny-affect", "labels": affect["predicted_emotions"], "probabilities": affect["emotions"],
            "uncertain": affect["uncertain"],
        },
        **{
            task: {"model": "tiny-affect", "uncertain": affect["uncertain"], **affect[task]}
            for task in ("vibe", "intensity", "tempo")
        },
        "speech_music": {
            "model": "tiny-kind", "label": kind["predicted_label"], "confidence": kind["confidence"],
            "probabilities": kind["probabilities"], "uncertain": kind["uncertain"],
        },
    }.items():  # fmt: skip
        assert report[question] == closely(expected), question
    assert report["unanswered"] == ["moods", "key", "vocals", "instruments", "caption"]
    assert report["duration_seconds"] == pytest.approx(7.0, abs=0.001)
    heard = {each["model"]: each["heard_seconds"] for each in report["models"]}
    assert heard == {each["model"]: each["heard_seconds"] for each in said.values()}


def test_the_timeline_is_that_of_each_family(listener, folders, song):
    report = listener.listen(song, timeline=True)
    SCHEMA.validate(report)
    for entry, folder in zip(report["models"], folders.values(), strict=True):
        expected = linernotes.load(folder).predict(song, timeline=True)["timeline"]
        assert len(entry["timeline"]) == len(expected)
        for window, wanted in zip(entry["timeline"], expected, strict=True):
            assert {k: v for k, v in window.items() if not isinstance(v, dict)} == closely(
                {k: v for k, v in wanted.items() if not isinstance(v, dict)}
            )
    meters = [window["predicted_meter"] for window in report["models"][1]["timeline"]]
    assert len(meters) == 3
    assert report["sections"][0]["labels"]["meter"] == meters[0]
    assert report["sections"][-1]["end_seconds"] == pytest.approx(7.0, abs=0.001)


def test_any_form_of_sound_gives_the_same_answers(listener, song):
    samples, rate = soundfile.read(song, dtype="float32")
    reports = listener.listen([song, song.read_bytes(), {"array": samples.T, "sampling_rate": rate}])
    with open(song, "rb") as file:
        reports.append(listener.listen(file))
    assert [report["path"] for report in reports] == [str(song), None, None, str(song)]
    timeless = [{k: v for k, v in r.items() if k in joint.QUESTIONS} for r in reports]
    assert timeless[0] == timeless[1] == timeless[2] == timeless[3]


def test_a_recording_is_decoded_once_for_all_models(listener, song, monkeypatch):
    from linernotes.modeling import audio

    opened = []
    native = audio._open_path
    monkeypatch.setattr(audio, "_open_path", lambda path: opened.append(path) or native(path))
    listener.listen(song)
    assert opened.count(str(song)) == 1
    assert len(opened) >= 5  # the temporary file, by every model


# What is asked, what is refused


def test_by_default_the_bundled_models_are_asked(bundled, song):
    report = linernotes.listen(song)
    assert [each["source"] for each in report["models"]] == [
        "genre_moe", "mathrock_affect", "beatmeter", "mega_audioformer",
    ]  # fmt: skip


def test_a_folder_and_a_loaded_model_are_models_too(folders, song):
    loaded = linernotes.load(folders["beatmeter"])
    report = linernotes.Listener([loaded, folders["genre_moe"]]).listen(song)
    assert [each["source"] for each in report["models"]] == ["tiny-meter", str(folders["genre_moe"])]


@pytest.mark.parametrize("kind", [str, Path])
def test_one_model_needs_no_list(folders, song, kind):
    report = linernotes.listen(song, models=kind(folders["genre_moe"]))
    assert [each["family"] for each in report["models"]] == ["genre_moe"]


def test_a_path_of_nothing_is_refused_before_models_are_loaded(monkeypatch, song, folders):
    with monkeypatch.context() as patch:
        patch.setattr(listening, "Listener", lambda *_, **__: pytest.fail("models were loaded"))
        with pytest.raises(AudioError, match=r"'absent\.wav': cannot be opened .*: check the path"):
            linernotes.listen([song, "absent.wav"])
    report = linernotes.listen("absent.wav", models=[folders["genre_moe"]], errors="record")
    assert report["error"]["code"] == "not_found"


def test_bad_recordings_are_raised_or_recorded(listener, tmp_path, tone):
    soundfile.write(tmp_path / "short.wav", tone(0.5, 22050), 22050)
    (tmp_path / "text.mp3").write_bytes(b"words")
    files = [tmp_path / name for name in ("absent.wav", "text.mp3", "short.wav")]
    recorded = listener.listen([str(file) for file in files], errors="record")
    for file, report, code in zip(files, recorded, ("not_found", "not_audio", "too_short"), strict=True):
        SCHEMA.validate(report)
        assert report["path"] == report["error"]["path"] == str(file)
        assert report["error"]["code"] == code
        assert report["error"]["message"].startswith(f"{str(file)!r}: ")
        assert "linernotes-" not in report["error"]["message"]
        with pytest.raises(AudioError, match=re.escape(file.name)) as error:
            listener.listen(str(file))
        assert (error.value.code, str(error.value)) == (code, report["error"]["message"])
    with pytest.raises(ValueError, match="errors is 'ignore'; allowed are"):
        listener.listen(files[0], errors="ignore")


@pytest.mark.parametrize(
    ("models", "message"),
    [([], "models is empty: name at least one"), (["nothing"], "'nothing' is no model")],
)
def test_what_is_no_model_is_refused(models, message):
    with pytest.raises(ValueError, match=message):
        linernotes.Listener(models)


def test_nothing_bundled_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(api, "BUNDLED", tmp_path)
    with pytest.raises(ValueError, match="no model is bundled here, and none was named"):
        linernotes.Listener()


# The command line


def test_the_page_is_plain_where_nobody_looks(bundled, song):
    result = run("listen", song)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.isascii()
    assert str(song) in result.stdout.splitlines()[1] + result.stdout.splitlines()[2]
    for line in ("Gate weights of the experts", "No model here answers: Moods, Key, Vocals, Instruments, Caption"):
        assert line in result.stdout


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--timeline", "--json")])
def test_the_verb_may_be_left_out(bundled, song, arguments):
    text = run(*arguments, song).stdout
    assert text.startswith('{"path": ' if arguments else "====")
    if arguments:
        report = json.loads(text)
        SCHEMA.validate(report)
        assert ("timeline" in report["models"][0]) == ("--timeline" in arguments)


def test_a_slip_in_a_verb_is_no_song(tmp_path, monkeypatch, bundled, song):
    monkeypatch.chdir(tmp_path)
    assert "No such command 'trian'" in run("trian", "x.yaml").stderr
    Path("trian").write_bytes(song.read_bytes())
    assert run("trian").stdout.startswith("====")
    assert "not_found" in run("--json", "absent.wav").stdout


def test_models_are_those_that_are_named(folders, song):
    text = run("listen", song, "--json", "--models", f"{folders['beatmeter']}, {folders['genre_moe']}").stdout
    assert [each["family"] for each in json.loads(text)["models"]] == ["beatmeter", "genre_moe"]


def test_bad_files_are_on_stderr_and_end_with_1(bundled, song, tmp_path):
    result = run("listen", "--json", tmp_path / "absent.wav", song)
    assert result.exit_code == 1
    first, second = map(json.loads, result.stdout.splitlines())
    SCHEMA.validate(first)
    assert (first["error"]["code"], "error" in second) == ("not_found", False)
    assert result.stderr.count("\n") == 1
    assert "absent" not in run("listen", tmp_path / "absent.wav", song).stdout


def test_html_is_one_page_of_all_songs(folders, song, tmp_path):
    page = tmp_path / "of" / "songs" / "page.HTM"
    command = ["--html", page, "--quiet", "--models", folders["genre_moe"], song]
    result = run(*command, song, tmp_path / "absent.wav")
    assert (result.exit_code, result.stdout) == (1, "")
    text = page.read_text(encoding="utf-8")
    assert text.count("<article>") == 2
    assert "data:image/png;base64," in text
    assert run(*command).exit_code == 0  # a page may be written anew
    assert page.read_text(encoding="utf-8").count("<article>") == 1


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("song.flac", "--html song.flac ends in .flac; allowed are .html, .htm"),
        ("notes", "--html notes ends in nothing; allowed are .html, .htm"),
        ("link.html", "--html link.html is one of the songs, which it would overwrite: name another file"),
        ("folder.html", "--html folder.html is a folder: name a file in it, such as folder.html/notes.html"),
    ],
)
def test_a_page_overwrites_nothing_but_a_page_and_is_refused_before_models_are_loaded(
    tmp_path, monkeypatch, song, page, message
):
    monkeypatch.chdir(tmp_path)
    Path("song.flac").write_bytes(song.read_bytes())
    Path("link.html").symlink_to("song.flac")
    Path("folder.html").mkdir()
    monkeypatch.setattr(linernotes, "Listener", lambda *_, **__: pytest.fail("models were loaded"))
    result = run("song.flac", "--html", page)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert Path("song.flac").read_bytes() == song.read_bytes()


def test_jams_is_a_file_of_each_song_that_was_heard(folders, song, tmp_path):
    folder = tmp_path / "of" / "songs"
    result = run("--jams", folder, "--quiet", "--models", folders["genre_moe"], song, tmp_path / "absent.wav")
    assert (result.exit_code, result.stdout) == (1, "")
    assert [file.name for file in folder.iterdir()] == ["song.jams"]
    said = linernotes.load(folders["genre_moe"]).predict(song)
    annotation = jams.load(str(folder / "song.jams"), strict=True).search(namespace="tag_gtzan")[0]
    ((time, duration, value, confidence),) = annotation.data
    assert (time, value, confidence) == (0.0, said["predicted_genre"], closely(said["confidence"]))
    assert duration == pytest.approx(7.0, abs=0.001)
    again = run("--jams", folder, song)
    assert (again.exit_code, "song.jams is there already: delete it to annotate anew" in again.stderr) == (2, True)


def test_quiet_says_nothing(folders, song):
    result = run("listen", "-q", "--models", folders["genre_moe"], song)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["song", "--models", "nothing"], "'nothing' is no model"),
        (["song", "--models", ","], "models is empty"),
        (["song", "--device", "nowhere"], "device is 'nowhere'"),
        (["."], ". is a folder: add --out notes.parquet"),
        (["song", "--out", "x.csv"], "--out is for one folder, and song is none"),
        ([".", "--out", "x.csv", "--json"], "--json is for songs, --out for a folder"),
        ([".", "--out", "x.csv", "--jams", "x"], "--jams is for songs, --out for a folder"),
        (["song", "a/song", "--jams", "x"], "two of song, a/song would be annotated in one file"),
        (["song", "--jams", "song"], "File exists: 'song'"),
        ([".", "--out", "x.txt"], "x.txt ends in .txt; allowed are .parquet, .csv, .jsonl"),
        (["song", "--write-tags"], "--write-tags changes the files of a folder"),
    ],
)
def test_what_cannot_run_ends_with_2_and_a_message(bundled, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("song").write_bytes(b"")
    result = run("listen", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_terminal_gets_bars_and_colour(folders, song):
    """In a real terminal: a pseudo-terminal of 100 columns."""
    pty = pytest.importorskip("pty")
    command = [sys.executable, "-m", "linernotes", str(song), "--models", str(folders["genre_moe"])]
    main, terminal = pty.openpty()
    environment = os.environ | {"COLUMNS": "100", "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(command, stdout=terminal, stderr=subprocess.DEVNULL, env=environment)
    os.close(terminal)
    text = io.BytesIO()
    try:
        while piece := os.read(main, 4096):
            text.write(piece)
    except OSError:  # how Linux says that the other end is closed
        pass
    assert process.wait() == 0
    shown = text.getvalue().decode()
    assert "\x1b[" in shown
    assert "═" * 100 in re.sub(r"\x1b\[[0-9;]*m", "", shown)


# Documents


def test_the_examples_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    for module in (listening, api):
        assert doctest.testmod(module).failed == 0
        assert doctest.testmod(module).attempted > 0
    assert doctest.testfile(str(ROOT / "docs" / "listen.md"), module_relative=False).failed == 0
