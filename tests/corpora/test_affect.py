"""Rules for affect: clips of which everybody would say the same, then what must hold of all of them."""

from dataclasses import replace
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linernotes.corpora.affect import (
    PLACES,
    TAGS,
    TAGS_KEPT_APART,
    arousal,
    emotions,
    emotions_of_tags,
    energy,
    intensity,
    labels_of,
    tempo_class,
    true_of,
    valence,
    vibe,
)
from linernotes.corpora.writing import Writing
from linernotes.modeling.affect import EMOTIONS, INTENSITIES, TEMPOS, VIBES
from linernotes.modeling.musicnn import MSD_TAGS

CHARGE = Writing(170.0, "minor", False, 5.0, 9.0, 0.65, 5.0, 0.3, 52.0, distorted=0.95)
ANTHEM = replace(CHARGE, mode="major", pitch=66.0, note_seconds=0.2)
LAMENT = Writing(62.0, "minor", False, 1.2, 0.0, 0.35, 1.0, 0.6, 50.0)
LULLABY = Writing(66.0, "major", False, 1.2, 0.0, 0.35, 2.0, 1.2, 66.0)
TAPPING = Writing(150.0, "major", True, 7.0, 5.0, 0.5, 3.0, 0.2, 66.0)
WRITINGS = st.builds(
    Writing,
    tempo_bpm=st.floats(30.0, 300.0),
    mode=st.sampled_from(["major", "minor", None]),
    uneven=st.booleans(),
    onsets_per_second=st.floats(0.0, 20.0),
    strokes_per_second=st.floats(0.0, 20.0),
    velocity=st.floats(0.01, 1.0),
    voices=st.floats(0.0, 12.0),
    note_seconds=st.floats(0.0, 10.0),
    pitch=st.floats(21.0, 108.0),
    distorted=st.floats(0.0, 1.0),
    jump_db=st.floats(0.0, 40.0),
)


# Known answers


def test_a_loud_fast_dense_distorted_clip_in_major_is_exciting():
    assert arousal(ANTHEM) > 0.7
    assert valence(ANTHEM) > 0.3
    assert intensity(ANTHEM) == "high"
    assert vibe(ANTHEM) == "aggressive"
    assert "excitement" in true_of(emotions(ANTHEM))


def test_the_same_in_minor_is_less_pleasant_and_no_less_active():
    assert valence(CHARGE) < valence(ANTHEM) - 0.5
    assert arousal(CHARGE) == arousal(ANTHEM)
    assert {"fear", "anger", "nervousness"} & set(true_of(emotions(CHARGE)))


def test_a_slow_soft_sparse_clip_in_minor_is_sad():
    assert vibe(LAMENT) == "melancholic"
    assert intensity(LAMENT) == "low"
    assert "sadness" in true_of(emotions(LAMENT))
    assert not {"joy", "excitement", "anger"} & set(true_of(emotions(LAMENT)))


def test_held_notes_in_major_without_drums_are_a_relief():
    assert vibe(LULLABY) == "atmospheric"
    assert "relief" in true_of(emotions(LULLABY))


def test_fast_tapping_in_groups_of_unequal_length_is_technical():
    assert vibe(TAPPING) == "technical"
    assert intensity(TAPPING) != "low"


def test_drums_alone_lament_nothing():
    assert vibe(Writing(62.0, strokes_per_second=6.0)) == "aggressive"
    assert vibe(Writing(62.0, strokes_per_second=1.0)) != "melancholic"


def test_a_sudden_change_is_a_surprise_wherever_it_is_on_the_plane():
    assert "surprise" not in true_of(emotions(LAMENT))
    assert "surprise" in true_of(emotions(replace(LAMENT, jump_db=12.0)))


@pytest.mark.parametrize(
    ("tempo_bpm", "expected"), [(60, "slow"), (89.9, "slow"), (90, "moderate"), (130, "moderate"), (130.1, "fast")]
)
def test_tempo_classes_have_the_bounds_that_are_stated(tempo_bpm, expected):
    assert tempo_class(tempo_bpm) == expected
    assert tempo_class(tempo_bpm * 2, (180.0, 260.0)) == expected


