"""A published folder as a Hub repository: whole, without links, its card written, its notebook executed.

Only what belongs to a published model leaves: files outside `PUBLISHED` stay behind, and of the Python files only those
that the configs name, with everything that they import of each other.
"""

import ast
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from linernotes.hub_upload.card import build_card, default_repo_id
from linernotes.hub_upload.card_source import read_object
from linernotes.hub_upload.completing import lacks_language_model, put_language_model_in
from linernotes.hub_upload.configs import CLASS_OF_MODULE
from linernotes.hub_upload.errors import PublishError, VerifyError
from linernotes.hub_upload.manifest import SUMS, read_sums, verify, write_sums
from linernotes.hub_upload.names import check_repo_id
from linernotes.hub_upload.notebook import cached
from linernotes.hub_upload.privacy import refuse_private

PUBLISHED = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "*.safetensors",
    "*.safetensors.index.json",
    "metrics.json",
    "benchmarks.json",
    "training.json",
    "training_log.jsonl",
    "out_of_fold.json",
    "plots/*.png",
    "LICENSE*",
)
CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json", "generation_config.json")
LOCAL_KEYS = ("_name_or_path", "name_or_path", "base_model_name_or_path", "_commit_hash")
Say = Callable[[str], None]


def export(
    source: str | Path,
    out: str | Path,
    repo_id: str | None = None,
    *,
    say: Say = lambda stage: None,
    short: bool = False,
) -> Path:
    """Writes the Hub repository of a published or trained folder.

    Args:
        source: a folder of models/, or the `model` folder of a training run.
        out: an empty or new folder, or an earlier export, which is replaced once the new one is whole.
        repo_id: where it will lie, for the card and the notebook; "linernotes/<name of the folder>" by default.
        say: called with each stage as it begins.
        short: execute the walkthrough in its short mode.

    Returns:
        the folder that was written.

    Raises:
        PublishError: the source is no model, a file is missing or names a place on this machine, the walkthrough fails.
    """
    source, out = Path(source), Path(out)
    refuse_what_is_no_model(source)
    refuse_a_folder_of_others(out)
    repo_id = repo_id or default_repo_id(source)
    check_repo_id(repo_id)
    with put_in_place(out) as folder:
        if (source / SUMS).is_file():
            say("taking the exported folder as it is")
            copy_export(source, folder, repo_id)
        else:
            fill(source, folder, repo_id, say, short)
        say("checking what would be published")
        check(folder, source)
    return out


@contextmanager
def put_in_place(out: Path) -> Iterator[Path]:
    """Where to write a folder: it takes the place of `out` once it is whole, and leaves nothing where it fails.

    Raises PublishError where the disk refuses.
    """
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}-") as place:
            folder = Path(place, out.name)
            yield folder
            if out.exists():
                shutil.rmtree(out)
            folder.rename(out)
    except OSError as error:
        raise PublishError(f"{out} cannot be written: {error}") from None


def fill(source: Path, folder: Path, repo_id: str, say: Say, short: bool) -> None:
    """The files of the repository, from the model's folder."""
    say("copying the model and its code")
    copy_model(source, folder)
    if lacks_language_model(folder):
        say("putting its language model in")
        put_language_model_in(folder)
    say("writing the card")
    (folder / "README.md").write_text(build_card(source, repo_id, folder), encoding="utf-8")
    if (source / "walkthrough.py").is_file():
        say("executing the walkthrough (minutes, the first time)")
        with tempfile.TemporaryDirectory() as place:  # what the notebook writes beside the model is not published
            asked = Path(shutil.copytree(folder, Path(place, "model")))
            notebook = cached(source / "walkthrough.py", asked, repo_id, short)
        (folder / "walkthrough.ipynb").write_text(notebook, encoding="utf-8")
    write_sums(folder)


def check(folder: Path, source: Path) -> None:
    try:
        verify(folder)
    except VerifyError as error:
        raise VerifyError(str(source), error.findings) from None  # the folder has a temporary name
    refuse_private(folder, (str(source.resolve()),))


