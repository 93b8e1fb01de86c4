"""What makes a run that is resumed from the middle of an epoch go on as the unbroken one did.

transformers' Trainer skips the batches that were learned from, and restores the random state after the next have been
fetched; and it goes on with the next epoch where a checkpoint was written at the last step of one.
"""

from hashlib import sha256
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import TrainerCallback


class SeededBatches(Dataset):
    """A view of which each batch has a seed of its own, by run, epoch and rows: what a row draws (its crop, its
    caption) does not depend on what was fetched before it."""

    def __init__(self, view: Any, seed: int):
        self.view, self.seed, self.epoch = view, seed, 0

    def __len__(self) -> int:
        return len(self.view)

    def __getitem__(self, row: int) -> Any:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: list[int]) -> list[Any]:
        told = sha256(repr((self.seed, self.epoch, list(rows))).encode()).digest()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int.from_bytes(told[:7]))
            return [self.view[row] for row in rows]


class ResumableEpochs(TrainerCallback):
    """Tells the batches their epoch; and a checkpoint that is due at the last step of an epoch, or of all, is written
    when that has been measured and logged, which a run resumed from it would leave out."""

    def __init__(self, batches: SeededBatches):
        self.batches, self.due = batches, False

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.batches.epoch = int(state.epoch or 0)

    def on_step_end(self, args, state, control, **kwargs):
        if control.should_save and (state.epoch == int(state.epoch) or state.global_step >= state.max_steps):
            control.should_save, self.due = False, True

    def on_epoch_end(self, args, state, control, **kwargs):
        if self.due:
            control.should_save, self.due = True, False
