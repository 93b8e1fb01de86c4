"""`linernotes demo`: the web page, on this machine."""

from typing import Annotated

import typer

from linernotes.demo import Limits
from linernotes.terminal import Device, complain, from_extra, hush, names_in, refusing, stoppable


def demo(
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A page about this one model: a bundled name, a folder, a Hub id."),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Who listens: bundled names, folders, Hub ids; the first is believed."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Whose connections are taken: 0.0.0.0 for those of other machines too.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="By default the first that is free from 7860 on.")
    ] = None,
    device: Device = None,
    max_seconds: Annotated[float, typer.Option(min=1, help="Longer recordings are refused.")] = Limits().max_seconds,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Larger files are refused.")] = Limits().max_megabytes,
) -> None:
    """Open a web page that hears what visitors drop or record; prints its address. Nothing leaves the machine."""
    if model is not None and models is not None:
        complain("--model is for a page about one model, --models for the page of all: leave one of them out")
        raise typer.Exit(2)
    serve = from_extra("demo", "demo.app", "serve")
    hush()
    named = names_in(models) if model is None else [model]
    with stoppable("nothing that visitors brought is kept"), refusing(ValueError, OSError):
        serve(
            named,
            single=model is not None,
            limits=Limits(max_seconds, max_megabytes),
            device=device,
            host=host,
            port=port,
        )
