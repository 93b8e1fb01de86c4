"""The parts of a mixture of experts: encoders, experts, the gate that weighs them and its loss, the classifier.

Sources: "Music Genre MoE" (layer sizes); Fedus et al. 2021, arXiv 2101.03961 (load balance). The two remedies for a
gate that collapses onto one expert are supervised alignment and the mutual information between song and expert.
Shapes: feature rows (batch, num_features); frames in time (batch, frames, num_features); a song (batch, hidden_size).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_genre_moe import GenreMoeConfig

TAGGRAM_STATISTICS = ("mean", "deviation", "log-odds")


def taggram_statistics(taggrams: Tensor, mask: Tensor) -> Tensor:
    """Tags in time (batch, frames, tags) -> (batch, 3 * tags): mean, standard deviation, and mean of the log-odds.

    A tag at 0.001 and one at 0.01 are ten times apart: the log-odds keep what the probability hides.
    """
    mean = masked_mean(taggrams, mask)
    variance = masked_mean((taggrams - mean[:, None]) ** 2, mask)
    log_odds = ((taggrams + 1e-3) / (1 - taggrams + 1e-3)).log()
    return torch.cat([mean, variance.clamp(min=0).sqrt(), masked_mean(log_odds, mask)], dim=-1)


class ConvEncoder(nn.Module):
    """Frames in time -> (batch, hidden_size): three strided convolutions, mean over time."""

    def __init__(self, config: GenreMoeConfig):
        super().__init__()
        size = config.hidden_size
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, size, kernel_size=5, stride=2, padding=2)
            for channels in (config.num_features, size, size)
        )
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        hidden_states = frames.transpose(1, 2)
        for convolution in self.convolutions:
            # frames of padding are kept at zero at every depth, as the convolution's own padding beyond the end is
            hidden_states = F.gelu(convolution(hidden_states * mask[:, None]))
            mask = mask[:, ::2]
        return self.norm(self.dropout(masked_mean(hidden_states.transpose(1, 2), mask)))


class LstmEncoder(nn.Module):
    """Frames in time -> (batch, hidden_size): a bidirectional LSTM, mean over time."""

    def __init__(self, config: GenreMoeConfig):
        super().__init__()
        self.lstm = nn.LSTM(config.num_features, config.hidden_size // 2, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(config.hidden_size // 2 * 2)
        self.project = nn.Linear(config.hidden_size // 2 * 2, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        lengths = mask.sum(1).clamp(min=1).long().cpu()
        packed = nn.utils.rnn.pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
        hidden_states, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=frames.shape[1]
        )
        return self.project(self.dropout(self.norm(masked_mean(hidden_states, mask))))


def mlp_encoder(config: GenreMoeConfig) -> nn.Sequential:
    size = config.hidden_size
    return nn.Sequential(
        nn.Linear(config.num_features, size),
        nn.LayerNorm(size),
        nn.GELU(),
        nn.Dropout(config.dropout),
        nn.Linear(size, size),
        nn.LayerNorm(size),
        nn.GELU(),
    )


def masked_mean(frames: Tensor, mask: Tensor) -> Tensor:
    """Mean over time of (batch, frames, features), where the mask (batch, frames) is 1."""
    weights = mask.to(frames.dtype)[..., None]
    return (frames * weights).sum(1) / weights.sum(1).clamp(min=1)


class ResidualBlock(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.linear1 = nn.Linear(size, size)
        self.linear2 = nn.Linear(size, size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return hidden_states + self.linear2(F.gelu(self.linear1(self.norm(hidden_states))))


class GenreExpert(nn.Sequential):
    """(batch, hidden_size) -> (batch, expert_output_size), with two skip connections."""

    def __init__(self, config: GenreMoeConfig):
        size = config.expert_hidden_size
        super().__init__(
            nn.Linear(config.hidden_size, size),
            nn.LayerNorm(size),
            nn.GELU(),
            ResidualBlock(size),
            ResidualBlock(size),
            nn.Linear(size, config.expert_output_size),
        )


class GatingNetwork(nn.Module):
    """(batch, hidden_size) -> softmax weights (batch, num_experts); noisy in training, for every expert's turn.

    With top-k routing all but the k largest weights are exactly zero, and the k sum to 1.
    """

    def __init__(self, config: GenreMoeConfig):
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            nn.Linear(config.hidden_size, 64),
            nn.GELU(),
            nn.LayerNorm(64),
            nn.Linear(64, 32),
            nn.GELU(),
            nn.Linear(32, config.num_experts),
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        logits = self.layers(hidden_states)
        if self.training:
            logits = logits + self.config.gate_noise * torch.randn_like(logits)
        weights = logits.softmax(-1)
        if self.config.top_k is None:
            return weights
        kept, chosen = weights.topk(self.config.top_k, dim=-1)
        return torch.zeros_like(weights).scatter(-1, chosen, kept / kept.sum(-1, keepdim=True))


class GenreClassificationHead(nn.Sequential):
    """(batch, expert_output_size) -> logits (batch, num_labels)."""

    def __init__(self, config: GenreMoeConfig):
        super().__init__(
            nn.Linear(config.expert_output_size, 64),
            nn.GELU(),
            nn.Dropout(config.dropout / 2),
            nn.Linear(64, config.num_labels),
        )


def gate_losses(config: GenreMoeConfig, gate_weights: Tensor, targets: Tensor) -> Tensor:
    """What the loss asks of the gate; `targets` (batch, num_labels) are probabilities."""
    log_gates = gate_weights.clamp(min=1e-9).log()
    mean_gate = gate_weights.mean(0)
    first_choice = F.one_hot(gate_weights.argmax(-1), config.num_experts).to(gate_weights.dtype).mean(0)
    entropy = -(gate_weights * log_gates).sum(-1).mean()
    load_balance = config.num_experts * (first_choice * mean_gate).sum()
    loss = config.load_balance_weight * load_balance - config.entropy_weight * entropy
    if config.mutual_information_weight:
        entropy_of_mean = -(mean_gate * mean_gate.clamp(min=1e-9).log()).sum()
        loss = loss - config.mutual_information_weight * (entropy_of_mean - entropy)
    if config.gate_alignment_weight:
        loss = loss - config.gate_alignment_weight * (targets * log_gates).sum(-1).mean()
    return loss
