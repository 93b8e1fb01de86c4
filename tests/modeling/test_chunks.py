"""Chunks of a recording: where they lie, what is pooled of them, and that their frames join without a gap."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from linernotes.modeling.chunks import CHUNKS_AT_ONCE, ChunkListener, Heard, geometry, spans_of
from linernotes.modeling.configuration_beatmeter import BeatMeterConfig

CONVOLUTIONS = {"conv_dim": (8, 8), "conv_kernel": (400, 3), "conv_stride": (160, 2), "hidden_size": 12}  # 75 frames/s


class Framer(nn.Module):
    """Stands in for a HuBERT: each frame is the mean of the 720 samples it hears; layer n answers n times that."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, waves, output_hidden_states):
        assert output_hidden_states
        self.calls.append(tuple(waves.shape))
        frames = waves.unfold(1, 720, 320).mean(-1, keepdim=True)
        return SimpleNamespace(hidden_states=(0 * frames, frames, 9 * frames), last_hidden_state=2 * frames)


def config(**options) -> BeatMeterConfig:
    return BeatMeterConfig(backbone_config=CONVOLUTIONS, **options)


def test_geometry_is_what_the_convolutions_hear():
    assert geometry(config().backbone_config) == (400 + 2 * 160, 320)
    assert geometry(BeatMeterConfig().backbone_config) == (400, 320)  # MERT's


@pytest.mark.parametrize(
    ("seconds", "kept", "dropped"),
    [
        (12, [(0, 5), (5, 10), (10, 12)], [(0, 5), (5, 10), (10, 12)]),
        (11, [(0, 5), (5, 10), (10, 11)], [(0, 5), (5, 10), (10, 11)]),
        (10.5, [(0, 5), (5, 10.5)], [(0, 5), (5, 10)]),
        (10, [(0, 5), (5, 10)], [(0, 5), (5, 10)]),
        (4, [(0, 4)], [(0, 4)]),
        (0.3, [(0, 1)], [(0, 1)]),
    ],
)
def test_a_tail_under_a_second_joins_the_chunk_before_or_is_dropped(seconds, kept, dropped):
    for expected, drop_tail in ((kept, False), (dropped, True)):
        spans = spans_of(round(seconds * 1000), 5000, 1000, drop_tail)
        assert [(start / 1000, stop / 1000) for start, stop in spans] == expected


def test_a_tail_counts_for_its_length_or_as_published_for_a_whole_chunk():
    samples = torch.cat((torch.full((1, 120_000), 0.5), torch.full((1, 24_000), -1.0)), dim=1)
    pooled = {
        original: ChunkListener(config(original_pooling=original, do_normalize=False), joined=False)(
            Framer(), samples, [144_000]
        ).pooled()
        for original in (False, True)
    }
    # (1, layers, mean and maximum): layer two says twice what layer one says
    assert pooled[False][0] == pytest.approx(torch.tensor([[(5 * 0.5 - 1) / 6, 0.5], [(5 * 0.5 - 1) / 3, 1.0]]))
    assert pooled[True][0] == pytest.approx(torch.tensor([[-0.25, 0.5], [-0.5, 1.0]]))


