"""SonicVerse as its account tells it, for comparison: one sound at a time; and the small parts that tests run on.

The projector is written after what its computation is known to be: 13 hidden states of one sound (layers, frames,
hidden_size), filled up with zeros to 760 frames; a head's `aggregator` goes through a softmax over an axis of one; and
as there is no batch axis, what was meant to sum layers sums frames, what was meant to average frames averages layers.
"""

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import HubertConfig, LlamaConfig, PreTrainedTokenizerFast

RATE = 24_000
TINY_AUDIO = {
    "conv_dim": [16, 16], "conv_kernel": [40, 4], "conv_stride": [40, 8], "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0, "feat_extract_norm": "group",
}  # fmt: skip
WORDS = (
    "a", "an", "the", "is", "are", "and", "in", "of", "with", "no", "without", "it", "this", "music", "song",
    "piece", "tune", "describe", "answer", "slow", "fast", "jazz", "rock", "piano", "guitar", "drums", "violin",
    "female", "male", "voice", "vocals", "sings", "singing", "instrumental", "key", "A", "C", "D", "major", "minor",
    ".", ",", "?",
)  # fmt: skip
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]")
TINY_TEXT = {
    "model_type": "llama", "vocab_size": len(SPECIAL) + len(WORDS), "hidden_size": 48, "intermediate_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2,
    "pad_token_id": 3,
}  # fmt: skip
TASKS = {
    "instrument_detection": {"classes": ["piano", "guitar", "drums", "violin"]},
    "mood_detection": {"classes": ["happy", "sad"]},
    "genre_detection": {"classes": ["jazz", "rock", "classical"]},
    "key_detection": {"classes": ["C major", "A minor", "D major"]},
    "vocals_detection": {"classes": ["instrumental", "female", "male"]},
}
SIZES = {"content_tokens": 3, "task_tokens": 2, "backbone_size": 12, "head_hidden_size": 8, "max_new_tokens": 12}


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A word is a token; what it does not know is <unk>. Without a chat template."""
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(".", "isolated"), pre_tokenizers.Split(",", "isolated")]
    )
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    special = {"additional_special_tokens": ["[INST]", "[/INST]"]}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, **special)


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def audio_config(**options) -> HubertConfig:
    return HubertConfig(**TINY_AUDIO | options)


def text_config(**options) -> LlamaConfig:
    return LlamaConfig(**{name: value for name, value in TINY_TEXT.items() if name != "model_type"} | options)


class TokenMLPs(nn.Module):
    """`number` MLPs side by side, each GELU, Linear, GELU, Linear; with layer weights where it takes hidden states."""

    def __init__(self, size: int, number: int, width: int, layers: int | None = None):
        super().__init__()
        if layers:
            self.aggregator = nn.Parameter(torch.randn(layers))
        self.layers = nn.ModuleList(
            nn.Sequential(nn.GELU(), nn.Linear(size, width), nn.GELU(), nn.Linear(width, width)) for _ in range(number)
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([layer(features)[None] for layer in self.layers])


class PublishedHead(nn.Module):
    def __init__(self, size: int, hidden: int, classes: int, layers: int):
        super().__init__()
        self.aggregator = nn.Parameter(torch.randn(layers, 1, 1))
        self.hidden_layer_1, self.output = nn.Linear(size, hidden), nn.Linear(hidden, classes)

    def forward(self, heard: Tensor) -> Tensor:
        """heard: (layers, frames, size)."""
        weights = self.aggregator.softmax(1)  # of shape (layers, 1, 1): all ones
        aggregated = (heard * weights).sum(1)  # meant for layers, the first axis of a batch
        pooled = aggregated.mean(0)
        return self.output(F.relu(self.hidden_layer_1(pooled)))


class PublishedProjector(nn.Module):
    def __init__(self, tasks: dict[str, int], hidden_size: int, width: int, layers: int, sizes: dict[str, int]):
        super().__init__()
        self.tasks = tasks
        self.backbone = nn.Module()
        self.backbone.hidden_layer_1 = nn.Linear(hidden_size, sizes["backbone_size"])
        self.lmm_projector = TokenMLPs(hidden_size, sizes["content_tokens"], width, layers)
        for name, classes in tasks.items():
            head = PublishedHead(sizes["backbone_size"], sizes["head_hidden_size"], classes, layers)
            self.add_module(name, head)
            self.add_module(f"{name}_projector", TokenMLPs(classes, sizes["task_tokens"], width))

    def forward(self, hidden_states: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """hidden_states: (layers, frames, hidden_size) of one sound -> logits by task, tokens (tokens, width)."""
        layers, frames, size = hidden_states.shape
        filled = hidden_states.new_zeros(layers, 760, size)
        filled[:, : min(frames, 760)] = hidden_states[:, :760]
        weights = self.lmm_projector.aggregator.softmax(0)
        content = (filled.mean(1) * weights[:, None]).sum(0)
        tokens, logits = [self.lmm_projector(content)], {}
        heard = F.relu(self.backbone.hidden_layer_1(filled))
        for name in self.tasks:
            logits[name] = self.get_submodule(name)(heard)
            tokens.append(self.get_submodule(f"{name}_projector")(logits[name]))
        return logits, torch.cat(tokens)
