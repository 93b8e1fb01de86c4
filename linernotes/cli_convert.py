"""`linernotes convert`: other projects' checkpoints as folders that AutoModel loads."""

from pathlib import Path
from typing import Annotated

import typer

from linernotes.api import folder_of
from linernotes.hub_upload.errors import PublishError
from linernotes.terminal import from_extra, hush, refusing, tell

conversion = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Other projects' checkpoints as folders that AutoModel loads."
)


@conversion.command("beatmeter")
def convert_beatmeter(
    checkpoint: Annotated[Path, typer.Argument(help="A .pt file of the BeatMeter project.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    backbone: Annotated[
        str | None, typer.Option(help="A folder or Hub id; by default what the checkpoint names.")
    ] = None,
) -> None:
    """Write a BeatMeter checkpoint, LoRA merged, as a model folder; prints the folder."""
    hush()
    run = from_extra("train", "convert_beatmeter", "convert")
    with refusing(ValueError, OSError):
        tell(run(checkpoint, out, backbone=backbone))


@conversion.command("genre-moe")
def convert_genre_moe(
    checkpoint: Annotated[Path, typer.Argument(help="The moe_genre_checkpoint.pt of Music Genre MoE.")],
    out: Annotated[Path, typer.Option(help="The folder to write, new or empty.")],
) -> None:
    """Write a Music Genre MoE checkpoint as a model folder; prints the folder."""
    hush()
    run = from_extra("hub", "hub_upload.checkpoint", "convert_checkpoint")
    with refusing(PublishError):
        tell(run(checkpoint, folder_of("genre-moe"), out))


@conversion.command("mathrock")
def convert_mathrock(
    checkpoint: Annotated[Path, typer.Argument(help="A .pth file of Neural Math Rock.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    wavlm: Annotated[
        str | None, typer.Option(help="A folder or Hub id of a WavLM; wavlm-base by default, which is not fetched.")
    ] = None,
    clap: Annotated[
        str | None, typer.Option(help="The same of a whole CLAP; clap-htsat-unfused by default, which is not fetched.")
    ] = None,
) -> None:
    """Write a Neural Math Rock checkpoint as a model folder; prints the folder."""
    hush()
    run = from_extra("train", "convert_mathrock", "convert")
    with refusing(ValueError, OSError):
        tell(run(checkpoint, out, wavlm=wavlm, clap=clap))


@conversion.command("sonicverse")
def convert_sonicverse(
    checkpoint: Annotated[Path, typer.Argument(help="A folder with non_lora_trainables.bin and an adapter.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    audio: Annotated[
        str | None, typer.Option(help="A folder or Hub id of the encoder; MERT-v1-95M by default.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="The same of the language model; by default what the adapter names.")
    ] = None,
) -> None:
    """Write a SonicVerse checkpoint, adapter merged, as a model folder; prints the folder."""
    hush()
    run = from_extra("train", "convert_sonicverse", "convert")
    with refusing(ValueError, OSError):
        tell(run(checkpoint, out, audio=audio, text=text))
