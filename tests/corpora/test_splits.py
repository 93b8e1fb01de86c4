"""Splits by group: pinned answers, no group on two sides, shares as asked for."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linernotes.corpora.splits import (
    SPLIT_RULES,
    SplitLeakError,
    SplitRule,
    check_no_leak,
    group_name,
    grouped_folds,
    register_split,
    split_of,
)

RULE = SplitRule("songs-1", (("train", 0.8), ("validation", 0.1), ("test", 0.1)))


@pytest.fixture(autouse=True)
def _registry():
    before = dict(SPLIT_RULES)
    yield
    SPLIT_RULES.clear()
    SPLIT_RULES.update(before)


def test_a_groups_split_never_changes():
    """Frozen: were these to change, recordings tested on today would be trained on tomorrow."""
    dealt = {group: RULE.split_of(group) for group in ("bach", "björk", "debussy", "odyssey")}
    assert dealt == {"bach": "train", "björk": "train", "debussy": "validation", "odyssey": "test"}


def test_the_hash_is_sha256_of_salt_and_group():
    """`printf 's\\na' | sha256sum` begins 009fa556: 0.0024 of the way from 0 to 1."""
    assert SplitRule("s", (("test", 0.002), ("train", 0.998))).split_of("a") == "train"
    assert SplitRule("s", (("test", 0.003), ("train", 0.997))).split_of("a") == "test"


def test_shares_are_about_what_was_asked_for():
    counts = Counter(RULE.split_of(f"artist {i}") for i in range(5_000))
    assert counts["train"] / 5_000 == pytest.approx(0.8, abs=0.02)
    assert counts["validation"] / 5_000 == pytest.approx(0.1, abs=0.02)


def test_another_salt_is_another_deal():
    other = SplitRule("songs-2", RULE.shares)
    assert any(RULE.split_of(f"{i}") != other.split_of(f"{i}") for i in range(100))


@given(st.text(min_size=1))
@settings(max_examples=50)
def test_any_name_has_a_split(group):
    assert RULE.split_of(group) in ("train", "validation", "test")


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"train": 0.8, "test": 0.1}, r"shares=.* must be more than 0 each and sum to 1"),
        ({"train": 1.5, "test": -0.5}, "must be more than 0 each"),
        ({"train": 0.5, "dev": 0.5}, "unknown split 'dev': choose from train, validation, test"),
    ],
)
def test_shares_that_cannot_be_dealt_are_refused(shares, message):
    with pytest.raises(ValueError, match=message):
        register_split("songs", shares)


def test_a_corpus_is_split_once():
    rule = register_split("songs", {"train": 0.5, "test": 0.5})
    assert register_split("songs", {"train": 0.5, "test": 0.5}) is not None
    assert split_of("songs", "x") == rule.split_of("x")
    with pytest.raises(ValueError, match=r"corpus 'songs' is already split by .*: its split is decided once"):
        register_split("songs", {"train": 0.9, "test": 0.1})


def test_an_unregistered_corpus_has_no_split():
    with pytest.raises(ValueError, match=r"no split rule for corpus 'noise' .*register_split\(\) it first"):
        split_of("noise", "x")


def test_an_empty_group_has_no_split():
    with pytest.raises(ValueError, match="an empty group has no split"):
        RULE.split_of("")


def test_a_leak_is_an_error_that_names_the_group():
    groups, splits = ["queen", "abba", "queen", "abba", "sting"], ["train", "train", "test", "validation", "test"]
    with pytest.raises(SplitLeakError, match="group 'abba' is in train and validation, and 1 more") as caught:
        check_no_leak(groups, splits)
    assert caught.value.groups == {"abba": ["train", "validation"], "queen": ["test", "train"]}


def test_no_leak_is_no_error():
    check_no_leak(["queen", "queen", "abba"], ["train", "train", "test"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Earth, Wind & Fire", "Earth Wind and Fire"),
        ("KC and The Sunshine Band ", "KC And The Sunshine Band"),
        ("Guns N' Roses", "guns n roses"),
        ("BJÖRK", "björk"),
    ],
)
def test_one_artist_is_one_group_however_spelled(one, other):
    assert group_name(one, "a") == group_name(other, "b")


@pytest.mark.parametrize("name", ["", None, "  ", "unknown", "Unknown artist", "unknown:jazz.00001"])
def test_clips_by_nobody_known_are_groups_of_their_own(name):
    assert group_name(name, "jazz.00001") == "unknown jazz.00001"
    assert group_name(name, "jazz.00002") != group_name(name, "jazz.00001")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), min_size=1, max_size=40), st.integers(2, 4))
@settings(max_examples=40)
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_folds_hold_every_row_out_once_and_no_group_in_part(rows, folds):
    rows += [(label, group) for label in "abc" for group in (6, 7, 8)]
    labels = [label for label, _ in rows]
    groups = [f"{label}{group}" for label, group in rows]
    held = np.zeros(len(rows), int)
    for learned, held_out in grouped_folds(labels, groups, folds):
        assert not {groups[i] for i in learned} & {groups[i] for i in held_out}
        held[held_out] += 1
    assert (held == 1).all()


def test_folds_are_stratified_and_follow_the_seed():
    labels = ["jazz"] * 50 + ["rock"] * 50
    groups = [f"{label}{i // 2}" for i, label in enumerate(labels)]
    folds = grouped_folds(labels, groups, 5, seed=1)
    assert all(abs(sum(labels[i] == "jazz" for i in held_out) - 10) <= 2 for _, held_out in folds)
    again = grouped_folds(labels, groups, 5, seed=1)
    assert all((a == b).all() for one, two in zip(folds, again, strict=True) for a, b in zip(one, two, strict=True))
    other = grouped_folds(labels, groups, 5, seed=2)
    assert any(set(a) != set(b) for (_, a), (_, b) in zip(folds, other, strict=True))


@pytest.mark.parametrize(
    ("labels", "groups", "folds", "message"),
    [
        (["a", "b"], ["x"], 2, "2 labels and 1 groups: one of each a row"),
        (["a", "a"], ["x", "y"], 3, "folds=3 with 2 groups"),
        (["a", "a"], ["x", "y"], 1, "folds=1 with 2 groups"),
        (["a", "a", "b"], ["x", "y", "z"], 2, "label 'b' has one group only"),
    ],
)
def test_folds_that_cannot_be_are_refused(labels, groups, folds, message):
    with pytest.raises(ValueError, match=message):
        grouped_folds(labels, groups, folds)
