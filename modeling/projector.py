"""SonicVerse's projector: all layers of an encoder as tokens of a language model, and the facts heard on the way.

    hidden states ---- mean over time, layers weighed ---------------------> content tokens    what it sounds like
          |
          +-- backbone, each layer and frame -- weighed, mean -- head -- logits -- task tokens   what is the case in it

Source: "SonicVerse: Multi-Task Learning for Music Feature-Informed Captioning" (Chopra, Roy, Herremans 2025, arXiv
2506.15154); the names of the weights are those of its checkpoints. As published the weights of a head's layers had no
effect: frames were added up and layers averaged (`original_pooling`). By default layers are weighed as the paper says.
Shapes: hidden states (batch, layers, frames, hidden_size), layers counted with what goes into the first.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .chat import IGNORED


class Pooled(NamedTuple):
    """What is left of a stretch of sound when its frames are put together; mean over two stretches: their whole.

    content: (..., hidden_size); shared: (..., tasks, backbone_size), for each head what the backbone heard.
    """

    content: Tensor
    shared: Tensor


class TokenProjector(nn.Module):
    """Features (batch, size) -> tokens (batch, number, width), each by an MLP of its own."""

    def __init__(self, size: int, number: int, hidden: int, width: int):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.GELU(), nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, width))
            for _ in range(number)
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.stack([layer(features) for layer in self.layers], dim=1)


class ContentProjector(TokenProjector):
    """The same of the sound itself, with the weights of the encoder's layers."""

    def __init__(self, num_layers: int, *sizes: int):
        super().__init__(*sizes)
        self.aggregator = nn.Parameter(torch.zeros(num_layers))


class TaskHead(nn.Module):
    """What the backbone heard (batch, backbone_size) -> logits (batch, classes)."""

    def __init__(self, num_layers: int, size: int, hidden: int, num_classes: int, dropout: float):
        super().__init__()
        self.aggregator = nn.Parameter(torch.zeros(num_layers, 1, 1))
        self.hidden_layer_1 = nn.Linear(size, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, num_classes)

    def forward(self, heard: Tensor) -> Tensor:
        return self.output(self.dropout(F.relu(self.hidden_layer_1(heard))))


