"""The walkthrough of a model: a percent script becomes a notebook, is executed, and is held against the Hub's page.

It is executed by the interpreter that runs this, in an empty folder, offline, with nothing but the model's folder. What
comes out has no timings, no state of widgets and no path of this machine: two executions give the same bytes.
"""

import asyncio
import hashlib
import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import jupytext
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from platformdirs import user_cache_path

from linernotes.hub_upload.errors import PublishError
from linernotes.hub_upload.privacy import found_in

REPO = "OWNER/NAME"  # stands in a walkthrough where the id of the repository belongs
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    f"(https://colab.research.google.com/#fileId=https://huggingface.co/{REPO}/blob/main/walkthrough.ipynb)"
)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
METADATA = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
WIDGET = "application/vnd.jupyter.widget"
# of this environment: a cell may print any other variable, and with it what nobody meant to publish
SEEN_BY_KERNEL = ("PATH", "LANG", "LC_", "LD_LIBRARY_PATH", "OMP_", "MKL_", "CUDA_", "SYSTEMROOT")
EMBEDDED = re.compile(r"data:[\w/+.-]+;base64,[\w+/=\s]+")  # letters that may spell anything
READ_BY_WALKTHROUGHS = ("*.json", "*.safetensors", "*.py")  # of a model's folder; not its card
VERSIONS = ("torch", "transformers", "numpy", "matplotlib", "scikit-learn", "ipykernel", "nbclient", "jupytext")
KEPT = 20  # notebooks in the cache


def build_notebook(source: Path, repo_id: str) -> NotebookNode:
    """The notebook of a percent script, not executed: repository id and Colab badge put in, cells named by position.

    Raises PublishError where the script begins with no markdown cell, or loads no OWNER/NAME.
    """
    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    if not notebook.cells or notebook.cells[0].cell_type != "markdown":
        raise PublishError(f"{source.name} begins with no markdown cell; put the title there, the badge goes above it")
    if not any(REPO in cell.source for cell in notebook.cells if cell.cell_type == "code"):
        raise PublishError(f"{source.name} loads no {REPO!r}; write that where the id of the repository belongs")
    notebook.cells[0].source = f"{BADGE}\n\n{notebook.cells[0].source}"
    for position, cell in enumerate(notebook.cells):
        cell.id, cell.source = f"cell-{position:03d}", cell.source.strip("\n")
    notebook.metadata = nbformat.from_dict(METADATA)
    return with_repo_id(notebook, repo_id)


def with_repo_id(notebook: NotebookNode, repo_id: str) -> NotebookNode:
    """The same notebook with the repository's id where OWNER/NAME stood."""
    for cell in notebook.cells:
        cell.source = cell.source.replace(REPO, repo_id)
    return notebook


def execute(
    notebook: NotebookNode, model_folder: Path, *, short: bool = False, timeout_seconds: int = 900
) -> NotebookNode:
    """Runs a notebook from top to bottom, in place, and returns it with its outputs.

    Args:
        model_folder: where it loads the model from (LINERNOTES_MODEL).
        short: asks for its short form (WALKTHROUGH_SHORT=1).
        timeout_seconds: how long one cell may take.

    Raises:
        PublishError: a cell fails, takes too long or ends the kernel, or the result is not fit for the Hub.
    """
    started = [0]
    with tempfile.TemporaryDirectory(prefix="walkthrough-") as place:
        work = Path(place, "work")
        work.mkdir()
        kernel = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # or any kernel installed under that name is taken
            connection_file=str(Path(place, "kernel.json")),
        )
        client = NotebookClient(
            notebook,
            km=kernel,
            timeout=timeout_seconds,
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            shutdown_kernel="immediate",
            on_cell_start=lambda cell, cell_index: started.append(cell_index),
        )
        options = {"cwd": str(work), "env": kernel_environment(Path(place), model_folder, short)}
        try:
            client.execute(**options, stderr=subprocess.DEVNULL, cleanup_kc=True)
        except CellExecutionError as error:
            raise PublishError(f"{named(notebook, started[-1])} failed: {error.ename}: {error.evalue}") from error
        except CellTimeoutError as error:
            raise PublishError(f"{named(notebook, started[-1])} took longer than {timeout_seconds} s") from error
        except DeadKernelError as error:
            raise PublishError(f"{named(notebook, started[-1])} ended its kernel: was there memory enough?") from error
        except (AssertionError, asyncio.CancelledError) as error:  # how nbclient ends when it is interrupted
            raise KeyboardInterrupt from error
    notebook.metadata = nbformat.from_dict(METADATA)
    check_notebook(notebook, (place, str(model_folder.resolve())))
    return notebook


