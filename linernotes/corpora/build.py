"""Rendered music with exact facts: from a recipe to a folder of recordings, their notes (MIDI) and a manifest.

A clip is a pure function of the recipe, its split, its number and the real scores that the recipe names, so that the
same recipe gives the same bytes on any number of processes, and a build that was stopped goes on where it was. The
splits never share a soundfont family or a tune, and no two clips have the same notes; both are checked before the
manifest is written.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

import numpy as np
import pretty_midi
import soundfile

from linernotes.corpora.manifest import MANIFEST, RECIPE, write_manifest
from linernotes.corpora.processes import worker_pool
from linernotes.corpora.recipe import Part, Recipe, RecipeError, load_recipe, recipe_of
from linernotes.corpora.score.composer import compose
from linernotes.corpora.score.effects import draw_chain
from linernotes.corpora.score.jitter import jitter
from linernotes.corpora.score.loudness import loudness
from linernotes.corpora.score.plans import draw_plan
from linernotes.corpora.score.render import MissingSoundError, Renderer
from linernotes.corpora.score.score import Score, facts_of
from linernotes.corpora.score.soundfonts import FONTS, find
from linernotes.corpora.score.sources import ExcerptError, Piece
from linernotes.corpora.score.sources.dealing import Dealt, candidates, deal, digests, find_folders
from linernotes.corpora.splits import SPLIT_NAMES, check_no_leak

__all__ = [
    "MANIFEST",
    "Place",
    "Recipe",
    "RecipeError",
    "build_corpus",
    "check_corpus_splits",
    "facts_of",
    "load_recipe",
    "make_clip",
]

ROWS, FONT_DIGESTS = "rows", "font_sha256"
ATTEMPTS = 200  # at music that is as the part asks and that the font can play
COMPOSED = "generated notes: Apache-2.0"
HEADROOM = 0.99  # of full scale
CHUNK = 2  # clips that a process takes at a time, and that it finishes when the build is stopped


@dataclass(frozen=True)
class Place:
    """Where on this machine lies what a build needs; nothing of it gets into the corpus.

    fonts: the folder of soundfonts; None: where Debian puts them. sources: the folder of each source of real scores.
    """

    fonts: Path | None = None
    sources: Mapping[str, Path] = field(default_factory=dict)

    def pieces(self, recipe: Recipe, split: str, part: Part) -> list[Piece]:
        """What a part may play in a split. Raises RecipeError where that is nothing."""
        of_split, wishes = self.dealt(recipe)[split][part.source], part.wishes()
        found = candidates(of_split, wishes["meter"], wishes["grouping"], recipe.held_out(split))
        if not found:
            raise RecipeError(f"part ({part.name}) has no piece in {split}; leave this split out of its splits")
        return found

    def dealt(self, recipe: Recipe) -> Dealt:
        """All pieces of the recipe's sources."""
        return deal(tuple((source, self.sources[source]) for source in recipe.sources), float(recipe.seconds[1]))


# One clip


class Clip(NamedTuple):
    """Samples `(samples,)`, float32, at the recipe's rate, the notes that they are of, and the row of the manifest."""

    samples: np.ndarray
    midi: pretty_midi.PrettyMIDI
    row: dict[str, Any]


def make_clip(recipe: Recipe, split: str, number: int, place: Place = Place()) -> Clip:
    """A clip of a corpus: a pure function of its recipe, split, number and sources.

    Raises FileNotFoundError where a soundfont is not installed, with the package that has it; RecipeError where a part
    has no music that suits it.
    """
    rng = np.random.default_rng([recipe.seed, SPLIT_NAMES.index(split), number])
    parts = recipe.parts_of(split)
    weights = np.array([part.weight for part in parts])
    part = parts[rng.choice(len(parts), p=weights / weights.sum())]
    font = FONTS[recipe.fonts[split][rng.integers(len(recipe.fonts[split]))]]
    renderer = _renderer(find(font.name, place.fonts), recipe.sampling_rate)
    score, piece, samples = _played(recipe, split, part, place, renderer, rng)
    chain = draw_chain(rng, recipe.effects)
    samples = _levelled(chain.apply(samples, recipe.sampling_rate), recipe, rng)
    row = {
        "path": f"audio/{split}/{number:06d}.flac",
        "labels": [score.facts.style],
        "group": piece.group if piece else score.facts.identity[:16],
        "split": split,
        "licence": f"{piece.licence if piece else COMPOSED}; sounds of {font.name}: {font.licence}",
        "duration_seconds": len(samples) / recipe.sampling_rate,
        "source": part.source or "composer",
        "piece": piece.name if piece else None,
        "identity": score.facts.identity,
        "font": font.name,
        "font_family": font.family,
        "effects": json.dumps(chain.describe()),
        "facts": json.dumps(asdict(score.facts)),
    }
    return Clip(samples, score.midi, row)


