"""Meters as labels: the forms that tables have, the classes, and what is heard in a score of known facts."""

import numpy as np
import pytest

from linernotes.corpora.meters import (
    METER_CLASSES,
    MeterError,
    known_meters,
    meters_of,
    multi_hot,
    parse_meters,
    why_left_out,
)
from linernotes.corpora.score.composer import compose
from linernotes.corpora.score.plans import draw_plan
from linernotes.corpora.score.score import Facts, Span


def facts(meter: int, polyrhythm: str | None = None, key: str | None = "C major", *spans: str) -> Facts:
    labels = spans or (f"{meter}/4 {meter}",)
    meters = [Span(float(i), i + 1.0, label) for i, label in enumerate(labels)]
    start = ("neutral", meter, (meter,), 1.0, 120.0, 1.0, key, polyrhythm, [], [], meters)
    return Facts(*start, [], [], [], has_drums=False, has_voice=False, identity="")


@pytest.mark.parametrize(
    ("stated", "meters"),
    [
        (3, {3: 1.0}),
        (7.0, {7: 1.0}),
        ("3", {3: 1.0}),
        ("3/4", {3: 1.0}),
        (' "11/16" ', {11: 1.0}),
        ("3.0", {3: 1.0}),
        ("4,3", {3: 1.0, 4: 1.0}),
        ("3/4, 4/4", {3: 1.0, 4: 1.0}),
        ("3:0.7,4:0.8", {3: 0.7, 4: 0.8}),
        ("5:1,4", {4: 1.0, 5: 1.0}),
        ([7, "4/4"], {4: 1.0, 7: 1.0}),
        ({"3": 1.0}, {3: 1.0}),
        ({4: 0.6, 3: 1}, {3: 1.0, 4: 0.6}),
        ("6/8", {6: 1.0}),
    ],
)
def test_every_form_of_a_meter_is_read_in_ascending_order(stated, meters):
    assert list(parse_meters(stated).items()) == list(meters.items())


@pytest.mark.parametrize(
    "stated", ["", "three", "3;4", "3,3", "0", "-3", "3:0", "3:1.5", "3:x", "3/4/4", "3.5", [], {}, None, True, "3,"]
)
def test_what_states_no_meter_is_refused_with_what_it_is(stated):
    with pytest.raises(MeterError, match=r"states no meter: expected a form such as 3, \"3/4\", \"3,4\"") as caught:
        parse_meters(stated)
    assert repr(stated) in str(caught.value)


def test_meters_that_are_no_class_are_dropped():
    assert known_meters({3: 0.7, 6: 1.0, 11: 1.0}) == {3: 0.7, 11: 1.0}
    assert known_meters({6: 1.0}) == {}
    assert known_meters({3: 1.0, 5: 1.0}, classes=(3, 4)) == {3: 1.0}


def test_a_vector_has_ones_where_meters_are_and_the_smoothed_value_elsewhere():
    vector = multi_hot(["4", "7"], negative=0.1)
    assert vector.dtype == np.float32
    assert vector.tolist() == pytest.approx([0.1, 1.0, 0.1, 1.0, 0.1, 0.1])
    assert multi_hot([11]).tolist() == [0, 0, 0, 0, 0, 1]
    assert multi_hot([4], classes=(3, 4)).tolist() == [0, 1]


@pytest.mark.parametrize("meters", [[], [6], [3, 8]])
def test_a_vector_of_no_class_is_refused(meters):
    with pytest.raises(MeterError, match=r"expected one or more of 3, 4, 5, 7, 9, 11"):
        multi_hot(meters)


@pytest.mark.parametrize("meter", METER_CLASSES)
def test_a_score_in_one_meter_is_of_that_meter(meter):
    assert meters_of(facts(meter)) == (meter,)
    assert why_left_out(facts(meter)) is None


@pytest.mark.parametrize(
    ("meter", "ratio", "alone", "band"),
    [
        (4, "4:3", (3, 4), (3, 4)),
        (3, "4:3", (3, 4), (3, 4)),
        (5, "5:4", (4, 5), (4, 5)),
        (7, "7:4", (4, 7), (4, 7)),
        (3, "3:2", (3,), (3,)),
        (4, "3:2", (3,), (3, 4)),  # triplets over half bars alone have no four in them; a band in 4/4 has
        (9, "4:3", (3, 4), (3, 4, 9)),
        (5, "5:3", (3, 5), (3, 5)),
    ],
)
def test_layers_count_if_their_cycle_is_a_class_and_the_meter_if_a_band_plays_it(meter, ratio, alone, band):
    assert meters_of(facts(meter, ratio, key=None)) == alone
    assert meters_of(facts(meter, ratio)) == band


@pytest.mark.parametrize("meter", [2, 6, 8, 10, 12])
def test_meters_outside_the_classes_are_left_out_with_a_reason(meter):
    for polyrhythm in (None, "4:3"):
        assert meters_of(facts(meter, polyrhythm)) == ()
        assert why_left_out(facts(meter, polyrhythm)) == f"meter {meter} is no class"


def test_a_changing_meter_is_left_out_and_a_changing_grouping_is_not():
    assert why_left_out(facts(4, None, "C major", "4/4 4", "3/4 3")) == "the meter changes"
    assert meters_of(facts(4, None, "C major", "4/4 4", "3/4 3")) == ()
    assert meters_of(facts(7, None, "C major", "7/8 2+2+3", "7/8 3+2+2")) == (7,)


def test_layers_that_play_alone_are_told_by_the_missing_key():
    """What `meters_of` rests on, asked of the composer: no key exactly where nothing but the layers plays."""
    told = set()
    for seed in range(40):
        plan = draw_plan("neutral", np.random.default_rng(seed), seconds=10.0, meter=4, polyrhythm="3:2")
        score = compose(plan)
        layers_only = all(part.name.startswith("layer") for part in score.midi.instruments)
        assert layers_only == (score.facts.key is None)
        assert meters_of(score.facts) == ((3,) if layers_only else (3, 4))
        told.add(layers_only)
    assert told == {True, False}