def kernel_environment(place: Path, model_folder: Path, short: bool) -> dict[str, str]:
    """What the machine needs of this environment, and nothing that leaks or changes the result; no network."""
    kept = {key: value for key, value in os.environ.items() if key.startswith(SEEN_BY_KERNEL)}
    caches = {"HOME": "", "HF_HOME": "hf", "HF_MODULES_CACHE": "hf/modules", "IPYTHONDIR": "ipython", "TMPDIR": ""}
    own = {"LINERNOTES_MODEL": str(model_folder.resolve()), "WALKTHROUGH_SHORT": "1" if short else ""}
    fixed = {"HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": "0", "SONG": ""}
    return {**kept, **{name: str(place / folder) for name, folder in caches.items()}, **own, **fixed}


def named(notebook: NotebookNode, index: int) -> str:
    """A cell as a reader finds it: its number, the heading above it, its first line."""
    above = "\n".join(cell.source for cell in notebook.cells[:index] if cell.cell_type == "markdown")
    heading = ["the top", *re.findall(r"^#+ (.+)$", above, re.MULTILINE)][-1]
    return f"cell {index + 1} (under {heading!r}, {notebook.cells[index].source.partition(chr(10))[0]!r})"


def check_notebook(notebook: NotebookNode, folders: tuple[str, ...] = ()) -> None:
    """Raises PublishError, with all that was found, where the Hub's page would break or tell too much.

    That is: an invalid notebook, code that did not run or failed, widgets (whose state breaks the page), and paths of
    this machine: the usual places, the home folder, the temporary folder, the interpreter's, and `folders`.
    """
    findings = []
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        findings.append(f"it is invalid: {error.message}")
    if "widgets" in notebook.metadata:
        findings.append("its metadata holds the state of widgets")
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            findings += [f"{named(notebook, index)} {fault}" for fault in faults(cell, folders)]
    if findings:
        raise PublishError("the notebook is not fit for the Hub: " + "; ".join(findings))


def faults(cell: NotebookNode, folders: tuple[str, ...]) -> Iterator[str]:
    if cell.execution_count is None:
        yield "was not executed"
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "error":
            yield f"failed: {output.ename}: {output.evalue}"
        if any(kind.startswith(WIDGET) for kind in data):
            yield "shows a widget; switch its progress bar off, or print"
        shown = [output.get("text", ""), *(str(data[kind]) for kind in data if kind not in ("image/png", "image/jpeg"))]
        if found := found_in(EMBEDDED.sub("", "\n".join(shown)), folders):
            yield f"shows a path of this machine, {found}"


def cached(source: Path, model_folder: Path, repo_id: str, short: bool = False) -> str:
    """The text of the executed notebook of a walkthrough, as walkthrough.ipynb holds it.

    Executed once for the same script, model and libraries, then taken from the user's cache: exporting again gives the
    same bytes. The id of the repository is put in afterwards. Raises PublishError as build_notebook and execute do.
    """
    shelf = user_cache_path("linernotes") / "walkthroughs"
    path = shelf / f"{fingerprint(source, model_folder, short)}.ipynb"
    if not path.is_file():
        text = nbformat.writes(execute(build_notebook(source, REPO), model_folder, short=short))
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shelf) as unfinished:
            Path(unfinished, path.name).write_text(text, encoding="utf-8")
            Path(unfinished, path.name).replace(path)
    path.touch()
    for old in sorted(shelf.glob("*.ipynb"), key=lambda kept: kept.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)
    return nbformat.writes(with_repo_id(nbformat.read(path, as_version=4), repo_id)) + "\n"


def fingerprint(source: Path, model_folder: Path, short: bool) -> str:
    """What goes into an executed notebook, as hexadecimal digits."""
    files = {file for pattern in READ_BY_WALKTHROUGHS for file in model_folder.glob(pattern)} - {source}
    sums = [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in sorted(files)]
    script = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (source, Path(__file__))]
    versions = [platform.python_version(), *map(metadata.version, VERSIONS)]
    return hashlib.sha256(json.dumps([script, sums, versions, short]).encode()).hexdigest()
