"""Who answers which question, what of several answers is believed, and where sections begin."""

import json
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_reports import (
    affect_answer,
    caption_answer,
    full_report,
    genre_answer,
    kind_answer,
    meter_answer,
    with_timeline,
)
from jsonschema import Draft202012Validator

from linernotes.report import joint
from linernotes.report.joint import QUESTIONS, Heard, chosen, joint_report, questions_of, sections, subject

SCHEMA = json.loads(Path(joint.__file__).with_name("listen.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
FACTS = [
    {"name": "beatmeter-pocket", "family": "beatmeter", "labels": ["3", "4"]},
    {"name": "genre-moe", "family": "genre_moe", "labels": ["jazz", "rock"]},
    {"name": "genre-moe-tags", "family": "genre_moe", "labels": ["jazz", "rock"]},
    {"name": "mathrock-pocket", "family": "mathrock_affect", "labels": ["joy"]},
    {"name": "mega-audioformer-genre", "family": "mega_audioformer", "labels": ["blues", "jazz", "rock"]},
    {"name": "mega-audioformer-instrument", "family": "mega_audioformer", "labels": ["bass", "flute", "reed"]},
    {"name": "mega-audioformer-speech-music", "family": "mega_audioformer", "labels": ["speech", "music"]},
    {"name": "sonicverse-smol", "family": "sonicverse", "labels": []},
]


def heard(family: str, answer: dict, seconds: float = 1.0) -> Heard:
    if "timeline" not in answer and "error" not in answer:
        answer = with_timeline(answer, answer["duration_seconds"], [{}])
    return Heard(family, "a/folder", answer, seconds)


def report(*models: tuple[str, dict], **options) -> dict:
    options = {"decoding_seconds": 0.25, "timeline": False, **options}
    return joint_report("song.mp3", [heard(*model) for model in models], **options)


# Who is asked


def test_of_all_published_models_one_is_asked_for_each_question():
    assert chosen(FACTS) == [
        "genre-moe", "mathrock-pocket", "sonicverse-smol", "beatmeter-pocket", "mega-audioformer-speech-music",
    ]  # fmt: skip


def test_what_is_there_is_asked_in_place_of_what_is_not():
    assert chosen([facts for facts in FACTS if "audioformer" in facts["name"]]) == [
        "mega-audioformer-genre", "mega-audioformer-instrument", "mega-audioformer-speech-music",
    ]  # fmt: skip
    assert chosen([]) == []


def test_whatever_is_there_each_question_is_answered_by_the_preferred_family():
    """The first of those asked who can answer is believed: that must be the one that the table prefers."""
    for number in range(1, len(FACTS) + 1):
        for there in combinations(FACTS, number):
            asked = [next(facts for facts in there if facts["name"] == name) for name in chosen(there)]
            for question, families in joint.ANSWERED_BY.items():
                able = [facts for facts in asked if question in questions_of(facts["family"], facts["labels"])]
                all_able = [facts for facts in there if question in questions_of(facts["family"], facts["labels"])]
                best = min((families.index(facts["family"]) for facts in all_able), default=None)
                assert [families.index(facts["family"]) for facts in able[:1]] == [best] * bool(all_able)


@pytest.mark.parametrize(
    ("labels", "question"),
    [
        (("speech", "music"), "speech_music"),
        (("blues", "classical", "jazz", "pop", "rock"), "genre"),
        (("bass", "brass", "flute", "vocal"), "instruments"),
        (("Jazz", "Rock", "polka"), "genre"),
    ],
)
def test_the_labels_of_a_mega_audioformer_say_what_it_answers(labels, question):
    assert subject(labels) == question


def test_a_model_of_no_question_is_refused():
    with pytest.raises(ValueError, match="the labels cat, dog answer none of speech_music, instruments, genre"):
        subject(("dog", "cat"))
    with pytest.raises(ValueError, match="hubert answers none of genre, "):
        questions_of("hubert", [])


# The report


def test_every_question_has_the_words_of_its_model():
    full = full_report()
    VALIDATOR.validate(full)
    labels = {name: full[name].get("label", full[name].get("labels")) for name in QUESTIONS if name != "caption"}
    assert labels == {
        "genre": "jazz", "emotions": ["joy", "calm"], "moods": [], "vibe": "chill", "intensity": "low", "tempo": "slow",
        "meter": "4", "key": "A minor", "vocals": "instrumental", "instruments": ["piano", "doublebass"],
        "speech_music": "music",
    }  # fmt: skip
    assert full["caption"]["text"].startswith("A slow jazz piece")
    assert full["genre"]["model"] == "genre-moe"
    assert full["genre"]["gate_weights"]["jazz"] == 0.7
    assert full["genre"]["also"][0]["labels"] == ["jazz"]
    assert full["unanswered"] == []
    assert full["models"][0]["answers"] == ["genre"]
    assert (full["decoding_seconds"], full["total_seconds"]) == (0.1, 5.1)


def test_a_question_without_a_model_is_null_and_named():
    alone = report(("beatmeter", meter_answer(uncertain=True, warnings=["short"])), timeline=True)
    VALIDATOR.validate(alone)
    assert [name for name in QUESTIONS if alone[name] is None] == alone["unanswered"]
    assert set(QUESTIONS) - set(alone["unanswered"]) == {"meter"}
    assert alone["uncertain"] == ["meter"]
    assert alone["warnings"] == [{"text": "short", "models": ["beatmeter-pocket"]}]
    assert len(alone["models"][0]["timeline"]) == 1


def test_the_first_named_model_is_believed_and_the_other_stands_beside():
    classical = genre_answer("classical") | {"model": "other"}
    first = report(("genre_moe", classical), ("genre_moe", genre_answer("jazz")))
    assert (first["genre"]["label"], first["genre"]["also"][0]["label"]) == ("classical", "jazz")
    assert first["sections"][0]["labels"] == {"genre": "classical"}
    assert [entry["answers"] for entry in first["models"]] == [["genre"], []]


def test_the_same_warning_of_several_models_is_one():
    warned = {"warnings": ["the recording is silent"]}
    both = report(("genre_moe", genre_answer(**warned)), ("beatmeter", meter_answer(**warned)))
    assert both["warnings"] == [{"text": "the recording is silent", "models": ["genre-moe", "beatmeter-pocket"]}]


def test_a_model_that_cannot_hear_it_leaves_its_questions_open():
    error = {"error": {"code": "too_short", "message": "0.5 s of audio", "path": "song.mp3"}}
    some = report(("beatmeter", error), ("genre_moe", genre_answer()))
    VALIDATOR.validate(some)
    assert some["meter"] is None
    assert some["models"][0] == {"source": "a/folder", "family": "beatmeter", "seconds": 1.0, "error": "too_short"}
    assert some["warnings"] == [{"text": "0.5 s of audio", "models": ["a/folder"]}]
    none = report(("beatmeter", error))
    VALIDATOR.validate(none)
    assert none == {"path": "song.mp3", **error}


def test_a_caption_without_a_language_model_is_no_answer():
    silent = report(("sonicverse", caption_answer() | {"caption": None}))
    VALIDATOR.validate(silent)
    assert silent["caption"] is None
    assert silent["key"]["label"] == "A minor"


def test_one_instrument_is_a_list_of_one():
    answer = kind_answer() | {"predicted_label": "flute", "probabilities": {"flute": 0.98, "bass": 0.02}}
    solo = report(("mega_audioformer", answer))
    VALIDATOR.validate(solo)
    assert solo["instruments"]["labels"] == ["flute"]


@pytest.mark.parametrize(
    ("family", "answer", "doubted"),
    [
        ("beatmeter", meter_answer(uncertain=True), ["meter"]),
        ("genre_moe", genre_answer(uncertain=True), ["genre"]),
        ("mathrock_affect", affect_answer() | {"uncertain": True}, ["vibe", "intensity", "tempo"]),
    ],
)
def test_what_is_doubted_as_a_whole_is_doubted_in_every_section(family, answer, doubted):
    certain = {"uncertain": False}
    found = report((family, with_timeline(answer, 12.0, [certain, certain])))
    assert [each["uncertain"] for each in found["sections"]] == [doubted]


@pytest.mark.parametrize("spoilt", [{"genre": 1}, {"unanswered": ["taste"]}, {"more": 1}, {"sections": [{}]}])
def test_the_schema_refuses_other_reports(spoilt):
    assert not VALIDATOR.is_valid(full_report() | spoilt)
    assert not VALIDATOR.is_valid({name: value for name, value in full_report().items() if name != "genre"})


# Sections


def test_a_section_begins_where_an_answer_changes():
    found = full_report()["sections"]
    assert [(each["start_seconds"], each["end_seconds"]) for each in found] == [(0, 30), (30, 36), (36, 60)]
    assert [each["labels"]["genre"] for each in found] == ["jazz", "blues", "blues"]
    assert [each["labels"]["meter"] for each in found] == ["4", "4", "3"]
    assert [each["uncertain"] for each in found] == [[], [], ["meter"]]


def test_the_overlap_of_the_last_window_belongs_to_the_one_before():
    answer = meter_answer("4", duration_seconds=30.0)
    windows = [(0.0, 12.0, "4"), (12.0, 24.0, "4"), (18.0, 30.0, "3")]
    timeline = [
        {**answer, "start_seconds": start, "end_seconds": end, "predicted_meter": meter}
        for start, end, meter in windows
    ]
    found = report(("beatmeter", answer | {"timeline": timeline}))["sections"]
    assert [(each["start_seconds"], each["end_seconds"]) for each in found] == [(0, 24), (24, 30)]


def test_borders_that_differ_by_rounding_are_one():
    tracks = {"genre": [(0, 30.0, "a", False), (30.0, 60, "b", False)]}
    tracks["key"] = [(0, 30.001, "C", False), (30.001, 60.001, "D", False)]
    assert [each["labels"] for each in sections(tracks)] == [{"genre": "a", "key": "C"}, {"genre": "b", "key": "D"}]
    assert sections({}) == []


TRACKS = st.dictionaries(
    st.sampled_from(joint.FOLLOWED),
    st.lists(st.tuples(st.integers(1, 50), st.sampled_from("ab"), st.booleans()), min_size=1, max_size=8),
    min_size=1,
)


@given(TRACKS)
def test_sections_cover_the_recording_and_each_differs_from_the_one_before(drawn):
    tracks = {}
    for question, windows in drawn.items():
        ends = [sum(length for length, *_ in windows[: n + 1]) for n in range(len(windows))]
        starts = [0, *ends[:-1]]
        tracks[question] = [(s, e, label, doubt) for s, e, (_, label, doubt) in zip(starts, ends, windows, strict=True)]
    found = sections(tracks)
    assert found[0]["start_seconds"] == 0
    assert found[-1]["end_seconds"] == max(track[-1][1] for track in tracks.values())
    for before, after in pairwise(found):
        assert before["end_seconds"] == after["start_seconds"] > before["start_seconds"]
        assert (before["labels"], before["uncertain"]) != (after["labels"], after["uncertain"])
    for section in found:
        for question, track in tracks.items():
            at = [each for each in track if each[0] <= section["start_seconds"] < each[1]] or [track[-1]]
            assert section["labels"][question] == at[0][2]
