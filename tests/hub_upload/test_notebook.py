"""A walkthrough becomes a notebook that a stranger can read, run by this interpreter, with nothing of this machine."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from jupyter_core.paths import jupyter_runtime_dir
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from linernotes.hub_upload import notebook as module
from linernotes.hub_upload.errors import PublishError
from linernotes.hub_upload.notebook import KEPT, build_notebook, cached, check_notebook, execute

HEAD = """# %% [markdown]
# # A title

# %%
import os

MODEL = os.environ.get("LINERNOTES_MODEL", "OWNER/NAME")

# %% [markdown]
# ## The part
#
# with words
"""
REPORT = """
# %%


import sys, tempfile

print(sys.executable, os.listdir("."), sorted({"HF_TOKEN", "PYTHONPATH", "MY_SECRET"} & set(os.environ)), end=" ")
print(os.environ["HF_HUB_OFFLINE"], repr(os.environ["WALKTHROUGH_SHORT"]), os.environ["LINERNOTES_MODEL"])
"""
PICTURE = """
# %%
import random
import matplotlib.pyplot as plt

print("words", {"an", "unordered", "set"})
plt.plot([1, 3, 2])
plt.show()
"""
WIDGET = """
# %%
from comm import create_comm

state = {"_model_name": "IntProgressModel", "_model_module": "@jupyter-widgets/controls"}
comm = create_comm(target_name="jupyter.widget", data={"state": state})
print("shown")
"""


@pytest.fixture
def model(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def script(tmp_path):
    """script(cells): a walkthrough that ends with these cells."""

    def write(cells: str = "") -> Path:
        (tmp_path / "walkthrough.py").write_text(HEAD + cells)
        return tmp_path / "walkthrough.py"

    return write


@pytest.fixture
def built(script):
    """built(cells): its notebook, for me/mine."""
    return lambda cells="": build_notebook(script(cells), "me/mine")


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder in which temporary folders are made, of this test alone."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def printed(notebook, index: int = -1) -> str:
    return notebook.cells[index].outputs[0].text


# Building


def test_the_id_and_the_badge_are_put_in(built):
    notebook = built()
    link = "https://colab.research.google.com/#fileId=https://huggingface.co/me/mine/blob/main/walkthrough.ipynb"
    assert notebook.cells[0].source.splitlines()[0].endswith(f"]({link})")
    assert notebook.cells[0].source.endswith("# A title")
    assert '"LINERNOTES_MODEL", "me/mine"' in notebook.cells[1].source
    assert "OWNER/NAME" not in nbformat.writes(notebook)


def test_a_built_notebook_is_plain_and_always_the_same(built):
    notebook = built(REPORT)
    assert nbformat.writes(notebook) == nbformat.writes(built(REPORT))
    assert [cell.id for cell in notebook.cells] == ["cell-000", "cell-001", "cell-002", "cell-003"]
    assert notebook.cells[3].source.startswith("import sys")
    assert sorted(notebook.metadata) == ["kernelspec", "language_info"]
    nbformat.validate(notebook)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# %%\nMODEL = 'OWNER/NAME'\n", "begins with no markdown cell"),
        ("", "begins with no markdown cell"),
        ("# %% [markdown]\n# # OWNER/NAME\n\n# %%\nMODEL = 'somebody/model'\n", "loads no 'OWNER/NAME'; write that"),
    ],
)
def test_a_script_that_cannot_be_published_is_refused(text, complaint, tmp_path):
    (tmp_path / "walkthrough.py").write_text(text)
    with pytest.raises(PublishError, match=complaint):
        build_notebook(tmp_path / "walkthrough.py", "me/mine")


# Executing


def test_it_runs_here_in_an_empty_folder_without_network_or_token(script, model, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("MY_SECRET", "of mine")
    monkeypatch.setenv("PYTHONPATH", str(model))
    monkeypatch.setenv("WALKTHROUGH_SHORT", "1")
    monkeypatch.setattr(module, "check_notebook", lambda *_: None)  # it prints paths, to show them to us
    expected = "{} [] [] 1 {!r} {}\n".format
    notebook = execute(build_notebook(script(REPORT), "me/mine"), model)
    assert printed(notebook) == expected(sys.executable, "", model)
    notebook = execute(build_notebook(script(REPORT), "me/mine"), model, short=True)
    assert printed(notebook) == expected(sys.executable, "1", model)


def test_two_executions_give_the_same_bytes(built, model):
    first, second = (nbformat.writes(execute(built(PICTURE), model)) for _ in range(2))
    assert first == second
    cell = nbformat.reads(first, as_version=4).cells[-1]
    assert [output.output_type for output in cell.outputs] == ["stream", "display_data"]
    assert cell.outputs[1].data["image/png"]
    assert cell.execution_count == 2
    assert "execution" not in cell.metadata


def test_the_state_of_widgets_stays_out(built, model):
    notebook = execute(built(WIDGET), model)
    assert printed(notebook) == "shown\n"
    assert sorted(notebook.metadata) == ["kernelspec", "language_info"]


def test_nothing_is_left_behind(built, model, temporary):
    runtime = Path(jupyter_runtime_dir())
    before = set(runtime.glob("*"))
    execute(built("\n# %%\nimport tempfile\n\nprint(bool(tempfile.mkdtemp()))\n"), model)
    with pytest.raises(PublishError, match="NameError: name 'missing' is not defined"):
        execute(built("\n# %%\nopen('half.txt', 'w').write(missing)\n"), model)
    assert list(temporary.iterdir()) == []
    assert set(runtime.glob("*")) == before


FAILURES = {
    "raises": ("\n# %%\nlengths = [1]\nlengths[3]\n", "failed: IndexError: list index out of range"),
    "is no Python": ("\n# %%\nlengths = [1\n", "failed: SyntaxError: incomplete input"),
    "ends the kernel": ("\n# %%\nlengths = os._exit(1)\n", "ended its kernel"),
    "shows a path": ("\n# %%\nlengths = print(os.getcwd())\n", "shows a path of this machine, /"),
}


@pytest.mark.parametrize(("cells", "complaint"), FAILURES.values(), ids=FAILURES)
def test_a_failure_names_its_cell(built, model, cells, complaint):
    with pytest.raises(PublishError, match=rf"cell 4 \(under 'The part', 'lengths = .*'\) {complaint}"):
        execute(built(cells), model)


def test_a_cell_that_takes_too_long_is_stopped_and_its_kernel_with_it(built, model):
    cells = f"\n# %%\nopen({str(model / 'pid')!r}, 'w').write(str(os.getpid()))\nwhile True:\n    pass\n"
    with pytest.raises(PublishError, match=r"cell 4 .* took longer than 2 s"):
        execute(built(cells), model, timeout_seconds=2)
    with pytest.raises(ProcessLookupError):
        os.kill(int((model / "pid").read_text()), 0)


# Checking


def notebook_with(*outputs, **cell):
    cells = [new_markdown_cell("# Title", id="a"), new_code_cell("1 + 1", id="b", outputs=list(outputs), **cell)]
    return new_notebook(cells=cells)


def shown(kind: str, value: str):
    return notebook_with(new_output("display_data", data={kind: value}), execution_count=1)


WIDGET_STATE = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2, "version_minor": 0}}
UNFIT = {
    "not executed": (notebook_with(), r"cell 2 \(under 'Title', '1 \+ 1'\) was not executed"),
    "failed": (
        notebook_with(new_output("error", ename="KeyError", evalue="'x'", traceback=[]), execution_count=1),
        "failed: KeyError: 'x'",
    ),
    "a widget": (shown("application/vnd.jupyter.widget-view+json", "{}"), "shows a widget"),
    "widget state": (new_notebook(metadata={"widgets": WIDGET_STATE}), "metadata holds the state of widgets"),
    "a linux path": (shown("text/plain", "in /home/me/song.wav"), "a path of this machine, /home/me"),
    "a path in quotes": (shown("text/html", "<a href='/tmp/x/y'>"), "a path of this machine, /tmp/x"),
    "a file's address": (shown("text/plain", "file:///home/me/a"), "a path of this machine, file:///home/me"),
    "a windows path": (shown("text/plain", "C:\\Users\\me"), "a path of this machine"),
    "a path in a picture's words": (shown("image/svg+xml", "<text>/root/a</text>"), "a path of this machine, /root/a"),
    "invalid": (
        nbformat.from_dict({**new_notebook(), "cells": [{"cell_type": "markdown", "id": "a"}]}),
        "it is invalid",
    ),
}


@pytest.mark.parametrize(("notebook", "complaint"), UNFIT.values(), ids=UNFIT)
def test_what_the_page_cannot_show_is_refused(notebook, complaint):
    with pytest.raises(PublishError, match=complaint):
        check_notebook(notebook)


def test_places_of_this_machine_are_refused_wherever_they_lie(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/scratch/disk7")
    monkeypatch.setenv("HOME", "/export/people/me")
    for place in ("/scratch/disk7", "/export/people/me", sys.prefix, "/data/models/mine"):
        with pytest.raises(PublishError, match=f"path of this machine, {place}"):
            check_notebook(shown("text/plain", f"see {place}/file"), ("/data/models/mine",))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text/plain", "https://huggingface.co/home/me and and/or 3/4 models/tmp/x"),
        ("text/html", '<source src="data:audio/mpeg;base64,AAA=/tmp/AAAA/root/AA" type="audio/mpeg" />'),
        ("image/png", "AAAA/home/AAAA"),
    ],
)
def test_what_only_looks_like_a_path_passes(kind, value):
    check_notebook(shown(kind, value))


# Keeping


@pytest.fixture
def executions(tmp_path, monkeypatch) -> list:
    """What was executed; the cache is of this test alone."""
    seen = []

    def counting(notebook, model_folder, **options):
        seen.append(options)
        for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
            cell.execution_count = number + 1
        return notebook

    monkeypatch.setattr(module, "execute", counting)
    monkeypatch.setattr(module, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return seen


def test_the_same_walkthrough_is_executed_once(script, model, executions):
    first = cached(script(), model, "me/mine")
    assert cached(script(), model, "me/mine") == first
    assert cached(script(), model, "you/yours") == first.replace("me/mine", "you/yours") != first
    assert executions == [{"short": False}]
    assert first.endswith("}\n")
    nbformat.validate(nbformat.reads(first, as_version=4))


CHANGES = {
    "script": lambda script, model: script("\n# %%\n1\n"),
    "weights": lambda script, model: (model / "model.safetensors").write_bytes(b"1"),
    "config": lambda script, model: (model / "config.json").write_text('{"temperature": 2.0}'),
    "code": lambda script, model: (model / "modeling_x.py").write_text("x = 1"),
    "figures": lambda script, model: (model / "metrics.json").write_text("{}"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_is_executed_again_where_something_changed(script, model, executions, change):
    path = script()
    cached(path, model, "me/mine")
    change(script, model)
    cached(path, model, "me/mine")
    assert len(executions) == 2


def test_the_form_and_the_libraries_count_and_the_card_does_not(script, model, executions, monkeypatch):
    path = script()
    cached(path, model, "me/mine")
    (model / "README.md").write_text("another card")
    cached(path, model, "me/mine")
    assert len(executions) == 1
    cached(path, model, "me/mine", short=True)
    monkeypatch.setattr(module.metadata, "version", lambda name: "99")
    cached(path, model, "me/mine")
    assert executions == [{"short": False}, {"short": True}, {"short": False}]


def test_a_failure_is_not_kept(script, model, tmp_path, monkeypatch, executions):
    def failing(*arguments, **options):
        raise PublishError("cell 1 failed")

    monkeypatch.setattr(module, "execute", failing)
    with pytest.raises(PublishError):
        cached(script(), model, "me/mine")
    assert not list((tmp_path / "cache").rglob("*"))


def test_the_oldest_leave_the_cache(script, model, tmp_path, executions):
    shelf = tmp_path / "cache" / "linernotes" / "walkthroughs"
    shelf.mkdir(parents=True)
    for number in range(KEPT + 3):
        (shelf / f"{number}.ipynb").touch()
        os.utime(shelf / f"{number}.ipynb", (number, number))
    cached(script(), model, "me/mine")
    kept = {path.stem for path in shelf.iterdir()}
    assert len(kept) == KEPT
    assert {"0", "1", "2", "3"}.isdisjoint(kept)
    assert "4" in kept


def test_an_interruption_is_passed_on_and_ends_the_kernel(script, model):
    waits = script("# %%\nimport signal, time\nos.kill(os.getppid(), signal.SIGINT)\ntime.sleep(60)\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom linernotes.hub_upload.notebook import build_notebook, execute\n"
        "try:\n    execute(build_notebook(Path(sys.argv[1]), 'me/mine'), Path(sys.argv[2]))\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(waits), str(model)], capture_output=True, text=True, timeout=50, check=False
    )
    assert run.stdout.splitlines()[-1:] == ["interrupted"], run.stderr
