"""The network against the same computation written straight from its description, with nothing reordered."""

import pytest
import torch
import torch.nn.functional as F

from linernotes.modeling.musicnn import MSD_TAGS, Front, MusicnnTagger


def lively(seed: int = 0) -> MusicnnTagger:
    """Random weights with what the published ones have: norms that saw data, scales of both signs, dead filters."""
    torch.manual_seed(seed)
    tagger = MusicnnTagger().eval()
    with torch.no_grad():
        for module in tagger.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.weight.normal_()
                module.bias.normal_(std=0.1)
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
            if isinstance(module, Front):
                module.conv.bias.normal_()
                module.conv.weight[::3] = 0
        tagger.spectrogram_norm.weight.fill_(0.6)
    return tagger


def described(tagger: MusicnnTagger, patches: torch.Tensor) -> torch.Tensor:
    """The network on (batch, 187, 96): every filter is heard, every map is rectified and normalised, then pooled."""
    state = tagger.state_dict()

    def norm(values, name):
        statistics = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(values, *statistics, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-3)

    def front(spectrogram, name):
        weight = state[f"{name}.conv.weight"]
        before = (weight.shape[2] - 1) // 2  # TensorFlow's "same"
        padded = F.pad(spectrogram, (0, 0, before, weight.shape[2] - 1 - before))
        return norm(F.relu(F.conv2d(padded, weight, state[f"{name}.conv.bias"])), f"{name}.norm").amax(3)

    def middle(channels, depth):
        weight, bias = state[f"mid_end.convs.{depth}.weight"], state[f"mid_end.convs.{depth}.bias"]
        windows = F.pad(channels, (3, 3)).unfold(2, 7, 1)  # (batch, channels, frames, 7)
        return norm(F.relu(torch.einsum("bctk,ock->bot", windows, weight) + bias[:, None]), f"mid_end.norms.{depth}")

    spectrogram = norm(patches[:, None], "spectrogram_norm")
    names = [f"timbral_fronts.{number}" for number in range(2)] + [f"temporal_fronts.{number}" for number in range(3)]
    heard = torch.cat([front(spectrogram, name) for name in names], 1)
    first = middle(heard, 0)
    second = middle(first, 1) + first
    third = middle(second, 2) + second
    channels = torch.cat([heard, first, second, third], 1)
    pooled = norm(torch.cat([channels.max(2).values, channels.mean(2)], 1), "back_end.pooled_norm")
    dense = F.relu(pooled @ state["back_end.dense.weight"].T + state["back_end.dense.bias"])
    return (norm(dense, "back_end.dense_norm") @ state["classifier.weight"].T + state["classifier.bias"]).sigmoid()


@pytest.fixture(scope="module")
def patches() -> torch.Tensor:
    return 4 * torch.rand(9, 187, 96, generator=torch.Generator().manual_seed(1))  # more than the fronts take at once


def test_answers_as_described(patches):
    tagger = lively()
    with torch.inference_mode():
        torch.testing.assert_close(tagger(patches), described(tagger, patches), atol=1e-5, rtol=0)


def test_has_the_published_size_and_tags():
    assert sum(parameter.numel() for parameter in MusicnnTagger().parameters()) == 787_159
    assert len(set(MSD_TAGS)) == 50
    assert (MSD_TAGS[0], MSD_TAGS[33], MSD_TAGS[-1]) == ("rock", "Hip-Hop", "happy")


def test_a_patch_is_answered_alike_alone_and_among_others(patches):
    tagger = lively()
    with torch.inference_mode():
        torch.testing.assert_close(tagger(patches[4:5]), tagger(patches)[4:5], atol=1e-6, rtol=0)
        assert tagger(patches[:0]).shape == (0, 50)


def test_embedding_goes_on_to_the_tags(patches):
    tagger = lively()
    with torch.inference_mode():
        embedding = tagger.embed(patches)
        assert embedding.shape == (9, 200)
        torch.testing.assert_close(tagger.classifier(embedding).sigmoid(), tagger(patches))


@pytest.mark.parametrize("negative", [False, True])
def test_front_hears_the_loudest_place_whatever_the_sign_of_its_scale(negative):
    front = Front(1, 1, 1).eval()
    spectrogram = torch.tensor([[[[1.0, 5.0, 3.0]]]])
    with torch.no_grad():
        front.conv.weight.fill_(1)
        front.conv.bias.zero_()
        front.norm.weight.fill_(-1 if negative else 1)
        answer = front(spectrogram) * (1 + front.norm.eps) ** 0.5
    assert answer.item() == pytest.approx(-1 if negative else 5)


def test_front_in_training_normalises_by_the_batch_before_it_pools():
    torch.manual_seed(0)
    front, spectrogram = Front(5, 4, 3), torch.rand(3, 1, 20, 8)
    maps = F.relu(F.conv2d(F.pad(spectrogram, (0, 0, 1, 2)), front.conv.weight, front.conv.bias))
    mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3), correction=0)
    expected = ((maps - mean[:, None, None]) / (variance[:, None, None] + 1e-3).sqrt()).amax(3)
    torch.testing.assert_close(front(spectrogram), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(front.norm.running_mean, 0.1 * mean, atol=1e-6, rtol=1e-5)


def test_front_without_any_filter_answers_its_biases():
    front = Front(2, 3, 3).eval()
    with torch.no_grad():
        front.conv.weight.zero_()
        front.conv.bias.copy_(torch.tensor([0.25, -1.0]))
        answer = front(torch.rand(2, 1, 6, 5)) * (1 + front.norm.eps) ** 0.5
    torch.testing.assert_close(answer, torch.tensor([0.25, 0.0])[None, :, None].expand(2, 2, 6))


def test_a_broken_filter_is_not_taken_for_a_silent_one(patches):
    tagger = lively()
    with torch.no_grad():
        tagger.temporal_fronts[1].conv.weight[1] = float("nan")
        assert tagger(patches[:1]).isnan().all()


def test_gradients_reach_the_patch_and_match_the_plain_computation(patches):
    tagger = lively()
    gradients = []
    for answer in (tagger, lambda heard: described(tagger, heard)):
        heard = patches[:2].clone().requires_grad_()
        answer(heard)[:, 0].sum().backward()
        gradients.append(heard.grad)
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-3)


def test_is_built_without_memory_and_filled_from_its_state_alone(patches):
    original = lively()
    assert {name for name, _ in original.named_buffers()} <= set(original.state_dict())
    with torch.device("meta"):
        hollow = MusicnnTagger()
    hollow.load_state_dict(original.state_dict(), assign=True)
    with torch.inference_mode():
        assert torch.equal(hollow.eval()(patches[:2]), original(patches[:2]))


def test_runs_in_mixed_precision(patches):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert lively()(patches[:1]).isfinite().all()


@pytest.mark.parametrize("shape", [(187, 96), (1, 96, 187), (1, 186, 96), (2, 1, 187, 96)])
def test_refuses_what_is_no_patch(shape):
    with pytest.raises(ValueError, match=r"patches \(batch, 187, 96\), got shape .*feature_type='mel_patches'"):
        MusicnnTagger()(torch.zeros(shape))
