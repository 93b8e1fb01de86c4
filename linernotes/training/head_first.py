"""A head that learns before its backbone: what the backbone hears of every row is computed once and kept in memory.

For models whose forward pass is `judge(listen(...))`, with weights in front of `judge` that do not learn meanwhile: an
epoch then costs what the head costs. Kept are the middle of each row, unvaried, in half precision.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from linernotes.modeling.chunks import Heard
from linernotes.modeling.music_model import MusicModel
from linernotes.training.frame_heads import smeared

logger = logging.getLogger(__name__)
GRADIENT_NORM = 1.0


def train_head(
    model: MusicModel, heard: list[Heard], labels: Tensor, epochs: int, batch_size: int, learning_rate: float
) -> list[float]:
    """Trains what lies behind the backbone for so many epochs, the learning rate a cosine to 0; returns their losses.

    Where the model hears periods, these too are computed once: the weights of the layers, which `listen` mixes into
    frames, and the activations stay as they are.

    Args:
        heard, labels: of every row, as `hear` makes them.
    """
    periods = kept_periods(model, heard, batch_size)
    held = [*model.backbone.parameters()]
    if periods is not None:
        held += [model.layer_logits, *model.tempogram.listening_parameters()]
        heard = [replace(row, frames=None) for row in heard]
    learning = learning_without(model, held)

    def loss_of(rows: list[int]) -> Tensor:
        known = None if periods is None else tuple(part[rows].to(model.device) for part in periods)
        output = model.judge(together([heard[row] for row in rows], model.device), known)
        return model.loss(output.logits, labels[rows].to(model.device))

    model.train()
    return descend("head", learning, loss_of, len(heard), epochs, batch_size, learning_rate)


@torch.inference_mode()
def kept_periods(model: MusicModel, heard: list[Heard], batch_size: int) -> tuple[Tensor, Tensor] | None:
    """The tempogram of every row, (rows, channels, lags), and which lags were heard; None of a model without one."""
    if model.config.head_type != "tempogram":
        return None
    parts = []
    for start in range(0, len(heard), batch_size):
        batch = together(heard[start : start + batch_size], model.device)
        parts.append([part.cpu() for part in model.tempogram.periods(batch.frames, batch.frame_mask)])
    values, lags_heard = zip(*parts, strict=True)
    return torch.cat(values), torch.cat(lags_heard)


def learning_without(model: MusicModel, held: list[Tensor]) -> list[Tensor]:
    """The parameters that learn, but for those that are held."""
    held = {id(parameter) for parameter in held}
    return [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in held]


def train_events(
    model: MusicModel,
    heard: list[Heard],
    events: list[Tensor | None],
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> list[float]:
    """Teaches the first activations of a tempogram what a score knows of every frame; returns the epochs' losses.

    An autocorrelation of activations that mean nothing yet has no peak, and a gradient through it hardly finds one.

    Args:
        events: of every row, (frames, events) uint8; None for a row without a score, which is passed over.
    """
    tempogram, scored = model.tempogram, [row for row, known in enumerate(events) if known is not None]
    learning = tempogram.listening_parameters()

    def loss_of(rows: list[int]) -> Tensor:
        rows = [scored[row] for row in rows]
        batch = together([heard[row] for row in rows], model.device)
        wanted = smeared(pad_sequence([events[row] for row in rows], batch_first=True).to(model.device).float())
        answers = tempogram.events(batch.frames)[..., : wanted.shape[-1]]
        losses = F.binary_cross_entropy_with_logits(answers, wanted, reduction="none")[batch.frame_mask]
        return losses.sum(-1).mean()

    return descend("events", learning, loss_of, len(scored), epochs, batch_size, learning_rate)


def descend(
    what: str,
    learning: list[Tensor],
    loss_of: Callable[[list[int]], Tensor],
    count: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> list[float]:
    """AdamW over rows 0 to `count`, shuffled anew every epoch, the learning rate a cosine to 0; the epochs' losses."""
    optimiser = torch.optim.AdamW(learning, lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, -(-count // batch_size) * epochs))
    losses = []
    for epoch in range(epochs if count else 0):
        total = 0.0
        for rows in torch.randperm(count).split(batch_size):
            loss = loss_of(rows.tolist())
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, GRADIENT_NORM)
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)
        losses.append(total / count)
        logger.info("%s, epoch %d of %d: loss %.4f", what, epoch + 1, epochs, losses[-1])
    return losses


@torch.inference_mode()
def hear(model: MusicModel, view: Dataset, batch_size: int) -> tuple[list[Heard], Tensor]:
    """What the backbone hears of each row of a view, as `forward` takes them, and the rows' labels (rows, labels)."""
    heard, labels = [], []
    model.eval()
    for batch in DataLoader(view, batch_size=batch_size):
        labels.append(batch.pop("labels"))
        found = model.listen(**{name: values.to(model.device) for name, values in batch.items()})
        heard += [row_of(found, row) for row in range(len(found.spans))]
    return heard, torch.cat(labels)


def row_of(heard: Heard, row: int) -> Heard:
    """One recording's share, on the CPU, without the padding of its batch."""
    chunks = len(heard.spans[row])
    means, maxima = (part[row, :chunks].half().cpu() for part in (heard.means, heard.maxima))
    numbers = heard.frame_chunks[row].cpu()
    length = int((numbers >= 0).nonzero().max()) + 1
    frames = None if heard.frames is None else heard.frames[row, :length].half().cpu()
    return Heard(means, maxima, heard.weights[row, :chunks].cpu(), frames, numbers[:length], [heard.spans[row]])


def together(rows: list[Heard], device: torch.device) -> Heard:
    """Recordings of `row_of` as a batch, padded to the longest."""

    def padded(parts: list[Tensor], value: float = 0.0) -> Tensor:
        joined = pad_sequence(parts, batch_first=True, padding_value=value).to(device)
        return joined.float() if joined.is_floating_point() else joined

    return Heard(
        padded([row.means for row in rows]),
        padded([row.maxima for row in rows]),
        padded([row.weights for row in rows]),
        None if rows[0].frames is None else padded([row.frames for row in rows]),
        padded([row.frame_chunks for row in rows], -1),
        [row.spans[0] for row in rows],
    )
