"""Rendered music with exact facts: from a recipe to a folder of recordings and a manifest.

A clip is a pure function of the recipe, its split and its number, so that the same recipe gives the same bytes on any
number of processes, and a build that was stopped goes on where it was. The splits never share a soundfont family, and
no two clips have the same notes; both are checked before the manifest is written.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import soundfile
import yaml

from linernotes.corpora.manifest import write_manifest
from linernotes.corpora.score.composer import compose
from linernotes.corpora.score.effects import draw_chain
from linernotes.corpora.score.jitter import jitter
from linernotes.corpora.score.loudness import loudness
from linernotes.corpora.score.plans import draw_plan
from linernotes.corpora.score.render import MissingSoundError, Renderer
from linernotes.corpora.score.score import Facts, Span
from linernotes.corpora.score.soundfonts import FONTS, check_fonts, find
from linernotes.corpora.score.styles import STYLES
from linernotes.corpora.splits import SPLIT_NAMES, check_no_leak

MANIFEST, RECIPE, ROWS = "manifest.jsonl", "recipe.json", "rows"
ATTEMPTS = 50  # at a plan that the font can play
HEADROOM = 0.99  # of full scale
CHUNK = 8  # clips that a process takes at a time


class RecipeError(ValueError):
    """A recipe that cannot be followed; the message names the key, what it has and what is allowed."""


@dataclass(frozen=True)
class Part:
    """A kind of music, and how often it is drawn; None leaves a choice to the composer."""

    style: str
    weight: float = 1.0
    meter: int | None = None
    grouping: list | None = None
    polyrhythm: str | None = None
    drums: bool | None = None
    voice: bool | None = None

    def wishes(self) -> dict[str, Any]:
        wishes = {name: getattr(self, name) for name in ("meter", "polyrhythm", "drums", "voice")}
        return wishes | {"grouping": tuple(self.grouping) if self.grouping else None}


@dataclass(frozen=True)
class Recipe:
    """What is built.

    Args:
        clips: how many, by split.
        fonts: names of soundfonts by split (`linernotes.corpora.score.soundfonts`).
        parts: the kinds of music, as dicts with the fields of `Part`.
        seconds: shortest and longest clip.
        sampling_rate: of the recordings, in Hz.
        effects: strength of the chain behind every clip, 0 (none) to 1.
        jitter: whether scores are moved to other keys, tunings and tempi.
        loudness_lufs: range of the integrated loudness that a clip is brought to.
    """

    name: str
    clips: dict
    fonts: dict
    parts: list
    seed: int = 0
    seconds: list = field(default_factory=lambda: [8.0, 12.0])
    sampling_rate: int = 24_000
    effects: float = 0.5
    jitter: bool = True
    loudness_lufs: list = field(default_factory=lambda: [-26.0, -14.0])

    def __post_init__(self) -> None:
        for key in ("clips", "fonts"):
            if not getattr(self, key) or not set(getattr(self, key)) <= set(SPLIT_NAMES):
                raise RecipeError(f"{key} is {getattr(self, key)!r}; it maps splits: {', '.join(SPLIT_NAMES)}")
        for split in self.clips:
            check_fonts(self.fonts.get(split, []), split)
            if not self.fonts.get(split):
                raise RecipeError(f"fonts has none for {split}; name one or more of {', '.join(FONTS)}")
        for key in ("seconds", "loudness_lufs"):
            low_high = getattr(self, key)
            if len(low_high) != 2 or not low_high[0] <= low_high[1]:
                raise RecipeError(f"{key} is {low_high!r}; give the least and the most, such as [8.0, 12.0]")
        if not self.parts or not all(part.weight > 0 for part in self.kinds):
            raise RecipeError("parts must name one kind of music or more, each with a weight above 0")
        if strange := sorted({kind.style for kind in self.kinds} - set(STYLES)):
            raise RecipeError(f"parts names the style {strange[0]!r}; choose from {', '.join(STYLES)}")

    @property
    def kinds(self) -> list[Part]:
        return [_as(Part, part, "a part") for part in self.parts]


def load_recipe(path: Path | str) -> Recipe:
    """Reads a YAML recipe, such as those in configs/corpora/. Raises RecipeError, and ValueError for a wrong font."""
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"{path} is not a file; recipes lie in configs/corpora/")
    try:
        return _as(Recipe, yaml.safe_load(path.read_text(encoding="utf-8")), "the recipe")
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error


def _as(kind: type, given: Any, where: str) -> Any:
    known = {f.name: f.type for f in fields(kind)}
    if not isinstance(given, Mapping) or not set(given) <= set(known):
        unknown = sorted(set(given) - set(known)) if isinstance(given, Mapping) else given
        raise RecipeError(f"{where} has {unknown!r}; it maps {', '.join(known)}")
    try:
        return kind(**{key: float(v) if known[key] is float and type(v) is int else v for key, v in given.items()})
    except TypeError as error:
        raise RecipeError(f"{where}: {error}") from error


# One clip


def make_clip(recipe: Recipe, split: str, number: int, font_folder: Path | None = None) -> tuple[np.ndarray, dict]:
    """Samples `(samples,)`, float32, at `recipe.sampling_rate`, and the row of the manifest.

    Raises FileNotFoundError where a soundfont is not installed, with the package that has it.
    """
    rng = np.random.default_rng([recipe.seed, SPLIT_NAMES.index(split), number])
    kinds = recipe.kinds
    weights = np.array([kind.weight for kind in kinds])
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    font = FONTS[recipe.fonts[split][rng.integers(len(recipe.fonts[split]))]]
    renderer = _renderer(find(font.name, font_folder), recipe.sampling_rate)
    for _ in range(ATTEMPTS):
        score = compose(draw_plan(kind.style, rng, seconds=float(rng.uniform(*recipe.seconds)), **kind.wishes()))
        score = jitter(score, rng) if recipe.jitter else score
        try:
            samples = renderer.render(score)
            break
        except MissingSoundError:
            continue  # an instrument beyond the font's range: another song
    else:
        raise RecipeError(f"{font.name} played none of {ATTEMPTS} songs in style {kind.style!r}; choose another font")
    chain = draw_chain(rng, recipe.effects)
    samples = _levelled(chain.apply(samples, recipe.sampling_rate), recipe, rng)
    return samples, {
        "path": f"audio/{split}/{number:06d}.flac",
        "labels": [kind.style],
        "group": score.facts.identity[:16],
        "split": split,
        "licence": f"generated notes: Apache-2.0; sounds of {font.name}: {font.licence}",
        "duration_seconds": len(samples) / recipe.sampling_rate,
        "font": font.name,
        "font_family": font.family,
        "effects": json.dumps(chain.describe()),
        "facts": json.dumps(asdict(score.facts)),
    }


def facts_of(row: Mapping[str, Any]) -> Facts:
    """The facts of a manifest's row, as the composer had them."""
    facts = json.loads(row["facts"])
    spans = {name: [Span(**span) for span in facts[name]] for name in ("meters", "chords", "sections")}
    return Facts(**facts | spans | {"grouping": tuple(facts["grouping"])})


