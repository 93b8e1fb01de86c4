"""The projector's pooling and the two losses by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from linernotes.modeling.projector import MultiTaskProjector, labels_from_first, task_loss, word_loss

TASKS = {"key_detection": {"classes": ["C major", "A minor"]}, "mood_detection": {"classes": ["sad"]}}


def projector(**options) -> MultiTaskProjector:
    torch.manual_seed(0)
    sizes = {"backbone_size": 6, "head_hidden_size": 4, "content_tokens": 2, "task_tokens": 1, "dropout": 0.2}
    parts = {
        "audio_config": SimpleNamespace(hidden_size=5, num_hidden_layers=2),
        "text_config": SimpleNamespace(hidden_size=7),
        "tasks": TASKS,
        "projector_hidden_size": None,
        "original_pooling": False,
        "pooled_frames": 20,
    }
    made = MultiTaskProjector(SimpleNamespace(**sizes | parts | options)).eval()
    for name, parameter in made.named_parameters():
        if "aggregator" in name:
            torch.nn.init.normal_(parameter)
    return made


def test_frames_that_are_not_there_change_nothing():
    made, states = projector(), torch.randn(2, 3, 9, 5)
    mask = torch.tensor([[1] * 9, [1] * 4 + [0] * 5])
    with torch.no_grad():
        together = made.pool(states, mask)
        for row, frames in enumerate((9, 4)):
            alone = made.pool(states[row : row + 1, :, :frames])
            for one, other in zip(together, alone, strict=True):
                assert torch.allclose(one[row], other[0], atol=1e-6)


def test_as_published_silent_frames_count_and_more_are_cut_off():
    made, states = projector(original_pooling=True), torch.randn(1, 3, 9, 5)
    filled = torch.cat((states, torch.zeros(1, 3, 11, 5)), dim=2)
    with torch.no_grad():
        assert torch.allclose(
            made.pool(states).content, filled.mean(2).squeeze(0).T @ made.layer_weights()["lmm_projector"]
        )
        expected = made.backbone(filled).sum(2).mean(1)  # frames added up, layers averaged, the same for every task
        assert torch.allclose(made.pool(states).shared, expected[:, None].expand(-1, 2, -1), atol=1e-5)
        longer = torch.cat((filled, torch.randn(1, 3, 5, 5)), dim=2)
        assert torch.allclose(made.pool(longer).shared, made.pool(filled).shared)


def test_the_bottleneck_makes_the_projector_small():
    whole, small = (sum(p.numel() for p in projector(projector_hidden_size=h).parameters()) for h in (None, 2))
    assert whole - small == 2 * (5 * 5 + 5 + 7 * 5) + 5 * (2 + 1) + 2 * (5 + 7 * 5)


def test_tokens_are_the_content_s_then_each_task_s():
    made, states = projector(), torch.randn(1, 3, 9, 5)
    with torch.no_grad():
        pooled = made.pool(states)
        logits = made.judge(pooled)
        tokens = made.tokens(pooled, logits)
        assert {name: tuple(each.shape) for name, each in logits.items()} == {
            "key_detection": (1, 2), "mood_detection": (1, 1)
        }  # fmt: skip
        assert tokens.shape == (1, 4, 7)
        assert torch.equal(tokens[:, 2:3], made.key_detection_projector(logits["key_detection"]))
        assert torch.equal(tokens[:, 3:], made.mood_detection_projector(logits["mood_detection"]))
    assert all(weights.sum().item() == pytest.approx(1) for weights in made.layer_weights().values())


def test_only_labels_that_are_known_count():
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]], requires_grad=True)
    labels = torch.tensor([[1.0, torch.nan], [-100.0, 0.25]])
    loss = task_loss(logits, labels)
    expected = math.log1p(math.exp(-2.0)) + math.log1p(math.exp(3.0)) - 0.25 * 3.0
    assert loss.item() == pytest.approx(expected / 2, rel=1e-6)
    loss.backward()
    assert logits.grad[0, 1] == logits.grad[1, 0] == 0
    assert torch.isfinite(logits.grad).all()
    assert task_loss(logits, torch.tensor([0, -100])).item() == pytest.approx(
        (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-1.0))) / 2, rel=1e-6
    )
    assert task_loss(logits, torch.full((2, 2), torch.nan)).item() == 0
    with pytest.raises(ValueError, match=r"labels have shape \(3,\); allowed are \(2, 2\)"):
        task_loss(logits, torch.zeros(3))


def test_a_word_is_asked_of_the_place_before_it():
    logits = torch.zeros(1, 3, 4)
    logits[0, 0, 2] = 1.0
    labels = torch.tensor([[3, 2, -100]])
    assert word_loss(logits, labels).item() == pytest.approx(-(1 - math.log(math.e + 3)), rel=1e-6)
    assert word_loss(logits, torch.full((1, 3), -100)).item() == 0
    with pytest.raises(ValueError, match=r"labels have shape \(1, 2\); allowed is \(1, 3\)"):
        word_loss(logits, labels[:, :2])


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ([[-100, -100, 3, 1], [-100, -100, -100, 2]], 3),
        ([[3, 2, 1, 0], [-100, -100, -100, 2]], 4),
        ([[-100] * 4] * 2, 1),
    ],
)
def test_from_the_first_label_on_the_loss_is_the_same(labels, kept):
    labels, logits = torch.tensor(labels), torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    short = labels_from_first(labels, labels)
    assert short.shape == (2, kept)
    assert torch.equal(word_loss(logits[:, -kept:], short), word_loss(logits, labels))
    with pytest.raises(ValueError, match=r"labels have shape \(2, 4\); allowed is \(2, 3\)"):
        labels_from_first(labels, labels[:, 1:])
