"""Small Mega-AudioFormers for tests, on a codec that nobody trained but whose codes follow what they are of."""

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import EncodecConfig, EncodecModel

from linernotes.modeling.configuration_mega_audioformer import MegaAudioFormerConfig

RATE, HOP = 24_000, 320
RATES = pytest.mark.parametrize(("bandwidth", "books"), [(1.5, 2), (12.0, 16)], ids=["1.5 kbit/s", "12 kbit/s"])
CODEC = {"num_filters": 4, "hidden_size": 16, "num_lstm_layers": 1}
SIZES = {
    "code_embedding_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 48, "local_hidden_size": 16, "local_num_hidden_layers": 1, "local_num_attention_heads": 2,
    "local_intermediate_size": 24,
}  # fmt: skip


def tiny_config(bandwidth_kbps: float = 1.5, **options) -> MegaAudioFormerConfig:
    return MegaAudioFormerConfig(**{"codec_config": CODEC, "bandwidth_kbps": bandwidth_kbps, **SIZES, **options})


def tiny(model_class, bandwidth_kbps: float = 1.5, **options):
    """A model in eval mode, its codebooks filled with what the codec's encoder makes of noise."""
    torch.manual_seed(0)
    model = model_class(tiny_config(bandwidth_kbps, **options)).eval()
    fill_codebooks(model.base_model.codec)
    return model


def tiny_codec(**options) -> EncodecModel:
    """An EncodecModel of transformers', with a decoder, and more codebooks than any model here uses."""
    torch.manual_seed(0)
    codec = EncodecModel(EncodecConfig(**{"target_bandwidths": [1.5, 12.0, 24.0], **CODEC, **options})).eval()
    fill_codebooks(codec)
    return codec


@torch.no_grad()
def fill_codebooks(codec: EncodecModel) -> None:
    """Entries drawn from what is there to be quantised, book after book, as k-means would begin."""
    size = codec.config.codebook_size
    residual = codec.encoder(torch.from_numpy(noise(1.2 * size / 75))[None, None])
    for layer in codec.quantizer.layers:
        frames = residual[0].T
        layer.codebook.embed.copy_(frames[torch.randperm(len(frames))[:size]])
        residual = residual - layer.decode(layer.encode(residual))


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """Noise that is louder and softer from frame to frame, (samples,) float32 at RATE."""
    rng, samples = np.random.default_rng(seed), round(seconds * RATE)
    loudness = np.repeat(rng.uniform(0, 1, -(-samples // HOP)), HOP)[:samples]
    return (level * loudness * rng.standard_normal(samples)).astype(np.float32)


def random_codes(batch: int = 2, books: int = 2, frames: int = 75, seed: int = 0) -> Tensor:
    return torch.randint(1024, (batch, books, frames), generator=torch.Generator().manual_seed(seed))


def prefix_mask(*lengths: int) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
