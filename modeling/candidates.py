"""Further captions of a sound, drawn by chance, and yet the same whatever else is in its batch.

The likeliest word once each has a Gumbel noise on its logit is a draw from their softmax (Gumbel 1954). Each candidate
has noise of its own at every word, the same for all sounds and at any time; numbers drawn for a whole batch would
depend on its other rows.
"""

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper

TEMPERATURE, LIKELIEST = 0.8, 50  # as usual for captions: a word of the 50 likeliest


class GumbelNoise(LogitsProcessor):
    """Adds to the logits of each candidate its noise. candidates: of each sound, behind one another in a batch."""

    def __init__(self, candidates: int):
        self.candidates = candidates
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        noise = -torch.empty(self.candidates, scores.shape[1]).exponential_(generator=self.generator).log()
        return (scores.unflatten(0, (-1, self.candidates)) + noise.to(scores)).flatten(0, 1)


def drawing(candidates: int) -> LogitsProcessorList:
    """For `generate` without sampling of its own: makes of the likeliest word one that is drawn."""
    likely = [TemperatureLogitsWarper(TEMPERATURE), TopKLogitsWarper(LIKELIEST)]
    return LogitsProcessorList([*likely, GumbelNoise(candidates)])
