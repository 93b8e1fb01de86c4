"""A recording as a HuBERT hears it, chunk by chunk, all chunks of a batch at once.

    samples   |--- chunk 0 ---|--- chunk 1 ---|-- tail --|
    frames    |||||||||||||||||||||||||||||||||||||||||||     of each chunk, of each layer: mean and maximum over time

The published code ran the chunks one by one. Here those of equal length go through the backbone together and none is
padded, so that an answer depends neither on what else is in the batch nor on padding, whatever the backbone normalises.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import HubertConfig

MIN_TAIL_SECONDS = 1.0  # as published; less is too little to hear a rhythm in
CHUNKS_AT_ONCE = 16  # every layer's hidden states of so many chunks are held in memory


class Step(NamedTuple):
    """A stretch of a chunk, or all of it: its samples, its frames, what it counts in the mean over the recording."""

    start: int
    stop: int
    frames: slice
    weight: float


class Chunk(NamedTuple):
    """Where a chunk lies: the recording's row in the batch, the number of its first step in it, its samples."""

    row: int
    number: int
    start: int
    stop: int
    steps: list[Step]


@dataclass
class Heard:
    """What a backbone heard of a batch of recordings, chunk by chunk, or by steps of these where it was asked to.

    means, maxima: (batch, chunks, layers, hidden_size), over the frames of each chunk.
    weights: (batch, chunks), what a chunk counts in the mean; 0 where a recording has fewer.
    frames: (batch, frames, hidden_size), the layers mixed, all chunks of a recording in a row; None if not asked for.
    frame_chunks: (batch, frames), the chunk that a frame belongs to; -1 behind a recording's last.
    spans: per recording, (start, stop) of its chunks in samples.
    """

    means: Tensor
    maxima: Tensor
    weights: Tensor
    frames: Tensor | None
    frame_chunks: Tensor
    spans: list[list[tuple[int, int]]]

    @property
    def frame_mask(self) -> Tensor:
        """(batch, frames), True where there is a frame of a chunk that counts."""
        counts = torch.cat((self.weights > 0, self.weights.new_zeros(len(self.weights), 1, dtype=torch.bool)), dim=1)
        return counts.gather(1, self.frame_chunks % counts.shape[1])  # -1 is the column at the end

    def without_each_chunk(self) -> "Heard":
        """Of the first recording as many copies as it has chunks, in each of which another one does not count."""
        count = self.weights.shape[1]
        copies = [part[:1].expand(count, *part.shape[1:]) for part in (self.means, self.maxima, self.weights)]
        copies[2] = copies[2] * (1 - torch.eye(count, device=self.weights.device))
        frames = None if self.frames is None else self.frames[:1].expand(count, *self.frames.shape[1:])
        return Heard(*copies, frames, self.frame_chunks[:1].expand(count, -1), self.spans[:1] * count)

    def pooled(self) -> Tensor:
        """Mean of means and maximum of maxima over the chunks that count: (batch, layers, 2 * hidden_size)."""
        shares = self.weights / self.weights.sum(1, keepdim=True).clamp(min=1e-9)
        mean = torch.einsum("bc,bclh->blh", shares.to(self.means.dtype), self.means)
        return torch.cat((mean, masked_max(self.maxima, self.weights > 0)), dim=-1)


def masked_max(values: Tensor, mask: Tensor) -> Tensor:
    """Maximum over the second axis of (batch, items, ...) where `mask` (batch, items) is True, or 0."""
    missing = ~mask.reshape(*mask.shape, *[1] * (values.dim() - 2))
    largest = values.masked_fill(missing, -torch.inf).amax(1)
    return largest.masked_fill(missing.all(1), 0.0)


def geometry(config: HubertConfig) -> tuple[int, int]:
    """(samples that one frame hears, samples from one frame to the next) of a HuBERT's convolutions."""
    strides = [prod(config.conv_stride[:layer]) for layer in range(len(config.conv_stride))]
    reach = 1 + sum((kernel - 1) * stride for kernel, stride in zip(config.conv_kernel, strides, strict=True))
    return reach, prod(config.conv_stride)


def spans_of(num_samples: int, chunk: int, min_tail: int, drop_tail: bool) -> list[tuple[int, int]]:
    """(start, stop) of the chunks of a recording, of which at least `min_tail` samples are heard, zeros if need be.

    A tail of `min_tail` samples is a chunk; a shorter one is dropped, or else belongs to the chunk before it.
    """
    num_samples = max(num_samples, min_tail)
    starts = range(0, max(num_samples - min_tail, 0) + 1, chunk)
    spans = [(start, min(start + chunk, num_samples)) for start in starts]
    if not drop_tail:
        spans[-1] = (spans[-1][0], num_samples)
    return spans


