"""How far four answers about a recording's affect are from what is known of it, and how the four count together.

Sources: Lin et al. 2017, "Focal Loss for Dense Object Detection" (arXiv 1708.02002); Kendall et al. 2018, "Multi-Task
Learning Using Uncertainty to Weigh Losses" (arXiv 1705.07115). What is not known of a recording takes no part: a row of
emotions with a NaN in it, and the index UNKNOWN of any other label. A loss of which nothing is known is None.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .affect import TASKS

UNKNOWN = -100  # as in torch's cross_entropy


def affect_loss(
    config: Any, logits: dict[str, Tensor], labels: dict[str, Tensor | None], log_variances: Tensor | None = None
) -> Tensor | None:
    """The loss over the tasks whose labels are given; None without any, 0 where nothing is known.

    Args:
        config: a MathRockAffectConfig.
        logits: (batch, labels) of each task, by its name.
        labels: of each task (batch,) indices, of the emotions also (batch, num_labels) from 0 to 1; or None.
        log_variances: (tasks,), what uncertainty weighting has learned, in the order of TASKS.

    Raises ValueError where labels have another shape.
    """
    if all(given is None for given in labels.values()):
        return None
    losses = [None if labels[task] is None else task_loss(config, task, logits[task], labels[task]) for task in TASKS]
    total = combined(losses, config.task_weights, log_variances)
    return logits["emotion"].sum() * 0 if total is None else total


def task_loss(config: Any, task: str, logits: Tensor, labels: Tensor) -> Tensor | None:
    """The loss of one task, before it is weighted."""
    allowed = [(len(logits),)] + ([tuple(logits.shape)] if task == "emotion" else [])
    if tuple(labels.shape) not in allowed:
        shapes = " and ".join(map(str, allowed))
        raise ValueError(f"labels of {task} have shape {tuple(labels.shape)}; allowed: {shapes}")
    most = logits.shape[1] - 1
    if labels.dim() == 1 and not (labels == UNKNOWN).logical_or((labels >= 0) & (labels <= most)).all():
        got = f"{labels.min():g} to {labels.max():g}"
        raise ValueError(f"labels of {task} are {got}; allowed are 0 to {most}, and {UNKNOWN} where it is not known")
    if task == "emotion":
        return focal_loss(logits, multi_hot(labels, logits.shape[1]), config.focal_gamma, config.label_smoothing)
    return choice_loss(logits, labels, getattr(config, f"{task}_class_weights"))


def multi_hot(labels: Tensor, num_labels: int) -> Tensor:
    """Indices (batch,) of one label each as (batch, num_labels), NaN where the index is UNKNOWN; else as they are."""
    if labels.dim() != 1:
        return labels.float()
    known = labels != UNKNOWN
    rows = F.one_hot(labels.long().where(known, 0), num_labels).float()
    return rows.masked_fill(~known[:, None], torch.nan)


def focal_loss(logits: Tensor, targets: Tensor, gamma: float, smoothing: float) -> Tensor | None:
    """Mean over the known rows and all labels of (1 - p_t)^gamma times binary cross-entropy.

    Args:
        logits, targets: (batch, num_labels); p_t is the probability of what is there, the mean of both where a target
            lies between 0 and 1.
        gamma: how little an answer counts that is right already; 0 is plain cross-entropy.
        smoothing: how far targets are drawn from 0 and 1 towards a half: 0.1 makes them 0.05 and 0.95.
    """
    known = ~targets.isnan().any(1)
    if not known.any():
        return None
    logits, targets = logits[known].float(), targets[known] * (1 - smoothing) + smoothing / 2
    probabilities = logits.sigmoid()
    right = probabilities * targets + (1 - probabilities) * (1 - targets)
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((1 - right) ** gamma * entropy).mean()


def choice_loss(logits: Tensor, labels: Tensor, class_weights: list[float] | None) -> Tensor | None:
    """Cross-entropy of logits (batch, num_labels) against indices (batch,), weighted by the class of each."""
    if (labels == UNKNOWN).all():
        return None
    weights = None if class_weights is None else torch.tensor(class_weights, device=logits.device)
    return F.cross_entropy(logits.float(), labels.long(), weight=weights, ignore_index=UNKNOWN)


def combined(losses: list[Tensor | None], weights: list[float], log_variances: Tensor | None = None) -> Tensor | None:
    """The weighted sum of the losses that are there; None where none is.

    log_variances: (tasks,), learned; a task of large variance counts less, exp(-s) instead of 1, and pays s / 2 for it.
    """
    total = None
    for index, (loss, weight) in enumerate(zip(losses, weights, strict=True)):
        if loss is None or not weight:
            continue
        if log_variances is not None:
            loss = loss * torch.exp(-log_variances[index]) + log_variances[index] / 2
        total = weight * loss if total is None else total + weight * loss
    return total
