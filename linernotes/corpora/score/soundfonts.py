"""Soundfonts that Debian packages carry, and which of them may be heard in which split.

A *family* is fonts that share recordings: MuseScore's general font grew out of FluidR3, and over 200 of the samples in
csound's bank are those of TimGM6mb, bit for bit. A family belongs to one split, so that no instrument is known from
training when it is tested. What is trained on bears a permissive licence; fonts under the GPL or ShareAlike are for
evaluation. Left out are GeneralUser GS (in `minuet-data`), which has samples of MuseScore's font and of TimGM6mb both,
A320U (in `denemo-data`), which has some of TimGM6mb and no bottle, and `freepats`: GUS patches are no soundfont.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linernotes.corpora.splits import SPLIT_NAMES

SF2, SF3 = Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3")
SAMPLING_RATES_HZ = (8_000, 96_000)  # at which they may be played: the least and the most
SPLIT_OF_FAMILY = {"fluid": "train", "opl3": "validation", "timgm": "test"}


@dataclass(frozen=True)
class Font:
    """A soundfont: the Debian package that installs `path`, its family and its licence as its makers name it."""

    name: str
    package: str
    path: Path
    family: str
    licence: str

    @property
    def split(self) -> str:
        """The one split whose clips it may play."""
        return SPLIT_OF_FAMILY[self.family]


FONTS = {
    font.name: font
    for font in (
        Font("fluid", "fluid-soundfont-gm", SF2 / "FluidR3_GM.sf2", "fluid", "MIT"),
        Font("musescore", "musescore-general-soundfont", SF3 / "MuseScore_General_Full.sf3", "fluid", "MIT"),
        Font(
            "musescore-small", "musescore-general-soundfont-small", SF3 / "MuseScore_General_Lite.sf3", "fluid", "MIT"
        ),
        Font("opl3", "opl3-soundfont", SF2 / "OPL-3_FM_128M.sf2", "opl3", "CC-BY-SA-4.0"),
        Font("timgm", "timgm6mb-soundfont", SF2 / "TimGM6mb.sf2", "timgm", "GPL-2.0"),
        Font("csound", "csound-soundfont", SF2 / "sf_GMbank.sf2", "timgm", "public domain"),
    )
}


def families() -> dict[str, list[Font]]:
    """The fonts of each family."""
    return {family: [font for font in FONTS.values() if font.family == family] for family in SPLIT_OF_FAMILY}


def for_split(split: str) -> list[Font]:
    """The fonts that may play a split's clips, installed or not. No family is in two splits."""
    if split not in SPLIT_NAMES:
        raise ValueError(f"unknown split {split!r}: choose from {', '.join(SPLIT_NAMES)}")
    return [font for font in FONTS.values() if font.split == split]


def check_fonts(names: Sequence[str], split: str) -> list[Font]:
    """The fonts of these names. Raises ValueError for an unknown name, or where a font is not for `split`."""
    allowed = for_split(split)
    fonts = [_named(name) for name in names]
    for font in fonts:
        if font not in allowed:
            raise ValueError(
                f"soundfont {font.name!r} (family {font.family}, {font.licence}) is for {font.split}, not for {split}: "
                f"choose from {', '.join(f.name for f in allowed)}"
            )
    return fonts


def find(name: str, folder: Path | str | None = None) -> Path:
    """The font's file, in `folder` if that is given, else where Debian puts it.

    Raises ValueError for an unknown name, FileNotFoundError with the package to install for a font that is not there.
    """
    font = _named(name)
    path = font.path if folder is None else Path(folder) / font.path.name
    if not path.is_file():
        raise FileNotFoundError(
            f"soundfont {name!r} is not at {path}: install it by `apt-get install {font.package}`, "
            f"or name the folder that holds {font.path.name}"
        )
    return path


def _named(name: str) -> Font:
    if name not in FONTS:
        raise ValueError(f"unknown soundfont {name!r}: choose from {', '.join(FONTS)}")
    return FONTS[name]
