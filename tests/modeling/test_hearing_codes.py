"""hearing_codes.py: sound, codes and `.ecdc` files answered alike, codes in every form, and seconds left out."""

import io
import json
import math

import numpy as np
import pytest
import torch
from ecdc_files import write_ecdc
from pocket_codec import HOP, RATE, noise, random_codes, tiny

from linernotes.modeling.audio import AudioError
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerForAudioClassification as Classifier


def ecdc(codes: torch.Tensor, num_samples: int, codec_name: str = "encodec_24khz") -> bytes:
    file = io.BytesIO()
    write_ecdc(file, codes.numpy(), codec_name=codec_name, num_samples=num_samples)
    return file.getvalue()


# What it says


def test_sound_codes_and_ecdc_files_are_answered_alike(tmp_path):
    model, samples = tiny(Classifier), noise(7.3)
    codes = model.model.codec.tokens(torch.from_numpy(samples)[None])[0]
    (tmp_path / "song.ecdc").write_bytes(ecdc(codes[0], len(samples)))
    from_sound = model.predict(samples, sampling_rate=RATE)
    (from_codes,) = model.predict(codes=codes)
    from_file = model.predict(tmp_path / "song.ecdc")
    assert from_codes == from_file
    assert from_codes["probabilities"] == from_sound["probabilities"]
    assert from_sound["duration_seconds"] == 7.3
    assert from_codes["duration_seconds"] == from_codes["heard_seconds"] == round(codes.shape[-1] / 75, 3)
    assert list(from_sound) == [
        "model", "predicted_label", "confidence", "uncertain", "probabilities", "duration_seconds", "heard_seconds",
        "warnings",
    ]  # fmt: skip


def test_files_and_sounds_are_answered_together_and_bad_ones_recorded(tmp_path):
    model, codes = tiny(Classifier), random_codes(1, 8, 1200)[0]
    (tmp_path / "cut.ecdc").write_bytes(ecdc(codes, 1200 * HOP)[:-5])
    sources = [ecdc(codes, 1200 * HOP), tmp_path / "cut.ecdc", {"array": noise(12), "sampling_rate": RATE}]
    whole, cut, heard = model.predict(sources, errors="record", timeline=True, batch_size=3)
    assert cut["error"]["code"] == "truncated"
    assert cut["error"]["path"].endswith("cut.ecdc")
    spans = [(part["start_seconds"], part["end_seconds"]) for part in whole["timeline"]]
    assert spans == [(0, 10), (6, 16)]
    assert heard["duration_seconds"] == 12
    assert whole == model.predict(codes=codes, timeline=True)  # codebooks beyond the model's are left out
    with pytest.raises(AudioError, match="bytes more than it holds"):
        model.predict(tmp_path / "cut.ecdc")


def test_predict_is_the_same_alone_and_in_a_batch():
    model = tiny(Classifier)
    recordings = [noise(seconds, seed=seed) for seed, seconds in enumerate((23.4, 1.3, 10.0))]
    together = model.predict(recordings, sampling_rate=RATE, batch_size=4)
    for samples, answer in zip(recordings, together, strict=True):
        alone = model.predict(samples, sampling_rate=RATE, batch_size=1)
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)
        assert answer["heard_seconds"] == answer["duration_seconds"] == len(samples) / RATE


def test_codes_come_one_in_a_batch_or_in_a_list():
    model, codes = tiny(Classifier), random_codes(2, 2, 150)
    one = model.predict(codes=codes[0])
    assert one["duration_seconds"] == 2
    several = (codes, codes.numpy(), codes.int(), list(codes), [codes[0].numpy(), codes[1]], codes.tolist())
    chunks = (codes[None], codes[None].numpy(), [codes], codes[None].tolist())  # as EnCodec's `audio_codes`
    for form in (*several, *chunks):
        first, second = model.predict(codes=form)
        assert first["probabilities"] == pytest.approx(one["probabilities"], abs=1e-6)
        assert second["predicted_label"] == model.predict(codes=codes[1])["predicted_label"]


def test_codes_of_one_recording_may_be_lists_of_numbers():
    model, codes = tiny(Classifier), random_codes(1, 2, 150)[0]
    expected = model.predict(codes=codes)
    for form in (codes.tolist(), list(codes), list(codes.numpy()), tuple(map(tuple, codes.tolist()))):
        assert model.predict(codes=form) == expected
    assert model.predict(codes=[]) == []


def test_codes_of_several_recordings_are_recorded_where_they_are_bad():
    model, good = tiny(Classifier), random_codes(1, 2, 150)[0]
    bad = [good[:1], good.float(), good + 1024, [[1, 2], [3]], good[None], good[:, :20]]
    first, *others, last = model.predict(codes=[good, *bad, good], errors="record")
    assert first == last == model.predict(codes=good)
    assert [answer["error"]["code"] for answer in others] == ["not_audio"] * 5 + ["too_short"]
    assert "codes are rows of different lengths of shape (2,); allowed are whole" in others[3]["error"]["message"]
    with pytest.raises(AudioError, match=r"codes are int64 of shape \(1, 150\); allowed are whole numbers, \(2 codeb"):
        model.predict(codes=[good, bad[0]])


