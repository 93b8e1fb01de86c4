"""Which fonts there are, where they come from, and who may hear them."""

from itertools import combinations

import pytest

from linernotes.corpora.score.soundfonts import FONTS, SPLIT_OF_FAMILY, check_fonts, families, find, for_split
from linernotes.corpora.splits import SPLIT_NAMES, check_no_leak


def test_no_family_is_in_two_splits():
    heard = {split: {font.family for font in for_split(split)} for split in SPLIT_NAMES}
    assert all(heard.values())
    for one, other in combinations(SPLIT_NAMES, 2):
        assert not heard[one] & heard[other]
    rows = [(font.family, split) for split in SPLIT_NAMES for font in for_split(split)]
    check_no_leak(*zip(*rows, strict=True))


def test_every_font_is_for_one_split():
    assert sorted(font.name for split in SPLIT_NAMES for font in for_split(split)) == sorted(FONTS)
    assert {font.family for font in FONTS.values()} == set(SPLIT_OF_FAMILY)


def test_fonts_that_share_samples_are_one_family():
    names = {family: [font.name for font in fonts] for family, fonts in families().items()}
    assert names["fluid"] == ["fluid", "musescore", "musescore-small"]
    assert names["timgm"] == ["timgm", "csound"]


def test_only_permissive_fonts_are_trained_on():
    assert {font.licence for font in for_split("train")} == {"MIT"}
    assert FONTS["timgm"].split == "test"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_timgm_is_for_the_test_only(split):
    with pytest.raises(ValueError, match=rf"soundfont 'timgm' \(family timgm, GPL-2.0\) is for test, not for {split}"):
        check_fonts([for_split(split)[0].name, "timgm"], split)
    assert check_fonts(["timgm"], "test") == [FONTS["timgm"]]


def test_a_font_is_found_in_the_folder_given(tmp_path):
    (tmp_path / "FluidR3_GM.sf2").touch()
    assert find("fluid", tmp_path) == tmp_path / "FluidR3_GM.sf2"


@pytest.mark.parametrize("name", FONTS)
def test_a_font_that_is_not_there_names_its_package(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"apt-get install {FONTS[name].package}`, or name the folder"):
        find(name, tmp_path)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="unknown soundfont 'steinway': choose from fluid, musescore"):
        find("steinway")
    with pytest.raises(ValueError, match="unknown soundfont 'steinway'"):
        check_fonts(["steinway"], "train")
    with pytest.raises(ValueError, match="unknown split 'dev': choose from train, validation, test"):
        for_split("dev")
