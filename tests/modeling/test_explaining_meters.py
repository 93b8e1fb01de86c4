"""What a meter's answer rests on: the heat of every second, by hand, and over windows."""

import json

import numpy as np
import pytest
import torch
from published_beatmeter import HEADS, RATE, make, noise


@pytest.mark.parametrize("head_type", ["pooled", "tempogram"])
def test_the_heat_of_a_second_is_what_the_answer_loses_without_its_frames(head_type):
    options = {"window_seconds": 12.0, "chunk_seconds": 12.0, "do_normalize": False, "head_type": head_type}
    model, samples = make(**options, tempogram_pooled=False), noise(12)
    found = model.explain(samples, sampling_rate=RATE)
    assert [layer["layer"] for layer in found["layers"]] == [1, 2]
    assert sum(layer["weight"] for layer in found["layers"]) == pytest.approx(1)
    spans = [(part["start_seconds"], part["end_seconds"]) for part in found["heat"]]
    assert spans == [(second, second + 1) for second in range(12)]
    leader, kept = model.config.labels.index(found["predicted_meter"]), torch.arange(900) // 75 != 7
    with torch.no_grad():
        heard = model.backbone(torch.from_numpy(samples)[None], output_hidden_states=True)
        layers = torch.stack((heard.hidden_states[1], heard.last_hidden_state))

        def logit(mask: torch.Tensor) -> float:
            if head_type == "tempogram":
                features = model.tempogram(layers.mean(0), mask[None])
            else:
                features = torch.cat((layers[:, :, mask].mean(2), layers[:, :, mask].amax(2)), dim=-1).mean(0)
            return float(model.head(features)[0, leader])

        fall = logit(torch.ones(900, dtype=torch.bool)) - logit(kept)
    assert found["heat"][7]["heat"] == pytest.approx(fall, abs=1e-5)
    assert abs(fall) > 1e-4
    assert len({part["heat"] for part in found["heat"]}) == 12


@pytest.mark.parametrize("head_type", HEADS)
def test_every_window_of_a_long_recording_is_explained(head_type):
    found = make(head_type=head_type).explain(noise(33.3), sampling_rate=RATE)
    assert [found["heat"][place]["start_seconds"] for place in (0, 30)] == [0, 3.3]
    assert (len(found["heat"]), found["heat"][-1]["end_seconds"]) == (60, 33.3)
    assert all(np.isfinite(part["heat"]) for part in found["heat"])
    assert json.loads(json.dumps(found)) == found


def test_the_heat_is_that_of_the_recording_s_leader_and_silent_windows_have_none():
    model = make(window_seconds=5.0)
    samples = np.concatenate([noise(5, level=0.5), noise(5, seed=1), np.zeros(5 * RATE, np.float32)])
    found = model.explain(samples, sampling_rate=RATE)
    leader = model.config.labels.index(found["predicted_meter"])
    falls = []
    with torch.no_grad():
        for start in (0, 5):
            heard = model.listen(**model._inputs([samples[start * RATE : (start + 5) * RATE]]), step_seconds=1.0)
            without = model.judge(heard.without_each_chunk()).logits
            falls += (model.judge(heard).logits - without)[:, leader].tolist()
    assert [part["heat"] for part in found["heat"]] == pytest.approx([*falls, *5 * [0.0]], abs=1e-6)
