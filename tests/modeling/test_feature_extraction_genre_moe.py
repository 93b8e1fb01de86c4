import json
import math

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AudioClassificationPipeline

from linernotes.modeling.audio import AudioError
from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
from linernotes.modeling.feature_extraction_genre_moe import (
    FEATURE_GROUPS,
    FEATURE_NAMES,
    FRAME_FEATURE_NAMES,
    GenreMoeFeatureExtractor,
    extract_features,
    statistics_at_level,
)
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification
from linernotes.modeling.spectral import log_mel_musicnn

SAMPLING_RATE = 22050
TYPES = ("statistics", "frames", "mel_patches")


def song(bpm=110.0, seconds=8.0, sampling_rate=SAMPLING_RATE, seed=7):
    """Broken chords over drums and a little hiss, a sixth of a semitone sharp: (samples,) float32."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * sampling_rate)) / sampling_rate
    beat = 60 / bpm
    samples = np.zeros_like(time)
    for index, start in enumerate(np.arange(0, seconds, beat / 2)):
        after = time - start
        pitch_hz = 196 * 2 ** ((rng.choice([0, 3, 5, 7, 10, 12]) + 1 / 6) / 12)
        heard = (after >= 0) & (after < beat)
        for harmonic in (1, 2, 3, 4):
            samples += heard * np.sin(2 * np.pi * pitch_hz * harmonic * after) * np.exp(-4 * after) * 0.2 / harmonic
        struck = (after >= 0) & (after < 0.08)
        loudness = (0.5, 0.1, 0.3, 0.1)[index % 4]
        samples += np.where(struck, rng.standard_normal(len(time)) * np.exp(-60 * after * struck), 0) * loudness
    return (samples + 0.003 * rng.standard_normal(len(time))).astype(np.float32)


def librosa_features(samples):
    """The 59 features by librosa's own calls."""
    feature, sr = librosa.feature, SAMPLING_RATE
    mfcc = feature.mfcc(y=samples, sr=sr, n_mfcc=20)
    tempo, _ = librosa.beat.beat_track(y=samples, sr=sr)
    harmonic, percussive = (np.square(part, dtype=np.float64).sum() for part in librosa.effects.hpss(samples))
    rows = (
        feature.chroma_stft(y=samples, sr=sr),
        feature.spectral_centroid(y=samples, sr=sr),
        feature.spectral_bandwidth(y=samples, sr=sr),
        feature.spectral_rolloff(y=samples, sr=sr),
        feature.zero_crossing_rate(samples),
        feature.rms(y=samples),
    )
    means = [row.mean(axis=1) for row in rows]
    return np.concatenate([mfcc.mean(1), mfcc.std(1), *means, np.ravel(tempo), [harmonic / (harmonic + percussive)]])


# The features


def test_names_and_groups_are_the_seeds_table():
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 59
    assert FEATURE_NAMES[0] == "mfcc_01_mean"
    assert FEATURE_NAMES[39:42] == ("mfcc_20_std", "chroma_c_mean", "chroma_c#_mean")
    assert FEATURE_NAMES[-7:-4] == ("spectral_centroid", "spectral_bandwidth", "spectral_rolloff")
    assert FEATURE_NAMES[-4:] == ("zero_crossing_rate", "rms", "tempo", "harmonic_ratio")
    sizes = {name: len(FEATURE_NAMES[columns]) for name, columns in FEATURE_GROUPS.items()}
    assert list(sizes.values()) == [20, 20, 12, 1, 1, 1, 1, 1, 1, 1]
    assert [name for columns in FEATURE_GROUPS.values() for name in FEATURE_NAMES[columns]] == list(FEATURE_NAMES)
    assert all(name in FEATURE_NAMES[columns][0] for name, columns in FEATURE_GROUPS.items() if sizes[name] == 1)
    assert len(FRAME_FEATURE_NAMES) == len(set(FRAME_FEATURE_NAMES)) == 38


def test_a_tone_has_the_features_of_a_tone():
    time = np.arange(4 * SAMPLING_RATE) / SAMPLING_RATE
    row = extract_features(0.5 * np.sin(2 * np.pi * 440 * time).astype(np.float32), SAMPLING_RATE)
    features = dict(zip(FEATURE_NAMES, row, strict=True))
    assert max((name for name in FEATURE_NAMES if "chroma" in name), key=features.get) == "chroma_a_mean"
    assert features["spectral_centroid"] == pytest.approx(440, abs=SAMPLING_RATE / 2048)
    assert features["zero_crossing_rate"] == pytest.approx(2 * 440 / SAMPLING_RATE, rel=0.02)
    assert features["rms"] == pytest.approx(0.5 / 2**0.5, rel=0.02)
    assert features["harmonic_ratio"] > 0.99


