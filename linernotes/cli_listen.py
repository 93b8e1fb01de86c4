"""`linernotes listen`: every model's word on some songs, or on a folder of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import linernotes
from linernotes.terminal import (
    BatchSize,
    Device,
    complain,
    console,
    from_extra,
    hush,
    names_in,
    progress,
    refusing,
    stoppable,
    tell,
)

if TYPE_CHECKING:
    from linernotes.listening import Listener

PAGES = (".html", ".htm")  # what may be overwritten: a page, and never a recording


def listen(
    songs: Annotated[list[str], typer.Argument(metavar="SONG...", help="Recordings, or with --out a folder of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each song.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page with pictures, all in one file.")
    ] = None,
    jams: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write NAME.jams of each song, for tools of music research.")
    ] = None,
    models: Annotated[
        str | None, typer.Option(metavar="A,B", help="Bundled names, folders, Hub ids; the first is believed.")
    ] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Also what each model says window by window.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of a folder: one row a file, .parquet, .csv or .jsonl.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="With --out: files decoded at a time.")] = 2,
    write_tags: Annotated[
        bool, typer.Option("--write-tags", help="With --out: also write genre and mood into the files themselves.")
    ] = False,
    batch_size: BatchSize = 8,
    device: Device = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no page and no progress, only errors.")] = False,
) -> None:
    """Say on one page what all models hear. `linernotes SONG...` is the same; with --out, of a whole folder."""
    named = names_in(models)
    if out is not None:
        _refuse_beside_out(songs, {"--json": as_json, "--html": html, "--jams": jams, "--timeline": timeline})
        bulk = {"batch_size": batch_size, "workers": workers, "device": device, "write_tags": write_tags}
        _listen_to_folder(Path(songs[0]), out, named, quiet, **bulk)
        return
    with refusing(ValueError, OSError):
        _refuse_folders(songs, write_tags)
        annotated = {} if jams is None else _jams_files(songs, jams)
        draw = None if html is None else _drawing(html, songs)
    hush()
    with refusing(ValueError, OSError):
        listener = linernotes.Listener(named, device=device)
        reports = _reports(listener, songs, draw, quiet, timeline=timeline, batch_size=batch_size)
        all_heard = _tell_all(reports, annotated, html, as_json, quiet)
    if not all_heard:
        raise typer.Exit(1)


def _refuse_beside_out(songs: list[str], options: dict[str, Any]) -> None:
    with refusing(ValueError):
        if len(songs) != 1 or not Path(songs[0]).is_dir():
            raise ValueError(f"--out is for one folder, and {', '.join(songs)} is none: name one, or leave --out out")
        for option, given in options.items():
            if given:
                raise ValueError(f"{option} is for songs, --out for a folder: leave one of them out")


def _refuse_folders(songs: list[str], write_tags: bool) -> None:
    if write_tags:
        raise ValueError("--write-tags changes the files of a folder: name the folder, and --out for the rows")
    for song in songs:
        if Path(song).is_dir():
            raise ValueError(f"{song} is a folder: add --out notes.parquet (or .csv, .jsonl) for one row a file")


def _jams_files(songs: list[str], folder: Path) -> dict[str, Path]:
    """Where the annotations of each song go: to no file that is there, which may be somebody's work."""
    files = {song: folder / f"{Path(song).stem}.jams" for song in songs}
    if len(set(files.values())) < len(files):
        raise ValueError(
            f"two of {', '.join(songs)} would be annotated in one file: give each a command and a FOLDER of its own"
        )
    for file in files.values():
        if file.exists():
            raise ValueError(f"{file} is there already: delete it to annotate anew, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return files


def _drawing(page: Path, songs: list[str]) -> Any:
    """What draws songs for the page. Raises ValueError where the page would take the place of anything but a page."""
    if page.is_dir():
        raise ValueError(f"--html {page} is a folder: name a file in it, such as {page / 'notes.html'}")
    if page.suffix.lower() not in PAGES:
        raise ValueError(f"--html {page} ends in {page.suffix or 'nothing'}; allowed are {', '.join(PAGES)}")
    if page.exists() and any(Path(song).exists() and page.samefile(song) for song in songs):
        raise ValueError(f"--html {page} is one of the songs, which it would overwrite: name another file")
    draw = from_extra("page", "report.html", "song_of")
    page.parent.mkdir(parents=True, exist_ok=True)
    return draw


def _annotate(report: dict[str, Any], file: Path) -> None:
    from linernotes.report.jams import as_jams

    file.write_text(json.dumps(as_jams(report), allow_nan=False, indent=1), encoding="utf-8")


def _reports(listener: "Listener", songs: list[str], draw: Any, quiet: bool, **options: Any) -> Iterator[tuple]:
    """For each song its report, and with `draw` what a page needs of it, or None."""
    from linernotes.decoding import decoded
    from linernotes.listening import recorded
    from linernotes.modeling.audio import AudioError

    for song in songs:
        try:
            with _waiting(quiet) as say, decoded(song) as sound:
                (report,) = listener.hear([sound], say=say, **options)
                picture = draw(report, song, sound) if draw and "error" not in report else None
        except AudioError as error:
            report, picture = {"path": song, "error": recorded(error)}, None
        yield song, report, picture


def _tell_all(
    reports: Iterator[tuple], annotated: dict[str, Path], html: Path | None, as_json: bool, quiet: bool
) -> bool:
    """Each report where it is wanted, one after the other, and the page of all at the end; whether all were heard."""
    drawn, all_heard = [], True
    for song, report, picture in reports:
        if "error" in report:
            all_heard = False
            complain(report["error"]["message"])
        elif song in annotated:
            _annotate(report, annotated[song])
        drawn += [picture] if picture else []
        _show(song, report, as_json, quiet)
    if drawn:
        html.write_text(from_extra("page", "report.html", "html_page")(drawn), encoding="utf-8")
    return all_heard


@contextmanager
def _waiting(quiet: bool) -> Iterator[Any]:
    """On a terminal, a line on standard error about who listens."""
    from rich.console import Console
    from rich.text import Text

    from linernotes.rendering import printable

    terminal = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if quiet or not terminal.is_terminal:
        yield None
        return
    with terminal.status("decoding") as status:
        # a status takes plain text for markup
        yield lambda source: status.update(Text(printable(f"{source} listens", terminal.encoding)))


def _show(song: str, report: dict[str, Any], as_json: bool, quiet: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report, allow_nan=False))
    elif not quiet and "error" not in report:  # errors are on stderr already
        from linernotes.report.page import page

        terminal = console()
        plain = not terminal.is_terminal
        terminal.print(page(report, song, columns=terminal.width, encoding=terminal.encoding, plain=plain))


def _listen_to_folder(folder: Path, out: Path, models: list[str] | None, quiet: bool, **options: Any) -> None:
    hush()
    run = from_extra("bulk", "bulk", "listen_to_folder")
    goes_on = stoppable("the same command goes on where it was stopped")
    with goes_on, refusing(ValueError, OSError), progress("files", quiet=quiet) as show:
        outcome = run(folder, out, models=models, progress=show, **options)
    if outcome.unheard:
        complain(f"{outcome.unheard} of {outcome.files} files could not be heard: see error_code in {out}")
    for file in outcome.untagged:
        complain(f"{file}: no tags could be written into it")
    if outcome.files and not quiet:  # other processes have none
        tell(out)
