"""BeatMeter as its document tells it, for comparison: one chunk of one recording after the other, and its file format.

Also the small HuBERTs and models that the tests of the family run on, 75 frames a second of 24 kHz.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from linernotes.modeling.configuration_beatmeter import BeatMeterConfig
from linernotes.modeling.modeling_beatmeter import BeatMeterForMeterClassification

RATE = 24_000
TINY = {
    "conv_dim": (16, 16), "conv_kernel": (40, 4), "conv_stride": (40, 8), "feat_extract_norm": "layer",
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
MERT_330M = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
MERT_330M |= {"do_stable_layer_norm": True}
HEADS = ("pooled", "tempogram", "single_layer", "multi_layer")


def tiny_backbone(seed: int = 0, **fields) -> HubertModel:
    torch.manual_seed(seed)
    return HubertModel(HubertConfig(**TINY | fields)).eval()


def make(backbone: dict | None = None, **options) -> BeatMeterForMeterClassification:
    torch.manual_seed(0)
    config = BeatMeterConfig(backbone_config=TINY | (backbone or {}), head_hidden_size=24, **options)
    return BeatMeterForMeterClassification(config).eval()


class PublishedHead(nn.Module):
    """Layers mixed by softmax weights, then LayerNorm, Linear, GELU, Dropout, Linear."""

    def __init__(self, num_layers: int = 2, pooled_dim: int = 64, head_dim: int = 24, num_classes: int = 6):
        super().__init__()
        self.layer_logits = nn.Parameter(torch.zeros(num_layers))
        linears = nn.Linear(pooled_dim, head_dim), nn.Linear(head_dim, num_classes)
        self.head = nn.Sequential(nn.LayerNorm(pooled_dim), linears[0], nn.GELU(), nn.Dropout(0.4), linears[1])

    def forward(self, pooled: Tensor) -> Tensor:
        return self.head((self.layer_logits.softmax(0)[None, :, None] * pooled).sum(1))


def published_pooling(recordings: Iterable[np.ndarray], backbone: nn.Module, do_normalize: bool) -> Tensor:
    """(recordings, layers, 2 * hidden_size). Recordings under 1 s are filled up with zeros."""
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=do_normalize)
    pooled = []
    for samples in recordings:
        samples = np.pad(samples, (0, max(0, RATE - len(samples))))
        pieces = [samples[start : start + 5 * RATE] for start in range(0, len(samples), 5 * RATE)]
        means, maxima = [], []
        for piece in pieces:
            if len(piece) < RATE:
                continue
            sound = extractor(piece, sampling_rate=RATE, return_tensors="pt").input_values
            heard = backbone(sound, output_hidden_states=True)
            layers = torch.stack([*heard.hidden_states[1:-1], heard.last_hidden_state])[:, 0]
            means.append(layers.mean(1))
            maxima.append(layers.max(1).values)
        pooled.append(torch.cat((torch.stack(means).mean(0), torch.stack(maxima).max(0).values), dim=-1))
    return torch.stack(pooled)


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)
