"""The JSON by which transformers builds a model, held against what the code beside it declares; no code is run.

What a config may say is read from the syntax trees of the folder's own classes and of transformers' classes, so that a
folder of any family is judged by its own code, and a plain transformers model by transformers.
"""

import ast
import fnmatch
import inspect
import math
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import transformers
from transformers import CONFIG_MAPPING, PreTrainedConfig, SequenceFeatureExtractor

from linernotes.hub_upload.strict_json import LARGEST_TEXT, read_json

LABELS = ("id2label", "label2id")
# These three as in modeling/music_config.py, which is not imported here: a test holds them equal.
SIZE = re.compile(r"num_\w+|depths|(?:\w+_)?(?:size|dim|layers|heads|channels|kernel|stride|filters|ratios|tokens)")
LARGEST_SIZE = 1_000_000
FETCHING = {"attn_implementation", "experts_implementation", "quantization_config", "custom_pipelines"}
FETCHING |= {"configuration_files", "transformers_weights"}
CLASS_OF_MODULE = re.compile(r"([A-Za-z_]\w*)\.[A-Za-z_]\w*", re.ASCII)
BUILDERS = ("Config", "FeatureExtractor")  # how the classes that declare keys end
AGAIN = "download or export it again"
UNKNOWN = f"known neither to its code nor to transformers: {AGAIN}"
NO_CODE = (
    "unknown to transformers, and no auto_map names code for it: save it as a model that transformers has, "
    "or with its code (register_for_auto_class)"
)


@dataclass(frozen=True)
class Form:
    """A file that builds something: the key that names its class, where that class lies, keys of any such file."""

    named_by: str
    sources: tuple[str, ...]
    base: type
    common: frozenset[str]

    def transformers_class(self, kind: str) -> type | None:
        if self.base is SequenceFeatureExtractor:
            return _transformers_class(kind, self.base)
        if kind not in CONFIG_MAPPING:  # whose `get` knows nothing of what it has not imported yet
            return None
        return CONFIG_MAPPING[kind]


FORMS = {
    "config.json": Form(
        "model_type",
        ("configuration_*.py", "music_config.py"),
        PreTrainedConfig,
        frozenset({*(field.name for field in fields(PreTrainedConfig)), "auto_map", "num_labels", "torch_dtype"}),
    ),
    "preprocessor_config.json": Form(
        "feature_extractor_type",
        ("feature_extraction_*.py",),
        SequenceFeatureExtractor,
        frozenset({"auto_map", "processor_class"}),
    ),
}


def check_configs(files: dict[str, Path]) -> list[str]:
    """What is wrong with the JSON of a folder, one sentence each.

    Args:
        files: all files of the folder, by their POSIX path in it.
    """
    findings = [] if "config.json" in files else ["config.json is not there: nothing says how the model is built"]
    for name in sorted(name for name in files if name.lower().endswith(".json")):
        try:
            value = read_json(files[name])
            findings += [f"{name} {finding}" for finding in _check_remote_code(value, files)]
            if name in FORMS:
                findings += [f"{name} {finding}" for finding in _check_form(FORMS[name], value, files)]
        except ValueError as error:
            findings.append(f"{name} {error}: {AGAIN}")
    return findings


