"""What the two ears hear: the log-mel of transformers' own CLAP extractor, a waveform at 16 kHz, its true length."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soxr
import torch
from published_mathrock import RATE, noise
from transformers import AutoFeatureExtractor, ClapFeatureExtractor

from linernotes.modeling.feature_extraction_mathrock_affect import MathRockAffectFeatureExtractor

CLAP = {"frequency_min": 50, "frequency_max": 14_000, "truncation": "rand_trunc"}  # as clap-htsat-unfused says


def heard(clips, **options):
    return MathRockAffectFeatureExtractor(**options)(clips, sampling_rate=RATE, return_tensors="pt")


def sine(frequency_hz: float, seconds: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


# Known answers


def test_a_tone_is_in_its_mel_band_and_silence_is_at_the_floor():
    features = heard([sine(1000.0, 10.0), np.zeros(10 * RATE, np.float32)]).input_features
    assert features.shape == (2, 1, 1001, 64)
    # 64 bands from 0.75 to 53.4 mel, 0.81 apart: the 18th is centred on 15.3 mel, and 1 kHz is 15 mel
    assert (features[0, 0, 1:-1].argmax(-1) == 17).all()
    assert (features[1] == -100).all()


def test_a_tone_keeps_its_pitch_at_the_rate_of_the_wavlm():
    inputs = heard(sine(1000.0, 2.0))
    assert inputs.input_values.shape == inputs.attention_mask.shape == (1, 32_000)
    spectrum = torch.fft.rfft(inputs.input_values[0]).abs()
    assert spectrum.argmax() / 2.0 == 1000
    assert inputs.input_values[0].abs().max() == pytest.approx(0.5, abs=0.02)


# Parity


@pytest.mark.parametrize("seconds", [10.0, 7.3, 4.0, 1.0, 0.02])
def test_the_log_mel_is_that_of_clap(seconds):
    clip = noise(seconds, level=0.2) + sine(440.0, seconds)
    theirs = ClapFeatureExtractor(**CLAP)(clip, sampling_rate=RATE, return_tensors="pt").input_features
    assert theirs.shape == (1, 1, 1001, 64)
    assert torch.allclose(heard(clip).input_features, theirs, atol=1e-3)


def test_a_quiet_clip_has_the_log_mel_of_clap():
    clip = noise(3.0, level=1e-5)
    theirs = ClapFeatureExtractor(**CLAP)(clip, sampling_rate=RATE, return_tensors="pt").input_features
    assert torch.allclose(heard(clip).input_features, theirs, atol=1e-3)


def test_the_waveform_is_that_of_soxr():
    clip = noise(1.5)
    assert np.array_equal(heard(clip).input_values[0].numpy(), soxr.resample(clip, RATE, 16_000))


# Properties


def test_clips_of_any_length_share_a_batch_and_change_nothing_in_each_other():
    clips = [noise(seconds, seed=seed) for seed, seconds in enumerate((1.0, 2.5, 1.7))]
    together = heard(clips)
    assert together.attention_mask.sum(1).tolist() == [16_000, 40_000, 27_200]
    for index, clip in enumerate(clips):
        alone, length = heard(clip), int(together.attention_mask[index].sum())
        assert torch.equal(together.input_values[index, :length], alone.input_values[0])
        assert not together.input_values[index, length:].any()
        assert torch.equal(together.input_features[index], alone.input_features[0])


def test_scaling_is_of_the_sound_alone():
    inputs = heard([noise(1.0) + 0.3, noise(2.0, seed=1)], do_normalize=True)
    first = inputs.input_values[0, :16_000]
    assert (first.mean().item(), first.std(correction=0).item()) == pytest.approx((0, 1), abs=1e-4)
    assert not inputs.input_values[0, 16_000:].any()


def test_as_published_the_waveform_fills_a_window():
    inputs = heard(noise(1.0), pad_to_window=True)
    assert inputs.input_values.shape == (1, 160_000)
    assert inputs.attention_mask.sum() == 16_000


def test_the_same_sound_is_heard_alike_each_time_and_by_an_extractor_that_was_saved(tmp_path):
    extractor = MathRockAffectFeatureExtractor(window_seconds=5.0, mel_max_hz=12_000, do_normalize=True)
    extractor.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert written["feature_extractor_type"] == "MathRockAffectFeatureExtractor"
    again = AutoFeatureExtractor.from_pretrained(tmp_path, trust_remote_code=True)
    one, other = (each(noise(3.0), sampling_rate=RATE, return_tensors="pt") for each in (extractor, again))
    assert one.input_features.shape == (1, 1, 501, 64)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_of_a_longer_clip_the_first_window_is_heard_by_both_ears():
    clip = noise(12.0)
    longer, first = heard(clip), heard(clip[: 10 * RATE])
    assert all(torch.equal(longer[name], first[name]) for name in ("input_values", "attention_mask", "input_features"))


def test_it_hears_without_librosa_and_torchaudio():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('librosa', 'torchaudio', 'torchcodec')));"
        "import numpy as np; from linernotes.modeling.feature_extraction_mathrock_affect import *;"
        "print(MathRockAffectFeatureExtractor()(np.ones(48000), sampling_rate=48000)['input_features'].shape)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "(1, 1, 1001, 64)"


@pytest.mark.parametrize(
    ("clip", "rate", "message"),
    [
        (np.zeros(RATE), 44_100, "sampling_rate is 44100, but this extractor hears 48000 Hz: resample"),
        (np.zeros(RATE), None, "sampling_rate is None, but this extractor hears 48000 Hz"),
        (np.zeros((1, 2, RATE)), RATE, r"clip 0 has shape \(2, 48000\).*average the channels"),
        ([np.zeros(RATE), np.full(9, np.nan)], RATE, "clip 1 reaches nan, but must be finite"),
        (np.zeros(1), RATE, "clip 0 has 1 samples, none at 16000 Hz: give a longer clip"),
        ([], RATE, "got no samples"),
    ],
)
def test_what_cannot_be_heard_is_refused(clip, rate, message):
    with pytest.raises(ValueError, match=message):
        MathRockAffectFeatureExtractor()(clip, sampling_rate=rate)
