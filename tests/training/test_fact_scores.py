"""Which statements hold, by cases that everybody can check; precision, recall, their intervals and baselines."""

import numpy as np
import pytest

from linernotes.corpora.music_facts import MusicFacts
from linernotes.modeling.caption_facts import Statement
from linernotes.training.fact_scores import fact_difference, fact_figures, holds, key_scores, tally, told

BAND = MusicFacts(
    key="A minor",
    tempo="slow",
    meter="3/4",
    vocals="instrumental",
    instruments=("electric guitar", "violin"),
    styles=("rock",),
)
SUNG = MusicFacts(vocals="voice", instruments=("piano",), absent=("drums",), complete=False)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("It is in A minor.", [True]),
        ("It is in A major.", [False]),
        ("A slow tempo in 3/4.", [True, True]),
        ("A fast rock song.", [False, True]),
        ("A jazz piece.", [False]),
        ("There is a guitar.", [True]),
        ("There are strings.", [True]),
        ("There is an acoustic guitar.", [False]),
        ("There are no drums.", [True]),
        ("There is no guitar.", [False]),
        ("There are no vocals.", [True]),
        ("A woman sings.", [False]),
        ("It sounds nice.", []),
    ],
)
def test_statements_of_a_band_whose_facts_are_all_known(caption, expected):
    assert [holds(each, BAND) for each in told(caption)] == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("It is in A minor.", [None]),
        ("There is a trumpet.", [None]),
        ("There is no trumpet.", [None]),
        ("There is a piano.", [True]),
        ("There are drums.", [False]),
        ("There are no drums.", [True]),
        ("Somebody sings.", [True]),
        ("A woman sings.", [None]),
        ("There are no vocals.", [False]),
        ("A rock song.", [None]),
    ],
)
def test_what_nobody_told_of_is_neither_true_nor_false(caption, expected):
    assert [holds(each, SUNG) for each in told(caption)] == expected


def test_a_style_that_is_denied():
    assert holds(Statement("style", "jazz", True, 0, 1), BAND) is True


def test_each_statement_counts_once_and_a_voice_is_no_second_one():
    assert len(told("A slow song. The tempo is slow.")) == 1
    assert [(each.kind, each.value) for each in told("A woman sings. There are vocals.")] == [("vocals", "female")]


def test_counts_of_one_caption():
    counts = tally(["A slow rock song in C major with a guitar and drums. It is instrumental."], [BAND])[0]
    kinds = dict(zip(("key", "tempo", "meter", "instrument", "vocals", "style"), counts.tolist(), strict=True))
    assert kinds["key"] == [0, 1, 0, 1]
    assert kinds["tempo"] == [1, 0, 1, 1]
    assert kinds["meter"] == [0, 0, 0, 1]
    assert kinds["instrument"] == [1, 1, 1, 2], "a guitar tells of the electric one, nothing of the violin"
    assert kinds["vocals"] == kinds["style"] == [1, 0, 1, 1]


def test_figures_beside_the_best_single_caption():
    truths = [MusicFacts(tempo="slow")] * 3 + [MusicFacts(tempo="fast")]
    captions = ["A slow tempo."] * 2 + ["A fast tempo.", "Nothing to say."]
    found = fact_figures(captions, truths, np.array(["a", "b", "c", "d"]))
    assert found["fact_precision"]["value"] == pytest.approx(2 / 3)
    assert found["fact_recall"]["value"] == pytest.approx(2 / 4)
    assert found["fact_precision"]["majority_baseline"] == found["fact_recall"]["majority_baseline"] == 0.75
    assert found["fact_precision"]["low"] < 2 / 3 < found["fact_precision"]["high"]
    assert found["by_kind"].keys() == {"tempo"}
    assert (found["by_kind"]["tempo"]["statements"], found["by_kind"]["tempo"]["known"]) == (3, 4)


def test_the_difference_of_two_models_is_resampled_together():
    truths, groups = [MusicFacts(key="C major")] * 6, np.arange(6)
    ours, theirs = ["It is in C major."] * 6, ["It is in C major."] * 3 + ["It is in D major."] * 3
    found = fact_difference(ours, theirs, truths, groups)
    assert found["fact_precision"]["value"] == 0.5
    assert found["fact_precision"]["low"] >= 0.0
    assert found["fact_precision"]["n"] == 6
    assert fact_difference(ours, ours, truths, groups)["fact_recall"]["high"] == 0.0


def test_keys_are_scored_as_mirex_does():
    answers = ["C major", "G major", "A minor", "C minor", "F# major"]
    assert key_scores(["C major"] * 5, answers).tolist() == [1.0, 0.5, 0.3, 0.2, 0.0]
