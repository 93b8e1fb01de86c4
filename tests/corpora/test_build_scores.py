"""Corpora out of real scores, and groupings kept for the test: who is in which split, checked by looking."""

import csv
import json
from pathlib import Path
from zipfile import ZipFile

import pretty_midi
import pytest
from typer.testing import CliRunner

from linernotes import cli
from linernotes.corpora.build import Place, build_corpus, facts_of, make_clip
from linernotes.corpora.manifest import read_manifest
from linernotes.corpora.recipe import Recipe, RecipeError
from linernotes.corpora.splits import SPLIT_NAMES

BUNDLED_FONT = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
EVERY_FONT = {"train": ["fluid"], "validation": ["opl3"], "test": ["timgm"]}
HELD_OUT = {7: [[3, 2, 2]], 9: [[3, 3, 3]]}
TUNE = """X: {number}
T:Tune of {number}
M:{meter}
L:1/8
Q:1/4=240
K:G
{bars}
"""


@pytest.fixture(scope="module")
def fonts(tmp_path_factory) -> Path:
    """Which fonts are named is what matters here, not how they sound: all are the one that pretty_midi brings."""
    folder = tmp_path_factory.mktemp("fonts")
    for name in ("FluidR3_GM.sf2", "OPL-3_FM_128M.sf2", "TimGM6mb.sf2"):
        (folder / name).symlink_to(BUNDLED_FONT)
    return folder


