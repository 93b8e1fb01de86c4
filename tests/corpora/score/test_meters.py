import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.meters import GROUPINGS, POLYRHYTHMS, Meter, draw_changes, draw_meter, draw_polyrhythm

SEEDS = st.integers(0, 2**32)
ANY_GROUPING = st.sampled_from([grouping for several in GROUPINGS.values() for grouping in several])


# --- meters


def test_seven_eight():
    meter = Meter((2, 2, 3), 0.5)
    assert (meter.numerator, meter.denominator, meter.quarters) == (7, 8, 3.5)
    assert meter.label == "7/8 2+2+3"
    assert meter.starts == (0, 2, 4)
    assert meter.felt_quarters == 1.0
    assert meter.weights == (1.0, 0.25, 0.4, 0.25, 0.75, 0.25, 0.4, 0.25, 0.75, 0.25, 0.4, 0.25, 0.4, 0.25)


@pytest.mark.parametrize(
    ("grouping", "pulse", "label", "felt"),
    [
        ((2, 2), 1.0, "4/4 2+2", 1.0),
        ((3, 3), 0.5, "6/8 3+3", 1.5),
        ((3, 3, 3), 0.5, "9/8 3+3+3", 1.5),
        ((3, 3, 3), 1.0, "9/4 3+3+3", 1.0),
        ((3, 3, 2), 0.5, "8/8 3+3+2", 1.0),
        ((2, 2, 2, 3), 0.5, "9/8 2+2+2+3", 1.0),
    ],
)
def test_what_a_tempo_counts(grouping, pulse, label, felt):
    assert Meter(grouping, pulse).label == label
    assert Meter(grouping, pulse).felt_quarters == felt


@pytest.mark.parametrize(
    ("grouping", "count", "starts"),
    [
        ((2, 2), 1, (0,)),
        ((2, 2), 2, (0, 2)),
        ((2, 2, 3), 2, (0, 4)),
        ((3, 2), 2, (0, 3)),
        ((3,), 2, (0, 1)),
        ((4,), 2, (0, 2)),
        ((2, 2, 3, 2, 2), 3, (0, 4, 7)),
    ],
)
def test_chords_come_in_on_groups(grouping, count, starts):
    assert Meter(grouping, 0.5).chord_starts(count) == starts


@given(ANY_GROUPING, st.integers(1, 3))
def test_chords_come_in_one_after_the_other(grouping, count):
    meter = Meter(grouping)
    starts = meter.chord_starts(count)
    assert starts[0] == 0
    assert list(starts) == sorted(set(starts))
    assert starts[-1] < meter.numerator
    assert set(starts) <= set(meter.starts) or count > len(grouping)


def test_each_meter_of_the_study_has_several_groupings():
    assert set(GROUPINGS) == {3, 4, 5, 6, 7, 8, 9, 10, 11}
    for numerator, groupings in GROUPINGS.items():
        assert len(set(groupings)) == len(groupings) >= 2
        assert {sum(grouping) for grouping in groupings} == {numerator}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Meter(()), r"grouping=\(\) is none: give groups of 1 to 4"),
        (lambda: Meter((5, 2)), r"grouping=\(5, 2\) is none"),
        (lambda: Meter((2, 2), 0.25), r"pulse=0.25 is none: give 1.0 \(quarters\) or 0.5"),
        (lambda: Meter((3,)).chord_starts(4), r"4 chords in a bar of 3 pulses"),
        (lambda: draw_meter(Dice(0), 13, None, 8.0), r"meter=13 is not known: choose from 3, 4"),
        (lambda: draw_meter(Dice(0), 7, (2, 2, 2), 8.0), r"grouping=\(2, 2, 2\) sums to 6, not to meter=7"),
        (lambda: draw_polyrhythm(Dice(0), "9:8", 2.0), r"polyrhythm='9:8' is not known: choose from 3:2, 4:3"),
    ],
)
def test_what_is_none_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- draws


