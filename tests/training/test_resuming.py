"""Batches that draw the same whatever came before them, and checkpoints that wait for their epoch's end."""

from types import SimpleNamespace

import torch
from torch.utils.data import DataLoader

from linernotes.training.resuming import ResumableEpochs, SeededBatches

VIEW = [0.0] * 12


class Drawing(list):
    """Rows that are drawn from anew each time."""

    def __getitem__(self, row):
        return row + torch.rand(()).item()


def drawn(batches: SeededBatches, *rows: list[int]) -> list[list[float]]:
    return [batches.__getitems__(each) for each in rows]


def test_a_batch_draws_the_same_whatever_was_fetched_before():
    batches = SeededBatches(Drawing(VIEW), seed=3)
    whole = drawn(batches, [0, 1], [2, 3], [4, 5])
    torch.rand(7)
    assert drawn(batches, [4, 5]) == whole[2:]
    assert batches[2] == batches[2]
    assert len(batches) == 12


def test_epochs_seeds_and_batches_draw_otherwise():
    batches = SeededBatches(Drawing(VIEW), seed=3)
    first, again = drawn(batches, [0, 1, 0], [0, 1])
    assert first[0] != first[2]
    assert first[:2] != again
    batches.epoch = 1
    assert drawn(batches, [0, 1]) != [again]
    assert drawn(SeededBatches(Drawing(VIEW), seed=4), [0, 1]) != [again]


def test_fetching_leaves_the_random_state_alone():
    """Which is that of the model's dropout: when batches are fetched differs between a run and its resumption."""
    before = torch.get_rng_state()
    SeededBatches(Drawing(VIEW), seed=0).__getitems__([1, 2])
    assert torch.equal(torch.get_rng_state(), before)


def test_processes_that_fetch_draw_the_same():
    batches = SeededBatches(Drawing(VIEW), seed=0)
    alone, by_two = (
        torch.cat(list(DataLoader(batches, batch_size=4, num_workers=workers))).tolist() for workers in (0, 2)
    )
    assert alone == by_two


def test_a_checkpoint_waits_for_the_end_of_its_epoch_and_of_all():
    batches = SeededBatches(VIEW, seed=0)
    epochs, written = ResumableEpochs(batches), []
    for step in range(1, 7):  # four steps an epoch, six in all
        state = SimpleNamespace(epoch=(step - 1) / 4, global_step=step, max_steps=6)
        control = SimpleNamespace(should_save=True)
        if step in (1, 5):
            epochs.on_epoch_begin(None, state, control)
        state.epoch = step / 4
        epochs.on_step_end(None, state, control)
        at_once, control.should_save = control.should_save, False
        if step in (4, 6):
            epochs.on_epoch_end(None, state, control)
        written.append((at_once, control.should_save))
    assert written == [(True, False)] * 3 + [(False, True), (True, False), (False, True)]
    assert batches.epoch == 1