@pytest.mark.parametrize("arguments", [{}, {"bpm": 77.0, "seed": 2}, {"seconds": 1.0}, {"bpm": 161.5, "seed": 3}])
def test_parity_with_librosa(arguments):
    samples = song(**arguments)
    ours, expected = extract_features(samples, SAMPLING_RATE), librosa_features(samples)
    for name, columns in FEATURE_GROUPS.items():
        tolerance = 0.02 if name == "harmonic_ratio" else 1e-3 * np.abs(expected[columns]).mean()
        np.testing.assert_allclose(ours[columns], expected[columns], atol=tolerance, rtol=0, err_msg=name)


def test_the_tempo_is_that_of_the_published_tables():
    """beat_track's, not feature.tempo's: a loud narrow beat of 90 does not drown a soft one of 130 in all bands."""
    time = np.arange(10 * SAMPLING_RATE) / SAMPLING_RATE
    narrow = np.exp(-15 * (time % (60 / 90))) * sum(np.sin(2 * np.pi * hz * time) for hz in (100, 300, 900))
    broad = np.exp(-15 * (time % (60 / 130))) * np.random.default_rng(1).standard_normal(len(time))
    samples = (0.8 * narrow + 0.02 * broad).astype(np.float32)
    with_means = librosa.onset.onset_strength(y=samples, sr=SAMPLING_RATE)
    assert librosa.feature.tempo(onset_envelope=with_means, sr=SAMPLING_RATE)[0] == pytest.approx(90, rel=0.03)
    tracked = np.ravel(librosa.beat.beat_track(y=samples, sr=SAMPLING_RATE)[0])[0]
    assert extract_features(samples, SAMPLING_RATE)[FEATURE_NAMES.index("tempo")] == pytest.approx(tracked)
    assert tracked == pytest.approx(130, rel=0.03)


