"""What commands share: how they speak, how they refuse, how they reach what is imported only when it runs, options."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

BatchSize = Annotated[int, typer.Option(min=1, help="Windows (and files) heard at a time.")]
Device = Annotated[str | None, typer.Option(help="Where to compute, such as cuda; the CPU by default.")]


def console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def hush() -> None:
    """transformers' progress bars and log lines have no place beside an answer."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def show_bars() -> None:
    """Bars of what takes long, on standard error, where that is a terminal."""
    from transformers.utils import logging

    logging.enable_progress_bar()


def complain(message: str) -> None:
    from linernotes.rendering import printable

    typer.echo(f"linernotes: {printable(message, sys.stderr.encoding or 'ascii')}", err=True)


def names_in(listed: str | None) -> list[str] | None:
    """The names of a comma-separated option; None where it is not given."""
    return None if listed is None else [name.strip() for name in listed.split(",") if name.strip()]


def tell(path: str | os.PathLike[str]) -> None:
    """The path of what was written: its very bytes for a program that reads them, escaped on a terminal."""
    if sys.stdout.isatty():
        from linernotes.rendering import printable

        typer.echo(printable(os.fspath(path), sys.stdout.encoding))
    else:
        typer.echo(os.fsencode(path))


@contextmanager
def progress(what: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, to be told how many are done and of how many; with the rate and the time left."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task(what, total=None, rate="")

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            speed = bar.tasks[0].finished_speed or bar.tasks[0].speed
            bar.update(task, rate=f"{speed:.3g}/s" if speed else "")

        yield show


@contextmanager
def refusing(*errors: type[Exception]) -> Iterator[None]:
    """Errors that are the user's to mend end the command with their message alone."""
    try:
        yield
    except errors as error:
        complain(str(error))
        raise typer.Exit(getattr(error, "exit_code", 2)) from None


@contextmanager
def stoppable(afterwards: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command in good order, with what to do afterwards and the code 130."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        complain(f"stopped; {afterwards}")
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def from_extra(extra: str, module: str, name: str) -> Any:
    """A thing out of a part of linernotes whose dependencies are an extra."""
    try:
        return getattr(import_module(f"linernotes.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "linernotes":
            raise
        complain(f'{error.name} is not installed; this command needs: pip install "linernotes[{extra}]"')
        raise typer.Exit(2) from None
