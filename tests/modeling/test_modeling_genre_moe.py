"""The genre mixture: sizes of the published tables, the loss by hand, routing, and what it says of feature rows."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification, taggram_statistics


def make(**options) -> GenreMoeForAudioClassification:
    torch.manual_seed(0)
    return GenreMoeForAudioClassification(GenreMoeConfig(**options)).eval()


ROWS = torch.randn(6, 59, generator=torch.Generator().manual_seed(1))


def test_sizes_are_those_of_the_published_tables():
    model = make()
    count = lambda part: sum(p.numel() for p in part.parameters())  # noqa: E731
    assert 173_000 <= count(model) <= 176_000
    assert (count(model.encoder), count(model.gate), count(model.classifier)) == (24_704, 10_629, 2_437)
    assert model.config.labels == ["jazz", "blues", "rock", "pop", "classical"]


@pytest.mark.parametrize(("num_experts", "num_labels"), [(1, 2), (3, 7), (12, 12)])
def test_any_number_of_experts_and_genres(num_experts, num_labels):
    output = make(num_experts=num_experts, num_labels=num_labels)(ROWS)
    assert output.logits.shape == (6, num_labels)
    assert output.gate_weights.shape == (6, num_experts)
    assert output.expert_outputs.shape == (6, num_experts, 32)


def test_the_answer_is_the_gated_sum_of_the_experts():
    model = make()
    output = model(ROWS)
    fused = sum(output.gate_weights[:, i : i + 1] * output.expert_outputs[:, i] for i in range(5))
    assert torch.allclose(model.classifier(fused), output.logits, atol=1e-6)


def test_loss_is_cross_entropy_plus_balance_minus_entropy():
    model, labels = make(), torch.tensor([0, 1, 2, 3, 4, 0])
    output = model(ROWS, labels=labels)
    gates = output.gate_weights
    chosen = F.one_hot(gates.argmax(-1), 5).float().mean(0)
    entropy = -(gates * gates.log()).sum(-1).mean()
    expected = F.cross_entropy(output.logits, labels, label_smoothing=0.1)
    expected = expected + 0.05 * 5 * (chosen * gates.mean(0)).sum() - 0.01 * entropy
    assert output.loss.item() == pytest.approx(expected.item(), abs=1e-6)
    assert model(ROWS, labels=F.one_hot(labels, 5).float()).loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_alignment_needs_one_expert_a_genre():
    with pytest.raises(ValueError, match="got 4 experts for 5 genres"):
        make(num_experts=4, gate_alignment_weight=0.5)


def test_top_k_over_all_experts_is_the_dense_mixture():
    dense, sparse = make(), make(top_k=5)
    assert torch.allclose(dense(ROWS).logits, sparse(ROWS).logits, atol=1e-6)


def test_top_k_runs_only_the_chosen_experts():
    model = make(num_experts=8, num_labels=5, top_k=2)
    rows_heard = []
    for expert in model.experts:
        expert.register_forward_hook(lambda _, inputs, __: rows_heard.append(len(inputs[0])))
    output = model(ROWS)
    assert sum(rows_heard) == 2 * len(ROWS)
    assert ((output.gate_weights > 0).sum(-1) == 2).all()
    assert torch.allclose(output.gate_weights.sum(-1), torch.ones(6))
    assert (output.expert_outputs[output.gate_weights == 0] == 0).all()


def test_missing_features_count_as_the_mean():
    model = make(feat_mean=[2.0] * 59, feat_std=[3.0] * 59)
    missing, filled = ROWS.clone(), ROWS.clone()
    missing[:, 40:52], filled[:, 40:52] = math.nan, 2.0
    assert torch.equal(model(missing).logits, model(filled).logits)


def test_temperature_is_inside_the_logits_in_eval_mode_only():
    plain, tempered = make(dropout=0.0, gate_noise=0.0), make(dropout=0.0, gate_noise=0.0, temperature=2.0)
    assert torch.allclose(plain(ROWS).logits / 2, tempered(ROWS).logits)
    assert torch.allclose(plain.train()(ROWS).logits, tempered.train()(ROWS).logits)


def test_one_row_gives_a_dict_and_several_a_list():
    model = make()
    one, several = model.predict(ROWS[:1]), model.predict(ROWS)
    assert isinstance(one, dict)
    assert [type(answer) for answer in several] == [dict] * 6
    assert one["probabilities"] == pytest.approx(several[0]["probabilities"], abs=1e-6)
    assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert one["confidence"] == one["probabilities"][one["predicted_genre"]] == max(one["probabilities"].values())
    assert list(one["gate_weights"]) == model.config.labels


def test_raw_rows_are_normalised_with_the_stored_statistics():
    mean, std = np.linspace(-5, 5, 59), np.linspace(0.5, 9, 59)
    model = make(feat_mean=mean.tolist(), feat_std=std.tolist())
    raw = ROWS.numpy() * std.astype(np.float32) + mean.astype(np.float32)
    normalised, from_raw = model.predict(ROWS), model.predict(raw, already_normalised=False)
    for a, b in zip(normalised, from_raw, strict=True):
        assert a["probabilities"] == pytest.approx(b["probabilities"], abs=1e-5)


def test_statistics_of_a_taggram_leave_padding_out():
    taggram = torch.rand(2, 9, 50)
    mask = torch.ones(2, 9)
    mask[1, 4:] = 0
    mean, deviation, log_odds = taggram_statistics(taggram, mask)[1].split(50)
    heard = taggram[1, :4]
    assert torch.allclose(mean, heard.mean(0), atol=1e-6)
    assert torch.allclose(deviation, heard.std(0, correction=0), atol=1e-5)
    assert torch.allclose(log_odds, ((heard + 1e-3) / (1 - heard + 1e-3)).log().mean(0), atol=1e-5)


def test_the_musicnn_front_end_answers_patches_taggrams_and_statistics_alike():
    model = make(frontend="musicnn", num_features=150, sampling_rate=16000)
    patches = torch.rand(1, 4, 187, 96)
    taggram = model.musicnn(patches[0])[None]
    statistics = taggram_statistics(taggram, torch.ones(1, 4))
    for other in (taggram, statistics):
        assert torch.allclose(model(patches).logits, model(other).logits, atol=1e-5)
    answer = model.predict(taggram[0].detach())
    assert answer["probabilities"] == pytest.approx(model.predict([taggram[0].detach()])[0]["probabilities"], abs=1e-6)


@pytest.mark.parametrize("encoder_type", ["cnn", "lstm"])
def test_temporal_encoders_answer_for_audio(encoder_type):
    model = make(encoder_type=encoder_type, num_features=38)
    tone = np.sin(2 * np.pi * 440 / 22050 * np.arange(3 * 22050)).astype(np.float32)
    alone, beside = model.predict(tone, sampling_rate=22050), model.predict([tone, tone[:40000]], sampling_rate=22050)
    assert alone["probabilities"] == pytest.approx(beside[0]["probabilities"], abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 6}, r"top_k is 6; allowed are 1 to 5"),
        ({"encoder_type": "rnn"}, r"encoder_type is 'rnn'; allowed are mlp, cnn, lstm"),
        ({"feat_std": [1.0] * 58}, r"feat_std has 58 numbers; it must have 59"),
        ({"feat_std": [0.0] * 59}, r"all finite and above 0"),
        ({"feat_mean": [math.nan] * 59}, r"feat_mean has 59 numbers; .* all finite"),
        ({"num_experts": 10**9}, r"num_experts is 1000000000; allowed are 1 to 65,536"),
        ({"temperature": 0.0}, r"temperature is 0.0; it must be finite and above 0"),
        ({"min_seconds": 40.0}, r"min_seconds is 40.0 and window_seconds 30.0"),
    ],
)
def test_impossible_configs_are_refused(options, message):
    with pytest.raises(Exception, match=message):
        GenreMoeConfig(**options)


@pytest.mark.parametrize("row", [np.full(59, np.inf), np.full(59, 1e30), np.full(59, np.nan)])
def test_rows_that_are_not_finite_get_a_finite_answer(row):
    for normalised in (True, False):
        answer = make(max_z_score=5.0).predict(row, already_normalised=normalised)
        assert all(math.isfinite(p) for p in answer["probabilities"].values())


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (np.zeros((2, 3, 59)), {}, r"features of shape \(2, 3, 59\); allowed are \(59,\) and \(rows, 59\)"),
        (np.zeros((0, 59)), {}, r"features of shape \(0, 59\).*not empty"),
        (np.zeros(59), {"timeline": True}, "feature rows take no option timeline"),
    ],
)
def test_features_that_cannot_be_answered_are_refused(features, options, message):
    with pytest.raises(ValueError, match=message):
        make().predict(features, **options)


def test_a_taggram_holds_probabilities():
    with pytest.raises(ValueError, match="outside 0 to 1"):
        make(frontend="musicnn", num_features=150, sampling_rate=16000).predict(np.full((4, 50), 1.5))


@pytest.mark.parametrize("frontend", [{}, {"frontend": "musicnn", "num_features": 150, "sampling_rate": 16000}])
def test_half_precision_answers_and_comes_back(frontend, tmp_path):
    model = make(feat_mean=np.linspace(-3, 300, frontend.get("num_features", 59)).tolist(), **frontend)
    tone = np.sin(np.arange(3 * model.config.sampling_rate) / 10).astype(np.float32)
    half = make(**frontend).to(torch.bfloat16)
    assert half.predict(tone, sampling_rate=model.config.sampling_rate)["probabilities"]
    assert half.predict(np.full((3, 50), 0.5) if frontend else np.zeros(59))["probabilities"]
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    loaded = GenreMoeForAudioClassification.from_pretrained(tmp_path, dtype=torch.float32)
    assert torch.equal(loaded.feat_mean, torch.tensor(model.config.feat_mean))


def test_the_loss_comes_first_and_hidden_states_on_request():
    model, labels = make(), torch.zeros(6, dtype=torch.long)
    assert torch.equal(model(ROWS, labels=labels, return_dict=False)[0], model(ROWS, labels=labels).loss)
    assert model(ROWS).hidden_states is None
    (heard,) = model(ROWS, output_hidden_states=True).hidden_states
    assert torch.equal(heard, model.encode(model.normalise(ROWS)))
