"""Facts of rendered clips by the names of captions, and the labels of heads made of them."""

import json
import math

import pytest
from described_music import facts as told_of

from linernotes.corpora.music_facts import (
    NAME_OF_PROGRAM,
    MusicFacts,
    key_name,
    meter_name,
    rendered_facts,
    task_labels,
    tempo_word,
)
from linernotes.corpora.score.score import facts_of
from linernotes.corpora.writing import Writing
from linernotes.modeling.music_tags import CLASSES, default_tasks
from linernotes.modeling.music_words import INSTRUMENTS, STYLES


def scored(kind="rock", /, **other):
    return facts_of({"facts": json.dumps(told_of(kind, **other))})


def test_a_clip_is_told_by_the_names_of_captions():
    found = rendered_facts(scored(key="Db minor"), Writing(150.0))
    assert found.key == "C# minor"
    assert (found.tempo, found.meter, found.vocals) == ("fast", "4/4", "instrumental")
    assert found.instruments == ("drums", "electric guitar")
    assert found.styles == ("rock",)
    assert MusicFacts.of_json(found.as_json()) == found


def test_a_name_of_an_instrument_or_style_is_one_that_captions_know():
    assert set(NAME_OF_PROGRAM.values()) <= set(INSTRUMENTS)
    assert {rendered_facts(scored(style), None).styles[0] for style in ("jazz", "rock")} <= set(STYLES)
    assert rendered_facts(scored("rock", style="makam"), None).styles is None
    assert rendered_facts(scored("rock", style="math rock"), None).styles == ("rock",)


def test_of_voices_nothing_is_said_where_something_sounds_like_one():
    for instruments in (["voice"], ["Pad 4 (choir)"], ["Lead 6 (voice)"]):
        sings = "voice" in instruments
        assert rendered_facts(scored(instruments=instruments, has_voice=sings), None).vocals is None


@pytest.mark.parametrize(
    ("tempo_bpm", "word"), [(60, "slow"), (89, None), (100, "medium"), (127, None), (131, None), (160, "fast")]
)
def test_a_tempo_near_a_bound_has_no_word(tempo_bpm, word):
    assert tempo_word(tempo_bpm) == word


@pytest.mark.parametrize(
    ("meter", "pulse", "name"), [(4, 1.0, "4/4"), (7, 0.5, "7/8"), (3, 2.0, "3/2"), (9, 0.25, "9/16")]
)
def test_a_meter_has_its_pulse_below(meter, pulse, name):
    assert meter_name(scored(meter=meter, pulse=pulse)) == name


def test_changing_and_layered_meters_have_no_name():
    assert meter_name(scored(polyrhythm="3:2")) is None
    spans = [{"start_seconds": 0.0, "end_seconds": 1.0, "label": label} for label in ("4/4 2+2", "7/8 2+2+3")]
    assert meter_name(scored(meters=spans)) is None


def test_keys_are_spelled_one_way():
    assert [key_name(text) for text in ("A# major", "Gb minor", "c minor", "G-flat major".replace("-flat", "b"))] == [
        "Bb major", "F# minor", "C minor", "F# major",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="'H dur' is no key; allowed are a tonic and major or minor"):
        key_name("H dur")


def test_labels_are_those_of_the_classes_and_nan_where_nobody_knows():
    facts = MusicFacts(key="A minor", vocals="female", instruments=("drums", "violin"), styles=("hip hop",))
    labels = task_labels(facts, default_tasks())
    assert {name: len(values) for name, values in labels.items()} == {n: len(c) for n, c in CLASSES.items()}

    def of(task, name):
        return labels[task][CLASSES[task].index(name)]

    assert of("key_detection", "A minor") == 1.0
    assert sum(labels["key_detection"]) == 1.0
    assert of("genre_detection", "hiphop") == 1.0
    assert labels["vocals_detection"] == [0.0, 1.0, 0.0]
    assert (of("instrument_detection", "drums"), of("instrument_detection", "piano")) == (1.0, 0.0)
    assert of("instrument_detection", "voice") == 1.0
    assert math.isnan(of("instrument_detection", "strings")), "a violin is one of the strings, and no section"
    assert all(map(math.isnan, labels["mood_detection"]))


def test_of_a_voice_without_a_name_only_the_silence_is_ruled_out():
    labels = task_labels(MusicFacts(vocals="voice"), default_tasks())
    assert labels["vocals_detection"][0] == 0.0
    assert all(map(math.isnan, labels["vocals_detection"][1:]))
    assert labels["instrument_detection"][CLASSES["instrument_detection"].index("voice")] == 1.0
    nothing = task_labels(MusicFacts(), default_tasks())
    assert all(math.isnan(value) for values in nothing.values() for value in values)