def test_extract_features_resamples_and_mixes_to_mono():
    mono = song(sampling_rate=44100, seed=11)
    stereo = np.stack([mono * 1.5, mono * 0.5])
    expected = extract_features(librosa.resample(mono, orig_sr=44100, target_sr=SAMPLING_RATE), SAMPLING_RATE)
    np.testing.assert_allclose(extract_features(stereo, 44100), expected, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(extract_features(torch.from_numpy(stereo), 44100), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(("waveform", "code"), [(np.zeros(0), "empty"), (np.array([0.0, np.nan] * 9), "not_finite")])
def test_extract_features_refuses_what_cannot_be_heard(waveform, code):
    with pytest.raises(AudioError) as raised:
        extract_features(waveform, SAMPLING_RATE)
    assert raised.value.code == code


def test_silence_has_features():
    features = dict(zip(FEATURE_NAMES, extract_features(np.zeros(SAMPLING_RATE), SAMPLING_RATE), strict=True))
    assert features["tempo"] == features["rms"] == features["spectral_rolloff"] == 0
    assert features["harmonic_ratio"] == 0.5
    assert np.isfinite(list(features.values())).all()


@pytest.mark.parametrize("gain", [0.01, 0.1, 10.0])
def test_rows_are_moved_to_the_level_that_the_sound_would_have_had(gain):
    samples = song(seconds=5.0)
    rms = FEATURE_NAMES.index("rms")
    row, other = (torch.from_numpy(extract_features(each, SAMPLING_RATE)) for each in (samples, gain * samples))
    wanted_db = 20 * math.log10(gain * row[rms])
    assert (other[0] - row[0]).abs() > 50  # what is moved is a great deal
    torch.testing.assert_close(statistics_at_level(row, wanted_db), other, atol=2e-3, rtol=1e-4)
    levelled = statistics_at_level(torch.stack((row, other)), -16.0)
    assert levelled[0, rms] == levelled[1, rms] == pytest.approx(10 ** (-16 / 20))
    torch.testing.assert_close(levelled[0], levelled[1], atol=2e-3, rtol=1e-4)


def test_rows_of_silence_and_rows_without_a_level_stay():
    rows = torch.zeros(2, len(FEATURE_NAMES))
    rows[1, FEATURE_NAMES.index("rms")] = math.nan
    torch.testing.assert_close(statistics_at_level(rows, -16.0), rows, equal_nan=True)
    assert statistics_at_level(rows, None) is rows


# The extractor


@pytest.mark.parametrize("feature_type", ["frames", "mel_patches"])
def test_clips_are_heard_at_the_level_that_is_set(feature_type):
    samples = song(seconds=5.0)
    plain, levelled = (GenreMoeFeatureExtractor(feature_type, level_db=level) for level in (None, -16.0))
    rate = plain.sampling_rate
    soft, loud = (levelled(gain * samples, sampling_rate=rate)["input_values"] for gain in (0.01, 1.0))
    np.testing.assert_allclose(soft, loud, atol=1e-3, rtol=1e-4)
    scaled = samples * 10 ** (-16 / 20) / np.sqrt(np.mean(samples**2))
    expected = plain(scaled.astype(np.float32), sampling_rate=rate)["input_values"]
    np.testing.assert_allclose(loud, expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("feature_type", TYPES)
def test_a_clip_does_not_depend_on_its_neighbours(feature_type):
    extractor = GenreMoeFeatureExtractor(feature_type)
    clips = [song(seconds=5.0), song(seconds=4.0, seed=1), song(seconds=5.0, seed=2), song(seconds=0.7)]
    together = extractor(clips, sampling_rate=extractor.sampling_rate)
    assert len(together["input_values"]) == 4
    for row, samples in enumerate(clips):
        alone = extractor(samples, sampling_rate=extractor.sampling_rate)["input_values"][0]
        values = together["input_values"][row]
        if feature_type != "statistics":
            heard = together["attention_mask"][row].astype(bool)
            assert heard.sum() == len(alone)
            assert not values[~heard].any()
            values = values[heard]
        np.testing.assert_array_equal(values, alone)


def test_many_clips_are_heard_in_portions_of_bounded_size(monkeypatch):
    extractor = GenreMoeFeatureExtractor()
    clips = [song(seconds=1.0, seed=seed) for seed in range(5)]
    whole = extractor(clips, sampling_rate=SAMPLING_RATE)["input_values"]
    portions = []
    monkeypatch.setattr("linernotes.modeling.feature_extraction_genre_moe.SAMPLES_AT_ONCE", 2 * SAMPLING_RATE)
    monkeypatch.setattr(
        extractor, "_hear", lambda samples: portions.append(len(samples)) or type(extractor)._hear(extractor, samples)
    )
    np.testing.assert_array_equal(extractor(clips, sampling_rate=SAMPLING_RATE)["input_values"], whole)
    assert portions == [2, 2, 1]


@pytest.mark.parametrize("form", [list, np.asarray, torch.from_numpy, lambda samples: samples.astype(np.float64)])
def test_forms_of_one_clip(form):
    extractor = GenreMoeFeatureExtractor()
    samples = song(seconds=1.0)
    expected = extractor([samples], sampling_rate=SAMPLING_RATE)["input_values"]
    assert expected.shape == (1, 59)
    for given_clip in (form(samples), form(samples)[None] if hasattr(form(samples), "shape") else [form(samples)]):
        np.testing.assert_array_equal(extractor(given_clip, sampling_rate=SAMPLING_RATE)["input_values"], expected)


def test_statistics_are_the_means_of_the_frames():
    samples = song()
    (row,) = GenreMoeFeatureExtractor()(samples, sampling_rate=SAMPLING_RATE)["input_values"]
    (frames,) = GenreMoeFeatureExtractor("frames")(samples, sampling_rate=SAMPLING_RATE)["input_values"]
    assert frames.shape == (1 + len(samples) // 512, 38)
    assert [f"{name}_mean" for name in FRAME_FEATURE_NAMES[:20]] == list(FEATURE_NAMES[:20])
    np.testing.assert_allclose(frames.mean(0, dtype=np.float64)[:20], row[:20], rtol=1e-6)
    np.testing.assert_allclose(frames.std(0, dtype=np.float64)[:20], row[20:40], rtol=1e-6)
    np.testing.assert_allclose(frames.mean(0, dtype=np.float64)[20:37], row[40:57], rtol=1e-6)
    onsets = librosa.onset.onset_strength(y=samples, sr=SAMPLING_RATE)
    np.testing.assert_allclose(frames[:, FRAME_FEATURE_NAMES.index("onset_strength")], onsets, atol=1e-3)


def test_mel_patches_are_three_seconds_every_second():
    samples = song(seconds=6.0, sampling_rate=16000)
    heard = GenreMoeFeatureExtractor("mel_patches")(samples, sampling_rate=16000, return_tensors="pt")
    mel = log_mel_musicnn(torch.from_numpy(samples)[None])[0]
    assert mel.shape == (376, 96)
    assert heard["input_values"].shape == (1, 4, 187, 96)
    assert heard["attention_mask"].tolist() == [[1, 1, 1, 1]]
    for index, patch in enumerate(heard["input_values"][0]):
        assert torch.equal(patch, mel[61 * index : 61 * index + 187])


def test_a_clip_shorter_than_a_patch_is_repeated():
    samples = song(seconds=1.0, sampling_rate=16000)
    (patches,) = GenreMoeFeatureExtractor("mel_patches")(samples, sampling_rate=16000)["input_values"]
    mel = log_mel_musicnn(torch.from_numpy(samples)[None])[0].numpy()
    assert len(mel) == 63
    np.testing.assert_array_equal(patches, np.concatenate([mel, mel, mel])[None, :187])


def test_torch_keeps_its_threads(monkeypatch):
    """Inside one thread is used; outside nothing has changed, whether or not it went well."""
    before = torch.get_num_threads()
    inside = []
    extractor = GenreMoeFeatureExtractor()
    monkeypatch.setattr(extractor, "_hear", lambda samples: inside.append(torch.get_num_threads()) or samples)
    try:
        torch.set_num_threads(3)
        extractor(song(seconds=1.0), sampling_rate=SAMPLING_RATE)
        assert (inside, torch.get_num_threads()) == ([1], 3)
        with pytest.raises(ValueError, match="got no samples"):
            extractor([], sampling_rate=SAMPLING_RATE)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_other_sampling_rates_are_refused():
    with pytest.raises(ValueError, match="sampling_rate is 44100 Hz, but this extractor hears 22050 Hz: resample"):
        GenreMoeFeatureExtractor()(song(seconds=1.0), sampling_rate=44100)
    with pytest.raises(ValueError, match="hears 16000 Hz"):
        GenreMoeFeatureExtractor("mel_patches")(song(seconds=1.0), sampling_rate=22050)


@pytest.mark.parametrize(
    ("raw_audio", "message"),
    [
        ([], "got no samples"),
        (np.zeros(0), "got no samples"),
        ([song(seconds=1.0), np.zeros(0)], r"clip 1 has shape \(0,\)"),
        ([np.zeros((2, 999))], r"clip 0 has shape \(2, 999\).*average the channels"),
        ([0.0, float("nan")], "clip 0 reaches nan, but must be finite"),
        (np.full(999, 1e30), r"clip 0 reaches 1e\+30, but must be finite and within 1e\+06"),
    ],
)
def test_what_is_no_clip_is_refused(raw_audio, message):
    with pytest.raises(ValueError, match=message):
        GenreMoeFeatureExtractor()(raw_audio, sampling_rate=SAMPLING_RATE)


def test_unknown_feature_types_are_refused():
    with pytest.raises(ValueError, match="feature_type is 'mfcc', but must be one of statistics, frames, mel_patches"):
        GenreMoeFeatureExtractor("mfcc")


@pytest.mark.parametrize("feature_type", TYPES)
def test_saves_as_plain_json_and_loads(feature_type, tmp_path):
    extractor = GenreMoeFeatureExtractor(feature_type)
    extractor.save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert stored["feature_type"] == feature_type
    assert stored["auto_map"] == {"AutoFeatureExtractor": "feature_extraction_genre_moe.GenreMoeFeatureExtractor"}
    assert {"feature_extraction_genre_moe.py", "spectral.py", "audio.py"} <= {path.name for path in tmp_path.iterdir()}
    again = GenreMoeFeatureExtractor.from_pretrained(tmp_path)
    assert again.to_dict() == extractor.to_dict()
    samples, rate = song(seconds=1.0), extractor.sampling_rate
    np.testing.assert_array_equal(
        again(samples, sampling_rate=rate)["input_values"], extractor(samples, sampling_rate=rate)["input_values"]
    )


def test_transformers_pipeline_hears_with_it():
    model = GenreMoeForAudioClassification(GenreMoeConfig()).eval()
    classify = AudioClassificationPipeline(model=model, feature_extractor=GenreMoeFeatureExtractor())
    answers = classify(song(seconds=2.0), top_k=5)
    assert {answer["label"] for answer in answers} == {"jazz", "blues", "rock", "pop", "classical"}
    features = torch.from_numpy(extract_features(song(seconds=2.0), SAMPLING_RATE))[None]
    with torch.no_grad():
        expected = model(input_values=features).logits.softmax(-1)[0]
    for answer in answers:
        assert answer["score"] == pytest.approx(float(expected[model.config.label2id[answer["label"]]]), abs=1e-6)


@given(
    samples=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=3000),
    feature_type=st.sampled_from(TYPES),
)
@settings(max_examples=40)
def test_finite_in_finite_out(samples, feature_type):
    extractor = GenreMoeFeatureExtractor(feature_type)
    values = extractor(samples, sampling_rate=extractor.sampling_rate)["input_values"]
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
