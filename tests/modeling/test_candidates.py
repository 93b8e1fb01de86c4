"""Candidates are draws from the softmax, each another one, and the same for a row in any batch."""

import torch

from linernotes.modeling.candidates import LIKELIEST, TEMPERATURE, GumbelNoise, drawing


def words(logits: torch.Tensor, candidates: int) -> torch.Tensor:
    """Which word each candidate of each row takes, (rows, candidates)."""
    rows = logits.repeat_interleave(candidates, dim=0)
    return drawing(candidates)(None, rows).argmax(1).unflatten(0, (-1, candidates))


def test_words_are_drawn_as_often_as_their_softmax_says():
    logits = torch.tensor([[1.0, 0.0, -1.0, 2.0]])
    shares = words(logits, 40_000)[0].bincount(minlength=4) / 40_000
    torch.testing.assert_close(shares, (logits[0] / TEMPERATURE).softmax(0), atol=0.01, rtol=0)


def test_a_row_has_the_same_candidates_whatever_is_beside_it():
    logits = torch.randn(3, 200, generator=torch.Generator().manual_seed(1))
    together = words(logits, 5)
    assert torch.equal(together[1:2], words(logits[1:2], 5))
    assert len(set(together[0].tolist())) > 1


def test_the_noise_of_the_next_word_is_another():
    add, logits = GumbelNoise(2), torch.zeros(2, 50)
    assert not torch.equal(add(None, logits), add(None, logits))


def test_unlikely_words_are_never_drawn():
    logits = torch.linspace(0, 1e-3, 1000)[None]
    assert words(logits, 500).min() >= 1000 - LIKELIEST
