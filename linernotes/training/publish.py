"""Puts a trained folder into models/, where the published ones lie.

    python -m linernotes.training.publish runs/genre-moe/model models/genre-moe

A published folder is a Hub repository as it stands: weights, configs, training facts, the figures and pictures that
`linernotes evaluate runs/genre-moe/model` wrote, and its code as relative links into modeling/, so that there is one
copy of every line and a clone's folder loads by AutoModel all the same. Its card.md and walkthrough.py are written by
hand, benchmarks.json by programs that set it beside others. README.md is made of all this afterwards:

    python -m linernotes.hub_upload.card models/genre-moe
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import linernotes.modeling

DATA_FILES = (
    "config.json",
    "preprocessor_config.json",
    "model.safetensors",
    "metrics.json",
    "training.json",
    "training_log.jsonl",
    "out_of_fold.json",
)
OF_A_BENCHMARK = "benchmark_"  # how names of its pictures begin


def publish(trained: str | Path, published: str | Path) -> None:
    """Copies data files and pictures of a trained folder and links the code files that it holds.

    What the published folder had of these and the trained one has not is removed: it was of other weights.

    Raises FileNotFoundError where the folder is not a trained model.
    """
    trained, published = Path(trained), Path(published)
    if not (trained / "model.safetensors").is_file():
        raise FileNotFoundError(f"{trained} holds no model.safetensors; give the `model` folder of a training run")
    (published / "plots").mkdir(parents=True, exist_ok=True)
    pictures = {path.relative_to(folder) for folder in (trained, published) for path in folder.glob("plots/*.png")}
    pictures = {path for path in pictures if not path.name.startswith(OF_A_BENCHMARK)}
    for name in (*DATA_FILES, *pictures):
        if (trained / name).is_file():
            shutil.copyfile(trained / name, published / name)
        else:
            (published / name).unlink(missing_ok=True)
    if not any((published / "plots").iterdir()):
        (published / "plots").rmdir()
    code = Path(linernotes.modeling.__file__).parent
    for stale in published.glob("*.py"):
        if stale.is_symlink() and Path(os.readlink(stale)).parent.name == code.name:
            stale.unlink()  # of another class; a walkthrough may be a link too, to a sibling's
    for source in trained.glob("*.py"):
        (published / source.name).symlink_to(os.path.relpath(code / source.name, published))


def add_benchmark(published: str | Path, name: str, table: dict[str, Any], picture: Path | None = None) -> None:
    """Puts a table on a published folder's card, with a picture: `title`, `about`, `columns`, and `rows` of text."""
    if picture is not None:
        drawn = Path("plots") / f"{OF_A_BENCHMARK}{name}.png"
        (Path(published) / "plots").mkdir(exist_ok=True)
        shutil.copyfile(picture, Path(published) / drawn)
        table = table | {"picture": drawn.as_posix()}
    path = Path(published) / "benchmarks.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(known | {name: table}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m linernotes.training.publish", description=__doc__.splitlines()[0])
    parser.add_argument("trained", type=Path, help="the `model` folder of a training run, such as runs/genre-moe/model")
    parser.add_argument("published", type=Path, help="the folder that it becomes, such as models/genre-moe")
    options = parser.parse_args(arguments)
    try:
        publish(options.trained, options.published)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
