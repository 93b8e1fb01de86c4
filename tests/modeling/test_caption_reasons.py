"""What a caption rests on: probabilities that add up, and falls of what matters and of what does not."""

import json

import numpy as np
import pytest
import torch
from published_sonicverse import RATE, noise
from small_sonicverse import asked, inputs_of, make

from linernotes.modeling.audio import AudioError
from linernotes.modeling.chat import DEFAULT_PROMPT

KEYS = ["content", "instruments", "moods", "genres", "key", "vocals"]


def test_the_answer_comes_with_layers_tokens_and_windows():
    model = make().train()
    found = model.explain(noise(24.0), sampling_rate=RATE)
    answer = model.predict(noise(24.0), sampling_rate=RATE)
    assert model.training
    assert json.loads(json.dumps(found)) == found
    assert {name: found[name] for name in answer} == answer
    assert found.keys() - answer.keys() == {"layers", "log_probability", "tokens", "windows"}
    assert list(found["layers"]) == list(found["tokens"]) == KEYS
    for weights in found["layers"].values():
        assert len(weights) == 3
        assert sum(weights) == pytest.approx(1)
    assert [window["start_seconds"] for window in found["windows"]] == [0, 10, 14]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_layer_weights_are_the_softmax_of_the_aggregators():
    model = make()
    found = model.explain(noise(2.0), sampling_rate=RATE)["layers"]
    for name, module in (("content", "lmm_projector"), ("key", "key_detection")):
        expected = model.projector.get_submodule(module).aggregator.flatten().softmax(0)
        assert found[name] == pytest.approx(expected.tolist())


def test_the_log_probability_is_that_of_the_words_one_after_the_other():
    model = make()
    found = model.explain(noise(6.0), sampling_rate=RATE)
    ids, _ = asked(model, DEFAULT_PROMPT)
    said = model.tokenizer(f" {found['caption']}</s>", add_special_tokens=False)["input_ids"]
    total, inputs = 0.0, inputs_of(model, noise(6.0))
    with torch.no_grad():
        for number, word in enumerate(said):
            so_far = torch.cat((ids, torch.tensor([said[:number]], dtype=torch.long)), dim=1)
            total += float(model(**inputs, input_ids=so_far).logits[0, -1].log_softmax(-1)[word])
    assert found["log_probability"] == pytest.approx(total, abs=1e-3)


def test_a_projector_that_says_nothing_carries_nothing():
    model = make()
    projector = model.projector.key_detection_projector
    for parameter in projector.parameters():
        torch.nn.init.zeros_(parameter)
    found = model.explain(noise(6.0), sampling_rate=RATE)["tokens"]
    assert found["key"]["gradient_x_input"] == 0
    assert all(abs(found[name]["gradient_x_input"]) > 1e-4 for name in KEYS if name != "key")
    assert all(abs(part["fall"]) > 1e-4 for part in found.values())


def test_gradient_x_input_is_the_change_per_change_of_the_tokens():
    model = make()
    found = model.explain(noise(6.0), sampling_rate=RATE)
    step = 1e-3
    with torch.no_grad():
        last = [layer[3] for layer in model.projector.key_detection_projector.layers]
        for linear in last:  # the tokens are these layers' outputs
            linear.weight.mul_(1 + step)
            linear.bias.mul_(1 + step)
        model._write = lambda asked, *rest: asked[0][0].update(caption=found["caption"])
        more = model.explain(noise(6.0), sampling_rate=RATE)
    slope = (more["log_probability"] - found["log_probability"]) / step
    assert slope == pytest.approx(found["tokens"]["key"]["gradient_x_input"], rel=0.05, abs=0.05)


def test_of_equal_windows_each_can_be_missed_alike():
    model = make()
    same = np.tile(noise(10.0), 3)
    falls = [window["fall"] for window in model.explain(same, sampling_rate=RATE)["windows"]]
    assert falls == pytest.approx([0, 0, 0], abs=1e-3)
    odd = np.concatenate((same[: 20 * RATE], 0.5 * np.sign(np.sin(np.arange(10 * RATE) / 9)).astype(np.float32)))
    falls = [window["fall"] for window in model.explain(odd, sampling_rate=RATE)["windows"]]
    assert falls[0] == pytest.approx(falls[1], abs=1e-3)
    assert abs(falls[2] - falls[0]) > 1e-2
    assert model.explain(noise(6.0), sampling_rate=RATE)["windows"] == [
        {"start_seconds": 0.0, "end_seconds": 6.0, "fall": 0.0}
    ]


def test_of_a_long_recording_the_windows_are_those_of_the_caption():
    found = make().explain(noise(75.0), sampling_rate=RATE)
    spans = [(window["start_seconds"], window["end_seconds"]) for window in found["windows"]]
    assert spans == [(20, 30), (30, 40), (40, 50)]


def test_without_a_language_model_only_layers_are_explained():
    found = make(has_language_model=False).explain(noise(6.0), sampling_rate=RATE)
    assert list(found["layers"]) == KEYS
    assert "tokens" not in found
    assert found["caption"] is None


def test_what_cannot_be_heard_is_not_explained():
    with pytest.raises(AudioError, match=r"at least 1 s are needed"):
        make().explain(noise(0.1), sampling_rate=RATE)
