"""The command line. `--help` imports neither torch nor transformers: what a command needs is imported when it runs.

Exit codes: 0 all is well; 1 some file failed and the others were answered; 2 the command could not run.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import linernotes

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="linernotes",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: half the time to the first line of it
    pretty_exceptions_enable=False,  # a traceback that reaches a user is a bug of ours: show all of it, plainly
)

DataDirs = Annotated[list[Path], typer.Option(help="A folder in which data sets are looked for; may be repeated.")]


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line on `arguments`, by default those of the process."""
    app(arguments, prog_name="linernotes")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"linernotes {linernotes.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """What the sleeve of a record says about the music, read from the audio."""


@app.command()
def predict(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Recordings; after -- also names like -x.wav.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A bundled name, a folder or a Hub id (user/name).")
    ] = "genre-moe",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each file.")] = False,
    timeline: Annotated[bool, typer.Option("--timeline", help="Also one answer a window.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows (and files) heard at a time.")] = 8,
    device: Annotated[str | None, typer.Option(help="Where to compute, such as cuda; the CPU by default.")] = None,
) -> None:
    """Listen to recordings and say what is heard in them."""
    _hush()
    with _refusing(ValueError, OSError):
        listener = linernotes.load(model, device=device)
    failed = False
    show = _show_json if as_json else _show_picture(listener.config.model_type)
    for start in range(0, len(files), batch_size):
        group = files[start : start + batch_size]
        answers = listener.predict(group, timeline=timeline, batch_size=batch_size, errors="record")
        for file, answer in zip(group, answers, strict=True):
            if "error" in answer:
                failed = True
                _complain(answer["error"]["message"])
            show(file, answer)
    if failed:
        raise typer.Exit(1)


@app.command()
def models() -> None:
    """The models that come with this package."""
    from rich.table import Table
    from rich.text import Text

    table = Table("name", "family", "labels", "size", "measured")
    for facts in linernotes.bundled_models():
        size = f"{facts['size_bytes'] / 1e6:.1f} MB"
        table.add_row(*map(Text, (facts["name"], facts["family"], ", ".join(facts["labels"]), size, _measured(facts))))
    _console().print(table)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="An experiment file, such as those in configs/.")],
    data_dir: DataDirs = [],  # noqa: B006
    overrides: Annotated[
        list[str], typer.Option("--set", metavar="BLOCK.KEY=VALUE", help="Over the file; may be repeated.")
    ] = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME by default.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint of the run folder.")
    ] = False,
) -> None:
    """Train the experiment of a config file; prints the folder of the finished model."""
    run = _from_training("train", "train")
    with _refusing(_from_training("config", "ConfigError"), FileNotFoundError):
        folder = run(config, data_dirs=data_dir, overrides=overrides, out=out, resume=resume)
    typer.echo(folder)


@app.command()
def evaluate(
    folder: Annotated[str, typer.Argument(help="A folder that `linernotes train` made, or a Hub id of one.")],
    data_dir: DataDirs = [],  # noqa: B006
    predictions: Annotated[Path | None, typer.Option(help="Write the answer to every clip, as JSON lines.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file of figures; FOLDER/metrics.json by default.")] = None,
) -> None:
    """Measure a model on the data its training named; prints the figures as JSON."""
    run = _from_training("evaluate", "evaluate_folder")
    with _refusing(_from_training("config", "ConfigError"), FileNotFoundError):
        metrics = run(folder, data_dirs=data_dir, predictions=predictions, out=out)
    typer.echo(json.dumps(metrics, indent=1))


def _show_json(file: str, answer: dict[str, Any]) -> None:
    typer.echo(json.dumps({"path": file, **answer}, allow_nan=False))  # ASCII: any file name survives any terminal


def _show_picture(family: str) -> Callable[[str, dict[str, Any]], None]:
    from linernotes.rendering import render

    console = _console()

    def show(file: str, answer: dict[str, Any]) -> None:
        if "error" not in answer:  # errors are on stderr already
            for line in render(answer, file, family, console.encoding):
                console.print(line, soft_wrap=True)

    return show


def _measured(facts: dict[str, Any]) -> str:
    """The accuracy of each evaluation in metrics.json, with its interval where there is one."""
    shown = []
    for evaluation, result in facts["results"].items():
        accuracy = result["accuracy"]
        interval = f" ({accuracy['low']:.3f}-{accuracy['high']:.3f})" if accuracy["low"] is not None else ""
        sources = f" on {', '.join(result['sources'])}" if "sources" in result else ""
        shown.append(
            f"{evaluation.replace('_', ' ')}{sources}: accuracy {accuracy['value']:.3f}{interval}, n = {result['n']}"
        )
    return "\n".join(shown) or "not yet"


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def _hush() -> None:
    """transformers' progress bars and log lines have no place beside an answer."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _complain(message: str) -> None:
    from linernotes.rendering import printable

    typer.echo(f"linernotes: {printable(message, sys.stderr.encoding or 'ascii')}", err=True)


@contextmanager
def _refusing(*errors: type[Exception]) -> Iterator[None]:
    """Errors that are the user's to mend end the command with their message alone."""
    try:
        yield
    except errors as error:
        _complain(str(error))
        raise typer.Exit(2) from None


def _from_training(module: str, name: str) -> Any:
    """A thing out of linernotes.training, whose dependencies are an extra."""
    try:
        return getattr(import_module(f"linernotes.training.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "linernotes":
            raise
        _complain(f'{error.name} is not installed; training and evaluation need: pip install "linernotes[train]"')
        raise typer.Exit(2) from None
