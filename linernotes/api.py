"""A model by its name, and the list of the names: `linernotes.load("genre-moe").predict("song.mp3")`.

`load` runs this package's own classes and never code that lies in a folder or a repository, so that nobody has to be
trusted for it: of what it is given it reads JSON and safetensors. The way without this package, through transformers'
Auto classes and `trust_remote_code=True`, runs the code in the repository.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linernotes import modeling

if TYPE_CHECKING:
    from linernotes.modeling.music_model import MusicModel

MODELING = Path(modeling.__file__).parent
BUNDLED = MODELING.parent / "models"  # beside the code, in a checkout and in an installed package alike
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def load(name: str | PathLike[str], *, device: str | None = None, **kwargs: Any) -> "MusicModel":
    """A model in eval mode, ready to `predict`.

    Args:
        name: a bundled name (see `bundled_models`), else an existing folder, else a Hub id "user/name". A bare name is
            never looked up on the Hub. A folder that has the name of a bundled model is reached as "./name".
        device: where the model computes, such as "cuda" or "cuda:1"; the CPU by default.
        kwargs: passed on to transformers' `from_pretrained`: `revision`, `token`, `cache_dir`, `dtype` ...

    Raises:
        ValueError: nothing of that name, a model of another family, or a device that is not there.
        OSError: the Hub cannot be reached, or has no such repository.

    >>> load("genre-moe").predict("linernotes/assets/morning_mood.ogg")["predicted_genre"]
    'classical'
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    source = _locate(name)
    try:
        with _without_bars() if Path(source).is_dir() else nullcontext():  # a download may take long
            model = model_class(_settings(source, **kwargs), source).from_pretrained(source, **kwargs).eval()
    except StrictDataclassError as error:  # which is no ValueError, and says what was checked in words of its own
        raise ValueError(f"{source}: its config.json is refused: {error.__cause__ or error}") from error
    except SafetensorError as error:
        raise ValueError(f"{source}: its weights cannot be read ({error}); download or export it again") from error
    try:
        return model.to(device) if device is not None else model
    except (RuntimeError, AssertionError) as error:  # the second is torch built without CUDA
        raise ValueError(f"device is {device!r}: {error}; 'cpu' always works") from error


@contextmanager
def _without_bars() -> Iterator[None]:
    """transformers draws a bar of the weights that it reads from disk, which is done before anybody has read it."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _settings(source: str, **kwargs: Any) -> dict[str, Any]:
    """What a config.json says. Raises ValueError where it is no object, OSError where it cannot be read."""
    from transformers import PreTrainedConfig

    try:
        settings, _ = PreTrainedConfig.get_config_dict(source, **kwargs)
    except (AttributeError, TypeError, RecursionError):  # a list for an object, or nested beyond reading
        settings = None
    if not isinstance(settings, dict):
        raise ValueError(f"{source}: config.json holds no object of settings; download or export it again")
    return settings


def bundled_models() -> list[dict[str, Any]]:
    """Facts of the models that come with the package, by name; reads files only, no weights. A backbone, which answers
    nothing, is not among them.

    Each is {"name", "family", "labels", "folder", "size_bytes", "results"}; `results` holds what metrics.json says,
    one dict an evaluation, and is empty where there is none.
    """
    return [facts for folder in _bundled_folders() if (facts := _facts(folder))["family"] in _families()]


def _bundled_folders() -> list[Path]:
    folders = BUNDLED.iterdir() if BUNDLED.is_dir() else ()
    return sorted(folder for folder in folders if (folder / "config.json").is_file())


def _facts(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    metrics = folder / "metrics.json"
    return {
        "name": folder.name,
        "family": config["model_type"],
        "labels": list(config.get("id2label", {}).values()),
        "folder": str(folder),
        "size_bytes": sum(file.stat().st_size for file in folder.glob("*.safetensors")),
        "results": json.loads(metrics.read_text(encoding="utf-8"))["results"] if metrics.is_file() else {},
    }


def folder_of(name: str | PathLike[str]) -> Path:
    """The folder of a bundled name, or the folder named; raises ValueError where it holds no model."""
    source = Path(_locate(name))
    if not source.is_dir():
        raise ValueError(f"{str(name)!r} is no folder here; name a bundled model or a folder with a config.json")
    return source


def _locate(name: str | PathLike[str]) -> str:
    """A folder that holds a model, or a Hub id."""
    bundled = {folder.name: folder for folder in _bundled_folders()}
    if name in bundled:
        return str(bundled[name])
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return str(folder)
    if name and folder.is_dir():
        raise ValueError(f"{name}: a folder without config.json; name the one that holds it, such as runs/NAME/model")
    if isinstance(name, str) and HUB_ID.fullmatch(name):
        return name
    raise ValueError(
        f"{str(name)!r} is no model: bundled are {', '.join(bundled) or '(none)'}; "
        "allowed besides are a folder with a config.json and a Hub id (user/name)"
    )


def _families() -> list[str]:
    return sorted(file.stem.removeprefix("modeling_") for file in MODELING.glob("modeling_*.py"))


def model_class(settings: dict[str, Any], source: str) -> type["MusicModel"]:
    """Our class of the name that a config gives for `AutoModel`; the file it lies in is not opened."""
    from linernotes.modeling.music_model import MusicModel

    auto_map = settings.get("auto_map")
    entry = str(auto_map.get("AutoModel")) if isinstance(auto_map, dict) else ""
    module, _, class_name = entry.rpartition("--")[-1].partition(".")
    families = _families()
    if module.removeprefix("modeling_") in families:
        found = getattr(import_module(f"linernotes.modeling.{module}"), class_name, None)
        if isinstance(found, type) and issubclass(found, MusicModel):
            return found
    raise ValueError(
        f"{source}: model_type is {settings.get('model_type')!r}; this version of linernotes has "
        f"{', '.join(families)}: update it, or load the model by transformers' AutoModel if you trust its authors"
    )
