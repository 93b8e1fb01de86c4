"""Neural Math Rock: the document's weights and numbers, padding that changes nothing, what it says, its folders."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from elsewhere import assert_answers_alike_elsewhere
from huggingface_hub.errors import StrictDataclassError
from published_mathrock import RATE, TINY_CLAP, TINY_WAVLM, AudioMathRockModel, noise, published
from small_mathrock import SIZES, heads_of, inputs_of, make, save_towers
from transformers import ClapAudioConfig, ClapAudioModel, WavLMConfig, WavLMModel

import linernotes
from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect

# Sizes and numbers of the document


def test_weights_and_their_number_are_the_published_ones():
    with torch.device("meta"):
        theirs = AudioMathRockModel(WavLMModel(WavLMConfig()), ClapAudioModel(ClapAudioConfig())).state_dict()
        model = MathRockForAffect(MathRockAffectConfig())
    ours = model.state_dict()
    assert {name: weight.shape for name, weight in ours.items()} == {name: w.shape for name, w in theirs.items()}
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert (parts["wavlm"], parts["clap"]) == (94_381_936, 27_534_488)
    assert sum(parts.values()) == 123_373_358
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_labels_are_those_of_the_document():
    config = MathRockAffectConfig()
    assert ", ".join(config.labels) == (
        "admiration, amusement, anger, annoyance, approval, caring, confusion, curiosity, desire, disappointment, "
        "disapproval, disgust, embarrassment, excitement, fear, gratitude, grief, joy, love, nervousness, optimism, "
        "pride, realization, relief, remorse, sadness, surprise, neutral"
    )
    assert config.vibe_labels == ("aggressive", "atmospheric", "melancholic", "technical")
    assert (config.intensity_labels, config.tempo_labels) == (("low", "medium", "high"), ("slow", "moderate", "fast"))


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_published_weights_give_the_published_logits(norm):
    theirs = published(feat_extract_norm=norm)
    towers = {"wavlm_config": TINY_WAVLM | {"feat_extract_norm": norm}, "clap_config": TINY_CLAP}
    model = MathRockForAffect(MathRockAffectConfig(**towers, original_pooling=True)).eval()
    model.load_state_dict(theirs.state_dict(), strict=True)
    inputs = inputs_of(model, noise(10.0), noise(3.0, seed=1))
    assert inputs.input_values.shape == (2, 160_000)
    with torch.no_grad():
        expected, found = theirs(inputs.input_values, inputs.input_features), heads_of(model(**inputs))
    for one, other in zip(expected, found, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
        assert (one[0] - one[1]).abs().max() > 1e-2


def test_dropout_is_where_it_was_though_no_weight_tells():
    model = make()
    assert [module.p for module in model.fusion if isinstance(module, torch.nn.Dropout)] == [0.3]
    assert [module.p for module in model.emo_head if isinstance(module, torch.nn.Dropout)] == [0.2]
    assert isinstance(model.fusion[3], torch.nn.Dropout)
    assert isinstance(model.emo_head[2], torch.nn.Dropout)
    options = {"fusion_dropout": 0.9, "head_dropout": 0.0}
    assert make(**options).state_dict().keys() == model.state_dict().keys()


# Batches


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_padding_and_company_change_no_answer(norm):
    model = make({"feat_extract_norm": norm})
    recordings = [noise(seconds, seed=seed) for seed, seconds in enumerate((10.0, 3.21, 7.0, 3.21))]
    inputs = inputs_of(model, *recordings)
    inputs["input_values"] += (1 - inputs.attention_mask) * torch.randn(inputs.input_values.shape)  # nobody may hear it
    with torch.no_grad():
        together = heads_of(model(**inputs))
        alone = [heads_of(model(**inputs_of(model, samples))) for samples in recordings]
    for head, rows in enumerate(zip(*alone, strict=True)):
        assert torch.allclose(together[head], torch.cat(rows), atol=1e-5)


def test_the_published_mean_counts_silence_and_ours_does_not():
    model, samples = make(), noise(3.0)
    inputs = inputs_of(model, samples)
    frames = model.wavlm(inputs.input_values).last_hidden_state
    assert torch.allclose(model(**inputs).wavlm_embedding, frames.mean(1), atol=1e-6)
    model.config.original_pooling = True
    del model.feature_extractor
    filled = inputs_of(model, samples)
    assert filled.input_values.shape == (1, 160_000)
    assert (model(**filled).wavlm_embedding - frames.mean(1)).abs().max() > 1e-3


@pytest.mark.parametrize("original", [False, True])
def test_predict_is_the_same_alone_and_in_a_batch(original):
    model = make(original_pooling=original)
    recordings = [noise(seconds, seed=seed) for seed, seconds in enumerate((21.0, 3.3, 12.0))]
    together = model.predict(recordings, sampling_rate=RATE, batch_size=3)
    for samples, answer in zip(recordings, together, strict=True):
        alone = model.predict(samples, sampling_rate=RATE, batch_size=1)
        for key in ("vibe", "intensity", "tempo"):
            assert answer[key]["probabilities"] == pytest.approx(alone[key]["probabilities"], abs=1e-6)
        assert answer["emotions"] == pytest.approx(alone["emotions"], abs=1e-6)
        assert answer["heard_seconds"] == answer["duration_seconds"] == len(samples) / RATE


def test_half_precision_answers_nearly_the_same():
    exact = make().predict(noise(4), sampling_rate=RATE)
    answer = make().bfloat16().predict(noise(4), sampling_rate=RATE)
    assert answer["emotions"] == pytest.approx(exact["emotions"], abs=0.03)


@pytest.mark.parametrize(
    ("values", "features", "mask", "message"),
    [
        ((1, 1, 9), (1, 1, 9, 64), None, r"input_values have shape \(1, 1, 9\) and input_features \(1, 1, 9, 64\)"),
        ((2, 900), (1, 1, 9, 64), None, r"allowed are \(batch, samples\) and \(batch, 1, frames, mels\)"),
        ((1, 900), (1, 1, 9, 64), (1, 900), "a recording has 0 samples, too few for one frame of the WavLM"),
    ],
)
def test_inputs_of_another_shape_are_refused(values, features, mask, message):
    mask = None if mask is None else torch.zeros(mask, dtype=torch.long)
    with pytest.raises(ValueError, match=message):
        make()(torch.zeros(values), torch.zeros(features), mask)


def test_what_the_heads_hear_is_answered_on_request_alone():
    model, inputs = make(), inputs_of(make(), noise(1.0))
    assert "hidden_states" not in model(**inputs)
    assert len(model(**inputs, return_dict=False)) == len(model(**inputs))
    (heard,) = model(**inputs, output_hidden_states=True).hidden_states
    assert heard.shape == (1, SIZES["fusion_size"])


# What it says


def test_the_answer_names_emotions_above_their_thresholds_and_one_of_each_other():
    thresholds = [0.5] * 28
    thresholds[1], thresholds[2] = 0.7, 0.2
    emotions = np.full(28, 0.1, np.float32)
    emotions[[0, 1, 2]] = 0.5, 0.65, 0.3
    model = make(thresholds=thresholds, abstain_below=0.7)
    read = {"emotion": emotions, "vibe": np.float32([0.1, 0.2, 0.3, 0.4]), "intensity": np.float32([0.5, 0.3, 0.2])}
    answer = model.decode(read | {"tempo": np.float32([0, 1, 0])})
    assert answer["predicted_emotions"] == ["admiration", "anger"]
    assert list(answer["emotions"]) == model.config.labels
    assert answer["emotions"]["amusement"] == pytest.approx(0.65)
    assert answer["uncertain"] is True
    shares = pytest.approx({"aggressive": 0.1, "atmospheric": 0.2, "melancholic": 0.3, "technical": 0.4})
    vibe = {"label": "technical", "confidence": pytest.approx(0.4), "uncertain": False, "probabilities": shares}
    assert answer["vibe"] == vibe
    assert (answer["intensity"]["label"], answer["tempo"]["label"]) == ("low", "moderate")
    model.config.abstain_below = 0.6
    assert model.decode(read | {"tempo": np.float32([0, 1, 0])})["uncertain"] is False


def test_each_question_has_its_own_doubt():
    model = make(thresholds=[0.5] * 28, vibe_abstain_below=0.5, tempo_abstain_below=0.5)
    read = {"vibe": np.float32([0.1, 0.2, 0.3, 0.4]), "intensity": np.float32([0.5, 0.3, 0.2])}
    read |= {"tempo": np.float32([0, 1, 0]), "emotion": np.full(28, 0.4, np.float32)}
    answer = model.decode(read)
    assert [answer[task]["uncertain"] for task in ("vibe", "intensity", "tempo")] == [True, False, False]
    assert (answer["predicted_emotions"], answer["uncertain"]) == ([], True)  # none of them reaches its threshold
    with pytest.raises(StrictDataclassError, match=r"vibe_abstain_below is 1\.5; it must be from 0 to 1"):
        make(vibe_abstain_below=1.5)


def test_every_window_of_a_long_recording_is_heard_and_the_answer_is_plain_json():
    model = make()
    answer = model.predict(noise(23.0), sampling_rate=RATE, timeline=True)
    assert json.loads(json.dumps(answer)) == answer
    spans = [(part["start_seconds"], part["end_seconds"]) for part in answer["timeline"]]
    assert spans == [(0, 10), (10, 20), (13, 23)]
    for task in ("vibe", "tempo"):
        label = answer[task]["label"]
        parts = [part[task]["probabilities"][label] for part in answer["timeline"]]
        mean = (10 * parts[0] + 10 * parts[1] + 3 * parts[2]) / 23
        assert answer[task]["probabilities"][label] == pytest.approx(mean, abs=1e-6)
        assert sum(answer[task]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_a_recording_at_another_rate_is_resampled_for_each_ear():
    times = np.arange(4 * 44_100) / 44_100
    tone = (0.3 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    times = np.arange(4 * RATE) / RATE
    same = (0.3 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    one, other = (make().predict(each, sampling_rate=rate) for each, rate in ((tone, 44_100), (same, RATE)))
    assert one["emotions"] == pytest.approx(other["emotions"], abs=0.02)


def test_silence_is_answered_with_doubt():
    answer = make().predict(np.zeros(RATE, np.float32), sampling_rate=RATE)
    assert (answer["predicted_emotions"], answer["uncertain"]) == ([], True)
    assert all(answer[task]["uncertain"] for task in ("vibe", "intensity", "tempo"))
    assert "silent" in answer["warnings"][0]
    assert all(0 <= share <= 1 for share in answer["emotions"].values())


# What the answer rests on


def test_a_tower_carries_what_the_leading_logit_loses_without_it():
    model, samples = make(), noise(3.0)
    found = model.explain(samples, sampling_rate=RATE)
    assert {key: found[key] for key in ("emotions", "vibe")} == {
        key: model.predict(samples, sampling_rate=RATE)[key] for key in ("emotions", "vibe")
    }
    (window,) = found["windows"]
    assert (window["start_seconds"], window["end_seconds"]) == (0, 3)
    with torch.no_grad():
        speech, timbre = model.project(*model.listen(**inputs_of(model, samples)))
    for task, labels in (("emotion", model.config.labels), ("tempo", model.config.tempo_labels)):
        leader = labels.index(window[task]["label"])

        def logit(speech, timbre, task=task, leader=leader) -> float:
            with torch.no_grad():
                return float(model.judge(speech, timbre)[f"{task}_logits"][0, leader])

        whole, step = logit(speech, timbre), 1e-2
        assert window[task]["wavlm"]["fall"] == pytest.approx(whole - logit(0 * speech, timbre), abs=1e-5)
        assert window[task]["clap"]["fall"] == pytest.approx(whole - logit(speech, 0 * timbre), abs=1e-5)
        slope = (logit(speech * (1 + step), timbre) - logit(speech * (1 - step), timbre)) / (2 * step)
        assert window[task]["wavlm"]["gradient_x_input"] == pytest.approx(slope, rel=0.02, abs=1e-3)
        slope = (logit(speech, timbre * (1 + step)) - logit(speech, timbre * (1 - step))) / (2 * step)
        assert window[task]["clap"]["gradient_x_input"] == pytest.approx(slope, rel=0.02, abs=1e-3)


def test_every_window_is_explained_in_plain_json():
    model = make().train()
    found = model.explain(noise(21.0), sampling_rate=RATE)
    assert [window["end_seconds"] for window in found["windows"]] == [10, 20, 21]
    assert json.loads(json.dumps(found)) == found
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


# Folders


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wavlm_config": {"model_type": "hubert"}}, "wavlm_config is a 'hubert'; allowed is 'wavlm'"),
        ({"text_config": {"model_type": "bert"}}, "text_config is a 'bert'; allowed is 'xlm-roberta'"),
        ({"clap_config": {"enable_fusion": True}}, "clap_config has enable_fusion; allowed is a CLAP without"),
        ({"window_seconds": 11.0}, "window_seconds is 11.0; this CLAP takes 1024 mel frames, 10.23 s at most"),
        ({"problem_type": "regression"}, "problem_type is 'regression'; allowed is 'multi_label_classification'"),
        ({"thresholds": [0.5]}, r"thresholds are \[0.5\]; they must be None, or 28 numbers above 0"),
        ({"task_weights": [1, 1, 1]}, "task_weights are .*; they must be 4 numbers, 0 or above and not all 0: emotion"),
        ({"vibe_class_weights": [1, 1, 1, 0]}, "vibe_class_weights are .* or 4 numbers above 0"),
        ({"tempo_labels": ["slow", "slow"]}, "tempo_labels are .*; they must be two or more, each another"),
        ({"intensity_temperature": 0.0}, "intensity_temperature is 0.0; it must be finite and above 0"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0 and focal_gamma 2.0; the first must be from 0 to below 1"),
        ({"mel_max_hz": 30_000}, "mel_min_hz is 50 and mel_max_hz 30000; they must rise, from 0 Hz to 24000 Hz"),
        ({"wavlm_sampling_rate": 16}, "wavlm_sampling_rate is 16 Hz; allowed are 4,000 to 768,000 Hz"),
    ],
)
def test_configs_that_mean_nothing_are_refused(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        MathRockAffectConfig(**options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    towers = tmp_path_factory.mktemp("towers")
    save_towers(towers)
    options = {"temperature": 0.7, "vibe_temperature": 1.3, "model_name": "mathrock-tiny", **SIZES}
    model = MathRockForAffect.from_backbones(towers / "wavlm", towers / "clap", text=towers / "text", **options)
    model.save_pretrained(tmp_path_factory.mktemp("saved") / "mathrock-tiny")
    return tmp_path_factory.getbasetemp() / "saved0" / "mathrock-tiny"


@pytest.mark.slow
def test_a_folder_answers_alike_without_this_package(folder):
    assert_answers_alike_elsewhere(folder, RATE, probabilities="emotions")


def test_other_emotions_take_another_head_and_nothing_else(folder):
    options = {"num_labels": 5, "ignore_mismatched_sizes": True, "output_loading_info": True}
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        MathRockForAffect.from_pretrained(folder, num_labels=5)
    other, info = MathRockForAffect.from_pretrained(folder, **options)
    mismatched = {name for name, *_ in info["mismatched_keys"]}
    assert mismatched == {"emo_head.3.weight", "emo_head.3.bias"}
    assert other.emo_head[3].out_features == 5
    for name, weight in linernotes.load(folder).state_dict().items():
        assert name in mismatched or torch.equal(weight, other.state_dict()[name])


def test_a_folder_names_no_place_and_saves_the_same_again(folder, tmp_path):
    linernotes.load(folder).save_pretrained(tmp_path)
    for file in folder.glob("*.json"):
        text = file.read_text()
        assert str(folder.parent.parent) not in text
        assert "_name_or_path" not in text
        assert (tmp_path / file.name).read_text() == text
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in folder.iterdir()}
    assert "tokenizer_config.json" in {file.name for file in folder.iterdir()}
