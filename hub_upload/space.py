"""The web page as a Space of the Hub: a folder that runs by itself, with the code that it needs and no other.

The package is on no index, so its modules come along: those that the page imports, over any number of steps, those of
the models' families, and a record of the version beside them. gradio itself is installed by the Space, as its
README.md says.
"""

import ast
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import jinja2
from packaging.requirements import Requirement
from packaging.version import Version

from linernotes.hub_upload.card_source import read_object
from linernotes.hub_upload.completing import lacks_language_model, put_language_model_in
from linernotes.hub_upload.errors import PublishError
from linernotes.hub_upload.export import (
    CONFIGS,
    Say,
    copy_model,
    entry_modules,
    fits,
    published_names,
    put_in_place,
    refuse_a_folder_of_others,
    refuse_what_is_no_model,
    siblings,
)
from linernotes.hub_upload.manifest import write_sums
from linernotes.hub_upload.privacy import refuse_private

PACKAGE = "linernotes"
START = "linernotes.demo.app"
BESIDE_CODE = ("*.j2", "*.js", "*.css")
LOADED = (*CONFIGS, "tokenizer*.json", "special_tokens_map.json", "chat_template.jinja", "*.safetensors*", "LICENSE*")
APP = '''"""The web page of linernotes: python app.py, with what requirements.txt says, and gradio {gradio}."""

from linernotes.demo.app import serve

if __name__ == "__main__":
    serve({models}, single={single})
'''


def export_space(
    models: Sequence[str | Path],
    out: str | Path,
    *,
    package: Path,
    modeling: Path,
    single: bool = False,
    say: Say = lambda stage: None,
) -> Path:
    """Writes the folder of a Space and returns it.

    Args:
        models: folders of models, the first of two that answer the same question is believed.
        out: an empty or new folder, or an earlier export, which is replaced once the new one is whole.
        package: the folder of the package `linernotes`.
        modeling: the folder of its models' code.
        single: the page is about the one model that is named.

    Raises:
        PublishError: a folder is no model, lacks its language model, or a file names a place on this machine.
    """
    folders, out = [Path(model) for model in models], Path(out)
    for folder in folders:
        refuse_what_is_no_model(folder)
    names = [folder.absolute().name for folder in folders]
    if doubled := sorted(name for name in set(names) if names.count(name) > 1):
        raise PublishError(
            f"two folders are called {doubled[0]!r}, and the Space names a model by its folder: rename one"
        )
    refuse_a_folder_of_others(out)
    with put_in_place(out) as space:
        say("copying the page and its code")
        _copy_code(folders, space, package, modeling)
        for name, folder in zip(names, folders, strict=True):
            say(f"copying {name}")
            _copy_model(folder, space / PACKAGE / "models" / name)
        _write_texts(space, names, single)
        say("checking what would be published")
        refuse_private(space, [str(folder.resolve()) for folder in folders])
        write_sums(space)
    return out


# Code


def _copy_code(folders: Sequence[Path], space: Path, package: Path, modeling: Path) -> None:
    """The modules that run, what lies beside them, the example, and the package's version and licence."""
    families = {f"{PACKAGE}.modeling.{stem}" for folder in folders for stem in entry_modules(folder)}
    for name, file in _needed({START, *families}, package, modeling).items():
        _copy(file, space / name)
    for room in sorted({file.parent for file in space.rglob("*.py")}):
        source = package / room.relative_to(space / PACKAGE)
        for file in (each for pattern in BESIDE_CODE for each in sorted(source.glob(pattern))):
            _copy(file, room / file.name)
    for file in sorted((package / "assets").iterdir()):
        _copy(file, space / PACKAGE / "assets" / file.name)
    told = metadata.distribution(PACKAGE)
    record = space / f"{PACKAGE}-{told.version}.dist-info" / "METADATA"
    record.parent.mkdir()
    record.write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {told.version}\n", encoding="utf-8")
    for file in (each for each in told.files or () if each.name in ("LICENSE", "NOTICE")):
        _copy(Path(file.locate()), space / file.name)


def _needed(start: set[str], package: Path, modeling: Path) -> dict[str, Path]:
    """By its place in the Space each file of the modules and of all that they import of this package."""
    waiting, found = set(start), {}
    while waiting:
        name = waiting.pop()
        place = _place(name, package, modeling)
        if place is None or place[0] in found:  # a name inside a module, or known
            continue
        found[place[0]] = place[1]
        waiting |= {name.rpartition(".")[0]} if "." in name else set()
        waiting |= set(_imported(place[1]))
        if place[1].parent == modeling:
            waiting |= {f"{PACKAGE}.modeling.{sibling}" for sibling in siblings(place[1])}
    return found


def _place(name: str, package: Path, modeling: Path) -> tuple[str, Path] | None:
    """Where a module lies in the Space, and here; None where there is none of that name."""
    parts = name.split(".")
    here = modeling.joinpath(*parts[2:]) if parts[1:2] == ["modeling"] else package.joinpath(*parts[1:])
    for file, suffix in ((here.with_name(f"{here.name}.py"), ".py"), (here / "__init__.py", "/__init__.py")):
        if file.is_file():
            return "/".join(parts) + suffix, file
    return None


def _imported(file: Path) -> Iterator[str]:
    """What of this package a file imports, anywhere in it; names inside modules as if they were modules."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE)
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == PACKAGE:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


# Models


def _copy_model(source: Path, folder: Path) -> None:
    """What is loaded of a model; its code is the package's."""
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place, source.absolute().name)
        copy_model(source, whole)
        if lacks_language_model(whole):
            put_language_model_in(whole)
        for name in sorted(published_names(whole)):
            if any(fits(name, pattern) for pattern in LOADED):
                _copy(whole / name, folder / name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


# Texts


def _write_texts(space: Path, names: Sequence[str], single: bool) -> None:
    gradio = metadata.version("gradio")
    families = {
        name: read_object(space / PACKAGE / "models" / name / "config.json").get("model_type", "") for name in names
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("linernotes.hub_upload", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    told = {"title": names[0] if single else PACKAGE, "gradio": gradio, "families": families, "single": single}
    texts = {
        "README.md": environment.get_template("space.md.j2").render(told),
        "app.py": APP.format(gradio=gradio, models=json.dumps(list(names)), single=single),
        "requirements.txt": "".join(f"{line}\n" for line in _requirements()),
        "packages.txt": "ffmpeg\n",
    }
    for name, text in texts.items():
        (space / name).write_text(text, encoding="utf-8")


def _requirements() -> list[str]:
    """What the page needs besides gradio, in the versions that are installed here."""
    stated = [Requirement(line) for line in metadata.requires(PACKAGE) or ()]
    wanted = {each.name for each in stated if each.marker is None or each.marker.evaluate({"extra": "page"})}
    return [f"{name}=={Version(metadata.version(name)).public}" for name in sorted(wanted, key=str.lower)]
