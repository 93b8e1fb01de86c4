"""BeatMeter: the published sizes and numbers, padding that changes nothing, the loss by hand, what it says and why."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from elsewhere import assert_answers_alike_elsewhere
from huggingface_hub.errors import StrictDataclassError
from published_beatmeter import (
    HEADS,
    MERT_330M,
    RATE,
    TINY,
    PublishedHead,
    make,
    noise,
    published_pooling,
    tiny_backbone,
)
from transformers import HubertConfig

import linernotes
from linernotes.modeling.configuration_beatmeter import BeatMeterConfig
from linernotes.modeling.modeling_beatmeter import BeatMeterForMeterClassification, is_polyrhythm

GROUP_NORM = {"feat_extract_norm": "group"}  # MERT's: it hears padding, so none may be there


def padded(*recordings: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """(batch, samples) with noise in the padding, which nobody may hear, and the mask."""
    lengths = torch.tensor([len(samples) for samples in recordings])
    values = torch.randn(len(lengths), int(lengths.max()), generator=torch.Generator().manual_seed(5))
    mask = (torch.arange(values.shape[1]) < lengths[:, None]).long()
    for row, samples in enumerate(recordings):
        values[row, : len(samples)] = torch.from_numpy(samples)
    return values, mask


# Sizes and numbers of the document


@pytest.mark.parametrize(
    ("backbone", "backbone_size", "head_size"), [({}, 94_371_712, 398_098), (MERT_330M, 315_428_992, 530_206)]
)
def test_sizes_are_the_published_ones(backbone, backbone_size, head_size):
    with torch.device("meta"):
        model = BeatMeterForMeterClassification(BeatMeterConfig(backbone_config=backbone))
    of_backbone = sum(parameter.numel() for parameter in model.backbone.parameters())
    assert of_backbone == backbone_size
    assert sum(parameter.numel() for parameter in model.parameters()) - of_backbone == head_size
    assert model.config.labels == ["3", "4", "5", "7", "9", "11"]
    assert (model.config.sampling_rate, model.config.window_seconds) == (24_000, 30.0)


@pytest.mark.parametrize("do_normalize", [True, False])
@pytest.mark.parametrize("backbone", [{}, GROUP_NORM, {"do_stable_layer_norm": True}], ids=["layer", "group", "stable"])
def test_logits_are_those_of_one_chunk_after_the_other(backbone, do_normalize):
    model = make(backbone, original_pooling=True, do_normalize=do_normalize)
    head = PublishedHead().eval()
    torch.nn.init.normal_(head.layer_logits)
    model.load_state_dict(head.state_dict(), strict=False)
    recordings = [noise(seconds, seed=seed) + 0.02 for seed, seconds in enumerate((12.3, 10.5, 0.6, 5.0))]
    recordings[0][60_000:] *= 3
    with torch.no_grad():
        expected = head(published_pooling(recordings, model.backbone, do_normalize))
        logits = model(**model._inputs(recordings)).logits
    assert torch.allclose(logits, expected, atol=1e-5)
    assert (expected[0] - expected[1]).abs().max() > 1e-3


def test_layers_are_mixed_by_softmax_weights():
    model, values = make(), torch.from_numpy(noise(6))[None]
    with torch.no_grad():
        model.layer_logits.copy_(torch.tensor([1.0, -1.0]))
        output = model(values, output_hidden_states=True)
    assert torch.allclose(output.layer_weights[0], torch.tensor([1.0, -1.0]).softmax(0))
    mixed = output.layer_weights[0] @ torch.stack(output.hidden_states)[:, 0]
    assert torch.allclose(model.head(mixed), output.logits[0], atol=1e-6)
    assert model(values).hidden_states is None


def test_every_layer_is_heard_in_training_whatever_layerdrop_the_backbone_had():
    model = make({"layerdrop": 0.9}).train()
    assert model.config.backbone_config.layerdrop == 0
    assert len(model(torch.from_numpy(noise(2))[None], output_hidden_states=True).hidden_states) == 2


# Batches


@pytest.mark.parametrize("head_type", HEADS)
@pytest.mark.parametrize("backbone", [{}, GROUP_NORM], ids=["layer", "group"])
def test_padding_and_company_change_no_answer(backbone, head_type):
    model = make(backbone, head_type=head_type)
    recordings = [noise(seconds, seed=seed) for seed, seconds in enumerate((12.0, 3.21, 7.0, 5.4))]
    with torch.no_grad():
        together = model(*padded(*recordings)).logits
        alone = torch.cat([model(torch.from_numpy(samples)[None]).logits for samples in recordings])
    assert torch.allclose(together, alone, atol=1e-5)


def test_predict_is_the_same_alone_and_in_a_batch():
    model = make(head_type="tempogram")
    recordings = [noise(seconds, seed=seed) for seed, seconds in enumerate((41.0, 3.3, 12.0))]
    together = model.predict(recordings, sampling_rate=RATE, batch_size=3)
    for samples, answer in zip(recordings, together, strict=True):
        alone = model.predict(samples, sampling_rate=RATE, batch_size=1)
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)
        assert answer["heard_seconds"] == answer["duration_seconds"] == len(samples) / RATE


@pytest.mark.parametrize("head_type", ["pooled", "tempogram"])
def test_half_precision_answers_nearly_the_same(head_type):
    exact = make(head_type=head_type).predict(noise(7), sampling_rate=RATE)
    answer = make(head_type=head_type).bfloat16().predict(noise(7), sampling_rate=RATE)
    assert answer["probabilities"] == pytest.approx(exact["probabilities"], abs=0.02)


def test_sound_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"input_values have shape \(2, 1, 5\); allowed is \(batch, samples\)"):
        make()(torch.zeros(2, 1, 5))


# Learning


def test_the_loss_is_binary_cross_entropy_with_weighted_positives():
    weights, values = [1.0, 0.5, 4.0, 4.0, 9.0, 10.0], torch.from_numpy(noise(3))[None].repeat(2, 1)
    labels = torch.tensor([[1.0, 1.0, 0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 1.0, 0.1, 0.1, 0.1]])
    output = make(pos_weight=weights)(values, labels=labels)
    terms = -(
        torch.tensor(weights) * labels * F.logsigmoid(output.logits) + (1 - labels) * F.logsigmoid(-output.logits)
    )
    assert output.loss.item() == pytest.approx(terms.mean().item(), abs=1e-6)
    one_hot = make(values=None)(values, labels=torch.eye(6)[:2]).loss
    assert make()(values, labels=torch.tensor([0, 1])).loss.item() == pytest.approx(one_hot.item(), abs=1e-6)


def test_one_meter_a_recording_is_learned_by_cross_entropy():
    model, values = make(problem_type="single_label_classification"), torch.from_numpy(noise(3))[None]
    output = model(values, labels=torch.tensor([2]))
    assert output.loss.item() == pytest.approx(-output.logits.log_softmax(-1)[0, 2].item(), abs=1e-6)
    assert sum(model.predict(noise(3), sampling_rate=RATE)["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"labels have shape \(1, 4\); allowed are \(1, 6\), .* and \(1,\)"):
        make()(torch.zeros(1, RATE), labels=torch.zeros(1, 4))


@pytest.mark.parametrize("head_type", HEADS)
def test_everything_learns_or_with_a_frozen_backbone_the_head(head_type):
    model = make({"mask_time_prob": 0.0}, head_type=head_type).train()
    values = torch.from_numpy(noise(6))[None]
    model(values, labels=torch.tensor([1])).loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    model.zero_grad()
    model.freeze_backbone()
    heard = model.listen(values)
    assert not heard.means.requires_grad
    model(values, labels=torch.tensor([1])).loss.backward()
    learned = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert learned == {name for name, _ in model.named_parameters() if not name.startswith("backbone.")}


def test_the_temperature_is_in_the_logits_when_it_answers_and_not_when_it_learns():
    model, values = make({"mask_time_prob": 0.0}), torch.from_numpy(noise(3))[None]
    plain = model(values).logits
    model.config.temperature = 2.0
    assert torch.allclose(model(values).logits, plain / 2)
    model.training = True  # itself, and no dropout below it
    assert torch.allclose(model(values).logits, plain)


# What it says


@pytest.mark.parametrize(
    ("meters", "expected"),
    [("", False), ("4", False), ("3 4", True), ("9 3", False), ("3 9 4", True), ("waltz 4", False)],
)
def test_meters_are_a_polyrhythm_where_neither_counts_the_other(meters, expected):
    assert is_polyrhythm(meters.split()) is expected


def reading(*probabilities: float, polyrhythm: float = 1.0) -> dict[str, np.ndarray]:
    return {"probabilities": np.float32(probabilities), "polyrhythm": np.float32(polyrhythm)}


def test_the_answer_names_all_meters_above_their_thresholds():
    model = make(thresholds=[0.5, 0.6, 0.3, 0.5, 0.5, 0.5], abstain_below=0.7)
    assert model.decode(reading(0.5, 0.55, 0.35, 0.1, 0.2, 0.0)) == {
        "predicted_meter": "4",
        "meters": ["3", "5"],
        "polyrhythm": True,
        "confidence_gap": pytest.approx(0.05),
        "uncertain": True,
        "probabilities": pytest.approx({"3": 0.5, "4": 0.55, "5": 0.35, "7": 0.1, "9": 0.2, "11": 0.0}),
    }
    sure = model.decode(reading(0.1, 0.9, 0.1, 0.1, 0.1, 0.1, polyrhythm=0.0))
    assert (sure["meters"], sure["polyrhythm"], sure["uncertain"]) == (["4"], False, False)
    for abstain_below in (0.0, 0.7):
        model.config.abstain_below = abstain_below
        nothing = model.decode(reading(*6 * [0.1]))
        assert (nothing["meters"], nothing["uncertain"]) == ([], True)


def test_a_change_of_meter_is_no_polyrhythm():
    model = make()
    logits = torch.tensor([[3.0, -3, -3, -3, -3, -3], [-3.0, 3, -3, -3, -3, -3], [3.0, 3, -3, -3, -3, -3]])
    output = type("Output", (), {"logits": logits})
    readings = {name: values.numpy() for name, values in model.readings(output).items()}
    assert readings["polyrhythm"].tolist() == [0, 0, 1]
    changing = model.decode({name: values[:2].mean(0) for name, values in readings.items()})
    assert (len(changing["meters"]), changing["polyrhythm"]) == (2, False)
    assert model.decode({name: values[2] for name, values in readings.items()})["polyrhythm"] is True


def test_silence_is_answered_with_doubt():
    for head_type in HEADS:
        model = make(head_type=head_type, thresholds=[1e-4] * 6)  # which everything reaches
        answer = model.predict(np.zeros(RATE, np.float32), sampling_rate=RATE, timeline=True)
        for part in (answer, *answer["timeline"]):
            assert (part["meters"], part["polyrhythm"], part["uncertain"]) == ([], False, True)
        assert "silent" in answer["warnings"][0]
        assert all(0 < probability < 1 for probability in answer["probabilities"].values())


# Backbones and folders


def test_a_new_model_has_the_backbone_s_weights(tmp_path):
    backbone = tiny_backbone(seed=3, do_stable_layer_norm=True)
    backbone.half().save_pretrained(tmp_path / "pocket")
    (tmp_path / "pocket" / "preprocessor_config.json").write_text('{"do_normalize": false, "sampling_rate": 24000}')
    model = BeatMeterForMeterClassification.from_backbone(tmp_path / "pocket", head_type="tempogram")
    assert model.dtype == torch.float32
    for name, weights in backbone.float().state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], weights), name
    assert (model.config.backbone_name, model.config.do_normalize) == ("pocket", False)
    assert model.config.backbone_config.do_stable_layer_norm
    assert BeatMeterForMeterClassification.from_backbone(tmp_path / "pocket", do_normalize=True).config.do_normalize


def test_a_backbone_without_all_its_weights_is_refused(tmp_path):
    backbone = tiny_backbone()
    state = {name: weights for name, weights in backbone.state_dict().items() if "layers.1.attention" not in name}
    backbone.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(ValueError, match=r"missing keys encoder.layers.1.attention.* 8 in all; a backbone must hold"):
        BeatMeterForMeterClassification.from_backbone(tmp_path)


def test_a_mert_is_read_as_the_hubert_it_is():
    written = HubertConfig(**TINY).to_dict() | {
        "model_type": "mert_model",
        "auto_map": {},
        "feature_extractor_cqt": False,
    }
    config = BeatMeterConfig(backbone_config=written)
    assert config.backbone_config.to_dict() == HubertConfig(**TINY, layerdrop=0.0).to_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head_type": "mean"}, "head_type is 'mean'; allowed are pooled, tempogram, single_layer, multi_layer"),
        ({"thresholds": [0.5]}, r"thresholds is \[0.5\]; it must be None, or 6 numbers above 0"),
        ({"pos_weight": [1, 1, 1, 1, 1, 0]}, "pos_weight is .* 6 numbers above 0"),
        ({"problem_type": "regression"}, "problem_type is 'regression'; allowed are multi_label_classification, sin"),
        ({"backbone_config": {"model_type": "wavlm"}}, "backbone_config is a 'wavlm'; allowed are 'hubert' and 'mert"),
    ],
)
def test_configs_that_mean_nothing_are_refused(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        BeatMeterConfig(**options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    backbone = tmp_path_factory.mktemp("backbone")
    tiny_backbone(**GROUP_NORM).save_pretrained(backbone)
    options = {"head_type": "tempogram", "temperature": 0.7, "model_name": "beatmeter-tiny", "tempogram_pairs": 2}
    model = BeatMeterForMeterClassification.from_backbone(backbone, **options)
    model.save_pretrained(backbone / "saved")
    return backbone / "saved"


@pytest.mark.slow
def test_a_folder_answers_alike_without_this_package(folder):
    assert_answers_alike_elsewhere(folder, RATE)


def test_a_folder_names_no_place_and_saves_the_same_again(folder, tmp_path):
    written = (folder / "config.json").read_text()
    assert str(folder.parent.parent) not in written
    assert "_name_or_path" not in written
    linernotes.load(folder).save_pretrained(tmp_path)
    assert (tmp_path / "config.json").read_text() == written
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in folder.iterdir()}