def _blocks(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in a JSON value with where it is ("" or "backbone_config."); labels are words, not keys."""
    waiting = [("", value)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            yield place, value
            waiting += [(f"{place}{key}.", inner) for key, inner in value.items() if key not in LABELS]
        elif isinstance(value, list):
            waiting += [(place, inner) for inner in value if isinstance(inner, (dict, list))]


def _check_remote_code(value: Any, files: dict[str, Path]) -> Iterator[str]:
    """Code that is named must lie in this folder."""
    for place, block in _blocks(value):
        if fetching := sorted(FETCHING & set(block)):
            yield f"sets {_some(place, fetching)}, by which transformers would run or load what is elsewhere: remove it"
        auto_map = block.get("auto_map", {})
        if not isinstance(auto_map, dict):
            yield f"has an auto_map that is no object of class names but {type(auto_map).__name__}: {AGAIN}"
            continue
        for auto, entry in ((auto, entry) for auto, given in auto_map.items() for entry in _leaves(given) if entry):
            found = CLASS_OF_MODULE.fullmatch(entry) if isinstance(entry, str) else None
            if found is None:
                yield f"takes {auto!r} from {entry!r}; allowed is module.Class of a module in the folder: remove it"
            elif f"{found[1]}.py" not in files:
                yield f"takes {auto!r} from {entry!r}, and {found[1]}.py is not in the folder: {AGAIN}"


def _check_form(form: Form, value: Any, files: dict[str, Path]) -> Iterator[str]:
    """Raises ValueError where the file is no object, or the code that declares its keys is no Python."""
    if not isinstance(value, dict):
        raise ValueError(f"holds no object but {type(value).__name__}")
    is_plain = form.base is PreTrainedConfig and not value.get("auto_map")  # then no code of the folder is loaded
    own_keys, own_kinds = (set(), set()) if is_plain else _declared_by_folder(form, files)
    if is_plain:
        known = dir(transformers)  # which names its classes without importing them
        strange = [name for name in _leaves(value.get("architectures") or []) if name not in known]
        yield from (f"has the architecture {name!r}, {NO_CODE}" for name in strange)
    for place, block in _blocks(value):
        if private := sorted(key for key in block if key.startswith("_")):
            yield f"sets {_some(place, private)}, transformers' private state, which may name code or a path: remove it"
        kind = block.get(form.named_by)
        if not place or kind is not None or place.endswith("_config."):
            known = form.transformers_class(kind) if isinstance(kind, str) and kind not in own_kinds else None
            if not isinstance(kind, str) or (known is None and kind not in own_kinds):
                yield f"has {place + form.named_by!r} {kind!r}, {NO_CODE if is_plain else UNKNOWN}"
                continue
            allowed = own_keys if known is None else _declared_by_transformers(known, form.base)
            if unread := sorted(set(block) - allowed - form.common - FETCHING - {form.named_by, *private}):
                yield f"sets {_some(place, unread)}, which no code declares for {kind!r}: remove it"
        yield from _check_numbers(place, block)


def _check_numbers(place: str, block: dict[str, Any]) -> Iterator[str]:
    """Sizes that no memory holds, and statistics that nothing can be divided by."""
    for key, value in block.items():
        if SIZE.fullmatch(key):
            wrong = [size for size in _leaves(value) if _is_number(size) and not 0 <= size <= LARGEST_SIZE]
            if wrong:
                yield f"gives {place + key!r} as {wrong[0]!r}; allowed are 0 to {LARGEST_SIZE:,}: {AGAIN}"
        if key in LABELS and isinstance(value, dict) and len(value) > LARGEST_SIZE:
            yield f"gives {place + key!r} {len(value):,} entries; allowed are {LARGEST_SIZE:,}: {AGAIN}"
        if key.endswith("_std") and value is not None:
            wrong = [spread for spread in _leaves(value) if not _is_number(spread) or not 0 < spread < math.inf]
            if wrong:
                yield f"gives {place + key!r} a value of {wrong[0]!r}; allowed are finite numbers above 0: {AGAIN}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _leaves(value: Any) -> Iterator[Any]:
    """The values in lists of any depth; anything but a list is its own leaf."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        else:
            yield value


def _declared_by_folder(form: Form, files: dict[str, Path]) -> tuple[set[str], set[str]]:
    """Keys that the folder's classes declare, and the kinds (model types, class names) that they are for."""
    keys, kinds = set(), set()
    for name in sorted(files):
        if not any(fnmatch.fnmatchcase(name, source) for source in form.sources) or "/" in name:
            continue
        for node in ast.walk(_syntax(name, files[name])):
            if not isinstance(node, ast.ClassDef) or not node.name.endswith(BUILDERS):
                continue
            keys |= _declared(node)
            kinds |= {node.name, *_model_types(node)}
            for inherited in node.bases:
                if isinstance(inherited, ast.Name) and (known := _transformers_class(inherited.id, form.base)):
                    keys |= _declared_by_transformers(known, form.base)
    return keys, kinds


def _syntax(name: str, path: Path) -> ast.Module:
    try:
        if path.stat().st_size > LARGEST_TEXT:
            raise ValueError(f"over {LARGEST_TEXT >> 20} MiB")
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"cannot be judged, because {name} is not Python ({error})") from error


def _transformers_class(name: str, base: type) -> type | None:
    found = getattr(transformers, name, None) if name.endswith(BUILDERS) else None
    return found if isinstance(found, type) and issubclass(found, base) else None


def _declared_by_transformers(known: type, base: type) -> set[str]:
    """Keys of a class that transformers itself ships, whose source is at hand."""
    keys: set[str] = set()
    for cls in known.__mro__[: known.__mro__.index(base) + (base is SequenceFeatureExtractor)]:
        keys |= _declared(ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0])
    return keys


def _declared(node: ast.ClassDef) -> set[str]:
    """Annotated fields, parameters of `__init__`, and every `self.name` that is assigned."""
    keys = {
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and "ClassVar" not in ast.unparse(item.annotation)
    }
    for item in ast.walk(node):
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            keys |= {argument.arg for argument in (*item.args.args, *item.args.kwonlyargs)} - {"self"}
        elif isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store) and isinstance(item.value, ast.Name):
            keys |= {item.attr} if item.value.id == "self" else set()
    return keys


def _model_types(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        value = getattr(item, "value", None)
        if isinstance(item, (ast.Assign, ast.AnnAssign)) and isinstance(value, ast.Constant):
            targets = item.targets if isinstance(item, ast.Assign) else [item.target]
            if any(isinstance(target, ast.Name) and target.id == "model_type" for target in targets):
                yield value.value


def _some(place: str, keys: list[str]) -> str:
    shown = ", ".join(repr(f"{place}{key}") for key in keys[:3])
    return shown if len(keys) <= 3 else f"{shown} and {len(keys) - 3} more"
