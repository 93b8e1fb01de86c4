"""The web page as a Space: a folder that runs alone, and reaches the Hub as it is."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from gradio_client import Client, handle_file
from huggingface_hub import snapshot_download
from joint_reports import tiny_models
from typer.testing import CliRunner

import linernotes
from linernotes import api as models_api
from linernotes import cli
from linernotes.hub_upload.clean import clean_environment
from linernotes.hub_upload.errors import PublishError
from linernotes.hub_upload.space import export_space

PACKAGE = Path(linernotes.__file__).parent
ROOMS = {"package": PACKAGE, "modeling": models_api.MODELING}
# modules of the checkout that the Space lacks must be missed: nothing but its folder leads to the package
ALONE = """
import runpy, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in f"{finder!r}{finder.__class__.__module__}"]
sys.path.insert(0, sys.argv[1])
runpy.run_path(sys.argv[1] + "/app.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def tiny(tiny_folder, tmp_path_factory) -> list[Path]:
    return [tiny_folder, tiny_models(tmp_path_factory.mktemp("models"))["beatmeter"]]


@pytest.fixture(scope="module")
def space(tiny, tmp_path_factory) -> Path:
    return export_space(tiny, tmp_path_factory.mktemp("spaces") / "page", **ROOMS)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_card_is_that_of_a_gradio_space(space):
    import gradio

    _, front, body = (space / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    front = yaml.safe_load(front)
    assert front | {"tags": None, "emoji": None} == {
        "title": "linernotes", "emoji": None, "colorFrom": "blue", "colorTo": "gray", "sdk": "gradio",
        "sdk_version": gradio.__version__, "python_version": "3.11", "app_file": "app.py", "license": "apache-2.0",
        "short_description": front["short_description"], "tags": None,
    }  # fmt: skip
    assert len(front["short_description"]) <= 60  # more the Hub refuses
    assert "| `tiny-moe` | `genre_moe` |" in body
    assert (space / "packages.txt").read_text() == "ffmpeg\n"


def test_requirements_are_what_is_installed_and_no_gradio(space):
    lines = (space / "requirements.txt").read_text().splitlines()
    assert {"torch", "transformers", "Jinja2", "matplotlib"} < {line.split("==")[0] for line in lines}
    assert not any("gradio" in line or "+" in line or line.count("==") != 1 for line in lines)


def test_it_holds_what_runs_and_nothing_else(space):
    held = set(contents(space))
    assert {"app.py", "LICENSE", "NOTICE", "linernotes/demo/page.js", "linernotes/report/song.html.j2"} < held
    assert "linernotes/models/tiny-moe/model.safetensors" in held
    assert not [name for name in held if "/training/" in name or "hub_upload" in name or "sonicverse" in name]
    assert not [name for name in held if name.startswith("linernotes/models/") and name.endswith(".py")]
    for name in held:
        if name.endswith(".py"):
            ast.parse((space / name).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_it_runs_alone(space, tmp_path, tone):
    import soundfile

    soundfile.write(tmp_path / "song.wav", tone(4.0, 22_050), 22_050)
    space = shutil.copytree(space, tmp_path / "page")
    environment = clean_environment(tmp_path / "home") | {"TMPDIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", ALONE, str(space)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            client = Client(address, verbose=False, download_files=tmp_path)
            text = client.predict(handle_file(tmp_path / "song.wav"), False, "", api_name="/listen")[3]
        finally:
            process.terminate()
    report = json.loads(text)
    assert [each["source"] for each in report["models"]] == ["tiny-moe", "beatmeter"]
    expected = linernotes.load(space / "linernotes" / "models" / "tiny-moe").predict(tmp_path / "song.wav")
    assert report["genre"]["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


def test_it_reaches_the_hub_whole(space, hub, api, tmp_path):
    api.create_repo("me/page", repo_type="space", space_sdk="gradio")
    api.upload_folder(repo_id="me/page", folder_path=space, repo_type="space")
    held = {name: data for name, data in hub.files("me/page", repo_type="space").items() if name != ".gitattributes"}
    assert held == contents(space)
    back = snapshot_download(
        "me/page", repo_type="space", endpoint=hub.endpoint, token=hub.token, local_dir=tmp_path / "back"
    )
    assert (Path(back) / "app.py").read_bytes() == (space / "app.py").read_bytes()


def test_exporting_again_gives_the_same_and_replaces_only_exports(tiny, space, tmp_path):
    again = export_space(tiny, tmp_path / "page", **ROOMS)
    assert contents(again) == contents(space)
    (again / "linernotes" / "__pycache__").mkdir()  # as running it leaves
    (again / "linernotes" / "__pycache__" / "api.cpython-311.pyc").write_bytes(b"code")
    export_space(tiny[:1], again, single=True, **ROOMS)
    assert not (again / "linernotes" / "__pycache__").exists()
    assert 'serve(["tiny-moe"], single=True)' in (again / "app.py").read_text()
    assert not (again / "linernotes" / "models" / "beatmeter").exists()
    assert not (again / "linernotes" / "modeling" / "modeling_beatmeter.py").exists()
    (again / "mine.txt").write_text("a note")
    with pytest.raises(PublishError, match=r"holds mine\.txt, which is no export's"):
        export_space(tiny, again, **ROOMS)


def test_what_cannot_be_a_space_is_refused(tiny, tmp_path):
    with pytest.raises(PublishError, match=r"holds no config\.json"):
        export_space([tmp_path], tmp_path / "page", **ROOMS)
    with pytest.raises(PublishError, match="two folders are called 'tiny-moe'"):
        export_space([tiny[0], tiny[0]], tmp_path / "page", **ROOMS)
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["genre-moe"], "export takes a model and a folder for it; or --space and a folder"),
        (["genre-moe", "out", "--space", "page"], "a folder besides is for a model's repository"),
        (["--space", "page", "--repo", "me/x"], "--repo is for a model's repository"),
        (["nothing", "--space", "page"], "'nothing' is no model"),
    ],
)
def test_the_command_refuses_what_it_cannot_mean(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["export", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_command_writes_the_page_of_all_or_of_one(tiny, tmp_path, monkeypatch):
    bundled = tmp_path / "models"
    bundled.mkdir()
    for name, folder in zip(("genre", "meter"), tiny, strict=True):
        (bundled / name).symlink_to(folder)
    monkeypatch.setattr(models_api, "BUNDLED", bundled)
    for arguments, line in (
        ([], 'serve(["genre", "meter"], single=False)'),
        (["meter"], 'serve(["meter"], single=True)'),
    ):
        result = CliRunner().invoke(cli.app, ["export", *arguments, "--space", str(tmp_path / "page")])
        assert (result.exit_code, result.stdout.strip()) == (0, str(tmp_path / "page"))
        assert line in (tmp_path / "page" / "app.py").read_text()
