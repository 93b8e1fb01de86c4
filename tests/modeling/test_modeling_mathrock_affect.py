"""Neural Math Rock: the document's weights and numbers, padding that changes nothing, the loss by hand, lyrics."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from published_mathrock import (
    RATE,
    TINY_CLAP,
    TINY_TEXT,
    TINY_WAVLM,
    AudioMathRockModel,
    noise,
    published,
    tiny_tokenizer,
)
from transformers import (
    ClapAudioConfig,
    ClapAudioModel,
    ClapConfig,
    ClapModel,
    ClapTextConfig,
    WavLMConfig,
    WavLMModel,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

import linernotes
from linernotes.hub_upload.asking import sound
from linernotes.hub_upload.clean import SCRIPT, SECONDS, ask, clean_environment, differences
from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect

HEADS = ("logits", "vibe_logits", "intensity_logits", "tempo_logits")
SIZES = {"projection_size": 20, "fusion_size": 24, "head_hidden_size": 16}
LYRICS = "never meant summer ends"


def make(wavlm: dict | None = None, **options) -> MathRockForAffect:
    torch.manual_seed(0)
    towers = {"wavlm_config": TINY_WAVLM | (wavlm or {}), "clap_config": TINY_CLAP}
    model = MathRockForAffect(MathRockAffectConfig(**towers | SIZES | options)).eval()
    for name, parameter in model.named_parameters():
        if "head" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return model


def inputs_of(model: MathRockForAffect, *recordings: np.ndarray):
    return model.feature_extractor(list(recordings), sampling_rate=RATE, return_tensors="pt")


def heads_of(output) -> list[torch.Tensor]:
    return [output[name] for name in HEADS]


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


# Learning


@pytest.fixture(scope="module")
def heard() -> dict[str, torch.Tensor]:
    """Four recordings."""
    return dict(inputs_of(make(), *[noise(1.0, seed=seed) for seed in range(4)]))


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


# Lyrics


def reading(**options) -> MathRockForAffect:
    model = make(text_config=TINY_TEXT, **options)
    model.tokenizer = tiny_tokenizer()
    return model


def test_without_lyrics_the_answer_is_that_of_a_model_without_the_branch_bit_for_bit(heard):
    with_branch, without = reading(), make()
    without.load_state_dict({k: v for k, v in with_branch.state_dict().items() if not k.startswith("lyrics.")})
    for one, other in zip(heads_of(with_branch(**heard)), heads_of(without(**heard)), strict=True):
        assert torch.equal(one, other)
    tokens = {"input_ids": torch.ones(4, 3, dtype=torch.long), "text_attention_mask": torch.zeros(4, 3)}
    tokens["text_attention_mask"][2] = 1
    some = heads_of(with_branch(**heard, **tokens))
    for one, other in zip(some, heads_of(without(**heard)), strict=True):
        assert torch.equal(one[[0, 1, 3]], other[[0, 1, 3]])
        assert not torch.equal(one[2], other[2])
    recordings = [noise(12.0), noise(3.0, seed=1)]
    expected = without.predict(recordings, sampling_rate=RATE)
    assert with_branch.predict(recordings, sampling_rate=RATE) == expected
    assert with_branch.predict(recordings, sampling_rate=RATE, lyrics=[None, None]) == expected


def test_lyrics_change_the_answer_of_their_recording_alone():
    model, recordings = reading(), [noise(12.0), noise(3.0, seed=1)]
    plain = model.predict(recordings, sampling_rate=RATE)
    told = model.predict(recordings, sampling_rate=RATE, lyrics=[LYRICS, None])
    assert told[0]["emotions"] != plain[0]["emotions"]
    assert told[0]["vibe"] != plain[0]["vibe"]
    assert told[1]["emotions"] == pytest.approx(plain[1]["emotions"], abs=1e-6)
    alone = model.predict(recordings[0], sampling_rate=RATE, lyrics=LYRICS)
    assert alone["emotions"] == pytest.approx(told[0]["emotions"], abs=1e-6)
    assert alone["warnings"] == []
    assert "timeline" in model.predict(recordings[0], sampling_rate=RATE, lyrics=LYRICS, timeline=True)


def test_lyrics_in_forward_are_those_in_predict():
    model, samples = reading(), noise(3.0)
    tokens = model.tokenizer(LYRICS, return_tensors="pt")
    assert tokens["input_ids"].shape == (1, 6)
    options = {"input_ids": tokens["input_ids"], "text_attention_mask": tokens["attention_mask"]}
    with torch.no_grad():
        output = model(**inputs_of(model, samples), **options)
    answer = model.predict(samples, sampling_rate=RATE, lyrics=LYRICS)
    assert list(answer["emotions"].values()) == pytest.approx(output.logits[0].sigmoid().tolist(), abs=1e-6)


def test_long_lyrics_are_read_to_their_end():
    model = reading()
    texts = ["never meant " * 20, "never meant " * 20 + "summer ends"]
    with torch.no_grad():
        one, other = (model.lyrics.read_text(text, model.tokenizer) for text in texts)
        assert (one - other).abs().max() > 1e-4
        # pieces of 10 tokens, of which 8 are words: two pieces, each counting by its tokens
        pieces = [model.tokenizer(text, return_tensors="pt")["input_ids"] for text in ("never meant " * 4, "summer")]
        first, second = (model.lyrics.read(piece)[0][0] for piece in pieces)
        whole = model.lyrics.read_text("never meant " * 4 + "summer", model.tokenizer)
    assert torch.allclose(whole, (10 * first + 3 * second) / 13, atol=1e-6)


def test_a_model_that_reads_no_lyrics_says_so_and_answers():
    model, samples = make(), noise(3.0)
    answer = model.predict(samples, sampling_rate=RATE, lyrics=LYRICS)
    assert answer.pop("warnings")[0] == "lyrics were given, but this model reads none: the sound alone is heard"
    plain = model.predict(samples, sampling_rate=RATE)
    del plain["warnings"]
    assert answer == plain
    with pytest.raises(ValueError, match=r"this model reads no lyrics \(text_config is None\): leave input_ids out"):
        model(**inputs_of(model, samples), input_ids=torch.ones(1, 3, dtype=torch.long))


def test_lyrics_that_cannot_be_read_are_named():
    model, samples = reading(), noise(3.0)
    answer = model.predict(samples, sampling_rate=RATE, lyrics=" \n")
    assert answer["warnings"][0] == "the lyrics are empty: the sound alone is heard"
    with pytest.raises(ValueError, match="got lyrics of 1 for 2 recordings; give each a str, or None"):
        model.predict([samples, samples], sampling_rate=RATE, lyrics=LYRICS)
    with pytest.raises(ValueError, match="give each a str, or None"):
        model.predict(samples, sampling_rate=RATE, lyrics=[7])
    model.tokenizer = None
    with pytest.raises(ValueError, match=r"reads lyrics, but its folder has no tokenizer: set model\.tokenizer"):
        model.predict(samples, sampling_rate=RATE, lyrics=LYRICS)


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
    assert answer["vibe"] == {"label": "technical", "confidence": pytest.approx(0.4), "probabilities": shares}
    assert (answer["intensity"]["label"], answer["tempo"]["label"]) == ("low", "moderate")
    model.config.abstain_below = 0.6
    assert model.decode(read | {"tempo": np.float32([0, 1, 0])})["uncertain"] is False


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


# Towers and folders


@pytest.fixture(scope="module")
def towers(tmp_path_factory) -> Path:
    """A WavLM, a whole CLAP and an XLM-RoBERTa with a head for another task, each saved as the Hub has them."""
    folder = tmp_path_factory.mktemp("towers")
    torch.manual_seed(7)
    WavLMModel(WavLMConfig(**TINY_WAVLM)).save_pretrained(folder / "wavlm")
    (folder / "wavlm" / "preprocessor_config.json").write_text('{"do_normalize": true, "sampling_rate": 16000}')
    text = ClapTextConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    clap = ClapModel(ClapConfig(text_config=text, audio_config=ClapAudioConfig(**TINY_CLAP)))
    for parameter in clap.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    clap.save_pretrained(folder / "clap")
    (folder / "clap" / "preprocessor_config.json").write_text(
        '{"sampling_rate": 48000, "max_length_s": 10, "fft_window_size": 1024, "hop_length": 480, "frequency_min": 60,'
        ' "frequency_max": 14000}'
    )
    XLMRobertaForMaskedLM(XLMRobertaConfig(**TINY_TEXT)).save_pretrained(folder / "text")
    tiny_tokenizer().save_pretrained(folder / "text")
    return folder


def test_a_new_model_has_the_towers_weights(towers):
    model = MathRockForAffect.from_backbones(towers / "wavlm", towers / "clap", text=towers / "text", **SIZES)
    pairs = [
        (model.wavlm, WavLMModel.from_pretrained(towers / "wavlm")),
        (model.clap, ClapModel.from_pretrained(towers / "clap").audio_model),
        (model.lyrics.xlm_roberta, XLMRobertaForMaskedLM.from_pretrained(towers / "text").roberta),
    ]
    for ours, theirs in pairs:
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, weight in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], weight), name
    config = model.config
    assert (config.wavlm_name, config.clap_name, config.text_name) == ("wavlm", "clap", "text")
    assert (config.do_normalize, config.wavlm_sampling_rate, config.mel_min_hz) == (True, 16_000, 60)
    assert model.predict(noise(2.0), sampling_rate=RATE, lyrics=LYRICS)["warnings"] == [
        "only 2.0 s were there to hear; answers are reliable from 5 s on"
    ]


def test_the_document_s_own_way_of_loading_leaves_the_clap_random(towers):
    theirs = ClapModel.from_pretrained(towers / "clap").audio_model.state_dict()
    name = "audio_encoder.layers.0.blocks.0.attention.self.query.weight"
    assert not torch.equal(ClapAudioModel.from_pretrained(towers / "clap").state_dict()[name], theirs[name])


@pytest.mark.parametrize(
    ("tower", "lost", "message"),
    [
        ("wavlm", "layers.1.attention", r"wavlm: missing keys encoder.layers.1.attention.* weights of a WavLMModel"),
        ("clap", "audio_model", r"clap: missing keys audio_model.audio_encoder.* must hold the weights of a ClapModel"),
        ("text", "word_embeddings", r"text: missing keys embeddings.word_embeddings.weight .* a XLMRobertaModel"),
    ],
)
def test_a_tower_without_all_its_weights_is_refused(towers, tmp_path, tower, lost, message):
    model_class = {"wavlm": WavLMModel, "clap": ClapModel, "text": XLMRobertaForMaskedLM}[tower]
    whole = model_class.from_pretrained(towers / tower)
    state = {
        name: weight
        for name, weight in whole.state_dict().items()
        if lost not in name and "lm_head.decoder" not in name
    }
    whole.config.tie_word_embeddings = False
    whole.save_pretrained(tmp_path / tower, state_dict=state)
    folders = {name: towers / name for name in ("wavlm", "clap", "text")} | {tower: tmp_path / tower}
    with pytest.raises(ValueError, match=message):
        MathRockForAffect.from_backbones(**folders)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wavlm_config": {"model_type": "hubert"}}, "wavlm_config is a 'hubert'; allowed is 'wavlm'"),
        ({"text_config": {"model_type": "bert"}}, "text_config is a 'bert'; allowed is 'xlm-roberta'"),
        ({"clap_config": {"enable_fusion": True}}, "clap_config has enable_fusion; allowed is a CLAP without"),
        ({"window_seconds": 11.0}, "window_seconds is 11.0; this CLAP takes 1024 mel frames, 10.23 s at most"),
        ({"problem_type": "regression"}, "problem_type is 'regression'; allowed is 'multi_label_classification'"),
        ({"thresholds": [0.5]}, r"thresholds are \[0.5\]; they must be None, or 28 numbers above 0"),
        ({"task_weights": [1, 1, 1]}, "task_weights are .*; they must be 4 numbers, 0 or above: emotion, vibe"),
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
def folder(towers, tmp_path_factory) -> Path:
    options = {"temperature": 0.7, "vibe_temperature": 1.3, "model_name": "mathrock-tiny", **SIZES}
    model = MathRockForAffect.from_backbones(towers / "wavlm", towers / "clap", text=towers / "text", **options)
    model.save_pretrained(tmp_path_factory.mktemp("saved") / "mathrock-tiny")
    return tmp_path_factory.getbasetemp() / "saved0" / "mathrock-tiny"


@pytest.mark.slow
def test_a_folder_answers_alike_without_this_package(folder):
    found, model = ask(folder), linernotes.load(folder)
    here = model.predict(sound(SECONDS, RATE), sampling_rate=RATE)
    assert found["missing_keys"] == found["unexpected_keys"] == found["imported"] == []
    assert not differences(here, found["predict"])
    assert found["classifier"] == pytest.approx(here["emotions"], abs=1e-6)
    assert found["pipeline"] == pytest.approx(here["emotions"], abs=1e-6)


ASKING = """
import json, runpy, sys
script = runpy.run_path(sys.argv[1])
sys.meta_path.insert(0, script["Hidden"]())
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[2], trust_remote_code=True)
answer = model.predict(script["sound"](3.0, 48000), sampling_rate=48000, lyrics=sys.argv[3])
print()  # behind progress bars
print(json.dumps({"answer": answer, "imported": [name for name in sys.modules if name.startswith("linernotes")]}))
"""


@pytest.mark.slow
def test_a_folder_reads_lyrics_without_this_package(folder, tmp_path):
    command = [sys.executable, "-I", "-c", ASKING, str(SCRIPT), str(folder), LYRICS]
    environment = clean_environment(tmp_path / "home") | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    found = json.loads(run.stdout.splitlines()[-1])
    model = linernotes.load(folder)
    here = model.predict(sound(3.0, RATE), sampling_rate=RATE, lyrics=LYRICS)
    assert not differences(here, found["answer"])
    assert here["emotions"] != model.predict(sound(3.0, RATE), sampling_rate=RATE)["emotions"]
    assert found["imported"] == []


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
