"""What a rendered corpus is made of: a recipe in YAML, such as those in configs/corpora/, checked when it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any

import yaml

from linernotes.corpora.score.meters import GROUPINGS
from linernotes.corpora.score.plans import LONGEST_SECONDS, SHORTEST_SECONDS, TEMPI_BPM, check_directions, check_wishes
from linernotes.corpora.score.score import Facts
from linernotes.corpora.score.soundfonts import FONTS, SAMPLING_RATES_HZ, check_fonts
from linernotes.corpora.score.sources import SOURCES
from linernotes.corpora.score.styles import STYLES
from linernotes.corpora.splits import SPLIT_NAMES

WISHES = ("meter", "polyrhythm", "drums", "voice")
SCORE_METERS = (2, 12)  # the least and the most that the sources have
LOUDNESS_LUFS = (-70.0, 0.0)  # from silence to full scale
DIRECTIONS = ("tempo_bpm", "pulse", "drive", "contrast")


class RecipeError(ValueError):
    """A recipe that cannot be followed; the message names the key, what it has and what is allowed."""


@dataclass(frozen=True)
class Part:
    """A kind of music, and how often it is drawn: of a `style` of the composer's, or out of a `source` of real scores.

    What is None is left to the composer; of a source it lets everything pass. tempo_bpm: the slowest and the fastest;
    pulse, drive, contrast: as `draw_plan` has them. These are for styles. splits: those in which the part is drawn;
    None: all.
    """

    style: str | None = None
    source: str | None = None
    weight: float = 1.0
    meter: int | None = None
    grouping: list | None = None
    polyrhythm: str | None = None
    drums: bool | None = None
    voice: bool | None = None
    splits: list | None = None
    tempo_bpm: list | None = None
    pulse: float | None = None
    drive: str | None = None
    contrast: bool | None = None

    @property
    def name(self) -> str:
        """Such as "source symbtr, meter 9"."""
        told = {"style": self.style, "source": self.source, **self.wishes(), **self.directions()}
        return ", ".join(f"{key} {value}" for key, value in told.items() if value is not None)

    def wishes(self) -> dict[str, Any]:
        wishes = {name: getattr(self, name) for name in WISHES}
        return wishes | {"grouping": tuple(self.grouping) if isinstance(self.grouping, list) else self.grouping}

    def directions(self) -> dict[str, Any]:
        """What a composer is told besides the wishes, as far as it is told anything."""
        told = {name: getattr(self, name) for name in DIRECTIONS}
        return {name: value for name, value in told.items() if value is not None}

    def suits(self, facts: Facts) -> bool:
        """Whether music that nobody composed to order is of this kind."""
        heard = {"meter": facts.meter, "grouping": facts.grouping, "drums": facts.has_drums, "voice": facts.has_voice}
        return all(wish is None or heard[name] == wish for name, wish in self.wishes().items())


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
        held_out_groupings: by meter, groupings that no bar of train and validation has, such as {7: [[3, 2, 2]]}.
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
    held_out_groupings: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in ("clips", "fonts"):
            given = getattr(self, key)
            if not isinstance(given, Mapping) or not given or not set(given) <= set(SPLIT_NAMES):
                raise RecipeError(f"{key} is {given!r}; it maps splits: {', '.join(SPLIT_NAMES)}")
        for split, count in self.clips.items():
            _check_number(f"clips.{split}", count, 1, whole=True)
            names = self.fonts.get(split) or []
            if not isinstance(names, list):
                raise RecipeError(f"fonts.{split} is {names!r}; give a list of names, such as [{names}]")
            if not names:
                raise RecipeError(f"fonts has none for {split}; name one or more of {', '.join(FONTS)}")
            check_fonts(names, split)
        _check_number("seed", self.seed, 0, whole=True)
        _check_number("sampling_rate", self.sampling_rate, *SAMPLING_RATES_HZ, whole=True)
        _check_number("effects", self.effects, 0.0, 1.0)
        _check_truth("jitter", self.jitter)
        _check_range("seconds", self.seconds, SHORTEST_SECONDS, LONGEST_SECONDS, "[8.0, 12.0]")
        _check_range("loudness_lufs", self.loudness_lufs, *LOUDNESS_LUFS, "[-26.0, -14.0]")
        _check_held_out(self.held_out_groupings)
        if not isinstance(self.parts, list) or not self.parts:
            raise RecipeError(f"parts is {self.parts!r}; list one kind of music or more, such as [{{style: jazz}}]")
        for part in self.kinds:
            _check_part(part, self.seconds[0])
        for split in self.clips:
            self._check_split(split)

    def _check_split(self, split: str) -> None:
        parts = self.parts_of(split)
        if not parts:
            raise RecipeError(f"no part is drawn in {split}, which has {self.clips[split]} clips; give one this split")
        for part in parts:
            if part.grouping and tuple(part.grouping) in self.held_out(split):
                raise RecipeError(f"part ({part.name}) is held out of {split}; give it splits: [test]")

    @property
    def kinds(self) -> list[Part]:
        return [_as(Part, part, "a part") for part in self.parts]

    @property
    def sources(self) -> list[str]:
        """The sources of real scores that it draws from."""
        return sorted({part.source for split in self.clips for part in self.parts_of(split) if part.source})

    def parts_of(self, split: str) -> list[Part]:
        return [part for part in self.kinds if part.splits is None or split in part.splits]

    def held_out(self, split: str) -> frozenset[tuple[int, ...]]:
        """The groupings that no bar of the split may have; the test has them all."""
        if split == "test":
            return frozenset()
        return frozenset(tuple(grouping) for listed in self.held_out_groupings.values() for grouping in listed)


def load_recipe(path: Path | str) -> Recipe:
    """Reads a YAML recipe, such as those in configs/corpora/. Raises RecipeError, and ValueError for a wrong font."""
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"{path} is not a file; recipes lie in configs/corpora/")
    try:
        return recipe_of(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error


def recipe_of(document: Any) -> Recipe:
    """The recipe in a document of YAML or JSON. Errors: as `load_recipe`."""
    return _as(Recipe, document, "the recipe")


def _as(kind: type, given: Any, where: str) -> Any:
    known = {f.name: f.type for f in fields(kind)}
    if not isinstance(given, Mapping) or not set(given) <= set(known):
        unknown = sorted(set(given) - set(known)) if isinstance(given, Mapping) else given
        raise RecipeError(f"{where} has {unknown!r}; it maps {', '.join(known)}")
    try:
        return kind(**{key: float(v) if known[key] is float and type(v) is int else v for key, v in given.items()})
    except TypeError as error:
        raise RecipeError(f"{where}: {error}") from error


def _check_number(key: str, given: Any, least: float, most: float = inf, *, whole: bool = False) -> None:
    kinds, kind = (int, "whole number") if whole else ((int, float), "number")
    if isinstance(given, bool) or not isinstance(given, kinds) or not least <= given <= most or given == inf:
        allowed = f"of {least:g} or more" if most == inf else f"from {least:g} to {most:g}"
        raise RecipeError(f"{key} is {given!r}; give a {kind} {allowed}")


def _check_range(key: str, given: Any, least: float, most: float, example: str) -> None:
    if not isinstance(given, list) or len(given) != 2:
        raise RecipeError(f"{key} is {given!r}; give the least and the most, such as {example}")
    for number in given:
        _check_number(key, number, least, most)
    if given[0] > given[1]:
        raise RecipeError(f"{key} is {given!r}; the first is the least: give {given[::-1]!r}")


def _check_truth(key: str, given: Any) -> None:
    if not isinstance(given, bool):
        raise RecipeError(f"{key} is {given!r}; give true or false")


def _is_grouping(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(type(group) is int and group > 0 for group in given)


def _check_held_out(held_out: Any) -> None:
    """Keys may be text, as in JSON."""
    listed = held_out.items() if isinstance(held_out, Mapping) else [(held_out, None)]
    for meter, groupings in listed:
        sums = isinstance(groupings, list) and all(_is_grouping(g) and str(sum(g)) == str(meter) for g in groupings)
        if not sums:
            raise RecipeError(
                f"held_out_groupings has {meter!r}: {groupings!r}; it maps a meter to lists that sum to it, "
                "such as {7: [[3, 2, 2]]}"
            )


def _check_part(part: Part, seconds: float) -> None:
    """seconds: of its shortest clip."""
    where = f"part ({part.name})"
    if (part.style is None) == (part.source is None):
        raise RecipeError(f"{where} needs a style or a source, one of them")
    for key, value, known in (("style", part.style, STYLES), ("source", part.source, SOURCES)):
        if value is not None and value not in tuple(known):
            raise RecipeError(f"parts names the {key} {value!r}; choose from {', '.join(known)}")
    _check_number(f"{where}: weight", part.weight, 0.0)
    if not part.weight:
        raise RecipeError(f"{where}: weight is 0; give a number above 0, or leave the part out")
    for key in ("drums", "voice"):
        if getattr(part, key) is not None:
            _check_truth(f"{where}: {key}", getattr(part, key))
    if part.meter is not None:
        meters = SCORE_METERS if part.source else (min(GROUPINGS), max(GROUPINGS))
        _check_number(f"{where}: meter", part.meter, *meters, whole=True)
    if part.polyrhythm is not None and not isinstance(part.polyrhythm, str):
        raise RecipeError(f'{where}: polyrhythm is {part.polyrhythm!r}; write it in quotes, such as "3:2"')
    if part.source and part.polyrhythm:
        raise RecipeError(f"{where}: real scores have no polyrhythm that is known; name a style instead")
    if part.grouping is not None and not _is_grouping(part.grouping):
        raise RecipeError(f"{where}: grouping is {part.grouping!r}; list the pulses of its groups, such as [2, 2, 3]")
    if part.source and part.directions():
        raise RecipeError(f"{where}: {', '.join(DIRECTIONS)} are for a style; scores are as they are")
    if part.tempo_bpm is not None:
        _check_range(f"{where}: tempo_bpm", part.tempo_bpm, *TEMPI_BPM, "[90, 130]")
    if part.contrast is not None:
        _check_truth(f"{where}: contrast", part.contrast)
    if part.meter and part.grouping and sum(part.grouping) != part.meter:
        raise RecipeError(f"{where}: its grouping sums to {sum(part.grouping)}, not to its meter")
    if part.splits is not None and not (
        isinstance(part.splits, list) and part.splits and all(split in SPLIT_NAMES for split in part.splits)
    ):
        raise RecipeError(f"{where}: splits is {part.splits!r}; choose from {', '.join(SPLIT_NAMES)}")
    if part.style:
        try:
            check_wishes(part.style, seconds, **part.wishes())
            check_directions(part.style, part.polyrhythm, **part.directions() | {"tempo_bpm": None})
        except ValueError as error:
            raise RecipeError(f"{where}: {error}") from error