@pytest.mark.parametrize("bounds", [(130.0, 90.0), (0.0, 90.0), (90.0, 90.0)])
def test_bounds_that_do_not_rise_are_refused(bounds):
    with pytest.raises(ValueError, match=r"the bounds of the tempo classes are .*; give two that rise, such as 90"):
        tempo_class(100.0, bounds)


# Emotions and tags


def test_every_emotion_has_a_place_of_its_own_in_the_published_order():
    assert tuple(PLACES) == EMOTIONS
    assert len(set(PLACES.values())) == 28
    assert all(hypot(*place) <= 2**0.5 and max(map(abs, place)) <= 1 for place in PLACES.values())


@pytest.mark.parametrize(
    ("word", "pleasant", "active"),
    [("joy", 1, 1), ("excitement", 1, 1), ("anger", -1, 1), ("fear", -1, 1), ("sadness", -1, -1), ("relief", 1, -1)],
)
def test_words_that_russell_placed_are_in_his_quarters(word, pleasant, active):
    x, y = PLACES[word]
    assert x * pleasant > 0.2
    assert y * active > 0.2


def test_what_a_tagger_says_is_placed_by_its_tags_alone():
    said = dict.fromkeys(MSD_TAGS, 0.0)
    assert emotions_of_tags(said) is None
    assert "sadness" not in true_of(emotions_of_tags(said | {"ambient": 0.8, "Mellow": 0.5}))
    assert "relief" in true_of(emotions_of_tags(said | {"chill": 0.9}))
    assert "excitement" in true_of(emotions_of_tags(said | {"party": 0.9}))
    assert set(TAGS) <= set(MSD_TAGS)


def test_the_tags_that_are_kept_apart_change_nothing():
    said = dict.fromkeys(MSD_TAGS, 0.1)
    assert set(TAGS_KEPT_APART).isdisjoint(TAGS)
    assert emotions_of_tags(said) == emotions_of_tags(said | dict.fromkeys(TAGS_KEPT_APART, 0.9))


# What holds of all clips


@given(WRITINGS)
def test_labels_are_of_their_sets_and_numbers_within_bounds(clip):
    told = labels_of(clip)
    assert (told["vibe"] in VIBES, told["intensity"] in INTENSITIES, told["tempo"] in TEMPOS) == (True, True, True)
    assert tuple(told["emotions"]) == EMOTIONS
    assert all(0.0 <= share <= 1.0 for share in told["emotions"].values())
    assert -1.0 <= valence(clip) <= 1.0
    assert -1.0 <= arousal(clip) <= 1.0
    assert 0.0 <= energy(clip) <= 1.0


@given(WRITINGS, st.floats(1.01, 3.0))
def test_faster_is_never_calmer_or_less_pleasant(clip, factor):
    faster = replace(clip, tempo_bpm=clip.tempo_bpm * factor)
    assert arousal(faster) >= arousal(clip)
    assert valence(faster) >= valence(clip)
    assert TEMPOS.index(tempo_class(faster.tempo_bpm)) >= TEMPOS.index(tempo_class(clip.tempo_bpm))


@given(WRITINGS, st.sampled_from(["onsets_per_second", "strokes_per_second", "voices", "velocity", "distorted"]))
def test_more_of_what_is_heard_is_never_less_intense(clip, name):
    more = replace(clip, **{name: getattr(clip, name) * 1.5})
    assert INTENSITIES.index(intensity(more)) >= INTENSITIES.index(intensity(clip))
    assert arousal(more) >= arousal(clip)


@given(WRITINGS)
def test_major_is_never_less_pleasant_than_minor(clip):
    assert valence(replace(clip, mode="major")) >= valence(replace(clip, mode="minor"))


@given(WRITINGS)
def test_whether_a_clip_is_soft_as_a_whole_changes_little(clip):
    """A recording is brought to any loudness: how hard it is struck is but a tenth of the energy."""
    soft, hard = replace(clip, velocity=0.1), replace(clip, velocity=1.0)
    assert energy(hard) - energy(soft) <= 0.1 + 1e-9
