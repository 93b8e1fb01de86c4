"""Codebooks that learn: on frames whose clusters are known."""

import pytest
import torch
from transformers import EncodecConfig
from transformers.models.encodec.modeling_encodec import EncodecResidualVectorQuantizer

from linernotes.training.residual_quantizer import perplexity, quantized, start_from

SIZE, DIMENSIONS = 4, 3
RULES = {"decay": 0.9, "dead_below": 0.01}


@pytest.fixture
def quantizer() -> EncodecResidualVectorQuantizer:
    """Two books of four entries."""
    torch.manual_seed(0)
    config = EncodecConfig(
        codebook_size=SIZE, codebook_dim=DIMENSIONS, sampling_rate=320, upsampling_ratios=[320],
        hidden_size=DIMENSIONS, target_bandwidths=[0.004],
    )  # fmt: skip
    made = EncodecResidualVectorQuantizer(config)
    assert len(made.layers) == 2
    return made


@pytest.fixture
def centres() -> torch.Tensor:
    return torch.tensor([[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0], [-4.0, 0, 0]])


def around(centres: torch.Tensor, count: int, spread: float = 0.1) -> torch.Tensor:
    """(1, count, dimensions), each centre in turn."""
    return (centres[torch.arange(count) % len(centres)] + spread * torch.randn(count, DIMENSIONS))[None]


def test_books_start_at_the_centres_of_clusters(quantizer, centres):
    start_from(quantizer, around(centres, 400)[0], frames_of_a_step=40, seed=0)
    entries = quantizer.layers[0].codebook.embed
    assert torch.cdist(centres, entries).min(1).values.max() < 0.1
    assert quantizer.layers[0].codebook.cluster_size.sum() == pytest.approx(40)
    assert quantizer.layers[1].codebook.embed.abs().max() < 1, "the second book has what is left over"


def test_too_few_frames_to_start_from_are_refused(quantizer):
    with pytest.raises(ValueError, match="3 frames to start 4 entries from; listen to more excerpts"):
        start_from(quantizer, torch.zeros(3, DIMENSIONS), 3, seed=0)


def test_entries_follow_the_frames_that_choose_them(quantizer, centres):
    frames, books = around(centres, 400), torch.tensor([2])
    start_from(quantizer, frames[0], frames_of_a_step=400, seed=0)
    for _ in range(60):
        quantized(quantizer.train(), frames + 1.0, books, **RULES)
    assert torch.cdist(centres + 1.0, quantizer.layers[0].codebook.embed).min(1).values.max() < 0.1


def test_what_is_said_is_the_sum_of_as_many_books_as_the_row_has(quantizer, centres):
    frames = around(centres, 40).repeat(2, 1, 1)
    start_from(quantizer, around(centres, 400)[0], 40, seed=0)
    said = quantized(quantizer.eval(), frames, torch.tensor([1, 2]), **RULES)
    assert said.codes.shape == (2, 2, 40)
    first = quantizer.layers[0].codebook.decode(said.codes[0, 0])
    both = first + quantizer.layers[1].codebook.decode(said.codes[0, 1])
    assert torch.allclose(said.frames[0], first, atol=1e-6)
    assert torch.allclose(said.frames[1], both, atol=1e-6)
    reference = quantizer.encode(frames.transpose(1, 2))
    assert torch.equal(reference.transpose(0, 1), said.codes), "as transformers encodes"


def test_commitment_is_the_mean_square_of_what_each_book_misses(quantizer, centres):
    start_from(quantizer, around(centres, 400)[0], 40, seed=0)
    frames = centres[None] + 0.5
    said = quantized(quantizer.eval(), frames, torch.tensor([1]), **RULES)
    assert said.commitment == pytest.approx((frames - said.frames).square().mean().item(), rel=1e-5)


def test_gradients_pass_straight_through(quantizer, centres):
    start_from(quantizer, around(centres, 400)[0], 40, seed=0)
    frames = around(centres, 8).requires_grad_()
    quantized(quantizer.train(), frames, torch.tensor([2]), **RULES).frames.sum().backward()
    assert torch.equal(frames.grad, torch.ones_like(frames))


def test_an_entry_that_nobody_chooses_becomes_a_frame(quantizer, centres):
    start_from(quantizer, around(centres, 400)[0], 40, seed=0)
    book = quantizer.layers[0].codebook
    book.embed[0], book.cluster_size[0] = 1000.0, 0.0
    quantized(quantizer.train(), around(centres, 40), torch.tensor([2]), **RULES)
    assert book.embed[0].abs().max() < 10


def test_nothing_is_learned_in_eval_mode(quantizer, centres):
    start_from(quantizer, around(centres, 400)[0], 40, seed=0)
    before = quantizer.layers[0].codebook.embed.clone()
    quantized(quantizer.eval(), around(centres, 40) + 1, torch.tensor([2]), **RULES)
    assert torch.equal(before, quantizer.layers[0].codebook.embed)


def test_perplexity_counts_entries_in_use():
    codes = torch.stack([torch.arange(8) % 4, torch.zeros(8, dtype=torch.long)])[None]
    assert perplexity(codes, 16) == pytest.approx([4.0, 1.0])
