"""The transformer over codec frames, part by part against transformers' Llama with the same weights."""

import pytest
import torch
from pocket_codec import tiny_config
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import (
    LlamaDecoderLayer,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
)

from linernotes.modeling.codec_transformer import (
    RMSNorm,
    TransformerEncoder,
    TransformerLayer,
    rotary_angles,
    rotated,
)


def llama(**options) -> LlamaConfig:
    return LlamaConfig(hidden_size=32, num_attention_heads=2, num_key_value_heads=2, intermediate_size=48, **options)


def test_positions_are_turned_as_in_llama():
    query, key = torch.randn(2, 3, 2, 10, 16)
    ours = rotary_angles(10, 16, 10_000.0, like=query)
    theirs = LlamaRotaryEmbedding(llama())(query, torch.arange(10)[None])
    for turned, expected in zip(
        (rotated(query, ours), rotated(key, ours)), apply_rotary_pos_emb(query, key, *theirs), strict=True
    ):
        assert torch.allclose(turned, expected, atol=1e-6)


def test_products_of_turned_vectors_depend_on_distance_alone():
    query, key = torch.randn(2, 1, 16, dtype=torch.float64)
    angles = rotary_angles(200, 16, 10_000.0, like=query.double())
    queries, keys = (rotated(vector.expand(200, -1), angles) for vector in (query, key))
    products = queries @ keys.T
    for distance in (-150, -3, 0, 1, 42):
        along = products.diagonal(distance)
        assert torch.allclose(along, along[0].expand_as(along), atol=1e-5)
    assert products[0].std() > 0.1


def test_the_norm_is_llama_s():
    ours, theirs, values = RMSNorm(32, 1e-5), LlamaRMSNorm(32, 1e-5), 7 * torch.randn(3, 32)
    torch.nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    assert torch.allclose(ours(values), theirs(values))
    assert torch.equal(ours.bfloat16()(values.bfloat16()), theirs.bfloat16()(values.bfloat16()))


def test_a_layer_is_llama_s_without_the_causal_mask():
    config = tiny_config(attention_dropout=0.0)
    config._attn_implementation = "eager"
    ours, theirs = TransformerLayer(config, 32, 2, 48).eval(), LlamaDecoderLayer(llama(attn_implementation="eager"), 0)
    names = {"attention_norm": "input_layernorm", "feed_forward_norm": "post_attention_layernorm"}
    names |= {"attention": "self_attn", "feed_forward": "mlp"}
    weights = {}
    for name, value in ours.state_dict().items():
        part, rest = name.split(".", 1)
        weights[f"{names[part]}.{rest}"] = value
    theirs.load_state_dict(weights)
    values = torch.randn(2, 9, 32)
    angles = rotary_angles(9, 16, 10_000.0, like=values)
    expected = theirs(values, position_embeddings=tuple(angle[None] for angle in angles))
    assert torch.allclose(ours(values, None, angles), expected, atol=1e-6)


def test_heads_that_cannot_be_turned_are_refused():
    with pytest.raises(ValueError, match=r"2 heads in a hidden size of 30; rotary .* multiple of 4"):
        TransformerEncoder(tiny_config(), 30, 1, 2, 48)
