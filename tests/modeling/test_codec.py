"""The codec's half that listens: its codes are those of transformers' EnCodec, at every bit rate."""

import pytest
import torch
from pocket_codec import HOP, RATE, RATES, SIZES, noise, prefix_mask, tiny_codec, tiny_config

from linernotes.modeling.codec import one_thread
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerModel as Base


@RATES
@pytest.mark.parametrize("normalize", [False, True])
@torch.no_grad()  # with gradients torch computes an LSTM by other sums, and a code near the edge of two may differ
def test_codes_are_those_of_transformers_codec(bandwidth, books, normalize, tmp_path):
    codec = tiny_codec(normalize=normalize)
    codec.save_pretrained(tmp_path / "tiny_codec")
    model = Base.from_codec(tmp_path / "tiny_codec", bandwidth_kbps=bandwidth, **SIZES).eval()
    assert model.config.codec_name == "tiny_codec"
    recordings = [noise(seconds, seed=seed) for seed, seconds in enumerate((1.0, 0.5, 0.777))]
    values = torch.zeros(3, RATE)
    for row, samples in enumerate(recordings):
        values[row, : len(samples)] = torch.from_numpy(samples)
    codes, valid = model.codec.tokens(values, prefix_mask(*map(len, recordings)))
    for row, samples in enumerate(recordings):
        with one_thread():  # as ours: sums that threads share may round to another code
            expected = codec.encode(torch.from_numpy(samples)[None, None], bandwidth=bandwidth).audio_codes[0, 0]
        assert expected.shape == (books, -(-len(samples) // HOP))
        assert torch.equal(codes[row, :, : expected.shape[1]], expected)
        assert valid[row].sum() == expected.shape[1]
    assert len(codes[0, 0].unique()) > 20


@pytest.mark.parametrize("size", [8, 16, 20])
@torch.no_grad()
def test_codes_are_embedded_at_first_as_what_they_stand_for(size, tmp_path):
    codec = tiny_codec()
    codec.save_pretrained(tmp_path)
    model = Base.from_codec(tmp_path, bandwidth_kbps=12.0, **{**SIZES, "code_embedding_size": size})
    tables = model.embed_codes.weight.unflatten(0, (16, 1026))
    first = codec.quantizer.layers[0].codebook.embed
    scale = (first - first.mean(0)).square().mean().sqrt()
    for table, layer in zip(tables, codec.quantizer.layers, strict=False):
        embedded, entries = (part[:50, None] - part[None, :50] for part in (scale * table, layer.codebook.embed))
        near, far = embedded.norm(dim=-1), entries.norm(dim=-1)
        if size < 16:  # the axes that are left out hold the smaller part
            assert (near <= far * 1.0001).all()
            assert near.square().sum() >= 0.5 * far.square().sum()
        else:
            assert torch.allclose(near, far, atol=1e-4 * far.max())


@torch.no_grad()
def test_a_higher_bit_rate_begins_with_the_codes_of_a_lower_one():
    sample, codec = torch.from_numpy(noise(1.0))[None, None], tiny_codec()
    low, high = (codec.encode(sample, bandwidth=bandwidth).audio_codes[0, 0] for bandwidth in (1.5, 12.0))
    assert torch.equal(high[:2], low)


def test_a_codec_without_the_codebooks_asked_for_is_refused(tmp_path):
    tiny_codec(target_bandwidths=[1.5]).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"lacks quantizer.*embed.* 14 in all; bandwidth_kbps is 12.0: choose"):
        Base.from_codec(tmp_path, bandwidth_kbps=12.0, **SIZES)


def test_a_codec_that_is_not_one_sequence_of_mono_frames_is_refused():
    for options in ({"audio_channels": 2}, {"chunk_length_s": 1.0, "overlap": 0.01}):
        with pytest.raises(ValueError, match=r"a codec of . channels and chunks of .*; allowed is mono without chunks"):
            Base(tiny_config(codec_config={"num_filters": 4, **options}))
