"""The story of a long recording: neighbours told together, changes with their times, the same words each time."""

import pytest

from linernotes.modeling.caption_facts import facts_of
from linernotes.modeling.stories import changed, clock, listed, merged, opening, plural, sentence_of, story, told


def segment(start: float, end: float, caption: str | None = "A caption.", confidence: float = 0.9, **facts) -> dict:
    found = {"start_seconds": start, "end_seconds": end, "caption": caption}
    for name, value in facts.items():
        if isinstance(value, str):
            found[name] = {"label": value, "confidence": confidence, "probabilities": {value: confidence}}
        else:
            found[name] = {"labels": value, "probabilities": dict.fromkeys(value, 0.9)}
    return found


HEARD = {"key": "A minor", "vocals": "instrumental", "instruments": ["piano"], "genres": ["jazz"]}


def test_a_story_names_what_holds_and_what_changes_with_times():
    segments = [
        segment(0, 30, "It starts quietly.", **HEARD),
        segment(30, 42.5, "It goes on.", **HEARD),
        segment(42.5, 65, "She sings.", **HEARD | {"vocals": "female", "instruments": ["drums", "electricguitar"]}),
        segment(65, 3700, None, **HEARD | {"key": "C major", "instruments": ["drums", "electricguitar"]}),
    ]
    assert story(segments).splitlines() == [
        "0:00-0:42.5: Jazz music in A minor with piano and no singing. It starts quietly.",
        "0:42.5-1:05: A female voice enters; drums and electric guitar enter; piano falls silent. She sings.",
        "1:05-1:01:40: The key changes from A minor to C major; the singing stops.",
    ]
    assert story(segments) == story([dict(each) for each in segments])


def test_what_is_not_sure_is_no_change():
    segments = [segment(0, 10, **HEARD), segment(10, 20, confidence=0.4, **HEARD | {"key": "C major"})]
    (line,) = story(segments).splitlines()
    assert line.startswith("0:00-0:20: Jazz music in A minor")
    later = [segment(0, 10, confidence=0.4, key="C major"), segment(10, 20, key="D major")]
    (line,) = story(later).splitlines()
    assert "in D major" in line
    assert changed({"key": None}, {"key": "D major"}) == "the key is now D major"
    assert changed({"key": "D major"}, {"key": None}) == ""


def test_an_uncertain_key_is_not_told():
    doubted = segment(0, 10, None, **HEARD)
    doubted["key"]["uncertain"] = True
    assert story([doubted]) == "0:00-0:10: Jazz music with piano and no singing."


def test_a_voice_is_told_once_by_who_knows_more():
    heard = HEARD | {"key": "A minor", "instruments": ["piano", "voice"]}
    assert "with piano and a female voice." in story([segment(0, 10, None, **heard | {"vocals": "female"})])
    assert "with piano and no singing." in story([segment(0, 10, None, **heard)])
    unsure = segment(0, 10, None, **heard)
    unsure["vocals"]["uncertain"] = True
    assert "with piano and a voice." in story([unsure])


def test_silence_is_not_merged_with_music():
    silent = {"start_seconds": 10.0, "end_seconds": 20.0, "caption": "Silence."}
    lines = story([segment(0, 10, None, **HEARD), silent, segment(20, 30, None, **HEARD)]).splitlines()
    assert lines == [
        "0:00-0:10: Jazz music in A minor with piano and no singing.",
        "0:10-0:20: Silence.",
        "0:20-0:30: Jazz music in A minor with piano and no singing.",
    ]


def test_names_that_are_plural_have_plural_verbs():
    assert changed({"instruments": ("drums", "piano")}, {"instruments": ("piano",)}) == "drums fall silent"
    assert changed({"instruments": ()}, {"instruments": ("strings",)}) == "strings enter"
    assert changed({"instruments": ()}, {"instruments": ("bass",)}) == "bass enters"


def test_without_facts_captions_are_told_and_the_same_one_once():
    segments = [segment(0, 10, "One."), segment(10, 20, "One."), segment(20, 30, "Two.")]
    assert story(segments) == "0:00-0:20: One.\n0:20-0:30: Two."
    assert story([segment(0, 10, None)]) == "0:00-0:10: Nothing is sure here."
    assert story([]) == ""


def test_merging_keeps_the_ends_and_the_first_caption():
    (part,) = merged([told(segment(0, 10, "One.", **HEARD)), told(segment(10, 24.5, "Two.", **HEARD))])
    assert (part.start_seconds, part.end_seconds, part.caption) == (0, 24.5, "One.")


def test_what_is_said_of_facts_is_read_as_these_facts():
    facts = {"key": "F# minor", "vocals": "female", "instruments": ("acousticguitar", "drums"), "genres": ("hiphop",)}
    read = facts_of(sentence_of(facts))
    assert (read.key, read.vocals) == ("F# minor", "female")
    assert (read.instruments, read.styles) == ({"acoustic guitar", "drums"}, {"hip hop"})
    assert facts_of(sentence_of({"vocals": "instrumental"})).vocals == "instrumental"
    assert opening({}) == sentence_of({}) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (61.5, "1:01.5"), (59.96, "1:00"), (600, "10:00"), (3661.04, "1:01:01"), (9.96, "0:10")],
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_words():
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")
    assert [plural(verb) for verb in ("enters", "falls silent", "comes in")] == ["enter", "fall silent", "come in"]
