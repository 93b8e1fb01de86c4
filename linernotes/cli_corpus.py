"""`linernotes corpus`: data sets built, cut, checked and read."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from linernotes.terminal import complain, from_extra, progress, refusing, stoppable, tell

corpus = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Music with labels: build it, check it, or read a public set."
)
wikimeter = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Recordings of works whose meter is known: fetch them, cut them."
)
corpus.add_typer(wikimeter, name="wikimeter")

Workers = Annotated[int, typer.Option(min=1, help="Processes; the result is the same for any number.")]
Catalog = Annotated[Path | None, typer.Option(help="Another catalog of works, a JSON file.")]
DataDirs = Annotated[list[Path], typer.Option(help="A folder in which data sets are looked for; may be repeated.")]


@corpus.command("build")
def build_corpus(
    recipe: Annotated[Path, typer.Argument(help="A recipe file, such as those in configs/corpora/.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder, or one in which the same recipe was stopped.")],
    clips: Annotated[
        str | None,
        typer.Option(metavar="SPLIT=COUNT,...", help="In place of the recipe's: a small trial, train=8,test=2."),
    ] = None,
    workers: Workers = 2,
    font_folder: Annotated[Path | None, typer.Option(help="Where soundfonts lie; where Debian puts them.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="Where a source of real scores lies; may be repeated."),
    ] = None,
    data_dir: DataDirs = [],  # noqa: B006
) -> None:
    """Render music with exact facts: recordings and a manifest; goes on where it was stopped."""
    run = from_extra("corpora", "corpora.build", "build_corpus")
    goes_on = stoppable("the same command goes on where it was stopped")
    with goes_on, refusing(ValueError, FileNotFoundError), progress("clips") as show:
        places = {"font_folder": font_folder, "sources": _source_folders(source or []), "data_dirs": data_dir}
        described = from_extra("corpora", "corpora.recipe", "load_recipe")(recipe)
        if clips is not None:
            described = replace(described, clips=_clip_counts(clips))
        manifest = run(described, out, workers=workers, progress=show, **places)
    tell(manifest)


def _clip_counts(given: str) -> dict[str, int]:
    """Which splits there are, and how many clips one may have, is for the recipe to check."""
    counts = {}
    for text in given.split(","):
        split, _, count = text.partition("=")
        if not count.strip().isdecimal():
            raise ValueError(f"--clips {given} has {text!r}: give SPLIT=COUNT, such as train=8,validation=2,test=2")
        counts[split.strip()] = int(count)
    return counts


def _source_folders(given: list[str]) -> dict[str, Path]:
    folders = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise ValueError(f"--source {text} names no folder: give NAME=FOLDER, such as symbtr=DOWNLOADS/symbtr")
        folders[name] = Path(folder)
    return folders


@corpus.command("check")
def check_corpus(
    place: Annotated[Path, typer.Argument(help="A manifest, or a folder with one.")],
    workers: Workers = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each finding.")] = False,
) -> None:
    """Listen to a corpus: what is unreadable, silent, clipped, doubled, or not as long as is said."""
    run = from_extra("train", "corpora.check", "check_corpus")
    with refusing(ValueError), progress("recordings") as show:
        findings = run(place, workers=workers, progress=show)
    for finding in findings:
        said = f"{finding.kind}: {', '.join(finding.paths)}: {finding.message}"
        typer.echo(json.dumps(asdict(finding)) if as_json else said)
    if findings:
        raise typer.Exit(1)


@corpus.command("excerpts")
def cut_excerpts(
    recordings: Annotated[Path, typer.Argument(help="A folder of recordings.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    licence: Annotated[str, typer.Option(help="Of the recordings; repeated in every row.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of an excerpt.")] = 10.0,
    per_recording: Annotated[int, typer.Option(min=1, help="At most so many of each.")] = 12,
) -> None:
    """Cut unlabelled excerpts out of recordings, for a backbone to listen to."""
    run = from_extra("train", "corpora.excerpts", "cut_excerpts")
    with refusing(ValueError), progress("recordings") as show:
        manifest, left_out = run(recordings, out, licence, seconds=seconds, per_recording=per_recording, progress=show)
    tell(manifest)
    for line in left_out:
        complain(line)


@corpus.command("sources")
def corpus_sources(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each set.")] = False,
) -> None:
    """The public data sets that can be read: what to download, how large, under which licence."""
    from linernotes.corpora.sources import SOURCES, told

    blocks = [json.dumps(asdict(source)) if as_json else told(source) for source in SOURCES.values()]
    typer.echo(("\n" if as_json else "\n\n").join(blocks))


@corpus.command("read")
def read_corpus(
    name: Annotated[str, typer.Argument(help="A name of `linernotes corpus sources`.")],
    folder: Annotated[Path, typer.Argument(help="Where its published files lie; with --hub, its recordings.")],
    out: Annotated[Path, typer.Option(help="The manifest to write: .jsonl or .parquet.")],
    hub: Annotated[
        str | None, typer.Option(metavar="REPO", help="Read the tables of this Hub data set, as `sources` names it.")
    ] = None,
) -> None:
    """Write the manifest of a public data set that lies in a folder, or on the Hub."""
    readers = from_extra("train", "corpora.readers", "READERS")
    from_hub = from_extra("train", "corpora.readers", "from_hub")
    write = from_extra("train", "corpora.manifest", "write_manifest")
    with refusing(ValueError, FileNotFoundError, ConnectionError):
        if name not in readers:
            raise ValueError(f"no reader for {name!r}; there are {', '.join(readers)}")
        rows = readers[name].read(folder) if hub is None else from_hub(name, folder, repo=hub)
        tell(write(rows, out))
    for reason, count in rows.left_out.items():
        complain(f"left out {count}: {reason}")


@wikimeter.command("download")
def download_wikimeter(
    folder: Annotated[Path, typer.Argument(help="Where recordings are put, and a log of which videos they are.")],
    catalog: Catalog = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first works of the catalog.")] = None,
    pause_seconds: Annotated[float, typer.Option(min=0.0, help="Between two works.")] = 5.0,
) -> None:
    """Search YouTube for the works and fetch a recording of each; goes on where it was stopped."""
    works = from_extra("train", "corpora.wikimeter.catalog", "load_catalog")
    fetch = from_extra("train", "corpora.wikimeter.download", "download")
    with refusing(ValueError, OSError, ModuleNotFoundError), progress("works") as show:
        downloads = fetch(works(catalog)[:limit], folder, pause_seconds=pause_seconds, progress=show)
    typer.echo(f"{downloads.fetched} fetched, {downloads.there} there already, {len(downloads.failed)} failed")
    for stem, reason in downloads.failed.items():
        complain(f"{stem}: {reason}")
    if downloads.failed:
        raise typer.Exit(1)


@wikimeter.command("segment")
def segment_wikimeter(
    folder: Annotated[Path, typer.Argument(help="The folder of `download`.")], catalog: Catalog = None
) -> None:
    """Cut the recordings and write the label file: then `linernotes corpus read wikimeter FOLDER` reads the folder."""
    works = from_extra("train", "corpora.wikimeter.catalog", "load_catalog")
    cut = from_extra("train", "corpora.wikimeter.segment", "segment")
    with refusing(ValueError, OSError), progress("works") as show:
        table, left_out = cut(works(catalog), folder, progress=show)
    typer.echo(table)
    for reason, count in left_out.items():
        complain(f"left out {count}: {reason}")