def copy_export(source: Path, folder: Path, repo_id: str) -> None:
    """An earlier export, file by file as its sums list them; raises PublishError where it was made for another name."""
    names = read_sums(source / SUMS)
    card = source / "README.md"
    if not card.is_file() or f'"{repo_id}"' not in card.read_text(encoding="utf-8"):
        raise PublishError(f"{source} was exported for another repository than {repo_id}; export it again with --repo")
    for name in (*names, SUMS):
        if not (source / name).is_file():
            raise PublishError(f"{source} lacks {name}, which its {SUMS} lists; export it again")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)


def refuse_a_folder_of_others(out: Path) -> None:
    """An earlier export is replaced, with what running it left there; anything else in the way is somebody's."""
    if not out.exists():
        return
    files = [path for path in out.rglob("*") if not path.is_dir() and path.parent.name != "__pycache__"]
    held = {path.relative_to(out).as_posix() for path in files} if out.is_dir() else {out}
    ours: set[str] = set()
    if (out / SUMS).is_file():
        with suppress(VerifyError):
            ours = {SUMS, *read_sums(out / SUMS)}
    if others := sorted(map(str, held - ours)):
        raise PublishError(f"{out} holds {others[0]}, which is no export's; name an empty or new folder")


def refuse_what_is_no_model(source: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        if not (source / name).is_file() and not (source / f"{name}.index.json").is_file():
            raise PublishError(f"{source} holds no {name}; give a folder of models/ or the `model` folder of a run")
    if (source / "adapter_config.json").is_file():
        raise PublishError(
            f"{source} holds adapter_config.json, which every load would apply to the weights; merge the adapter first"
        )


def copy_model(source: Path, folder: Path) -> None:
    """Copies what is published of a folder, links as the files that they lead to, configs without local traces."""
    for name in sorted(published_names(source) | code_names(source)):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in CONFIGS:
            settings = without_local_keys(read_object(source / name))
            target.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        else:
            shutil.copyfile(source / name, target)


def published_names(source: Path) -> set[str]:
    """What of a folder is published, code apart. Raises PublishError for a link that leads out of it."""
    names = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    chosen = {name for name in names if any(fits(name, pattern) for pattern in PUBLISHED)}
    for name in sorted(chosen):
        if not (source / name).resolve().is_relative_to(source.resolve()):
            raise PublishError(f"{source / name} is a link to a file elsewhere; put a copy in its place, or remove it")
    return chosen


def fits(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/") and fnmatch(name, pattern)


def code_names(source: Path) -> set[str]:
    """The Python files that the configs name, and what these import of their siblings, over any number of steps."""
    waiting, found = set(entry_modules(source)), set()
    while waiting:
        stem = waiting.pop()
        found.add(stem)
        waiting |= siblings(source / f"{stem}.py") - found
    return {f"{stem}.py" for stem in found}


def entry_modules(source: Path) -> Iterator[str]:
    """The modules that the configs' `auto_map` names. Raises PublishError where an entry is no module.Class."""
    for name in CONFIGS:
        auto_map = (read_object(source / name) or {}).get("auto_map") or {}
        if not isinstance(auto_map, dict):
            raise PublishError(f"{source / name}: auto_map is {auto_map!r}; it maps Auto classes to module.Class")
        for auto, entry in auto_map.items():
            for part in entry if isinstance(entry, list) else [entry]:  # a tokenizer has two, of which one may be null
                if part is None:
                    continue
                if not isinstance(part, str) or not CLASS_OF_MODULE.fullmatch(part):
                    raise PublishError(f"{source / name} takes {auto!r} from {part!r}; allowed is module.Class")
                yield part.split(".")[0]


def siblings(path: Path) -> set[str]:
    """The files beside a module that it imports. Raises PublishError where transformers could not copy them."""
    if not path.is_file():
        raise PublishError(f"{path.parent} lacks {path.name}, which its code needs; save the model again")
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise PublishError(f"{path} is not Python: {error}") from None
    relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    for node in relative:
        if node.level > 1 or node.module is None or "." in node.module:
            raise PublishError(
                f"{path}, line {node.lineno}: transformers copies siblings only where they are imported as "
                "`from .sibling import name`; write it so"
            )
    return {node.module for node in relative}


def without_local_keys(settings: Any) -> Any:
    """The same settings without the keys in which transformers and peft note where something was loaded from."""
    if isinstance(settings, dict):
        return {key: without_local_keys(value) for key, value in settings.items() if key not in LOCAL_KEYS}
    return [without_local_keys(value) for value in settings] if isinstance(settings, list) else settings