@given(SEEDS, st.sampled_from(sorted(GROUPINGS)), st.floats(3.0, 20.0))
def test_a_meter_is_as_asked_and_short_enough(seed, numerator, longest):
    meter = draw_meter(Dice(seed), numerator, None, longest)
    assert meter.numerator == numerator
    assert meter.grouping in GROUPINGS[numerator]
    assert meter.pulse == 0.5 or numerator <= max(longest, 4)


@given(SEEDS, ANY_GROUPING)
def test_a_grouping_is_as_asked(seed, grouping):
    assert draw_meter(Dice(seed), sum(grouping), grouping, 12.0).grouping == grouping


@given(SEEDS, st.sampled_from((3, 5, 9)), st.sampled_from((1.0, 0.5)))
def test_a_pulse_is_as_asked_and_leaves_the_grouping_as_it_would_be(seed, numerator, pulse):
    asked = draw_meter(Dice(seed), numerator, None, 12.0, pulse=pulse)
    assert (asked.pulse, asked.grouping) == (pulse, draw_meter(Dice(seed), numerator, None, 12.0).grouping)


@given(SEEDS)
def test_unless_free_three_and_four_are_accented_as_usual(seed):
    assert draw_meter(Dice(seed), 3, None, 8.0, free=False).grouping == (3,)
    assert draw_meter(Dice(seed), 4, None, 8.0, free=False).grouping == (2, 2)


def test_every_grouping_and_both_pulses_are_drawn():
    drawn = {draw_meter(Dice(seed), n, None, 12.0) for seed in range(300) for n in GROUPINGS}
    assert {meter.grouping for meter in drawn} == {g for several in GROUPINGS.values() for g in several}
    for numerator in (3, 5, 6, 7, 9, 11):
        assert {meter.pulse for meter in drawn if meter.numerator == numerator} == {0.5, 1.0}
    assert {m.label for m in drawn if m.numerator == 6} == {"6/8 3+3", "6/4 2+2+2"}
    assert {m.denominator for m in drawn if m.numerator == 4} == {4}
    assert {m.denominator for m in drawn if m.numerator in (8, 10)} == {8}


@given(SEEDS, ANY_GROUPING, st.sampled_from([0.5, 1.0]))
def test_a_changing_meter_comes_back_to_itself(seed, grouping, pulse):
    *bars, last = draw_changes(Dice(seed), Meter(grouping, pulse))
    assert set(bars) == {Meter(grouping, pulse)}
    assert last.numerator != sum(grouping)
    assert last.pulse == pulse
    assert len(bars) <= 3


@given(SEEDS, st.sampled_from(sorted(POLYRHYTHMS)), st.floats(0.8, 4.0))
def test_layers_of_a_polyrhythm(seed, ratio, bar_seconds):
    layers = draw_polyrhythm(Dice(seed), ratio, bar_seconds)
    assert layers.ratio == ratio
    assert layers.many > layers.few
    assert np.gcd(layers.many, layers.few) == 1
    assert layers.bars == 1 or layers.bars * bar_seconds / layers.few <= 1.6


# --- dice


@given(SEEDS)
def test_dice_keep_within_bounds(seed):
    dice = Dice(seed)
    assert 0.0 <= dice.random() < 1.0
    assert dice.whole(3, 5) in (3, 4, 5)
    assert -2.0 <= dice.between(-2.0, 7.0) <= 7.0
    assert dice.pick("abc") in "abc"
    assert sorted(dice.some(range(5), 5)) == [0, 1, 2, 3, 4]
    assert dice.weigh({"never": 0.0, "always": 2.0}) == "always"


def test_dice_are_of_a_seed_and_a_name():
    def rolls(dice):
        return [dice.random() for _ in range(600)]

    assert rolls(Dice(5, "bass")) == rolls(Dice(5).of("bass")) != rolls(Dice(5, "lead"))
    assert rolls(Dice(5)) != rolls(Dice(6))
    assert np.mean(rolls(Dice(5))) == pytest.approx(0.5, abs=0.05)


def test_odds_are_kept():
    dice = Dice(1)
    drawn = [dice.weigh({"a": 3.0, "b": 1.0}) for _ in range(4000)]
    assert drawn.count("a") / len(drawn) == pytest.approx(0.75, abs=0.03)
