"""A corpus is what its recipe says, bit for bit, however often it was stopped and whoever made it."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile
import yaml

from linernotes.corpora.build import MANIFEST, Place, build_corpus, check_corpus_splits, facts_of, make_clip
from linernotes.corpora.check import check_corpus
from linernotes.corpora.manifest import read_manifest, with_waveforms
from linernotes.corpora.recipe import Recipe, RecipeError, load_recipe
from linernotes.corpora.score.loudness import loudness
from linernotes.corpora.splits import SplitLeakError

FONTS = Path(pretty_midi.__file__).parent  # it brings TimGM6mb
PLACE = Place(FONTS)
RECIPE = Recipe(
    name="small",
    clips={"test": 6},
    fonts={"test": ["timgm"]},
    parts=[{"style": "blues"}, {"style": "neutral", "meter": 7, "weight": 2.0}],
    seconds=[3.0, 4.0],
    seed=5,
)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("corpus") / "small"
    build_corpus(RECIPE, out, workers=1, font_folder=FONTS)
    return out


def test_a_corpus_is_a_manifest_and_its_recordings(built):
    rows = read_manifest(built / MANIFEST)
    assert len(rows) == 6
    clips = [f"{folder}/test/{n:06d}.{form}" for folder, form in (("audio", "flac"), ("midi", "mid")) for n in range(6)]
    assert set(contents(built)) == {MANIFEST, "recipe.json", *clips}
    for row, heard in zip(rows, with_waveforms(rows, 24_000), strict=True):
        facts = facts_of(row)
        assert len(heard["waveform"]) == pytest.approx(row["duration_seconds"] * 24_000, abs=1)
        assert facts.duration_seconds == pytest.approx(row["duration_seconds"], abs=1e-4)
        assert row["labels"] == [facts.style]
        assert facts.meter == 7 or facts.style == "blues"
        assert all(0 <= time <= facts.duration_seconds for time in (*facts.beats, *facts.downbeats))


def test_the_notes_lie_beside_the_recordings(built):
    rows = read_manifest(built / MANIFEST)
    for row in rows:
        midi = pretty_midi.PrettyMIDI(str(built / "midi" / "test" / f"{Path(row['audio']['path']).stem}.mid"))
        facts, starts = facts_of(row), [note.start for part in midi.instruments for note in part.notes]
        assert {part.name for part in midi.instruments if part.is_drum} == ({"drums"} if facts.has_drums else set())
        assert len(midi.instruments) == len(facts.instruments)
        assert 0.0 <= min(starts) < max(starts) < facts.duration_seconds
    assert len({row["identity"] for row in rows}) == 6


def test_nothing_is_wrong_with_the_recordings(built):
    assert check_corpus(built, workers=1) == []


def test_loudness_is_as_asked_or_as_loud_as_full_scale_allows():
    recipe = replace(RECIPE, loudness_lufs=[-20.0, -20.0], effects=0.0)
    for number in range(3):
        samples = make_clip(recipe, "test", number, PLACE).samples
        assert np.abs(samples).max() <= 0.991
        quiet = loudness(samples, 24_000) < -20.1
        assert np.abs(samples).max() > 0.98 if quiet else loudness(samples, 24_000) == pytest.approx(-20.0, abs=0.1)


def test_a_clip_depends_on_recipe_split_and_number_only():
    first, again, other = (make_clip(RECIPE, "test", number, PLACE) for number in (3, 3, 4))
    assert np.array_equal(first.samples, again.samples)
    assert first.row == again.row
    assert len(other.samples) != len(first.samples) or not np.array_equal(other.samples, first.samples)


@pytest.mark.slow
def test_bands_play_as_a_part_directs():
    part = {"style": "rock", "tempo_bpm": [70, 80], "drive": "clean", "contrast": True, "pulse": 1.0}
    recipe = replace(RECIPE, parts=[part], seconds=[8.0, 8.0], jitter=False)
    for number in range(3):
        facts = facts_of(make_clip(recipe, "test", number, PLACE).row)
        assert 70.0 <= facts.tempo_bpm <= 80.0
        assert facts.pulse == 1.0
        assert {span.label for span in facts.sections} <= {"quiet", "stops", "loud"}
        assert not {"Distortion Guitar", "Overdriven Guitar"} & set(facts.instruments)


def test_a_recipe_without_directions_draws_nothing_more():
    """Clips of corpora that were made before there were directions must come out the same."""
    told = replace(RECIPE, parts=[{**part, "contrast": False} for part in RECIPE.parts])
    ours, theirs = (make_clip(recipe, "test", 1, PLACE) for recipe in (RECIPE, told))
    assert np.array_equal(ours.samples, theirs.samples)


def test_two_processes_make_the_same_corpus(built, tmp_path):
    build_corpus(RECIPE, tmp_path / "small", workers=2, font_folder=FONTS)
    assert contents(tmp_path / "small") == contents(built)


def test_a_build_that_was_stopped_goes_on(built, tmp_path):
    out, seen = tmp_path / "small", []

    def stop(done, total):
        seen.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_corpus(RECIPE, out, workers=1, font_folder=FONTS, progress=stop)
    assert not (out / MANIFEST).exists()
    (out / "audio" / "test" / "000004.part").write_bytes(b"half a recording")
    before = {path: path.stat().st_mtime_ns for path in out.glob("audio/test/*.flac")}
    build_corpus(RECIPE, out, workers=1, font_folder=FONTS, progress=lambda *counts: seen.append(counts))
    assert seen == [(n, 6) for n in (1, 2, 3, 4, 5, 6)]
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert contents(out) == contents(built)


def test_a_finished_corpus_is_left_alone(built):
    before = contents(built)
    build_corpus(RECIPE, built, font_folder=FONTS, progress=lambda *_: pytest.fail("nothing was to be made"))
    assert contents(built) == before


def test_a_folder_is_not_taken_from_others(built, tmp_path):
    with pytest.raises(RecipeError, match="holds clips of another recipe"):
        build_corpus(replace(RECIPE, seed=6), built, font_folder=FONTS)
    (tmp_path / "thesis.txt").write_text("mine")
    built_before = json.loads((built / "recipe.json").read_text()) | {"sources": {"asap": "1 pieces, 00"}}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "recipe.json").write_text(json.dumps(built_before))
    (tmp_path / "other" / MANIFEST).write_text("finished")
    with pytest.raises(RecipeError, match="holds clips of other scores"):
        build_corpus(RECIPE, tmp_path / "other", font_folder=FONTS)
    with pytest.raises(RecipeError, match="holds something else"):
        build_corpus(RECIPE, tmp_path, font_folder=FONTS)


def test_a_folder_of_before_there_were_held_out_groupings_is_still_its_recipes(built, tmp_path):
    before = json.loads((built / "recipe.json").read_text())
    del before["held_out_groupings"]
    (tmp_path / "recipe.json").write_text(json.dumps(before))
    (tmp_path / MANIFEST).write_text("finished")
    assert build_corpus(RECIPE, tmp_path, font_folder=FONTS) == tmp_path / MANIFEST


def test_a_folder_without_clips_may_be_claimed_anew(built, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    out, other = tmp_path / "small", replace(RECIPE, seed=6, clips={"test": 1})
    (out / "audio" / "test").mkdir(parents=True)
    (out / "recipe.json").write_text(json.dumps({"name": "nobody's", "clips": {"test": -3}}))
    with pytest.raises(KeyboardInterrupt):
        build_corpus(other, out, workers=1, font_folder=FONTS, progress=stop)
    assert json.loads((out / "recipe.json").read_text())["seed"] == 6
    with pytest.raises(RecipeError, match="holds clips of another recipe"):  # now there is one
        build_corpus(RECIPE, out, workers=1, font_folder=FONTS)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RecipeError, match="out is a file; name a new or empty folder"):
        build_corpus(RECIPE, tmp_path / "out", font_folder=FONTS)


def test_another_version_of_a_font_is_refused(built, tmp_path):
    remembered = json.loads((built / "recipe.json").read_text())
    assert remembered["font_sha256"] == {"timgm": sha256((FONTS / "TimGM6mb.sf2").read_bytes()).hexdigest()}
    (tmp_path / MANIFEST).write_text("finished")
    (tmp_path / "recipe.json").write_text(json.dumps(remembered | {"font_sha256": {"timgm": "00ff"}}))
    with pytest.raises(RecipeError, match=r"another version of the soundfont timgm plays .*00ff"):
        build_corpus(RECIPE, tmp_path, font_folder=FONTS)


def test_a_folder_of_before_fonts_were_told_apart_is_still_its_recipes(built, tmp_path):
    remembered = json.loads((built / "recipe.json").read_text())
    del remembered["font_sha256"]
    (tmp_path / "recipe.json").write_text(json.dumps(remembered))
    (tmp_path / MANIFEST).write_text("finished")
    assert build_corpus(RECIPE, tmp_path, font_folder=FONTS) == tmp_path / MANIFEST


def row(number: int, split: str, group: str, family: str, identity: str = "") -> dict:
    notes = identity or f"notes of {group}"
    return {"path": f"{number}.flac", "split": split, "group": group, "identity": notes, "font_family": family}


def test_a_leak_between_splits_is_an_error():
    apart = [row(0, "train", "a", "fluid"), row(1, "test", "b", "timgm")]
    check_corpus_splits(apart)
    with pytest.raises(SplitLeakError, match="group 'a' is in test and train"):
        check_corpus_splits([*apart, row(2, "test", "a", "timgm")])
    with pytest.raises(SplitLeakError, match="group 'fluid' is in test and train"):
        check_corpus_splits([*apart, row(2, "test", "c", "fluid")])
    with pytest.raises(SplitLeakError, match="group 'notes of a' is in test and train"):
        check_corpus_splits([*apart, row(2, "test", "c", "timgm", "notes of a")])
    with pytest.raises(RecipeError, match=r"2\.flac has the same notes as 1\.flac"):
        check_corpus_splits([*apart, row(2, "test", "b", "timgm")])
    check_corpus_splits([*apart, row(2, "test", "b", "timgm", "another place in b")])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clips": {"exam": 3}}, "clips is .*'exam'.*train, validation, test"),
        ({"clips": {"train": 3}}, "fonts has none for train"),
        ({"clips": {"train": 3}, "fonts": {"train": ["timgm"]}}, "soundfont 'timgm' .* is for test, not for train"),
        ({"fonts": {"test": ["nofont"]}}, "unknown soundfont 'nofont'"),
        ({"seconds": [4.0, 3.0]}, "seconds is"),
        ({"seconds": 10}, r"seconds is 10; give the least and the most, such as \[8.0, 12.0\]"),
        ({"seconds": [1.0, 200.0]}, "seconds is 1.0; give a number from 3 to 120"),
        ({"seconds": ["a", 4]}, "seconds is 'a'; give a number from 3 to 120"),
        ({"clips": {"test": 0}}, "clips.test is 0; give a whole number of 1 or more"),
        ({"clips": {"test": -3}}, "clips.test is -3; give a whole number of 1"),
        ({"clips": {"test": "many"}}, "clips.test is 'many'; give a whole number of 1"),
        ({"clips": {"test": 1.5}}, "clips.test is 1.5; give a whole number of 1"),
        ({"clips": ["test"]}, r"clips is \['test'\]; it maps splits"),
        ({"fonts": {"test": "timgm"}}, r"fonts.test is 'timgm'; give a list of names, such as \[timgm\]"),
        ({"seed": -1}, "seed is -1; give a whole number of 0 or more"),
        ({"sampling_rate": 7}, "sampling_rate is 7; give a whole number from 8000 to 96000"),
        ({"effects": 1.5}, "effects is 1.5; give a number from 0 to 1"),
        ({"effects": "much"}, "effects is 'much'; give a number from 0 to 1"),
        ({"jitter": "some"}, "jitter is 'some'; give true or false"),
        ({"loudness_lufs": [-20, 3]}, "loudness_lufs is 3; give a number from -70 to 0"),
        ({"parts": []}, r"parts is \[\]; list one kind of music or more"),
        ({"parts": [{"style": "blues", "weight": 0.0}]}, r"\(style blues\): weight is 0; give a number above 0"),
        ({"parts": [{"style": "blues", "weight": "x"}]}, r"\(style blues\): weight is 'x'; give a number of 0 or more"),
        ({"parts": [{"style": "blues", "weight": float("nan")}]}, "weight is nan; give a number"),
        (
            {"parts": [{"style": "blues"}, {"style": "pop", "meter": 13}]},
            "meter 13.*meter is 13; give a whole number from 3 to 11",
        ),
        ({"parts": [{"style": "pop", "meter": "7"}]}, "meter is '7'; give a whole number from 3 to 11"),
        ({"parts": [{"style": "pop", "polyrhythm": "8:7"}]}, "polyrhythm='8:7' is not known: choose from 3:2"),
        ({"parts": [{"style": "pop", "polyrhythm": 182}]}, "polyrhythm is 182; write it in quotes, such as"),
        ({"parts": [{"style": "pop", "grouping": [5, 2]}]}, r"grouping=\(5, 2\) is none: give groups of 1 to 4"),
        ({"parts": [{"style": "pop", "grouping": "2+2"}]}, r"grouping is '2\+2'; list the pulses of its groups"),
        ({"parts": [{"style": "pop", "voice": "loud"}]}, "voice is 'loud'; give true or false"),
        ({"parts": [{"style": "classical", "drums": True}]}, "classical has no drums: leave drums out"),
        ({"parts": [{"source": "folk", "meter": 13}]}, "meter is 13; give a whole number from 2 to 12"),
        ({"parts": [{"style": "polka"}]}, "names the style 'polka'; choose from jazz, blues"),
        ({"parts": [{"stile": "blues"}]}, "a part has .*stile"),
        ({"parts": [{"weight": 1}]}, "needs a style or a source, one of them"),
        ({"parts": [{"style": "jazz", "source": "asap"}]}, r"\(style jazz, source asap\) needs a style or a source"),
        ({"parts": [{"source": "lakh"}]}, "names the source 'lakh'; choose from symbtr, asap"),
        ({"parts": [{"source": "asap", "polyrhythm": "3:2"}]}, "real scores have no polyrhythm"),
        ({"parts": [{"source": "asap", "tempo_bpm": [60, 90]}]}, "tempo_bpm, pulse, drive, contrast are for a style"),
        ({"parts": [{"style": "rock", "tempo_bpm": [90, 60]}]}, r"tempo_bpm is \[90, 60\]; the first is the least"),
        ({"parts": [{"style": "jazz", "meter": 7, "grouping": [2, 3]}]}, "its grouping sums to 5, not to its meter"),
        ({"parts": [{"style": "jazz", "splits": ["exam"]}]}, r"splits is \['exam'\]; choose from train, validation"),
        ({"parts": [{"style": "jazz", "splits": ["train"]}]}, "no part is drawn in test, which has 1 clips"),
        ({"held_out_groupings": {7: [[3, 2]]}}, r"held_out_groupings has 7: \[\[3, 2\]\]; it maps a meter to lists"),
        ({"held_out_groupings": [7]}, "it maps a meter to lists that sum to it"),
        ({"tempo": 3}, "the recipe has .*tempo"),
    ],
)
def test_a_recipe_that_cannot_be_followed(changes, message, tmp_path):
    document = {"name": "x", "clips": {"test": 1}, "fonts": {"test": ["timgm"]}, "parts": [{"style": "blues"}]}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(document | changes))
    with pytest.raises(ValueError, match=message):
        load_recipe(tmp_path / "recipe.yaml")


def test_a_missing_soundfont_names_its_package(tmp_path):
    with pytest.raises(FileNotFoundError, match="apt-get install timgm6mb-soundfont"):
        build_corpus(RECIPE, tmp_path / "out", font_folder=tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("configs/corpora/*.yaml")), ids=lambda p: p.stem)
def test_every_recipe_of_the_repository_can_be_followed(path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    for_tests_alone = path.stem == "grooves"
    assert set(recipe.clips) == ({"test"} if for_tests_alone else {"train", "validation", "test"})
    assert json.dumps(recipe.parts)


def test_recordings_are_flac_of_sixteen_bits(built):
    info = soundfile.info(built / "audio" / "test" / "000000.flac")
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_16", 24_000, 1)