class ChunkListener:
    """Runs a backbone over chunks; holds no weights.

    Args:
        config: a BeatMeterConfig.
        joined: whether the frames of consecutive chunks are to follow each other without a gap. A convolution needs
            more than one hop of samples for its last frame: each chunk then borrows them from the next, or zeros.
    """

    def __init__(self, config, joined: bool):
        rate = config.sampling_rate
        self.reach, self.hop = geometry(config.backbone_config)
        self.rate = rate
        self.chunk, self.min_tail = round(config.chunk_seconds * rate), round(MIN_TAIL_SECONDS * rate)
        self.borrowed = max(0, self.reach - self.hop) if joined else 0
        self.original = config.original_pooling
        self.scaled = config.original_pooling and config.do_normalize
        if min(self.chunk, self.min_tail) + self.borrowed < self.reach:
            raise ValueError(
                f"chunk_seconds is {config.chunk_seconds}, and a tail has at least {MIN_TAIL_SECONDS} s; "
                f"the backbone needs {self.reach / rate:.3f} s for one frame"
            )
        if joined and self.chunk % self.hop:
            raise ValueError(
                f"chunk_seconds is {config.chunk_seconds}, {self.chunk} samples; frames that join need a multiple of "
                f"{self.hop}, the samples from one frame of the backbone to the next"
            )

    def __call__(
        self,
        backbone: nn.Module,
        input_values: Tensor,
        lengths: list[int],
        mixture: Tensor | None = None,
        step_seconds: float | None = None,
    ) -> Heard:
        """
        Args:
            backbone: a HubertModel, whose answer has `hidden_states`.
            input_values: (batch, samples), zero behind a recording's end.
            lengths: of each recording, in samples.
            mixture: (layers,), weights with which the layers of each frame are added up; None for no frames.
            step_seconds: about how long the steps are that stand in the chunks' place in what is answered; a chunk is
                still heard at once. None: chunks are not divided.
        """
        chunks = []
        for row, length in enumerate(lengths):
            number = 0
            for start, stop in spans_of(length, self.chunk, self.min_tail, self.original):
                chunks.append(Chunk(row, number, start, stop, self._steps(start, stop, step_seconds)))
                number += len(chunks[-1].steps)
        end = max(chunk.stop for chunk in chunks) + self.borrowed
        samples = F.pad(input_values, (0, max(0, end - input_values.shape[1])))
        parts = [(some, self._hear(backbone, samples, some, mixture)) for some in batches(chunks)]
        steps: list[list[Step]] = [[] for _ in lengths]
        for chunk in chunks:
            steps[chunk.row] += chunk.steps
        return self._assemble(parts, steps)

    def _steps(self, start: int, stop: int, step_seconds: float | None) -> list[Step]:
        """A chunk in steps of nearly equal length, of whole frames; the last one ends where the chunk does."""
        frames = (stop - start + self.borrowed - self.reach) // self.hop + 1
        wanted = 1 if step_seconds is None else round((stop - start) / self.rate / step_seconds)
        count = min(max(wanted, 1), frames)
        edges = [frames * number // count for number in range(count + 1)]
        bounds = [start + edge * self.hop for edge in edges[:-1]] + [stop]
        whole, first = 1 if self.original else stop - start, start // self.hop
        return [
            Step(*bounds[n : n + 2], slice(first + edge, first + after), whole * (after - edge) / frames)
            for n, (edge, after) in enumerate(pairwise(edges))
        ]

    def _hear(self, backbone: nn.Module, samples: Tensor, chunks: list[Chunk], mixture: Tensor | None):
        """Chunks of one length -> means and maxima of their steps (chunks, steps, layers, hidden_size), and frames
        (chunks, frames, hidden_size)."""
        waves = torch.stack([samples[c.row, c.start : c.stop + self.borrowed] for c in chunks])
        if self.scaled:  # as Wav2Vec2FeatureExtractor scales, which the published code gave each chunk
            waves = (waves - waves.mean(1, keepdim=True)) / (waves.var(1, keepdim=True, correction=0) + 1e-7).sqrt()
        heard = backbone(waves, output_hidden_states=True)
        # the last layer's answer behind its norm, where there is one, as released heads were trained on
        layers = torch.stack((*heard.hidden_states[1:-1], heard.last_hidden_state), dim=1)
        frames = None if mixture is None else torch.einsum("l,cltk->ctk", mixture.to(layers.dtype), layers)
        steps = layers.split([step.frames.stop - step.frames.start for step in chunks[0].steps], dim=2)
        means, maxima = ([pool(step, dim=2) for step in steps] for pool in (torch.mean, torch.amax))
        return torch.stack(means, dim=1), torch.stack(maxima, dim=1), frames

    def _assemble(self, parts, steps: list[list[Step]]) -> Heard:
        """What was heard of chunks, in any order, as tensors with a row for each recording."""
        _, (mean, _, frames) = parts[0]
        shape = len(steps), max(map(len, steps))
        means, maxima = (mean.new_zeros(*shape, *mean.shape[2:]) for _ in range(2))
        weights, frame_steps = torch.zeros(shape), self._frame_steps(steps)
        joined = None if frames is None else frames.new_zeros(*frame_steps.shape, frames.shape[-1])
        for chunks, (mean, maximum, frames) in parts:
            for i, chunk in enumerate(chunks):
                place = chunk.row, slice(chunk.number, chunk.number + len(chunk.steps))
                means[place], maxima[place] = mean[i], maximum[i]
                weights[place] = torch.tensor([step.weight for step in chunk.steps])
                if joined is not None:
                    first = chunk.steps[0].frames.start
                    joined[chunk.row, first : first + frames.shape[1]] = frames[i]
        spans = [[(step.start, step.stop) for step in of_row] for of_row in steps]
        return Heard(means, maxima, weights.to(mean.device), joined, frame_steps.to(mean.device), spans)

    def _frame_steps(self, steps: list[list[Step]]) -> Tensor:
        """(batch, frames): the number of the step that each frame belongs to, -1 where there is none."""
        numbers = torch.full((len(steps), max(of_row[-1].frames.stop for of_row in steps)), -1)
        for row, of_row in enumerate(steps):
            for number, step in enumerate(of_row):
                numbers[row, step.frames] = number
        return numbers


def batches(chunks: list[Chunk]) -> Iterator[list[Chunk]]:
    """Chunks of equal length together, at most CHUNKS_AT_ONCE."""
    lengths: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        lengths.setdefault(chunk.stop - chunk.start, []).append(chunk)
    for same in lengths.values():
        for start in range(0, len(same), CHUNKS_AT_ONCE):
            yield same[start : start + CHUNKS_AT_ONCE]
