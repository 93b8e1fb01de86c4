"""Who may import whom. Each rule is shown to fire on a planted violation, then held against the whole tree.

A rule is a function from the root of a checkout to complaints, one string each, none where all is well.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
THIRD_PARTY = {"huggingface_hub", "numpy", "safetensors", "soundfile", "soxr", "torch", "transformers"}
# of every family, and of none
SHARED = {
    "audio", "containers", "ffmpeg", "level", "music_config", "music_model", "pretrained", "sndfile", "spectral",
    "windows",
}  # fmt: skip
ROOMS = {"modeling", "models", "hub_upload"}  # folders that are installed under another name
FAMILY_FILE = re.compile(r"(?:configuration|feature_extraction|modeling)_(\w+)")
AUTO_LOADED = ("hub_upload", "benchmarks", "linernotes/demo", "linernotes/training/evaluate.py")
# what `linernotes --help` imports
LIGHT = (
    "__init__.py", "__main__.py", "api.py", "cli.py", "cli_convert.py", "cli_corpus.py", "cli_demo.py",
    "cli_listen.py", "listening.py", "report/joint.py", "terminal.py",
)  # fmt: skip
HEAVY = {"torch", "transformers", "numpy", "huggingface_hub", "safetensors", "soundfile", "soxr", "rich", "gradio"}
TRANSFORMERS_SCAN = re.compile(r"^\s*(?:import\s+\.(\S+)\s*$|from\s+\.(\S+)\s+import)", re.MULTILINE)


# Reading


def python_files(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else sorted(folder.rglob("*.py")) if folder.is_dir() else []


def imports(path: Path, everywhere: bool = True) -> Iterator[tuple[str, ast.AST]]:
    """Each imported module with its node: "torch.nn"; ".audio" for a sibling; "." and ".x" for `from . import x`.

    With everywhere=False only what runs when the module is imported.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if everywhere else at_import(tree.body):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module, node
            if node.module and not node.level:  # `from linernotes.training import train` names a module too
                yield from ((f"{module}.{alias.name}", node) for alias in node.names)
            elif not node.module:
                yield from ((f"{module}{alias.name}", node) for alias in node.names)


def at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or is_type_checking(node):
            continue
        yield node
        for name in ("body", "orelse", "finalbody", "handlers"):
            yield from at_import(getattr(node, name, []))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def optional_nodes(path: Path) -> set[int]:
    """Line numbers of imports inside `try: ... except ImportError`."""
    lines = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Try) and any(catches_import_error(handler) for handler in node.handlers):
            lines |= {
                inner.lineno for statement in node.body for inner in ast.walk(statement) if hasattr(inner, "lineno")
            }
    return lines


