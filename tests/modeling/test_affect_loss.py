"""The loss of Neural Math Rock by hand, and temperatures."""

import math

import pytest
import torch
import torch.nn.functional as F
from published_mathrock import TINY_TEXT
from small_mathrock import four_heard, heads_of, make


@pytest.fixture(scope="module")
def heard() -> dict[str, torch.Tensor]:
    return four_heard()


def test_the_loss_of_the_emotions_is_focal_with_smooth_labels(heard):
    labels = torch.zeros(4, 28)
    labels[0, 3] = labels[1, 5] = labels[1, 6] = labels[2, 0] = 1
    labels[3] = torch.nan
    output = make()(**heard, labels=labels)
    terms = []
    for logit, label in zip(output.logits[:3].flatten().tolist(), labels[:3].flatten().tolist(), strict=True):
        p, y = 1 / (1 + math.exp(-logit)), 0.95 if label else 0.05
        entropy = -(y * math.log(p) + (1 - y) * math.log(1 - p))
        terms.append((1 - (p * y + (1 - p) * (1 - y))) ** 2 * entropy)
    assert output.loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)
    plain = make(focal_gamma=0.0, label_smoothing=0.0)(**heard, labels=labels)
    expected = F.binary_cross_entropy_with_logits(plain.logits[:3], labels[:3])
    assert plain.loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_one_emotion_a_recording_may_be_given_by_its_index(heard):
    many = torch.zeros(4, 28)
    many[range(3), [4, 27, 0]] = 1
    many[3] = torch.nan
    one = make()(**heard, labels=torch.tensor([4, 27, 0, -100])).loss
    assert one.item() == make()(**heard, labels=many).loss.item()


def test_the_other_losses_are_weighted_cross_entropy_of_what_is_known(heard):
    weights, vibe = [1.0, 2.0, 3.0, 4.0], torch.tensor([3, -100, 0, 1])
    output = make(vibe_class_weights=weights)(**heard, vibe_labels=vibe)
    shares = output.vibe_logits.log_softmax(-1)
    expected = -(4 * shares[0, 3] + 1 * shares[2, 0] + 2 * shares[3, 1]) / 7
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for task, labels in (("intensity", [0, 2, 1, -100]), ("tempo", [2, 2, -100, 0])):
        labels = torch.tensor(labels)
        output = make()(**heard, **{f"{task}_labels": labels})
        expected = F.cross_entropy(output[f"{task}_logits"][labels >= 0], labels[labels >= 0])
        assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)


LABELS = {
    "labels": torch.tensor([0, 5, 27, 9]),
    "vibe_labels": torch.tensor([0, 1, 2, 3]),
    "intensity_labels": torch.tensor([0, 1, 2, 0]),
    "tempo_labels": torch.tensor([2, 2, 1, 0]),
}


def test_tasks_count_by_their_weights_and_not_at_all_without_labels(heard):
    losses = [make()(**heard, **{name: labels}).loss.item() for name, labels in LABELS.items()]
    assert make()(**heard, **LABELS).loss.item() == pytest.approx(sum(losses), rel=1e-5)
    weighted = make(task_weights=[2.0, 1.0, 0.0, 0.5])(**heard, **LABELS).loss.item()
    assert weighted == pytest.approx(2 * losses[0] + losses[1] + losses[3] / 2, rel=1e-5)
    two = {name: LABELS[name] for name in ("labels", "tempo_labels")}
    assert make()(**heard, **two).loss.item() == pytest.approx(losses[0] + losses[3], rel=1e-5)
    unknown = two | {"vibe_labels": torch.full((4,), -100)}
    assert make()(**heard, **unknown).loss.item() == pytest.approx(losses[0] + losses[3], rel=1e-5)
    assert make()(**heard).loss is None


def test_where_nothing_is_known_there_is_nothing_to_learn(heard):
    model = make().train()
    loss = model(**heard, labels=torch.full((4, 28), torch.nan), vibe_labels=torch.full((4,), -100)).loss
    loss.backward()
    assert loss.item() == 0
    assert not model.emo_head[0].weight.grad.any()


def test_uncertainty_weights_the_tasks_that_are_there(heard):
    losses = [make()(**heard, **{name: labels}).loss.item() for name, labels in LABELS.items()]
    model = make(uncertainty_weighting=True)
    assert model.task_log_variances.tolist() == [0, 0, 0, 0]
    with torch.no_grad():
        model.task_log_variances.copy_(torch.tensor([1.0, -1.0, 0.5, 2.0]))
    one = {name: LABELS[name] for name in ("labels", "vibe_labels")}
    loss = model(**heard, **one).loss
    expected = losses[0] * math.exp(-1) + 0.5 + losses[1] * math.exp(1) - 0.5
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert model.task_log_variances.grad[2:].tolist() == [0, 0]
    assert model.task_log_variances.grad[0].item() == pytest.approx(0.5 - losses[0] * math.exp(-1), rel=1e-4)


def test_everything_learns(heard):
    model = make(uncertainty_weighting=True, text_config=TINY_TEXT).train()
    tokens = torch.tensor([[0, 5, 6, 2]] * 4)
    model(**heard, **LABELS, input_ids=tokens).loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    towers = (model.wavlm.feature_extractor, model.clap.audio_encoder.patch_embed)
    assert all(next(tower.parameters()).grad.any() for tower in towers)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"labels": torch.zeros(4, 27)}, r"labels of emotion have shape \(4, 27\); allowed: \(4,\) and \(4, 28\)"),
        ({"vibe_labels": torch.zeros(4, 4)}, r"labels of vibe have shape \(4, 4\); allowed: \(4,\)"),
        ({"vibe_labels": torch.tensor([0, 7, 1, 1])}, "labels of vibe are 0 to 7; allowed are 0 to 3, and -100 where"),
        ({"labels": torch.tensor([0, -2, 1, 1])}, "labels of emotion are -2 to 1; allowed are 0 to 27, and -100"),
    ],
)
def test_labels_of_another_shape_are_refused(heard, labels, message):
    with pytest.raises(ValueError, match=message):
        make()(**heard, **labels)


def test_temperatures_are_in_the_logits_when_it_answers_and_not_when_it_learns(heard):
    model = make()
    plain, temperatures = heads_of(model(**heard)), (2.0, 3.0, 4.0, 5.0)
    names = ("temperature", "vibe_temperature", "intensity_temperature", "tempo_temperature")
    for name, temperature in zip(names, temperatures, strict=True):
        setattr(model.config, name, temperature)
    for cold, warm, temperature in zip(plain, heads_of(model(**heard)), temperatures, strict=True):
        assert torch.allclose(warm, cold / temperature)
    model.training = True  # itself, and no dropout below it
    for cold, learning in zip(plain, heads_of(model(**heard)), strict=True):
        assert torch.equal(learning, cold)