@lru_cache(maxsize=2)
def _renderer(font: Path, sampling_rate: int) -> Renderer:
    return Renderer(font, sampling_rate)


def _levelled(samples: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Brought to a drawn loudness, as far as full scale allows."""
    wanted, found = rng.uniform(*recipe.loudness_lufs), loudness(samples, recipe.sampling_rate)
    gain = 10.0 ** ((wanted - found) / 20.0) if np.isfinite(found) else 1.0
    return (samples * min(gain, HEADROOM / max(float(np.abs(samples).max()), 1e-9))).astype(np.float32)


# A corpus


def build_corpus(
    recipe: Recipe,
    out: Path | str,
    *,
    workers: int = 2,
    font_folder: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Builds the corpus, or goes on with it, and returns its manifest.

    Args:
        workers: processes; the result is the same for any number.
        font_folder: where the soundfonts lie; where Debian puts them by default.
        progress: called with the number of clips that are there and of all.

    Raises:
        RecipeError: the folder holds another recipe's clips.
        FileNotFoundError: a soundfont is not installed.
        SplitLeakError: two splits share notes or a soundfont family.
    """
    out = Path(out)
    for name in sorted({name for split in recipe.clips for name in recipe.fonts[split]}):
        find(name, font_folder)
    _claim(out, recipe)
    if (out / MANIFEST).is_file():
        return out / MANIFEST
    wanted = [(split, number) for split in SPLIT_NAMES for number in range(recipe.clips.get(split, 0))]
    missing = [clip for clip in wanted if not _row_file(out, *clip).is_file()]
    for split in recipe.clips:
        (out / "audio" / split).mkdir(parents=True, exist_ok=True)
        (out / ROWS / split).mkdir(parents=True, exist_ok=True)
    for done, _ in enumerate(_made(recipe, out, missing, workers, font_folder), start=len(wanted) - len(missing) + 1):
        progress(done, len(wanted))
    rows = [json.loads(_row_file(out, *clip).read_text(encoding="utf-8")) for clip in wanted]
    check_corpus_splits(rows)
    unfinished = write_manifest(rows, out / f"unfinished-{MANIFEST}")
    unfinished.replace(out / MANIFEST)
    rmtree(out / ROWS)
    return out / MANIFEST


def check_corpus_splits(rows: list[dict]) -> None:
    """Raises SplitLeakError where splits share notes or a soundfont family, RecipeError where two clips are alike."""
    splits = [row["split"] for row in rows]
    check_no_leak([row["group"] for row in rows], splits)
    check_no_leak([row["font_family"] for row in rows], splits)
    seen: dict[str, str] = {}
    for row in rows:
        if (twin := seen.setdefault(row["group"], row["path"])) != row["path"]:
            raise RecipeError(f"{row['path']} has the same notes as {twin}; draw longer clips or fewer of a kind")


def _claim(out: Path, recipe: Recipe) -> None:
    """The folder is this recipe's, and new or not finished."""
    text = json.dumps(asdict(recipe), indent=1) + "\n"
    if (out / RECIPE).is_file():
        if (out / RECIPE).read_text(encoding="utf-8") != text:
            raise RecipeError(f"{out} holds clips of another recipe ({RECIPE}); name another folder, or remove it")
        return
    if out.is_dir() and any(out.iterdir()):
        raise RecipeError(f"{out} holds something else; name a new or empty folder")
    out.mkdir(parents=True, exist_ok=True)
    (out / RECIPE).write_text(text, encoding="utf-8")


def _made(
    recipe: Recipe, out: Path, clips: list[tuple[str, int]], workers: int, font_folder: Path | None
) -> Iterator[None]:
    """Makes clips and says after each that it is there."""
    tasks = ((recipe, out, split, number, font_folder) for split, number in clips)
    if workers <= 1:
        yield from map(_make, tasks)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(_make, tasks, chunksize=CHUNK)


def _make(task: tuple[Recipe, Path, str, int, Path | None]) -> None:
    """Writes a recording, then its row: a row that is there says that its recording is whole."""
    recipe, out, split, number, font_folder = task
    samples, row = make_clip(recipe, split, number, font_folder)
    sound, line = out / row["path"], _row_file(out, split, number)
    soundfile.write(sound.with_suffix(".part"), samples, recipe.sampling_rate, format="FLAC", subtype="PCM_16")
    sound.with_suffix(".part").replace(sound)
    line.with_suffix(".part").write_text(json.dumps(row), encoding="utf-8")
    line.with_suffix(".part").replace(line)


def _row_file(out: Path, split: str, number: int) -> Path:
    return out / ROWS / split / f"{number:06d}.json"