def test_frames_of_consecutive_chunks_are_those_of_the_whole():
    samples = torch.randn(2, 12 * 24_000, generator=torch.Generator().manual_seed(0))
    samples[1, 6 * 24_000 :] = 0
    heard = ChunkListener(config(), joined=True)(
        Framer(), samples, [12 * 24_000, 6 * 24_000], mixture=torch.tensor([0.5, 0.25])
    )
    whole = torch.nn.functional.pad(samples, (0, 400)).unfold(1, 720, 320).mean(-1)  # 0.5 * 1 + 0.25 * 2 = 1
    assert heard.frames.shape == (2, 900, 1)
    assert torch.allclose(heard.frames[0, :, 0], whole[0], atol=1e-6)
    assert torch.allclose(heard.frames[1, :450, 0], whole[1, :450], atol=1e-6)
    assert heard.frame_mask.sum(1).tolist() == [900, 450]
    assert heard.frame_chunks[0].bincount().tolist() == [375, 375, 150]


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("original", [True, False])
def test_a_chunk_in_steps_is_pooled_as_the_chunk_was_and_every_frame_is_in_one(joined, original):
    generator = torch.Generator().manual_seed(0)
    samples, lengths = torch.randn(2, 240_000, generator=generator), [200_000, 130_000]
    listener = ChunkListener(config(original_pooling=original, do_normalize=False), joined=joined)
    mixture = torch.tensor([0.5, 0.25]) if joined else None
    whole, steps = (listener(Framer(), samples, lengths, mixture, seconds) for seconds in (None, 1.0))
    assert torch.allclose(steps.pooled(), whole.pooled(), atol=1e-6)
    assert torch.equal(steps.frame_mask, whole.frame_mask)
    assert joined is False or torch.equal(steps.frames, whole.frames)
    spans = [[round(edge / 24_000, 2) for edge in span] for span in steps.spans[0]]
    assert (spans[0][0], spans[4][1], spans[5][0], spans[-1][1]) == (0.0, 5.0, 5.0, 8.33)
    assert all(0.9 < end - start < 1.15 for start, end in spans)
    assert [before[1] for before in spans[:-1]] == [after[0] for after in spans[1:]]
    assert len(steps.spans[1]) == 5
    assert steps.weights.count_nonzero(dim=1).tolist() == [8, 5]


def test_steps_longer_than_a_chunk_are_chunks():
    found = ChunkListener(config(), joined=False)(Framer(), torch.zeros(1, 240_000), [240_000], None, 60.0)
    assert found.spans == [[(0, 120_000), (120_000, 240_000)]]


def test_chunks_of_one_length_are_heard_together_and_none_is_padded():
    backbone, seconds = Framer(), [12, 7, 30, 12]
    samples = torch.zeros(4, 30 * 24_000)
    ChunkListener(config(), joined=False)(backbone, samples, [n * 24_000 for n in seconds])
    assert sorted(backbone.calls) == [(3, 2 * 24_000), (11, 5 * 24_000)]
    many = Framer()
    ChunkListener(config(), joined=False)(many, torch.zeros(4, 25 * 24_000), 4 * [25 * 24_000])
    assert many.calls == [(CHUNKS_AT_ONCE, 120_000), (20 - CHUNKS_AT_ONCE, 120_000)]


def test_what_does_not_count_is_in_no_mean_and_no_maximum():
    heard = Heard(
        means=torch.tensor([[[[1.0]], [[5.0]]], [[[2.0]], [[100.0]]]]),
        maxima=torch.tensor([[[[3.0]], [[7.0]]], [[[-2.0]], [[100.0]]]]),
        weights=torch.tensor([[3.0, 1.0], [1.0, 0.0]]),
        frames=None,
        frame_chunks=torch.tensor([[0, 0, 1], [0, -1, -1]]),
        spans=[[(0, 3), (3, 4)], [(0, 1)]],
    )
    assert heard.pooled()[:, 0].tolist() == [[2.0, 7.0], [2.0, -2.0]]
    assert heard.frame_mask.tolist() == [[True, True, True], [True, False, False]]
    without = heard.without_each_chunk()
    assert without.pooled()[:, 0].tolist() == [[5.0, 7.0], [1.0, 3.0]]
    assert without.frame_mask.tolist() == [[False, False, True], [True, True, False]]


def test_nothing_left_to_hear_is_zero():
    heard = Heard(
        torch.ones(1, 1, 2, 3), torch.ones(1, 1, 2, 3), torch.ones(1, 1), None, torch.zeros(1, 4).long(), [[]]
    )
    assert heard.without_each_chunk().pooled().tolist() == torch.zeros(1, 2, 6).tolist()


def test_chunks_that_fit_no_frames_are_refused():
    with pytest.raises(ValueError, match=r"chunk_seconds is 5.01, 120240 samples; .* a multiple of 320"):
        ChunkListener(config(chunk_seconds=5.01), joined=True)
    with pytest.raises(ValueError, match=r"chunk_seconds is 0.02, .* the backbone needs 0.030 s for one frame"):
        ChunkListener(config(chunk_seconds=0.02), joined=False)
