"""Voices over rendered clips."""

from collections import Counter
from dataclasses import replace

import pytest
from described_music import make_corpus, make_voices

from linernotes.corpora.caption_rows import SINGING, as_datasets, rendered_rows, voice_rows
from linernotes.corpora.music_facts import MusicFacts
from linernotes.corpora.sung_rows import sung_rows


@pytest.fixture
def sets(tmp_path):
    rendered = rendered_rows(make_corpus(tmp_path / "corpus")).rows
    voices = voice_rows(make_voices(tmp_path / "mir1k"), test=["heycat"], validation=["davidson"]).rows
    return rendered, voices


def facts(row) -> MusicFacts:
    return MusicFacts.of_json(row["facts"])


def test_each_split_has_its_own_singers_and_clips(sets):
    rendered, voices = sets
    rows, _ = sung_rows(rendered, voices, 0.5)
    assert Counter(row["split"] for row in rows) == {"train": 10, "validation": 2}, "half of the clips, none of a test"
    singers = {row["audio"]["path"]: row["group"] for row in voices}
    assert {singers[row["over"]["path"]] for row in rows if row["split"] == "validation"} == {"singer davidson"}
    assert {singers[row["over"]["path"]] for row in rows if row["split"] == "train"} == {"singer amy", "singer abjones"}
    assert {row["over"]["channel"] for row in rows} == {SINGING}
    assert all(-5.0 <= row["over"]["level_db"] <= 5.0 for row in rows)
    splits = as_datasets([*rendered, *voices, *rows])
    assert splits["test"].num_rows == 4 + 6


def test_what_a_voice_of_another_song_disputes_is_not_claimed(sets):
    rendered, voices = sets
    rows, _ = sung_rows(rendered, voices, 1.0)
    before = {row["clip"]: facts(row) for row in rendered}
    for row in rows:
        played = before[row["clip"].partition(" under ")[0]]
        male = "abjones" in row["clip"] or "davidson" in row["clip"]
        expected = replace(played, key=None, tempo=None, meter=None, vocals="male" if male else "female")
        assert facts(row) == expected
        assert row["licence"] == "CC0; voice: none stated; distributed for research"


def test_the_same_clips_are_sung_to_every_time(sets):
    assert sung_rows(*sets, 0.3) == sung_rows(*sets, 0.3)
    assert len(sung_rows(*sets, 0.3).rows) == 7


def test_without_singers_of_a_split_nothing_is_sung(sets):
    rendered, voices = sets
    rows, _ = sung_rows(rendered, [row for row in voices if row["split"] == "train"], 1.0)
    assert {row["split"] for row in rows} == {"train"}
