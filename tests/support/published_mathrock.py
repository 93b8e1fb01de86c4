"""Neural Math Rock as its document gives it, for comparison, and the small towers that the family's tests run on."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ClapAudioConfig, ClapAudioModel, WavLMConfig, WavLMModel, XLMRobertaTokenizer

RATE = 48_000
TINY_WAVLM = {
    "conv_dim": (16, 16), "conv_kernel": (40, 4), "conv_stride": (40, 8), "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2, "num_buckets": 32, "mask_time_prob": 0.0,
}  # fmt: skip
TINY_CLAP = {
    "hidden_size": 32, "patch_embeds_hidden_size": 16, "depths": (1, 1), "num_attention_heads": (2, 2),
    "patch_size": 16, "patch_stride": (16, 16), "window_size": 4, "num_hidden_layers": 2,
}  # fmt: skip


class AudioMathRockModel(nn.Module):
    """The document's class, over towers of any size: it named pretrained ones, of width 768."""

    def __init__(self, wavlm: WavLMModel, clap: ClapAudioModel) -> None:
        super().__init__()
        self.wavlm = wavlm
        self.clap = clap
        self.wlm_proj = nn.Linear(wavlm.config.hidden_size, 512)
        self.clp_proj = nn.Linear(clap.config.hidden_size, 512)
        self.fusion = nn.Sequential(
            nn.Linear(1024, 512),
            nn.LayerNorm(512),
            nn.Tanh(),
            nn.Dropout(0.3),
        )
        self.emo_head = nn.Sequential(
            nn.Linear(512, 256), nn.GELU(), nn.Dropout(0.2),
            nn.Linear(256, 28),
        )  # fmt: skip
        self.vibe_head = nn.Linear(512, 4)
        self.int_head = nn.Linear(512, 3)
        self.tmp_head = nn.Linear(512, 3)

    def forward(self, wavlm_values: Tensor, clap_values: Tensor) -> tuple[Tensor, ...]:
        wlm_feats = self.wavlm(wavlm_values).last_hidden_state.mean(dim=1)
        clp_feats = self.clap(clap_values).pooler_output
        wlm_p = F.gelu(self.wlm_proj(wlm_feats))
        clp_p = F.gelu(self.clp_proj(clp_feats))
        fused = self.fusion(torch.cat([wlm_p, clp_p], dim=-1))
        return self.emo_head(fused), self.vibe_head(fused), self.int_head(fused), self.tmp_head(fused)


def published(seed: int = 0, **wavlm) -> AudioMathRockModel:
    """The document's class over small towers, with weights that matter."""
    torch.manual_seed(seed)
    towers = WavLMModel(WavLMConfig(**TINY_WAVLM | wavlm)), ClapAudioModel(ClapAudioConfig(**TINY_CLAP))
    model = AudioMathRockModel(*towers).eval()
    for name, buffer in model.named_buffers():  # a batch norm that has heard decibels
        if name.endswith("running_mean"):
            buffer.fill_(-30.0)
        if name.endswith("running_var"):
            buffer.fill_(400.0)
    for name, parameter in model.named_parameters():
        if "head" in name:
            nn.init.normal_(parameter, std=0.2)
    return model


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


TINY_TEXT = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 12,
}  # fmt: skip


def tiny_tokenizer() -> XLMRobertaTokenizer:
    """A few words, the rest letter by letter."""
    words = ("▁never", "▁meant", "▁summer", "▁ends", "▁", *"abcdefghijklmnopqrstuvwxyz")
    special = ("<s>", "<pad>", "</s>", "<unk>")
    return XLMRobertaTokenizer(vocab=[(piece, -float(number)) for number, piece in enumerate(special + words)])
