"""`python upload_to_hub.py --repo you/name`, also `linernotes upload`: export, ask, push, ask again."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from linernotes.hub_upload.errors import ArrivalError, PublishError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from linernotes.hub_upload.push import Pushed

MODELS = Path(__file__).resolve().parents[1] / "models"  # beside this folder, in a checkout and in a package alike
STOPPED = 130  # as shells say of Ctrl-C
CHECKPOINT_TEMPLATE = "genre-moe"  # the family whose `.pt` form is known
LOAD = """
from transformers import AutoModel

model = AutoModel.from_pretrained(
    "{repo_id}",
    revision="{sha}",
    code_revision="{sha}",
    trust_remote_code=True,
)
model.predict("song.mp3")"""
LOAD_BACKBONE = """
from transformers import AutoFeatureExtractor, AutoModel

extractor = AutoFeatureExtractor.from_pretrained("{repo_id}", revision="{sha}")
model = AutoModel.from_pretrained("{repo_id}", revision="{sha}")
inputs = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt")  # mono floats at that rate
model(**inputs).{answer}"""


def main() -> None:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(upload)
    app(prog_name="upload_to_hub.py")


def upload(
    repo: Annotated[str, typer.Option(metavar="YOU/NAME", help="Where to publish, such as you/genre-moe.")],
    model: Annotated[
        Path | None, typer.Option(help="A model's folder; models/NAME for --repo YOU/NAME by default.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A moe_genre_checkpoint.pt (weights, statistics, genres) instead of a folder.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    token: Annotated[str | None, typer.Option(help="Else HF_TOKEN, else the stored login.")] = None,
    revision: Annotated[str, typer.Option(help="A branch; made of main where it does not exist.")] = "main",
    message: Annotated[str | None, typer.Option(help="Of the commit.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Export and check, send nothing.")] = False,
) -> None:
    """Publish a model on the Hugging Face Hub: loaded and asked in a clean process before and after.

    Exit codes: 0 it is there and answers; 1 a file is not what it should be; 2 nothing was sent, the request or the
    folder is wrong; 3 the Hub refused; 4 the Hub could not be reached, run again; 5 it is there and answers wrongly.
    """
    try:
        run(repo, model, checkpoint, private, token, revision, message, dry_run)
    except PublishError as error:
        say(f"upload: {' '.join(str(error).split())}")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        say("upload: stopped; if it was sending, the branch is as it was, or whole")
        raise typer.Exit(STOPPED) from None
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "linernotes":
            raise
        say(f'upload: {error.name} is not installed; publishing needs: pip install "linernotes[hub]"')
        raise typer.Exit(PublishError.exit_code) from None


def run(
    repo: str,
    model: Path | None,
    checkpoint: Path | None,
    private: bool,
    token: str | None,
    revision: str,
    message: str | None,
    dry_run: bool,
) -> None:
    from linernotes.hub_upload.names import check_repo_id
    from linernotes.hub_upload.push import check_repository, check_revision

    check_repo_id(repo)
    check_revision(revision)
    api = None if dry_run else signed_in(token)
    if api is not None:
        check_repository(api, repo, private)
    with tempfile.TemporaryDirectory() as place:
        source = source_of(repo, model, checkpoint, Path(place))
        from linernotes.hub_upload.clean import ask
        from linernotes.hub_upload.export import export

        folder = export(source, Path(place, "export", repo.split("/")[1]), repo, say=step)
        step("loading and asking it in a clean process")
        before = ask(folder)
        if api is None:
            describe_plan(folder, repo)
            return
        pushed = send(folder, repo, api, before, private=private, revision=revision, message=message)
    report(pushed, before)


def send(folder: Path, repo: str, api: "HfApi", before: dict[str, Any], **options: Any) -> "Pushed":
    """Pushes a checked folder, then loads the pushed revision in a clean process and compares the numbers."""
    from linernotes.hub_upload.clean import ask, differences
    from linernotes.hub_upload.push import check_arrival, push, redacted

    pushed = push(folder, repo, api, **options, say=step)
    step("loading and asking the pushed revision in a clean process")
    check_arrival(folder, pushed, api)
    try:
        after = ask(repo, revision=pushed.sha, token=api.token)
    except PublishError as error:
        raise ArrivalError(f"{pushed.url} is there, but {redacted(str(error), api.token)}") from None
    if found := differences(before, after):
        raise ArrivalError(f"{pushed.url} answers otherwise than the folder that was sent: {found[0]}")
    return pushed


def signed_in(token: str | None) -> "HfApi":
    """A client with a token that the Hub knows and that may write."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.utils import disable_progress_bars

    from linernotes.hub_upload.push import check_token

    token = (token or get_token() or "").strip()
    if not token:
        raise PublishError(
            "no token: give --token, set HF_TOKEN, or log in with `hf auth login` "
            "(tokens are made at huggingface.co/settings/tokens, with the role 'write')"
        )
    if not sys.stderr.isatty():
        disable_progress_bars()  # bars that are drawn over each other make no log
    api = HfApi(token=token)
    check_token(api)
    return api


def source_of(repo: str, model: Path | None, checkpoint: Path | None, place: Path) -> Path:
    """The folder that is exported: the one named, the one of the repository's name, or one made of a checkpoint."""
    if model is not None and checkpoint is not None:
        raise PublishError("--model and --checkpoint exclude each other; give one of them")
    name = repo.split("/")[1]
    if checkpoint is not None:
        from linernotes.hub_upload.checkpoint import convert_checkpoint

        step(f"reading {checkpoint.name}")
        template = MODELS / CHECKPOINT_TEMPLATE
        folder = convert_checkpoint(checkpoint, template, place / name)
        # the family's texts; the card leaves out what is not true of other weights
        for text in ("card.md", "walkthrough.py"):
            shutil.copyfile(template / text, folder / text)
        return folder
    if model is not None:
        return model
    if not (MODELS / name / "config.json").is_file():
        known = ", ".join(sorted(path.parent.name for path in MODELS.glob("*/config.json")))
        raise PublishError(f"there is no model named {name!r}; known are {known}; or name a folder with --model")
    return MODELS / name


def describe_plan(folder: Path, repo: str) -> None:
    from linernotes.hub_upload.push import local_files

    for name in local_files(folder):
        typer.echo(f"{(folder / name).stat().st_size:>12,}  {name}")
    typer.echo(f"{repo}: all of this would be sent; it loads and answers. Nothing was sent, no right was asked for.")


def report(pushed: "Pushed", answers: dict[str, Any]) -> None:
    """Where it is, and the lines that load exactly that commit and ask it as it was asked here."""
    what = "Published" if pushed.changed else "Nothing to do, the same is there already"
    where = {"repo_id": pushed.repo_id, "sha": pushed.sha}
    lines = LOAD.format(**where) if "predict" in answers else LOAD_BACKBONE.format(**where, **answers["heard"])
    typer.echo(f"{what}: {pushed.url}\n{lines}")


def step(stage: str) -> None:
    say(f"- {stage}")


def say(line: str) -> None:
    """Progress and complaints go to standard error; standard output has the result."""
    print(line, file=sys.stderr, flush=True)
