"""Scores of texts: the same text, texts without a word in common, and values computed by hand."""

import math

import numpy as np
import pytest
import torch

from linernotes.training.text_scores import (
    bleu,
    bleu_4_characters,
    embedding_f1,
    meteor_stem,
    rouge_l,
    text_figures,
    words_of,
)

ONE, OTHER = "a slow jazz piece with a piano", "quick drums thunder loudly everywhere tonight"


def test_the_same_text_has_the_highest_score_and_others_the_lowest():
    assert bleu([ONE], [[ONE]], 4) == pytest.approx(1.0)
    assert rouge_l(ONE, ONE) == bleu_4_characters(ONE, ONE) == pytest.approx(1.0)
    assert meteor_stem(ONE, ONE) > 0.99, "1 less the penalty for one chunk"
    assert bleu([OTHER], [[ONE]], 1) == meteor_stem(ONE, OTHER) == rouge_l(ONE, OTHER) == 0.0


def test_values_by_hand():
    assert bleu(["a slow jazz tune"], [["a slow jazz piece"]], 1) == pytest.approx(3 / 4)
    assert bleu(["a slow jazz tune"], [["a slow jazz piece"]], 2) == pytest.approx(math.sqrt(3 / 4 * 2 / 3))
    assert bleu(["a slow"], [["a slow jazz piece"]], 1) == pytest.approx(math.exp(1 - 4 / 2)), "too short"
    assert rouge_l("a slow jazz piece", "a jazz piece") == pytest.approx(2 * 1.0 * 0.75 / 1.75)


def test_the_best_of_several_references_counts():
    assert bleu(["a slow piece"], [["x y z", "a slow piece"]], 1) == pytest.approx(1.0)


def test_meteor_knows_stems_and_no_synonyms():
    assert meteor_stem("the singers sing", "the singer sings") > 0.9
    assert meteor_stem("quick", "fast") == 0.0


def test_the_published_bleu_is_over_characters():
    assert bleu_4_characters("abcde", "abcdf") == pytest.approx(1 / 2)
    assert bleu_4_characters("abcd", "dcba") == pytest.approx(0.0, abs=1e-6)


def test_words_keep_sharps_and_meters():
    assert words_of("It's in C# minor, 7/8.") == ["it's", "in", "c#", "minor", "7/8"]


def test_embeddings_match_words_both_ways():
    table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    score = embedding_f1(table, lambda text: [int(word) for word in text.split()])
    assert score("0 1", "1 0") == pytest.approx(1.0)
    assert score("0", "0 0 0") == pytest.approx(1.0)
    assert score("0", "2") <= 0.0
    assert score("0", "") == 0.0


def test_figures_have_intervals_over_groups_and_refuse_uneven_references():
    found = text_figures([ONE, OTHER], [[ONE], [ONE]], np.array(["a", "b"]))
    assert set(found) == {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor_stem", "rouge_l", "bleu_4_characters"}
    assert found["rouge_l"]["value"] == pytest.approx(0.5)
    assert (found["rouge_l"]["low"], found["rouge_l"]["high"]) == (0.0, 1.0)
    with pytest.raises(ValueError, match="as many as any other"):
        text_figures([ONE, OTHER], [[ONE], [ONE, OTHER]], np.array(["a", "b"]))
