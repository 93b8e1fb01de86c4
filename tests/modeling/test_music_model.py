"""`predict` for every family, seen through the genre model: windows, batches, errors, silence, saving and loading."""

import io
import json
import math
import platform
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from sameness import alike

from linernotes.modeling import music_model
from linernotes.modeling.audio import AudioError, read_audio
from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification
from linernotes.modeling.music_model import is_silent

RATE = 22050


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    # windows of two seconds keep the tests quick; sharper logits make differences between windows visible
    config = GenreMoeConfig(window_seconds=2.0, temperature=0.05, model_name="genre-test")
    return GenreMoeForAudioClassification(config).eval()


def melody(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    notes = 220 * 2 ** (rng.integers(0, 24, math.ceil(seconds * 4)) / 12)
    phase = np.cumsum(np.repeat(notes, RATE // 4 + 1)[: int(seconds * RATE)]) / RATE
    return (0.5 * np.sin(2 * np.pi * phase)).astype(np.float32)


def wav_bytes(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def test_every_form_of_the_same_sound_gets_the_same_answer(model, tmp_path):
    samples = melody(3.0)
    path = tmp_path / "song.wav"
    path.write_bytes(wav_bytes(samples))
    forms = [
        str(path),
        path,
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
        {"array": samples, "sampling_rate": RATE},
        {"path": str(path), "bytes": None},
    ]
    expected = model.predict(samples, sampling_rate=RATE)
    for answer in [*model.predict(forms), model.predict(torch.from_numpy(samples)[None], sampling_rate=RATE)]:
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
        assert answer["heard_seconds"] == answer["duration_seconds"] == 3.0


def test_an_answer_is_plain_json(model):
    answer = model.predict(melody(5.5), sampling_rate=RATE, timeline=True)
    assert json.loads(json.dumps(answer)) == answer
    assert answer["model"] == "genre-test"


def test_windows_cover_the_whole_recording(model):
    answer = model.predict(melody(5.0), sampling_rate=RATE, timeline=True)
    spans = [(part["start_seconds"], part["end_seconds"]) for part in answer["timeline"]]
    assert spans == [(0.0, 2.0), (2.0, 4.0), (3.0, 5.0)]
    # the last window repeats one second, so it counts for the one second that is new
    jazz = [part["probabilities"]["jazz"] for part in answer["timeline"]]
    assert answer["probabilities"]["jazz"] == pytest.approx((2 * jazz[0] + 2 * jazz[1] + jazz[2]) / 5, abs=1e-6)


def test_the_answer_does_not_depend_on_company_or_batch_size(model):
    songs = [melody(seconds, seed) for seed, seconds in enumerate((1.0, 2.5, 4.0, 7.3))]
    alone = [model.predict(song, sampling_rate=RATE) for song in songs]
    for batch_size in (1, 3, 8):
        together = model.predict(songs, sampling_rate=RATE, batch_size=batch_size)
        for a, b in zip(alone, together, strict=True):
            assert a["probabilities"] == pytest.approx(b["probabilities"], abs=1e-5)
            assert a["predicted_genre"] == b["predicted_genre"]


def test_a_bad_file_is_raised_or_recorded_in_its_place(model, tmp_path):
    songs = [{"array": melody(2.0), "sampling_rate": RATE}, tmp_path / "missing.wav", b"no audio", melody(2.0)]
    answers = model.predict(songs, errors="record")
    assert [answer.get("error", {}).get("code") for answer in answers] == [
        None,
        "not_found",
        "not_audio",
        "no_sampling_rate",
    ]
    assert answers[1]["error"]["path"] == str(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match=r"missing\.wav") as caught:
        model.predict(songs)
    assert caught.value.code == "not_found"


def test_too_short_is_refused_and_short_is_flagged(model):
    with pytest.raises(AudioError, match=r"0\.50 s of audio; at least 1 s are needed") as caught:
        model.predict(melody(0.5), sampling_rate=RATE)
    assert caught.value.code == "too_short"
    assert "only 1.5 s were there to hear" in model.predict(melody(1.5), sampling_rate=RATE)["warnings"][0]
    assert model.predict(melody(6.0), sampling_rate=RATE)["warnings"] == []


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_silence_and_a_constant_get_an_uncertain_answer(model, level):
    answer = model.predict(np.full(6 * RATE, level, np.float32), sampling_rate=RATE)
    assert answer["uncertain"] is True
    assert "silent" in answer["warnings"][0]
    assert all(math.isfinite(p) for p in answer["probabilities"].values())


def clicks(level: float, seconds: float = 4.0) -> np.ndarray:
    """One sample of a level every half second."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    samples[RATE // 4 :: RATE // 2] = level
    return samples


@pytest.mark.parametrize(("level", "silent"), [(0.9, False), (-0.02, False), (0.005, True)])
def test_a_click_is_no_silence(level, silent):
    assert is_silent(clicks(level)) is silent


def test_nothing_is_heard_in_dither_nor_in_a_constant():
    step = 2.0**-15
    dither = step * np.random.default_rng(0).integers(0, 2, 4 * RATE).astype(np.float32)
    assert is_silent(dither)
    assert not is_silent(8 * dither)


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_dither_stays_silent_when_it_is_resampled(rate):
    """Which overshoots: a step to either side at 22,050 Hz reaches further at 24,000."""
    last_bit = 2.0**-15 * np.random.default_rng(0).integers(-1, 2, 6 * RATE).astype(np.float32)
    assert is_silent(read_audio(last_bit, rate, source_sampling_rate=RATE))


@pytest.mark.parametrize("rates", [(8_000, 48_000), (8_000, 24_000), (44_100, 22_050), (96_000, 24_000)])
def test_the_ringing_edges_of_a_resampled_constant_are_silence(rates):
    given, heard = rates
    samples = read_audio(np.full(2 * given, 0.99, np.float32), heard, source_sampling_rate=given)
    assert np.ptp(samples) > 0.1
    assert is_silent(samples)


def test_an_answer_to_clicks_is_not_called_one_to_silence(model):
    assert model.predict(clicks(0.9, 6.0), sampling_rate=RATE)["warnings"] == []


def test_a_silent_window_is_doubted_and_has_no_say(model):
    song = np.concatenate([melody(4.0), np.zeros(3 * RATE, np.float32)])
    answer, alone = (
        model.predict(part, sampling_rate=RATE, timeline=True) for part in (song, song[: round(4.0 * RATE)])
    )
    assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)
    assert [part["uncertain"] for part in answer["timeline"]][2:] == [True, True]
    assert [part["uncertain"] for part in answer["timeline"]][:2] == [p["uncertain"] for p in alone["timeline"]]
    assert (answer["heard_seconds"], answer["uncertain"], answer["warnings"]) == (7.0, alone["uncertain"], [])
    silence = answer["timeline"][2]["probabilities"]
    assert silence != pytest.approx(alone["probabilities"], abs=1e-3)  # it would have changed the answer
    explained = model.explain(song, sampling_rate=RATE)
    assert explained["features"] == model.explain(song[: 4 * RATE], sampling_rate=RATE)["features"]


FRAGMENTS = """
import ctypes, sys
from linernotes.modeling.music_model import give_back_memory
def held_mib():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmRSS:"))
    return int(line.split()[1]) // 1024
large, kept = [], []
for _ in range(2000):  # 200 MB, as the heap has it: under the size that would be a mapping of its own
    large.append(b"a" * 100_000)
    kept.append(b"b" * 20_000)
before = held_mib()
large.clear()
between = held_mib()
give_back_memory()
print(before, between, held_mib())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps memory otherwise")
def test_memory_between_what_is_kept_is_given_back():
    done = subprocess.run([sys.executable, "-c", FRAGMENTS], capture_output=True, text=True, check=True)
    before, between, after = map(int, done.stdout.split())
    assert between > before - 100, "the C library gives it back by itself: nobody has to ask"
    assert after < before - 150


@pytest.mark.parametrize(("windows", "times"), [(6, 0), (8, 1), (24, 3)])
def test_a_long_recording_gives_memory_back_now_and_then(model, windows, times, monkeypatch):
    given_back = Mock()
    monkeypatch.setattr(music_model, "give_back_memory", given_back)
    monkeypatch.setattr(music_model, "BATCHES_IN_MEMORY", 4)
    model.predict(melody(2.0 * windows), sampling_rate=RATE, batch_size=2)
    assert given_back.call_count == times


def test_the_mode_is_left_as_it_was_found(model):
    model.train()
    with pytest.raises(AudioError):
        model.predict(b"no audio")
    assert model.training
    before = model.predict(melody(2.0), sampling_rate=RATE)
    assert model.training
    assert alike(model.eval().predict(melody(2.0), sampling_rate=RATE), before)
    assert not model.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"errors": "ignore"}, r"errors is 'ignore'; allowed are 'raise' and 'record'"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_bad_arguments_are_named(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.predict(melody(2.0), sampling_rate=RATE, **options)


def test_an_empty_list_gets_an_empty_list(model):
    assert model.predict([]) == []


def test_explain_agrees_with_predict(model):
    song = melody(5.0)
    explained, predicted = model.explain(song, sampling_rate=RATE), model.predict(song, sampling_rate=RATE)
    for key in ("probabilities", "gate_weights"):
        assert explained[key] == pytest.approx(predicted[key], abs=1e-5)
    assert explained["heard_seconds"] == predicted["heard_seconds"]
    assert sum(explained["groups"].values()) == pytest.approx(1, abs=1e-5)
    strengths = [abs(feature["attribution"]) for feature in explained["features"]]
    assert strengths == sorted(strengths, reverse=True)
    assert len(strengths) == 59


def test_a_saved_folder_loads_and_answers_alike(model, tmp_path):
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert set(config["auto_map"]) == {"AutoConfig", "AutoModel", "AutoModelForAudioClassification"}
    assert config["id2label"]["0"] == "jazz"
    assert config["sampling_rate"] == RATE
    assert str(tmp_path) not in (tmp_path / "config.json").read_text()
    loaded, info = GenreMoeForAudioClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    song = melody(2.0)
    assert alike(loaded.predict(song, sampling_rate=RATE), model.predict(song, sampling_rate=RATE))


def test_weights_that_are_missing_are_never_asked(model, tmp_path):
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["classifier.0.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded = GenreMoeForAudioClassification.from_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"1 weights were not in the checkpoint and are random, 'classifier\.0\.weight' first"
    ):
        loaded.predict(melody(2.0), sampling_rate=RATE)


def test_statistics_that_differ_between_config_and_weights_are_refused(model, tmp_path):
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["feat_mean"][3] = 7.0
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"`feat_mean` in config\.json differs from the same buffer"):
        GenreMoeForAudioClassification.from_pretrained(tmp_path)