def test_codes_of_a_recording_are_those_that_predict_hears(tmp_path):
    model = tiny(Classifier, window_seconds=2.0)
    for seconds in (2.0, 4.0, 1.2345):
        answer = model.predict(codes=model.codes_of(noise(seconds), sampling_rate=RATE), timeline=True)
        heard = model.predict(noise(seconds), sampling_rate=RATE, timeline=True)
        assert [part["probabilities"] for part in answer["timeline"]] == [p["probabilities"] for p in heard["timeline"]]
    codes = model.codes_of({"array": noise(5.5001), "sampling_rate": RATE})
    assert (codes.shape, codes.dtype) == ((2, math.ceil(5.5001 * 75)), np.int64)
    last = model.model.codec.tokens(torch.from_numpy(noise(5.5001)[-2 * RATE :])[None])[0][0]
    assert codes[:, 300:].tolist() == last[:, -113:].tolist()
    (tmp_path / "song.ecdc").write_bytes(ecdc(random_codes(1, 8, 400)[0], 400 * HOP))
    assert model.codes_of(tmp_path / "song.ecdc").tolist() == random_codes(1, 8, 400)[0, :2].tolist()
    with pytest.raises(AudioError, match=r"0.50 s of audio; at least 1 s are needed"):
        model.codes_of(noise(0.5), sampling_rate=RATE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either a recording or codes="),
        ({"audio": "song.wav", "codes": random_codes()}, "one of the two"),
        ({"codes": random_codes(books=1)}, r"codes are int64 of shape \(1, 75\); allowed are .*\(2 codebooks or more"),
        ({"codes": np.zeros((2, 75))}, "codes are float64"),
        ({"codes": [[1, 2], [3]]}, r"codes are rows of different lengths of shape \(2,\); allowed are whole numbers"),
        ({"codes": [1, 2]}, r"codes are int64 of shape \(2,\)"),
        ({"codes": torch.ones(2, 75, dtype=torch.bool)}, r"codes are bool of shape \(2, 75\)"),
        ({"codes": random_codes().expand(3, 2, 2, 75)}, r"codes have shape \(3, 2, 2, 75\), 3 chunks; allowed is one"),
        ({"codes": np.zeros((1, 2, 0), int)}, r"shape \(2, 0\)"),
        ({"codes": random_codes() - 500}, r"codes are from -\d+ to \d+; allowed are 0 to 1023"),
        ({"codes": random_codes(frames=20)}, r"0.27 s of audio; at least 1 s are needed"),
    ],
)
def test_what_is_no_recording_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        tiny(Classifier).predict(**options)


def test_silence_and_doubt_are_said():
    model = tiny(Classifier, abstain_below=0.99)
    answer = model.predict(np.zeros(2 * RATE, np.float32), sampling_rate=RATE)
    assert answer["uncertain"] is True
    assert "silent" in answer["warnings"][0]
    assert model.predict(codes=random_codes(1, 2, 750)[0])["uncertain"] is True
    for codes in (random_codes(1, 2, 750)[0], np.zeros((2, 750), int)):  # codes do not show that they are of silence
        assert model.predict(codes=codes)["warnings"] == []


# What the answer rests on


def test_the_heat_of_a_second_is_what_the_answer_loses_without_it():
    model, codes = tiny(Classifier), random_codes(1, 2, 260)
    found = model.explain(ecdc(codes[0], 260 * HOP))
    places = [(part["start_seconds"], part["end_seconds"]) for part in found["heat"]]
    assert places == [(0, 1), (1, 2), (2, 3), (3, 3.467)]
    leader = model.config.labels.index(found["predicted_label"])
    mask = torch.ones(1, 260)
    mask[0, 75:150] = 0
    with torch.no_grad():
        fall = (model(codes).logits - model(codes, mask).logits)[0, leader].item()
    assert found["heat"][1]["heat"] == pytest.approx(fall, abs=1e-6)
    assert found["heat"][1]["label"] == found["predicted_label"]
    assert json.loads(json.dumps(found)) == found


def test_every_window_of_a_long_recording_is_explained():
    found = tiny(Classifier).explain(noise(23.5), sampling_rate=RATE)
    assert len(found["heat"]) == 24
    assert all(np.isfinite(part["heat"]) for part in found["heat"])
    (only,) = tiny(Classifier).explain(noise(1.0), sampling_rate=RATE)["heat"]
    assert np.isfinite(only["heat"])


@pytest.mark.parametrize("seconds", [6.0, 15.25, 9.999, 5.00005])
def test_every_second_is_explained_once_and_in_order(seconds):
    samples = noise(seconds)
    heat = tiny(Classifier, window_seconds=5.0).explain(samples, sampling_rate=RATE)["heat"]
    starts = [part["start_seconds"] for part in heat]
    assert starts == [float(second) for second in range(math.ceil(seconds))]
    assert [part["end_seconds"] for part in heat] == [*starts[1:], round(len(samples) / RATE, 3)]


def test_what_a_window_shares_with_the_one_before_is_heard_while_its_new_part_is_left_out():
    model, codes = tiny(Classifier, window_seconds=5.0), random_codes(1, 2, 450)
    found = model.explain(ecdc(codes[0], 450 * HOP))["heat"][-1]
    window, mask = codes[..., 75:], torch.ones(1, 375)
    mask[0, 300:] = 0
    with torch.no_grad():
        whole, part = model(window).logits[0], model(window, mask).logits[0]
    assert (found["start_seconds"], found["end_seconds"]) == (5.0, 6.0)
    leader = model.config.labels.index(found["label"])
    assert found["heat"] == pytest.approx((whole - part)[leader].item(), abs=1e-6)