def tune(number: int, meter: str) -> str:
    """Waltzes and slip jigs of notes that say which tune it is."""
    letters = "GABcdefg"
    notes = [letters[(number * 3 + i * (1 + number % 5)) % 8] for i in range(9 if meter == "9/8" else 6)]
    bars = "|".join(" ".join(notes[i:] + notes[:i]) for i in (0, 2, 3, 1) * 4)
    return TUNE.format(number=number, meter=meter, bars=bars)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Forty waltzes, of which the set keeps eight for validation and one for its test, and a slip jig."""
    data = tmp_path_factory.mktemp("data")
    folder = data / "nottingham"
    folder.mkdir()
    marks = {number: "validation" if number % 5 == 0 else "train" for number in range(1, 41)} | {
        41: "test",
        42: "train",
    }
    with (folder / "metadata.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("file_name", "tune", "title", "meter", "constant_meter", "split", "group"))
        for number, split in marks.items():
            meter = "9/8" if number == 42 else "3/4"
            writer.writerow(("book.abc", number, f"Tune of {number}", meter, "True", split, f"Tune of {number}"))
    with ZipFile(folder / "abc.zip", "w") as packed:
        packed.writestr("book.abc", "\n\n".join(tune(n, "9/8" if n == 42 else "3/4") for n in marks))
    return data


def recipe(**changes) -> Recipe:
    base = {
        "name": "tunes",
        "clips": {"train": 16, "validation": 12, "test": 8},
        "fonts": EVERY_FONT,
        "parts": [
            {"source": "nottingham", "meter": 3, "weight": 3},
            {"source": "nottingham", "meter": 9, "splits": ["train"]},
            {"style": "neutral", "meter": 5},
        ],
        "seconds": [3.0, 3.5],
        "effects": 0.0,
    }
    return Recipe(**base | changes)


@pytest.fixture(scope="module")
def built(tmp_path_factory, fonts, data) -> Path:
    out = tmp_path_factory.mktemp("corpus") / "tunes"
    build_corpus(recipe(), out, workers=1, font_folder=fonts, data_dirs=[data])
    return out


def test_scores_are_drawn_beside_the_composers_music(built):
    rows = list(read_manifest(built / "manifest.jsonl"))
    assert {row["source"] for row in rows} == {"nottingham", "composer"}
    for row in rows:
        facts = facts_of(row)
        if row["source"] == "composer":
            assert (row["labels"], facts.meter, row["piece"]) == (["neutral"], 5, None)
            assert row["group"] == facts.identity[:16]
        else:
            assert (row["labels"], facts.meter) == (["folk"], 9 if row["group"] == "tune tune of 42" else 3)
            assert row["piece"].lower() == f"book {row['group'].split()[-1]} {row['group'].removeprefix('tune ')}"
            assert row["licence"].startswith("GPL-3.0 (cleaned Nottingham data set, jukedeck); sounds of ")


def test_each_tune_is_on_the_side_that_the_set_says(built):
    rows = [row for row in read_manifest(built / "manifest.jsonl") if row["source"] == "nottingham"]
    numbers = {split: {int(row["group"].split()[-1]) for row in rows if row["split"] == split} for split in SPLIT_NAMES}
    assert all(number % 5 == 0 for number in numbers["test"])
    assert not any(number % 5 == 0 for number in numbers["train"] | numbers["validation"])
    assert not numbers["train"] & numbers["validation"]
    assert 41 not in set.union(*numbers.values())
    assert 42 in numbers["train"]
    validation = [row for row in rows if row["split"] == "validation"]
    assert len(validation) > len(numbers["validation"])  # excerpts of one tune, all on its side


def test_where_the_scores_lay_is_in_no_file(built, data):
    for path in built.rglob("*.json*"):
        assert str(data) not in path.read_text()
    remembered = json.loads((built / "recipe.json").read_text())
    assert remembered["sources"]["nottingham"].startswith("41 pieces, ")


def test_a_stopped_build_goes_on_and_other_scores_are_refused(built, data, fonts, tmp_path):
    out = tmp_path / "tunes"

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_corpus(recipe(), out, workers=1, font_folder=fonts, data_dirs=[data], progress=stop)
    build_corpus(recipe(), out, workers=1, font_folder=fonts, sources={"nottingham": data / "nottingham"})
    assert (out / "manifest.jsonl").read_bytes() == (built / "manifest.jsonl").read_bytes()
    for path in built.rglob("*.*"):
        assert (out / path.relative_to(built)).read_bytes() == path.read_bytes()
    shorter = tmp_path / "nottingham"
    shorter.mkdir()
    lines = (data / "nottingham" / "metadata.csv").read_text().splitlines()
    (shorter / "metadata.csv").write_text("\n".join(lines[:40] + lines[-1:]) + "\n")
    (shorter / "abc.zip").write_bytes((data / "nottingham" / "abc.zip").read_bytes())
    with pytest.raises(RecipeError, match="holds clips of other scores"):
        build_corpus(recipe(), out, workers=1, font_folder=fonts, data_dirs=[tmp_path])


@pytest.mark.slow
def test_two_processes_make_the_same_corpus_of_scores(built, data, fonts, tmp_path):
    build_corpus(recipe(), tmp_path / "tunes", workers=2, font_folder=fonts, data_dirs=[data])
    assert (tmp_path / "tunes" / "manifest.jsonl").read_bytes() == (built / "manifest.jsonl").read_bytes()
    for path in built.rglob("*.flac"):
        assert (tmp_path / "tunes" / path.relative_to(built)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"parts": [{"source": "nottingham", "meter": 9}]},
            r"\(source nottingham, meter 9\) has no piece in validation",
        ),
        ({"parts": [{"source": "nottingham", "meter": 7}]}, r"meter 7\) has no piece in train; leave this split out"),
    ],
)
def test_a_part_without_pieces_is_found_before_anything_is_built(changes, message, data, fonts, tmp_path):
    with pytest.raises(RecipeError, match=message):
        build_corpus(recipe(**changes), tmp_path / "out", font_folder=fonts, data_dirs=[data])
    assert not (tmp_path / "out").exists()


def test_a_missing_source_is_told_before_anything_is_built(fonts, tmp_path):
    wanted = r"draws from nottingham, which is nowhere: give --source nottingham=FOLDER, or --data-dir"
    with pytest.raises(FileNotFoundError, match=wanted):
        build_corpus(recipe(), tmp_path / "out", font_folder=fonts, data_dirs=[tmp_path])
    assert not (tmp_path / "out").exists()


def test_music_that_no_part_asks_for_is_drawn_again_in_vain(data, fonts):
    asking = recipe(clips={"test": 1}, parts=[{"source": "nottingham", "grouping": [2, 1]}])
    place = Place(fonts, {"nottingham": data / "nottingham"})
    with pytest.raises(RecipeError, match=r"TimGM6mb.sf2: none of 200 draws gave \(source nottingham, grouping"):
        make_clip(asking, "test", 0, place)


def test_scores_may_be_asked_for_with_drums(data, fonts):
    asking = recipe(clips={"test": 1}, parts=[{"source": "nottingham", "drums": True, "voice": False}])
    place = Place(fonts, {"nottingham": data / "nottingham"})
    heard = [facts_of(make_clip(asking, "test", number, place).row) for number in range(4)]
    assert all(facts.has_drums and not facts.has_voice for facts in heard)


def groupings(rows: list[dict], *splits: str) -> set[str]:
    """Of every bar: "2+2+3"."""
    return {span.label.split()[1] for row in rows if row["split"] in splits for span in facts_of(row).meters}


PARTS = [
    {"style": "neutral", "meter": 7},
    {"style": "math rock", "meter": 9},
    {"style": "math rock"},
    {"style": "neutral", "meter": 7, "grouping": [3, 2, 2], "splits": ["test"]},
    {"style": "neutral", "meter": 9, "grouping": [3, 3, 3], "splits": ["test"]},
]


def test_groupings_that_are_held_out_are_in_the_test_only(fonts, tmp_path):
    clips = {"train": 30, "validation": 8, "test": 14}
    common = {"clips": clips, "parts": PARTS, "seconds": [4.0, 5.0], "jitter": False}
    free = recipe(**common | {"parts": PARTS[:3], "seed": 1})
    of_free = [make_clip(free, "train", number, Place(fonts)).row for number in range(30)]
    assert {"3+2+2", "3+3+3"} <= groupings(of_free, "train")  # what would have been drawn
    build_corpus(recipe(**common, held_out_groupings=HELD_OUT, seed=1), tmp_path / "out", workers=1, font_folder=fonts)
    rows = list(read_manifest(tmp_path / "out" / "manifest.jsonl"))
    assert not {"3+2+2", "3+3+3"} & groupings(rows, "train", "validation")
    assert "2+2+3" in groupings(rows, "train")
    assert {"3+2+2", "3+3+3"} <= groupings(rows, "test")


def test_a_held_out_grouping_may_be_asked_for_in_the_test_only():
    with pytest.raises(RecipeError, match=r"\(style neutral, .*grouping \(3, 2, 2\)\) is held out of train; give it"):
        recipe(parts=[{"style": "neutral", "grouping": [3, 2, 2]}], held_out_groupings=HELD_OUT)


def test_the_command_takes_folders_of_sources(data, fonts, tmp_path):
    written = {"name": "one", "clips": {"test": 1}, "fonts": {"test": ["timgm"]}, "seconds": [3.0, 3.0],
               "parts": [{"source": "nottingham"}]}  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(json.dumps(written))
    where = ["corpus", "build", str(tmp_path / "recipe.yaml"), "--workers", "1", "--font-folder", str(fonts)]

    def run(*more: str):
        return CliRunner().invoke(cli.app, [*where, *more])

    named = run("--out", str(tmp_path / "named"), "--source", f"nottingham={data / 'nottingham'}")
    found = run("--out", str(tmp_path / "found"), "--data-dir", str(data))
    assert (named.exit_code, found.exit_code) == (0, 0), named.stderr + found.stderr
    assert (tmp_path / "named" / "manifest.jsonl").read_bytes() == (tmp_path / "found" / "manifest.jsonl").read_bytes()
    for wrong, message in (
        (["--source", "nottingham"], "--source nottingham names no folder: give NAME=FOLDER"),
        (["--source", "lakh=."], "source 'lakh' is not known: choose from symbtr"),
        (["--source", "nottingham=nowhere"], "nowhere is no folder: name the one that holds nottingham"),
        ([], "draws from nottingham, which is nowhere"),
    ):
        refused = run("--out", str(tmp_path / "refused"), *wrong)
        assert refused.exit_code == 2
        assert message in " ".join(refused.stderr.split())
    assert not (tmp_path / "refused").exists()
