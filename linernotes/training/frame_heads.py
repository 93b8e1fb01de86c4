"""A Hubert backbone with the heads it is pre-trained by: what is true of a frame, what a masked frame held.

Only the backbone (`model.hubert`) is published; `HubertModel.from_pretrained` reads it out of a checkpoint.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel, HubertPreTrainedModel
from transformers.utils import ModelOutput

from linernotes.corpora.frame_targets import CLASSES, FLAGS, UNKNOWN
from linernotes.training.constant_q import PHASES, log_magnitudes, start_as_filter_bank

# Beats are rare among frames: the weight of a frame that has one.
RARITY = {"hits": 3.0, "beat": 4.0, "downbeat": 8.0, "chroma": 1.0, "sounds": 1.0}
NEIGHBOUR = 0.5  # a frame beside an onset, 13 ms off, is half right
EVENTS = ("downbeat", "beat", "hits")  # what begins
# Loudness and spectrum are regressions, tags and embedding a teacher's answers for a whole excerpt.
WEIGHTS = {
    "hits": 1.0, "beat": 1.0, "downbeat": 1.0, "chroma": 1.0, "sounds": 1.0, "root": 0.3, "quality": 0.3, "bass": 0.3,
    "key": 0.2, "meter": 0.2, "tempo": 0.2, "style": 0.2, "spectrum": 0.5, "loudness": 0.1,
    "tags": 1.0, "embedding": 1.0,
}  # fmt: skip


@dataclass
class PretrainingOutput(ModelOutput):
    """`loss`, the loss of every head by name (before weighting), and the heads' answers, (batch, frames, size)."""

    loss: Tensor | None = None
    losses: dict[str, Tensor] | None = None
    answers: dict[str, Tensor] | None = None


class HubertForFrames(HubertPreTrainedModel):
    """Frame-wise questions about music, answered from the last hidden state.

    Source: MERT (arXiv 2306.00107) masks frames and regresses their constant-Q spectrum; here the spectrum is asked
    for beside what the score says of each frame, and a tagger's view of real recordings.
    """

    def __init__(self, config: HubertConfig, num_tags: int = 50, embedding_size: int = 200):
        super().__init__(config)
        self.hubert = HubertModel(config)
        width, bands = config.hidden_size, config.conv_dim[0] // PHASES
        sizes = {**FLAGS, **CLASSES, "spectrum": bands, "loudness": 1}
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in sizes.items()})
        self.tags = nn.Linear(2 * width, num_tags)
        self.embedding = nn.Linear(2 * width, embedding_size)
        self.weights = dict(WEIGHTS)
        self.post_init()

    @property
    def filters(self) -> nn.Conv1d:
        return self.hubert.feature_extractor.conv_layers[0].conv

    def set_filters(self, sampling_rate: int) -> None:
        """Makes the first convolution a constant-Q filter bank, which is not trained; see `constant_q`."""
        start_as_filter_bank(self.hubert, sampling_rate)

    def forward(self, input_values: Tensor, **targets: Tensor) -> PretrainingOutput:
        """input_values (batch, samples); targets as `linernotes.corpora.frame_targets` names them, (batch, frames ...).

        `scored` (batch,) says which items have a score; `tags` (batch, 50) and `embedding` (batch, 200) with `tagged`
        which have a teacher's answer. Without targets there is no loss.
        """
        heard = []
        handle = self.filters.register_forward_hook(lambda module, given, made: heard.append(made.detach()))
        hidden = self.hubert(input_values).last_hidden_state
        handle.remove()
        answers = {name: head(hidden) for name, head in self.heads.items()}
        pooled = torch.cat([hidden.mean(1), hidden.std(1)], dim=-1)
        answers |= {"tags": self.tags(pooled), "embedding": self.embedding(pooled)}
        if not targets:
            return PretrainingOutput(answers=answers)
        losses = frame_losses(answers, targets, heard[0])
        loss = sum(self.weights[name] * value for name, value in losses.items())
        return PretrainingOutput(loss=loss, losses={k: v.detach() for k, v in losses.items()}, answers=answers)


def frame_losses(answers: dict[str, Tensor], targets: dict[str, Tensor], filtered: Tensor) -> dict[str, Tensor]:
    """The loss of every head. What an item has no truth for takes no part; a batch without any has a loss of 0."""
    losses, scored = {}, targets["scored"].float()
    share = scored.mean().clamp(min=1e-6)
    for name in FLAGS:
        wanted = smeared(targets[name].float()) if name in EVENTS else targets[name].float()
        weight = torch.tensor(RARITY[name], device=wanted.device)
        each = F.binary_cross_entropy_with_logits(answers[name], wanted, pos_weight=weight, reduction="none")
        losses[name] = (each.mean((1, 2)) * scored).mean() / share
    for name in CLASSES:
        known = (targets[name] != UNKNOWN).sum().clamp(min=1)
        summed = F.cross_entropy(
            answers[name].flatten(0, 1), targets[name].flatten(), ignore_index=UNKNOWN, reduction="sum"
        )
        losses[name] = summed / known
    frames = answers["spectrum"].shape[1]
    spectrum = F.adaptive_avg_pool1d(log_magnitudes(filtered), frames).transpose(1, 2)
    losses["spectrum"] = F.mse_loss(answers["spectrum"], spectrum)
    losses["loudness"] = F.mse_loss(answers["loudness"][..., 0], spectrum.amax(-1))
    tagged = targets["tagged"].float()
    heard = tagged.mean().clamp(min=1e-6)
    tags = F.binary_cross_entropy_with_logits(answers["tags"], targets["tags"], reduction="none").mean(1)
    losses["tags"] = (tags * tagged).mean() / heard
    near = 1 - F.cosine_similarity(answers["embedding"], targets["embedding"], dim=-1)
    losses["embedding"] = (near * tagged).mean() / heard
    return losses


def smeared(events: Tensor) -> Tensor:
    """Events (batch, frames, size) with half of each in the frames beside it."""
    beside = NEIGHBOUR * F.max_pool1d(events.transpose(1, 2), 3, stride=1, padding=1).transpose(1, 2)
    return torch.maximum(events, beside)
