"""`linernotes demo`: what it refuses, and that it opens a page and closes it again."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from typer.testing import CliRunner

from linernotes import cli
from linernotes.demo import app


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "genre-moe", "--models", "genre-moe"], "--model is for a page about one model"),
        (["--port", "99999"], "Invalid value for '--port'"),
        (["--model", "nothing"], "'nothing' is no model"),
        (["--models", ","], "models is empty"),
        (["--model", "genre-moe", "--device", "nowhere"], "device is 'nowhere'"),
    ],
)
def test_what_cannot_run_ends_with_2_and_a_message(arguments, message):
    result = CliRunner().invoke(cli.app, ["demo", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_is_told_before_models_are_loaded(monkeypatch):
    monkeypatch.setattr(app, "Listener", lambda *_, **__: pytest.fail("models were loaded"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = CliRunner().invoke(cli.app, ["demo", "--port", str(port)])
    said = f"linernotes: port {port} is taken: name another --port, or leave it out for the first that is free\n"
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", said)


def test_the_options_reach_the_page(monkeypatch):
    served = {}
    monkeypatch.setattr(app, "serve", lambda models, **options: served.update(options, models=models))
    arguments = ["--models", "a, b", "--port", "8000", "--max-seconds", "30", "--max-megabytes", "2"]
    assert CliRunner().invoke(cli.app, ["demo", *arguments]).exit_code == 0
    expected = {"models": ["a", "b"], "single": False, "limits": app.Limits(30.0, 2.0), "device": None}
    assert served == expected | {"host": "127.0.0.1", "port": 8000}
    assert CliRunner().invoke(cli.app, ["demo", "--model", "a"]).exit_code == 0
    assert (served["models"], served["single"], served["limits"]) == (["a"], True, app.Limits())


@pytest.mark.slow
def test_a_page_opens_and_closes_without_a_trace(folders, tmp_path):
    command = [sys.executable, "-m", "linernotes", "demo", "--model", str(folders[0])]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}, **streams) as process:
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            assert list(tmp_path.glob("linernotes-page-*"))
            assert "<gradio-app" in httpx.get(address).text
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert errors.strip().endswith("linernotes: stopped; nothing that visitors brought is kept")
    assert not list(tmp_path.glob("linernotes-*"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]  # gradio makes a folder, and keeps it empty
