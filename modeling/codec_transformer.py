"""A transformer as language models are built: pre-norm, RMSNorm, rotary positions, SwiGLU; bidirectional, no biases.

Sources: RoPE (Su et al. 2021, arXiv 2104.09864), RMSNorm (Zhang, Sennrich 2019, arXiv 1910.07467), SwiGLU (Shazeer
2020, arXiv 2002.05202). With equal weights each part computes what transformers' Llama computes.
Shapes: hidden states (batch, positions, hidden_size); queries and keys (batch, heads, positions, head_size).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


def rotary_angles(positions: int, head_size: int, theta: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine, (positions, head_size) each, by which a head's vector is turned at each position.

    Computed where it is needed: a buffer that is not in the checkpoint would be uninitialised after loading.
    """
    frequencies = theta ** -(torch.arange(0, head_size, 2, device=like.device, dtype=torch.float32) / head_size)
    angles = torch.arange(positions, device=like.device, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotated(vectors: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Vectors (..., positions, head_size) turned: products of two then depend on the distance of their positions."""
    first, second = vectors.chunk(2, dim=-1)
    cosine, sine = angles
    return vectors * cosine + torch.cat((-second, first), dim=-1) * sine


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs,
) -> tuple[Tensor, Tensor]:
    """Attention written out, which can show its weights, (batch, heads, positions, positions)."""
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    weights = F.dropout(weights, dropout, module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


class RMSNorm(nn.Module):
    """Scales each vector to a root mean square of 1, in float32, and each of its numbers by a learned weight."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, hidden_states: Tensor) -> Tensor:
        exact = hidden_states.float()
        exact = exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * exact.to(hidden_states.dtype)


class SwiGLU(nn.Module):
    def __init__(self, size: int, intermediate_size: int):
        super().__init__()
        self.gate_proj = nn.Linear(size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, size, bias=False)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(hidden_states)) * self.up_proj(hidden_states))


class Attention(nn.Module):
    """Every position hears every other one that the mask lets through."""

    def __init__(self, config: PreTrainedConfig, size: int, num_heads: int):
        super().__init__()
        if size % (2 * num_heads):
            raise ValueError(
                f"{num_heads} heads in a hidden size of {size}; rotary positions need heads of an even size: "
                f"make it a multiple of {2 * num_heads}"
            )
        self.config, self.head_size, self.is_causal = config, size // num_heads, False
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(size, size, bias=False) for _ in range(4))

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None, angles: tuple[Tensor, Tensor], **kwargs
    ) -> tuple[Tensor, Tensor | None]:
        projected = (layer(hidden_states) for layer in (self.q_proj, self.k_proj, self.v_proj))
        query, key, value = (states.unflatten(-1, (-1, self.head_size)).transpose(1, 2) for states in projected)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        heard, weights = attend(
            self,
            rotated(query, angles),
            rotated(key, angles),
            value,
            attention_mask,
            scaling=self.head_size**-0.5,
            dropout=self.config.attention_dropout if self.training else 0.0,
            **kwargs,
        )
        return self.o_proj(heard.flatten(2)), weights


class TransformerLayer(GradientCheckpointingLayer):
    def __init__(self, config: PreTrainedConfig, size: int, num_heads: int, intermediate_size: int):
        super().__init__()
        self.attention_norm = RMSNorm(size, config.rms_norm_eps)
        self.attention = Attention(config, size, num_heads)
        self.feed_forward_norm = RMSNorm(size, config.rms_norm_eps)
        self.feed_forward = SwiGLU(size, intermediate_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None, angles, **kwargs) -> Tensor:
        heard, _ = self.attention(self.attention_norm(hidden_states), attention_mask, angles, **kwargs)
        hidden_states = hidden_states + self.dropout(heard)
        return hidden_states + self.dropout(self.feed_forward(self.feed_forward_norm(hidden_states)))


class TransformerEncoder(nn.Module):
    """Layers and a last norm; `config` gives what layers of all sizes share: eps, theta, dropout, attention backend."""

    def __init__(self, config: PreTrainedConfig, size: int, num_layers: int, num_heads: int, intermediate_size: int):
        super().__init__()
        self.layers = nn.ModuleList(
            TransformerLayer(config, size, num_heads, intermediate_size) for _ in range(num_layers)
        )
        self.norm = RMSNorm(size, config.rms_norm_eps)
        self.theta, self.head_size = config.rope_theta, size // num_heads

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs) -> Tensor:
        """
        Args:
            hidden_states: (batch, positions, size).
            attention_mask: as transformers' `create_bidirectional_mask` makes it for the attention backend, or None.
        """
        angles = rotary_angles(hidden_states.shape[1], self.head_size, self.theta, like=hidden_states)
        for layer in self.layers:
            hidden_states = layer(hidden_states, attention_mask, angles, **kwargs)
        return self.norm(hidden_states)


class LocalEncoder(nn.Module):
    """Inside each patch: which codes its masked tokens were, from the other tokens and what the global encoder heard.

    As in MEGABYTE, each token hears its own projection of the patch's global vector; unlike there, all of the others.
    """

    def __init__(self, config: PreTrainedConfig, patch_tokens: int):
        super().__init__()
        size, self.patch_tokens = config.local_hidden_size, patch_tokens
        self.lift = nn.Linear(config.code_embedding_size, size, bias=False)
        self.condition = nn.Linear(config.hidden_size, patch_tokens * size, bias=False)
        self.encoder = TransformerEncoder(
            config,
            size,
            config.local_num_hidden_layers,
            config.local_num_attention_heads,
            config.local_intermediate_size,
        )
        entries = config.codec_config.codebook_size
        self.heads = nn.ModuleList(nn.Linear(size, entries, bias=False) for _ in range(config.num_codebooks))

    def forward(self, embedded: Tensor, heard: Tensor, asked: Tensor) -> Tensor:
        """Logits (asked, codebook_size) of the tokens that are asked for, patch after patch.

        Patches do not hear each other here, so those in which nothing is asked are left out.

        Args:
            embedded: (batch, patches, tokens of a patch, code_embedding_size); frame by frame, in each by codebook.
            heard: (batch, patches, hidden_size), of the global encoder.
            asked: (batch, patches, tokens of a patch), True where logits are wanted.
        """
        patches = asked.any(-1)
        patches[0, 0] |= ~patches.any()  # where nothing is asked of any, since attention takes no empty batch
        condition = self.condition(heard[patches]).unflatten(-1, (self.patch_tokens, -1))
        states = self.encoder(self.lift(embedded[patches]) + condition)
        asked = asked[patches]
        books = torch.arange(self.patch_tokens, device=asked.device) % len(self.heads)
        books, states = books.expand_as(asked)[asked], states[asked]
        by_book = torch.cat([head(states[books == book]) for book, head in enumerate(self.heads)])
        return by_book[books.argsort(stable=True).argsort()]
