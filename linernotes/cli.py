"""The command line. `--help` imports neither torch nor transformers: what a command needs is imported when it runs.

Exit codes: 0 all is well; 1 some file failed and the others were answered, or `verify` found something; 2 the command
could not run. `upload` has more, which its own help names.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import linernotes
from linernotes.hub_upload.command import upload
from linernotes.hub_upload.errors import PublishError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="linernotes",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: half the time to the first line of it
    pretty_exceptions_enable=False,  # a traceback that reaches a user is a bug of ours: show all of it, plainly
)

corpus = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Music with labels: build it, check it, or read a public set."
)
app.add_typer(corpus, name="corpus")

Workers = Annotated[int, typer.Option(min=1, help="Processes; the result is the same for any number.")]
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
    run = _from_extra("train", "training.train", "train")
    with _refusing(_from_extra("train", "training.config", "ConfigError"), FileNotFoundError):
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
    run = _from_extra("train", "training.evaluate", "evaluate_folder")
    with _refusing(_from_extra("train", "training.config", "ConfigError"), FileNotFoundError):
        metrics = run(folder, data_dirs=data_dir, predictions=predictions, out=out)
    typer.echo(json.dumps(metrics, indent=1))


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="A bundled name, or a folder such as runs/NAME/model.")],
    out: Annotated[Path, typer.Argument(help="An empty or new folder, or an earlier export.")],
    repo: Annotated[str | None, typer.Option(metavar="YOU/NAME", help="Where on the Hub it will lie.")] = None,
) -> None:
    """Write a model as a Hub repository: weights, code, card, executed notebook, checksums."""
    run = _from_extra("hub", "hub_upload.export", "export")
    with _refusing(PublishError, ValueError):
        folder = run(linernotes.api.folder_of(model), out, repo, say=lambda stage: typer.echo(f"- {stage}", err=True))
    typer.echo(folder)


@app.command()
def verify(
    place: Annotated[str, typer.Argument(help="An exported folder, or a Hub id (user/name).")],
    revision: Annotated[str | None, typer.Option(help="A commit, tag or branch of a Hub id.")] = None,
    same_code: Annotated[
        bool, typer.Option("--same-code", help="Also fail where its code differs from this package's.")
    ] = False,
) -> None:
    """Check a folder or repository against its checksums, without running any code in it."""
    run = _from_extra("hub", "hub_upload.manifest", "verify_place")
    with _refusing(PublishError):
        report = run(place, revision=revision, trusted_code=linernotes.api.MODELING)
    typer.echo(report)
    other = [name for name, state in report.code.items() if state != "same"]
    if same_code and other:
        _complain(f"{', '.join(other)}: not the code of linernotes {linernotes.__version__}")
        raise typer.Exit(1)


app.command()(upload)


@corpus.command("build")
def build_corpus(
    recipe: Annotated[Path, typer.Argument(help="A recipe file, such as those in configs/corpora/.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder, or one in which the same recipe was stopped.")],
    workers: Workers = 2,
    font_folder: Annotated[Path | None, typer.Option(help="Where soundfonts lie; where Debian puts them.")] = None,
) -> None:
    """Render music with exact facts: recordings and a manifest; goes on where it was stopped."""
    run = _from_extra("corpora", "corpora.build", "build_corpus")
    with _refusing(ValueError, FileNotFoundError), _progress("clips") as progress:
        described = _from_extra("corpora", "corpora.build", "load_recipe")(recipe)
        manifest = run(described, out, workers=workers, font_folder=font_folder, progress=progress)
    typer.echo(manifest)


@corpus.command("check")
def check_corpus(
    place: Annotated[Path, typer.Argument(help="A manifest, or a folder with one.")],
    workers: Workers = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each finding.")] = False,
) -> None:
    """Listen to a corpus: what is unreadable, silent, clipped, doubled, or not as long as is said."""
    run = _from_extra("train", "corpora.check", "check_corpus")
    with _refusing(ValueError), _progress("recordings") as progress:
        findings = run(place, workers=workers, progress=progress)
    for finding in findings:
        said = f"{finding.kind}: {', '.join(finding.paths)}: {finding.message}"
        typer.echo(json.dumps(asdict(finding)) if as_json else said)
    if findings:
        raise typer.Exit(1)


@corpus.command("sources")
def corpus_sources() -> None:
    """The public data sets that can be read: what to download, how large, under which licence."""
    from rich.table import Table
    from rich.text import Text

    from linernotes.corpora.sources import source_rows

    table = Table("name", "labels", "download", "from", "size", "licence", show_lines=True)
    for row in source_rows():
        table.add_row(*(Text(row[key]) for key in ("name", "labels", "download", "page", "size", "licence")))
    _console().print(table)


@corpus.command("read")
def read_corpus(
    name: Annotated[str, typer.Argument(help="A name of `linernotes corpus sources`.")],
    folder: Annotated[Path, typer.Argument(help="Where its published files lie.")],
    out: Annotated[Path, typer.Option(help="The manifest to write: .jsonl or .parquet.")],
) -> None:
    """Write the manifest of a public data set that lies in a folder."""
    readers = _from_extra("train", "corpora.readers", "READERS")
    write = _from_extra("train", "corpora.manifest", "write_manifest")
    with _refusing(ValueError, FileNotFoundError):
        if name not in readers:
            raise ValueError(f"no reader for {name!r}; there are {', '.join(readers)}")
        rows = readers[name].read(folder)
        typer.echo(write(rows, out))
    for reason, count in rows.left_out.items():
        _complain(f"left out {count}: {reason}")


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
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, to be told how many are done and of how many."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _refusing(*errors: type[Exception]) -> Iterator[None]:
    """Errors that are the user's to mend end the command with their message alone."""
    try:
        yield
    except errors as error:
        _complain(str(error))
        raise typer.Exit(getattr(error, "exit_code", 2)) from None


def _from_extra(extra: str, module: str, name: str) -> Any:
    """A thing out of a part of linernotes whose dependencies are an extra."""
    try:
        return getattr(import_module(f"linernotes.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "linernotes":
            raise
        _complain(f'{error.name} is not installed; this command needs: pip install "linernotes[{extra}]"')
        raise typer.Exit(2) from None