class SharedBackbone(nn.Module):
    """What all heads share: one linear layer on each layer and frame."""

    def __init__(self, hidden_size: int, size: int, dropout: float):
        super().__init__()
        self.hidden_layer_1 = nn.Linear(hidden_size, size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.dropout(F.relu(self.hidden_layer_1(hidden_states)))


class MultiTaskProjector(nn.Module):
    """Hidden states -> what is left of them (`pool`) -> logits (`judge`) and tokens. config: a SonicVerseConfig."""

    def __init__(self, config):
        super().__init__()
        audio, width = config.audio_config, config.text_config.hidden_size
        layers, hidden = audio.num_hidden_layers + 1, config.projector_hidden_size or width
        self.tasks = {name: len(task["classes"]) for name, task in config.tasks.items()}
        self.frames = config.pooled_frames if config.original_pooling else None
        if self.tasks:
            self.backbone = SharedBackbone(audio.hidden_size, config.backbone_size, config.dropout)
        self.lmm_projector = ContentProjector(layers, audio.hidden_size, config.content_tokens, hidden, width)
        sizes = config.backbone_size, config.head_hidden_size
        for name, classes in self.tasks.items():
            self.add_module(name, TaskHead(layers, *sizes, classes, config.dropout))
            self.add_module(f"{name}_projector", TokenProjector(classes, config.task_tokens, hidden, width))

    def layer_weights(self) -> dict[str, Tensor]:
        """What each layer counts, (layers,), adding up to 1, for the content and for each task."""
        names = ("lmm_projector", *self.tasks)
        weights = {name: self.get_submodule(name).aggregator.flatten().softmax(0) for name in names}
        if self.frames is not None:  # as published, a head's softmax is over an axis of one
            weights |= {name: torch.full_like(weights[name], 1 / len(weights[name])) for name in self.tasks}
        return weights

    def mixed(self, hidden_states: Tensor) -> Pooled:
        """Each frame, its layers put together: content (batch, frames, ...) and shared (batch, frames, tasks, ...)."""
        weights = self.layer_weights()
        content = torch.einsum("l,blth->bth", weights["lmm_projector"].to(hidden_states.dtype), hidden_states)
        if not self.tasks:
            return Pooled(content, content.new_zeros(*content.shape[:2], 0, 0))
        heads = torch.stack([weights[name] for name in self.tasks]).to(hidden_states.dtype)
        return Pooled(content, torch.einsum("kl,blth->btkh", heads, self.backbone(hidden_states)))

    def pool(self, hidden_states: Tensor, frame_mask: Tensor | None = None) -> Pooled:
        """The mean over the frames that are there: content (batch, hidden_size), shared (batch, tasks, backbone_size).

        frame_mask: (batch, frames), 1 where there is one. With `original_pooling` there are always `pooled_frames`,
        cut off or filled up with zeros, which the mean counts, and the heads have their sum.
        """
        if frame_mask is not None:
            hidden_states = hidden_states * frame_mask[:, None, :, None].to(hidden_states.dtype)
        if self.frames is not None:
            hidden_states = F.pad(hidden_states, (0, 0, 0, self.frames - hidden_states.shape[2]))
            content, shared = self.mixed(hidden_states)
            return Pooled(content.mean(1), shared.sum(1))
        content, shared = self.mixed(hidden_states)
        if frame_mask is None:
            return Pooled(content.mean(1), shared.mean(1))
        shares = frame_mask / frame_mask.sum(1, keepdim=True).clamp(min=1)
        return Pooled(*(torch.einsum("bt,bt...->b...", shares.to(part.dtype), part) for part in (content, shared)))

    def judge(self, pooled: Pooled) -> dict[str, Tensor]:
        """Logits (batch, classes) by task."""
        return {name: self.get_submodule(name)(pooled.shared[:, number]) for number, name in enumerate(self.tasks)}

    def tokens(self, pooled: Pooled, logits: dict[str, Tensor]) -> Tensor:
        """What the language model is told (batch, audio_tokens, width): of the content, then of each task."""
        told = [self.get_submodule(f"{name}_projector")(each) for name, each in logits.items()]
        return torch.cat((self.lmm_projector(pooled.content), *told), dim=1)


def all_hidden_states(
    encoder: nn.Module, input_values: Tensor, attention_mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """All hidden states (batch, layers + 1, frames, hidden_size) of a HuBERT, and (batch, frames), 1 where one is.

    Recordings of one length go through it together and without padding, which its norms would hear.

    Raises ValueError where input_values are not (batch, samples), or there is too little for a frame.
    """
    if input_values.dim() != 2 or not input_values.numel():
        raise ValueError(f"input_values have shape {tuple(input_values.shape)}; allowed is (batch, samples)")
    lengths = [input_values.shape[1]] * len(input_values)
    if attention_mask is not None:
        lengths = attention_mask.long().sum(1).tolist()
    frames = [int(encoder._get_feat_extract_output_lengths(length)) for length in lengths]
    if min(frames) < 1:
        raise ValueError(f"a recording has {min(lengths)} samples, too few for one frame of the encoder: give more")
    heard: dict[int, Tensor] = {}
    for length in sorted(set(lengths)):
        rows = [row for row, other in enumerate(lengths) if other == length]
        output = encoder(input_values[rows, :length], output_hidden_states=True)
        # the last layer's answer behind its norm, where there is one
        states = torch.stack((*output.hidden_states[:-1], output.last_hidden_state), dim=1)
        heard |= dict(zip(rows, states, strict=True))
    longest = max(frames)
    states = torch.stack([F.pad(heard[row], (0, 0, 0, longest - frames[row])) for row in range(len(lengths))])
    mask = torch.arange(longest, device=states.device) < torch.tensor(frames, device=states.device)[:, None]
    return states, mask.long()


def labels_from_first(labels: Tensor, input_ids: Tensor) -> Tensor:
    """Labels (batch, tokens), -100 for none, from the token before the first that is asked for: their logits do."""
    if labels.shape != input_ids.shape:
        raise ValueError(f"labels have shape {tuple(labels.shape)}; allowed is {tuple(input_ids.shape)}")
    asked = (labels != IGNORED).any(0).nonzero()
    return labels[:, max(int(asked[0]) - 1, 0) if len(asked) else -1 :]


def word_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the next word, logits (batch, tokens, vocab_size), labels (batch, tokens), -100 for none.

    The mean over all words that are asked for, 0 where none is.
    """
    if labels.shape != logits.shape[:2]:
        raise ValueError(f"labels have shape {tuple(labels.shape)}; allowed is {tuple(logits.shape[:2])}")
    asked = labels[:, 1:].flatten()
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), asked, ignore_index=IGNORED, reduction="sum")
    return loss / (asked != IGNORED).sum().clamp(min=1)


def task_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy over the labels that are known, 0 where none is.

    Args:
        logits: (batch, classes).
        labels: (batch, classes), from 0 to 1, NaN or -100 where it is not known; or (batch,), the index of the one
            class that holds, -100 where it is not known.

    Raises ValueError where the labels have another shape.
    """
    if labels.dim() == 1 and len(labels) == len(logits):
        index, classes = labels.long(), logits.shape[1]
        labels = F.one_hot(index.clamp(min=0), classes).to(logits.dtype).masked_fill(index[:, None] < 0, torch.nan)
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}; allowed are {tuple(logits.shape)}, a number for each class, and "
            f"({len(logits)},), the index of one"
        )
    labels = labels.to(logits.device, torch.float32)
    known = (labels >= 0).float()  # neither NaN nor -100
    each = F.binary_cross_entropy_with_logits(logits.float(), labels.nan_to_num().clamp(min=0), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)