def catches_import_error(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and any(
        isinstance(node, ast.Name) and node.id in ("ImportError", "ModuleNotFoundError")
        for node in ast.walk(handler.type)
    )


def top(module: str) -> str:
    return module.split(".")[0]


def siblings(path: Path) -> set[str]:
    return {module[1:] for module, _ in imports(path) if module.startswith(".") and module != "."}


def reached(modeling: Path, stem: str) -> set[str]:
    """A module of modeling/ and everything it imports of its siblings, over any number of steps."""
    found, waiting = set(), [stem]
    while waiting:
        name = waiting.pop()
        if name not in found and (modeling / f"{name}.py").is_file():
            found.add(name)
            waiting += siblings(modeling / f"{name}.py")
    return found


def family_of(stem: str) -> str | None:
    match = FAMILY_FILE.fullmatch(stem)
    return match and match[1]


# The rules


def modeling_is_flat(root: Path) -> Iterator[str]:
    """Only `from .sibling import name` copies the sibling to the Hub; not a subfolder, a parent, `from . import x`."""
    for path in python_files(root / "modeling"):
        if path.parent != root / "modeling":
            yield f"{path}: modeling/ has no subfolders"
        for module, node in imports(path):
            if module.startswith(".") and not (root / "modeling" / f"{module[1:]}.py").is_file():
                yield f"{path}:{node.lineno}: {module!r} is no sibling file; write `from .sibling import name`"
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                yield f"{path}:{node.lineno}: import * hides where a name comes from"


def modeling_text_misleads_no_scanner(root: Path) -> Iterator[str]:
    """transformers finds siblings by a regular expression over the text, docstrings included."""
    for path in python_files(root / "modeling"):
        seen = {module or name for module, name in TRANSFORMERS_SCAN.findall(path.read_text(encoding="utf-8"))}
        for name in sorted(seen ^ siblings(path)):
            yield f"{path}: the import of .{name} is seen by transformers' scan or by Python, not by both"


def families_name_all_that_they_need(root: Path) -> Iterator[str]:
    """transformers takes a file that another process has just copied for done, and misses what that one needs."""
    for path in python_files(root / "modeling"):
        if family_of(path.stem):
            for name in sorted(reached(root / "modeling", path.stem) - siblings(path) - {path.stem}):
                yield f"{path}: needs {name} by way of a sibling; import a name of it here too"


def modeling_needs_core_dependencies_only(root: Path) -> Iterator[str]:
    """Whoever loads a model by AutoModel has these; all else must be optional. Our own package they do not have."""
    for path in python_files(root / "modeling"):
        optional = optional_nodes(path)
        for module, node in imports(path):
            if module.startswith(".") or top(module) in THIRD_PARTY | sys.stdlib_module_names:
                continue
            if top(module) in ROOMS | {"linernotes"} or node.lineno not in optional:
                yield f"{path}:{node.lineno}: imports {module}; allowed are {', '.join(sorted(THIRD_PARTY))}"


def families_know_nothing_of_each_other(root: Path) -> Iterator[str]:
    """A family's repository holds its own files, the shared ones, and parts that no other family reaches."""
    modeling = root / "modeling"
    owners: dict[str, set[str]] = {}
    for path in python_files(modeling):
        family = family_of(path.stem)
        for name in reached(modeling, path.stem):
            if path.stem in SHARED and name not in SHARED:
                yield f"{path}: is shared by all families and reaches {name}, which is not"
            if family and family_of(name) not in (None, family):
                yield f"{path}: reaches {name}, of another family"
            if family and name not in SHARED and family_of(name) is None:
                owners.setdefault(name, set()).add(family)
    for name, families in owners.items():
        if len(families) > 1:
            yield f"{modeling / name}.py: is reached by {', '.join(sorted(families))}; a part belongs to one family"


def rooms_go_by_their_installed_names(root: Path) -> Iterator[str]:
    """`import modeling` works in a checkout's folder and nowhere else."""
    for folder in ("linernotes", "hub_upload", "benchmarks", "tests", "upload_to_hub.py"):
        for path in python_files(root / folder):
            for module, node in imports(path):
                if top(module) in ROOMS:
                    yield f"{path}:{node.lineno}: imports {module}; write linernotes.{module}"


def only_the_command_line_uploads(root: Path) -> Iterator[str]:
    command_line = {root / "linernotes" / name for name in ("cli.py", "cli_convert.py")}
    for path in python_files(root / "linernotes"):
        for module, node in imports(path):
            if module.startswith("linernotes.hub_upload") and path not in command_line:
                yield f"{path}:{node.lineno}: imports {module}; only linernotes/cli.py and cli_convert.py may"


def hub_upload_knows_only_the_folder(root: Path) -> Iterator[str]:
    for path in python_files(root / "hub_upload"):
        for module, node in imports(path):
            if top(module) == "linernotes" and not module.startswith("linernotes.hub_upload"):
                yield f"{path}:{node.lineno}: imports {module}; it works on the folder it is given"


def recipes_know_nothing_of_each_other(root: Path) -> Iterator[str]:
    recipes = root / "linernotes" / "training" / "recipes"
    families = {path.stem for path in recipes.glob("*.py")} - {"__init__"}
    for path in python_files(recipes):
        others = {f"linernotes.training.recipes.{family}" for family in families - {path.stem}}
        for module, node in imports(path):
            if module in others or module.removeprefix(".") in families - {path.stem}:
                yield f"{path}:{node.lineno}: imports {module}, another family's recipe"


def lower_rooms_do_not_look_up(root: Path) -> Iterator[str]:
    """Data and models serve training, pictures are drawn of what training hands over; none of them knows training."""
    above = ("training", "cli")
    lower = {"corpora": (*above, "report", "api"), "demo": above, "report": above}
    for room, refused in lower.items():
        for path in python_files(root / "linernotes" / room):
            for module, node in imports(path):
                if module.startswith(tuple(f"linernotes.{name}" for name in refused)):
                    yield f"{path}:{node.lineno}: imports {module}"


def stages_meet_in_a_folder(root: Path) -> Iterator[str]:
    """What measures or ships a model loads it by its Auto class, as a user would, and names no model class."""
    for place in AUTO_LOADED:
        for path in python_files(root / place):
            for module, node in imports(path):
                if re.match(r"linernotes\.modeling\.(modeling|configuration)_", module):
                    yield f"{path}:{node.lineno}: imports {module}; load the folder by its Auto class"


def help_is_fast(root: Path) -> Iterator[str]:
    """What `linernotes --help` imports waits for no library but typer."""
    for name in LIGHT:
        for path in python_files(root / "linernotes" / name):
            for module, node in imports(path, everywhere=False):
                if top(module) in HEAVY:
                    yield f"{path}:{node.lineno}: imports {module} before a command needs it"


# rule -> a file that breaks it, or several
PLANTED: dict[Callable[[Path], Iterator[str]], list[dict[str, str]]] = {
    modeling_is_flat: [
        {"modeling/modeling_a.py": "from . import audio", "modeling/audio.py": ""},
        {"modeling/modeling_a.py": "from ..common import x"},
        {"modeling/modeling_a.py": "from .parts.audio import x", "modeling/parts/audio.py": ""},
        {"modeling/modeling_a.py": "def f():\n    from .nowhere import x"},
        {"modeling/modeling_a.py": "from .audio import *", "modeling/audio.py": ""},
    ],
    modeling_text_misleads_no_scanner: [
        {"modeling/modeling_a.py": '"""Example:\n\n    from .audio import x\n"""', "modeling/audio.py": ""},
        {"modeling/modeling_a.py": "import os; from .audio import x", "modeling/audio.py": ""},
    ],
    families_name_all_that_they_need: [
        {"modeling/modeling_a.py": "from .b import x", "modeling/b.py": "from .c import x", "modeling/c.py": ""},
    ],
    modeling_needs_core_dependencies_only: [
        {"modeling/audio.py": "import librosa"},
        {"modeling/audio.py": "def f():\n    import librosa"},
        {"modeling/audio.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import librosa"},
        {"modeling/audio.py": "from linernotes.modeling.windows import split"},
        {"modeling/audio.py": "try:\n    import linernotes\nexcept ImportError:\n    linernotes = None"},
        {"modeling/audio.py": "from modeling.windows import split"},
    ],
    families_know_nothing_of_each_other: [
        {"modeling/modeling_a.py": "from .modeling_b import B", "modeling/modeling_b.py": ""},
        {
            "modeling/modeling_a.py": "from .part import x",
            "modeling/part.py": "from .configuration_b import x",
            "modeling/configuration_b.py": "",
        },
        {"modeling/audio.py": "from .configuration_a import x", "modeling/configuration_a.py": ""},
        {
            "modeling/modeling_a.py": "from .part import x",
            "modeling/modeling_b.py": "from .part import x",
            "modeling/part.py": "",
        },
    ],
    rooms_go_by_their_installed_names: [
        {"linernotes/api.py": "from modeling.audio import read_audio"},
        {"tests/test_a.py": "import models"},
        {"upload_to_hub.py": "from hub_upload.push import push"},
    ],
    only_the_command_line_uploads: [
        {"linernotes/api.py": "from linernotes.hub_upload.push import push"},
        {"linernotes/training/train.py": "from linernotes import hub_upload"},
    ],
    hub_upload_knows_only_the_folder: [
        {"hub_upload/push.py": "from linernotes.modeling.audio import read_audio"},
        {"hub_upload/push.py": "def f():\n    import linernotes"},
    ],
    recipes_know_nothing_of_each_other: [
        {
            "linernotes/training/recipes/a.py": "from linernotes.training.recipes import b",
            "linernotes/training/recipes/b.py": "",
        },
        {"linernotes/training/recipes/a.py": "from .b import x", "linernotes/training/recipes/b.py": ""},
        {"linernotes/training/recipes/a.py": "from . import b", "linernotes/training/recipes/b.py": ""},
    ],
    lower_rooms_do_not_look_up: [
        {"linernotes/corpora/gtzan.py": "from linernotes.training.config import Experiment"},
        {"linernotes/report/pictures.py": "from linernotes.training import metrics"},
        {"linernotes/demo/app.py": "from linernotes.training.evaluate import evaluate_folder"},
    ],
    stages_meet_in_a_folder: [
        {"linernotes/training/evaluate.py": "from linernotes.modeling.modeling_a import A"},
        {"benchmarks/speed.py": "from linernotes.modeling import configuration_a"},
        {"hub_upload/export.py": "import linernotes.modeling.modeling_a"},
    ],
    help_is_fast: [
        {"linernotes/cli.py": "import torch"},
        {"linernotes/api.py": "class A:\n    from transformers import AutoModel"},
        {"linernotes/__init__.py": "try:\n    import numpy.fft\nexcept ImportError:\n    pass"},
    ],
}
RULES = list(PLANTED)
CASES = [(rule, files) for rule, plants in PLANTED.items() for files in plants]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule):
    assert list(rule(ROOT)) == []


@pytest.mark.parametrize(("rule", "files"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_fires(rule, files, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(rule(tmp_path))


def test_what_is_allowed_is_let_through(tmp_path):
    allowed = {
        "modeling/audio.py": "import os\nimport torch.nn\ntry:\n    import torchcodec\nexcept ImportError:\n    pass",
        "modeling/part.py": "from .audio import (\n    os,\n)",
        "modeling/modeling_a.py": "from .part import os\nfrom .audio import os\nfrom .configuration_a import A",
        "modeling/configuration_a.py": "from transformers import PreTrainedConfig as A",
        "linernotes/cli.py": "def f():\n    import torch\n    from linernotes.hub_upload.push import push",
        "linernotes/training/recipes/a.py": "from linernotes.modeling.modeling_a import A\nimport linernotes.corpora.x",
        "benchmarks/speed.py": "from linernotes.modeling.audio import read_audio",
        "hub_upload/push.py": "from linernotes.hub_upload.export import export\nimport nbclient",
    }
    for name, text in allowed.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert [complaint for rule in RULES for complaint in rule(tmp_path)] == []
