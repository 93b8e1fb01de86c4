"""Rows to be described, of every kind of set, in one form."""

import json
from collections import Counter

import pytest
from described_music import make_corpus, make_named, make_real, make_texts, make_voices, write_table

from linernotes.corpora.caption_rows import (
    ROW,
    as_datasets,
    gtzan_rows,
    musicbench_rows,
    named_rows,
    rendered_rows,
    stated_facts,
    text_rows,
    voice_of,
    voice_rows,
)
from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.music_facts import MusicFacts
from linernotes.corpora.splits import SplitLeakError


def facts(row) -> MusicFacts:
    return MusicFacts.of_json(row["facts"])


def test_rendered_clips_have_exact_facts_and_no_captions(tmp_path):
    rows, left_out = rendered_rows(make_corpus(tmp_path / "corpus"))
    assert Counter(row["split"] for row in rows) == {"train": 20, "validation": 4, "test": 4}
    assert not left_out
    first, second = map(facts, rows[:2])
    assert (first.key, first.tempo, first.instruments, first.styles) == ("C major", "slow", ("piano",), ("jazz",))
    assert (second.key, second.instruments, second.vocals) == ("A minor", ("drums", "electric guitar"), "instrumental")
    assert first.moods is not None
    assert rows[0]["captions"] == []
    assert rows[0]["clip"] == "corpus/audio/train/000000.flac"
    assert set(rows[0]) == set(ROW)


def test_singers_are_dealt_by_name_and_each_clip_is_three_rows(tmp_path):
    rows, _ = voice_rows(make_voices(tmp_path / "mir1k"), test=["heycat"], validation=["davidson"])
    assert Counter(row["split"] for row in rows) == {"train": 12, "validation": 6, "test": 6}
    song, accompaniment, singing = rows[:3]
    assert [row["channel"] for row in (song, accompaniment, singing)] == [None, 0, 1]
    assert [facts(row).vocals for row in (song, accompaniment, singing)] == ["female", "instrumental", "female"]
    assert facts(song).instruments is None, "nobody says what accompanies"
    assert facts(singing).instruments == ()
    assert {row["evaluation"] for row in rows} == {"voices"}
    styles = {(row["split"], facts(row).styles) for row in rows if row["channel"] != 1}
    assert styles == {("train", None), ("validation", None), ("test", ("pop",))}, "karaoke shall not mean pop"
    assert as_datasets(rows)["test"].num_rows == 6
    with pytest.raises(ValueError, match="has no singer 'nobody'; there are abjones, amy, davidson, heycat"):
        voice_rows(tmp_path / "mir1k", test=["nobody"])


def test_copies_of_voices_are_learned_from_alone(tmp_path):
    plain, copied = (voice_rows(make_voices(tmp_path / "mir1k"), test=["heycat"], copies=n).rows for n in (0, 2))
    counts = Counter((row["split"], row["copy"]) for row in copied)
    assert counts == {("test", 0): 6, ("train", 0): 18, ("train", 1): 18, ("train", 2): 18}
    assert [row for row in copied if row["copy"] == 0] == plain


def test_names_tell_the_style_of_excerpts(tmp_path):
    rows, left_out = named_rows(make_named(tmp_path / "music-speech"))
    assert [(row["split"], row["start_seconds"], row["end_seconds"]) for row in rows] == [
        ("train", 0.0, 10.0), ("train", 10.0, 20.0), ("validation", 0.0, 10.0), ("validation", 10.0, 20.0),
    ]  # fmt: skip
    assert [facts(row) for row in rows[1:3]] == [MusicFacts(styles=("jazz",)), MusicFacts(styles=("classical",))]
    assert len({row["clip"] for row in rows}) == 4
    assert left_out == {"no music, or no style in its name": 2}


def test_a_voice_in_between_has_no_gender():
    assert [voice_of(singer) for singer in ("heycat", "davidson", "leon", "Kenshin", "somebody")] == [
        "female", "male", "voice", "voice", "voice",
    ]  # fmt: skip


def test_recordings_with_key_and_caption_are_for_the_test(tmp_path):
    rows, _ = gtzan_rows(make_real(tmp_path / "gtzan"))
    described, plain = rows
    assert {row["split"] for row in rows} == {"test"}
    assert described["captions"] == ["A slow jazz piece with a piano. A woman sings."]
    told = facts(described)
    assert (told.key, told.tempo, told.vocals, told.instruments) == ("Bb major", "slow", "female", ("piano",))
    assert not told.complete
    assert (plain["captions"], facts(plain).key, facts(plain).instruments) == ([], None, None)
    assert described["evaluation"] == "real"


def test_texts_alone_have_no_recording(tmp_path):
    rows, left_out = text_rows(make_texts(tmp_path / "texts"))
    assert [row["aspects"] for row in rows] == [["slow tempo", "piano"], ["rock", "drums"]]
    assert rows[0]["audio"] == {"path": None, "bytes": None}
    assert left_out == {"test: kept for the test": 1}
    assert as_datasets(rows)["train"].num_rows == 2
    broken = [["aaaaaaaaaaa", "slow tempo", "A song.", "train", "0"]]
    write_table(tmp_path / "bad" / "metadata.csv", ["ytid", "aspect_list", "caption", "split", "group"], broken)
    with pytest.raises(ManifestError, match="aspect_list of aaaaaaaaaaa is no list: mend the line"):
        text_rows(tmp_path / "bad")


def test_a_folder_without_a_table_says_what_belongs_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"metadata\.csv is not there: it lists file_name, group"):
        voice_rows(tmp_path)


def test_musicbench_has_both_captions_and_the_found_key(tmp_path):
    row = {
        "dataset": "MusicBench", "location": "data/aaaaaaaaaaa.wav", "main_caption": "A slow rock song with no drums.",
        "alt_caption": "Rock.", "prompt_aug": "", "prompt_ch": "", "prompt_bt": "", "prompt_bpm": "", "prompt_key": "",
        "beats": [[0.5], [1.0]], "bpm": 150.0, "chords": [], "chords_time": [], "key": ["Ab", "minor"],
        "keyprob": [0.9], "is_audioset_eval_mcaps": False,
    }  # fmt: skip
    other = row | {"location": "data/bbbbbbbbbbb.wav", "bpm": None, "key": []}
    (tmp_path / "MusicBench_train.json").write_text(json.dumps(row))
    (tmp_path / "MusicBench_test_A.json").write_text(json.dumps(other))
    for name in "ab":
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{name * 11}.wav").write_bytes(b"")
    tested, learned = musicbench_rows(tmp_path).rows
    assert learned["captions"] == ["A slow rock song with no drums.", "Rock."]
    assert (facts(learned).key, facts(learned).tempo) == ("Ab minor", "fast"), "what was found goes before what is said"
    assert (facts(learned).absent, facts(learned).styles) == (("drums",), ("rock",))
    assert (tested["split"], facts(tested).tempo, facts(tested).key) == ("test", "slow", None)


def test_what_a_caption_states_is_all_that_is_known():
    assert stated_facts("It sounds nice.") == MusicFacts(complete=False)
    assert stated_facts("A man and a woman sing.").vocals in ("voice", "female", "male")


def test_a_group_in_two_splits_is_refused(tmp_path):
    rows, _ = voice_rows(make_voices(tmp_path / "mir1k"))
    rows[0]["split"] = "test"
    with pytest.raises(SplitLeakError, match="group 'singer heycat' is in"):
        as_datasets(rows)