def _played(
    recipe: Recipe, split: str, part: Part, place: Place, renderer: Renderer, rng: np.random.Generator
) -> tuple[Score, Piece | None, np.ndarray]:
    """Music as the part asks, the piece that it is out of, and its sound."""
    pieces = place.pieces(recipe, split, part) if part.source else []
    held_out = {"+".join(map(str, grouping)) for grouping in recipe.held_out(split)}
    for _ in range(ATTEMPTS):
        piece = pieces[rng.integers(len(pieces))] if pieces else None
        seconds = float(rng.uniform(*recipe.seconds))
        try:
            score = _score(part, piece, seconds, rng)
            if any(span.label.split()[1] in held_out for span in score.facts.meters):
                continue
            score = jitter(score, rng) if recipe.jitter else score
            return score, piece, renderer.render(score)
        except (ExcerptError, MissingSoundError):
            continue  # a piece that is too short, an instrument beyond the font's range: other music
    raise RecipeError(f"{renderer.font.name}: none of {ATTEMPTS} draws gave ({part.name}); choose another font or part")


def _score(part: Part, piece: Piece | None, seconds: float, rng: np.random.Generator) -> Score:
    if piece is None:
        told = part.directions()
        if "tempo_bpm" in told:
            told["tempo_bpm"] = float(rng.uniform(*told["tempo_bpm"]))
        return compose(draw_plan(part.style, rng, seconds=seconds, **part.wishes(), **told))
    score = piece.score(rng, seconds)
    if not part.suits(score.facts):
        raise ExcerptError(f"{piece.name} is not ({part.name}) here: draw another place or piece")
    return score


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
    sources: Mapping[str, Path] | None = None,
    data_dirs: Sequence[Path] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Builds the corpus, or goes on with it, and returns its manifest.

    Args:
        workers: processes; the result is the same for any number.
        font_folder: where the soundfonts lie; where Debian puts them by default.
        sources: the folders of sources of real scores by name.
        data_dirs: folders of data sets, in which sources are looked for under their usual names.
        progress: called with the number of clips that are there and of all.

    Raises:
        RecipeError: the folder holds another recipe's clips or those of other scores or fonts, is a file, or a part
            has no pieces in a split.
        FileNotFoundError: a soundfont is not installed, or a source is not there.
        SplitLeakError: two splits share notes, tunes or a soundfont family.
    """
    out = Path(out)
    names = sorted({name for split in recipe.clips for name in recipe.fonts[split]})
    fonts = {name: _sha256(find(name, font_folder)) for name in names}
    place = Place(font_folder, find_folders(recipe.sources, sources, data_dirs))
    _claim(out, recipe, _survey(recipe, place), fonts)
    if (out / MANIFEST).is_file():
        return out / MANIFEST
    wanted = [(split, number) for split in SPLIT_NAMES for number in range(recipe.clips.get(split, 0))]
    missing = [clip for clip in wanted if not _row_file(out, *clip).is_file()]
    for split in recipe.clips:
        for folder in ("audio", "midi", ROWS):
            (out / folder / split).mkdir(parents=True, exist_ok=True)
    with closing(_made(recipe, out, missing, workers, place)) as made:
        for done, _ in enumerate(made, start=len(wanted) - len(missing) + 1):
            progress(done, len(wanted))
    rows = [json.loads(_row_file(out, *clip).read_text(encoding="utf-8")) for clip in wanted]
    check_corpus_splits(rows)
    unfinished = write_manifest(rows, out / f"unfinished-{MANIFEST}")
    unfinished.replace(out / MANIFEST)
    rmtree(out / ROWS)
    return out / MANIFEST


def _survey(recipe: Recipe, place: Place) -> dict[str, str]:
    """What the sources hold, after a look that every part has pieces in its splits."""
    for split in recipe.clips:
        for part in recipe.parts_of(split):
            if part.source:
                place.pieces(recipe, split, part)
    return digests(place.dealt(recipe)) if recipe.sources else {}


def check_corpus_splits(rows: list[dict]) -> None:
    """Raises SplitLeakError where splits share tunes, notes or a soundfont family, RecipeError for clips alike."""
    splits = [row["split"] for row in rows]
    for column in ("group", "identity", "font_family"):
        check_no_leak([row[column] for row in rows], splits)
    seen: dict[str, str] = {}
    for row in rows:
        if (twin := seen.setdefault(row["identity"], row["path"])) != row["path"]:
            raise RecipeError(f"{row['path']} has the same notes as {twin}; draw longer clips or fewer of a kind")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _claim(out: Path, recipe: Recipe, sources: Mapping[str, str], fonts: Mapping[str, str]) -> None:
    """The folder is this recipe's, drawn from the same sources, played by the same fonts, and new or not finished.

    One in which a recipe was begun but no clip made is as good as new.
    """
    if out.exists() and not out.is_dir():
        raise RecipeError(f"{out} is a file; name a new or empty folder")
    begun = (out / RECIPE).is_file()
    if begun and ((out / MANIFEST).is_file() or any(out.glob("audio/*/*.flac"))):
        _compare(out, json.loads((out / RECIPE).read_text(encoding="utf-8")), recipe, sources, fonts)
        return
    if not begun and out.is_dir() and any(out.iterdir()):
        raise RecipeError(f"{out} holds something else; name a new or empty folder")
    out.mkdir(parents=True, exist_ok=True)
    remembered = asdict(recipe) | ({"sources": sources} if sources else {}) | {FONT_DIGESTS: fonts}
    (out / RECIPE).write_text(json.dumps(remembered, indent=1) + "\n", encoding="utf-8")


def _compare(
    out: Path, found: dict[str, Any], recipe: Recipe, sources: Mapping[str, str], fonts: Mapping[str, str]
) -> None:
    """Raises RecipeError where clips that are there were made of something else; old ones do not tell their fonts."""
    digests = found.pop(FONT_DIGESTS, fonts)
    if found.pop("sources", {}) != sources:
        raise RecipeError(f"{out} holds clips of other scores ({RECIPE}); name another folder, or remove it")
    if json.dumps(asdict(recipe_of(found))) != json.dumps(asdict(recipe)):
        raise RecipeError(f"{out} holds clips of another recipe ({RECIPE}); name another folder, or remove it")
    for name, digest in fonts.items():
        if digests.get(name) != digest:
            raise RecipeError(
                f"{out} holds clips that another version of the soundfont {name} plays (SHA-256 {digests.get(name)} in "
                f"{RECIPE}, this one {digest}); install that version, name another folder, or remove it"
            )


def _made(recipe: Recipe, out: Path, clips: list[tuple[str, int]], workers: int, place: Place) -> Iterator[None]:
    """Makes clips and says after each that it is there."""
    tasks = ((recipe, out, split, number, place) for split, number in clips)
    if workers <= 1:
        yield from map(_make, tasks)
        return
    with worker_pool(workers) as pool:
        yield from pool.map(_make, tasks, chunksize=CHUNK)


def _make(task: tuple[Recipe, Path, str, int, Place]) -> None:
    """Writes a recording, its notes, then its row: a row that is there says that the others are whole."""
    recipe, out, split, number, place = task
    samples, midi, row = make_clip(recipe, split, number, place)
    sound, line = out / row["path"], _row_file(out, split, number)
    soundfile.write(sound.with_suffix(".part"), samples, recipe.sampling_rate, format="FLAC", subtype="PCM_16")
    sound.with_suffix(".part").replace(sound)
    midi.write(str(out / "midi" / split / f"{number:06d}.mid"))
    line.with_suffix(".part").write_text(json.dumps(row), encoding="utf-8")
    line.with_suffix(".part").replace(line)


def _row_file(out: Path, split: str, number: int) -> Path:
    return out / ROWS / split / f"{number:06d}.json"
