import librosa
import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from known_sounds import (
    CLIPS,
    SAMPLING_RATE,
    SEED,
    any_samples,
    as_batch,
    clicks,
    every_clip,
    melody,
    noise,
    power_of,
    tone,
)

from linernotes.modeling import spectral

pytestmark = pytest.mark.filterwarnings("ignore:Trying to estimate tuning")


def mel_db_of(samples):
    return spectral.power_to_db(spectral.mel_spectrogram(power_of(samples), SAMPLING_RATE))


# Known answers


@pytest.mark.parametrize("pitch_class", range(12))
def test_a_tone_is_its_pitch_class(pitch_class):
    frequency_hz = 440.0 * 2 ** ((pitch_class - 9) / 12)
    strongest = spectral.chroma(power_of(tone(frequency_hz)), SAMPLING_RATE)[0].mean(0).argmax()
    assert int(strongest) == pitch_class


def test_the_centroid_of_440_hz_is_440_hz():
    centroid, _ = spectral.spectral_moments(power_of(tone(440.0), power=1), SAMPLING_RATE)
    bin_hz = SAMPLING_RATE / 2048
    inner = centroid[0, 3:-3]  # the frames at the ends hold the edge of the tone as well
    assert (inner - 440).abs().max() < bin_hz


def test_the_bandwidth_of_two_tones_is_half_their_distance():
    two = tone(2000.0) + tone(3000.0)
    _, bandwidth = spectral.spectral_moments(power_of(two, power=1), SAMPLING_RATE)
    assert bandwidth[0, 3:-3].mean() == pytest.approx(500, abs=SAMPLING_RATE / 2048)


def test_the_rolloff_of_white_noise_is_its_share_of_the_band():
    magnitude = power_of(noise(), power=1)
    for share in (0.5, 0.85):
        rolloff = spectral.spectral_rolloff(magnitude, SAMPLING_RATE, share)[0, 3:-3].mean()
        assert rolloff == pytest.approx(share * SAMPLING_RATE / 2, rel=0.02)


def test_a_tone_crosses_zero_twice_a_period():
    rate = spectral.zero_crossing_rate(as_batch(tone(1000.0)))[0, 3:-3].mean()
    assert rate == pytest.approx(2 * 1000 / SAMPLING_RATE, rel=1e-2)


def test_the_rms_of_a_sine_is_its_amplitude_over_root_two():
    level = spectral.rms(as_batch(tone(1000.0, amplitude=0.6)))[0, 3:-3]
    torch.testing.assert_close(level, torch.full_like(level, 0.6 / 2**0.5), rtol=1e-2, atol=0)


@pytest.mark.parametrize("bpm", [75, 90, 100, 120, 150])
def test_clicks_have_their_tempo(bpm):
    onsets = spectral.onset_strength(mel_db_of(clicks(bpm)))
    tempo = float(spectral.tempo(onsets, SAMPLING_RATE)[0])
    frames_per_minute = 60 * SAMPLING_RATE / 512
    assert abs(frames_per_minute / tempo - frames_per_minute / bpm) <= 1  # the period is a whole number of frames


@pytest.mark.parametrize("semitones", [-0.4, -0.1, 0.0, 0.25, 0.4])
def test_tuning_is_found(semitones):
    out_of_tune = sum(tone(440.0 * 2 ** ((step + semitones) / 12)) for step in (-9, 0, 7))
    (tuning,) = spectral.estimate_tuning(power_of(out_of_tune), SAMPLING_RATE)
    assert tuning == pytest.approx(semitones, abs=0.04)


def test_decibels():
    power = torch.tensor([[1.0, 1e-3, 0.0]])
    assert spectral.power_to_db(power).tolist() == [[0.0, -30.0, -80.0]]
    assert spectral.power_to_db(power, top_db=None).tolist() == [[0.0, -30.0, -100.0]]
    assert spectral.power_to_db(torch.tensor([[1e-3], [0.0]])).tolist() == [[-30.0], [-100.0]]  # each clip by itself


def test_the_mel_scale_is_linear_below_1_khz_and_invertible():
    hz = np.array([0.0, 200 / 3, 1000.0, 6400.0, 11025.0])
    np.testing.assert_allclose(spectral.hz_to_mel(hz)[:4], [0, 1, 15, 42])
    np.testing.assert_allclose(spectral.mel_to_hz(spectral.hz_to_mel(hz)), hz)


# Parity with librosa


@pytest.mark.parametrize(("n_fft", "hop_length"), [(2048, 512), (512, 256), (1024, 160), (400, 399)])
@pytest.mark.parametrize("name", ["melody", "tone"])
def test_spectrogram_is_librosas(name, n_fft, hop_length):
    expected = np.abs(librosa.stft(CLIPS[name], n_fft=n_fft, hop_length=hop_length)).T
    ours = power_of(CLIPS[name], n_fft=n_fft, hop_length=hop_length, power=1)[0].numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-5 * expected.max())


def test_single_precision_costs_a_noise_floor_140_db_down():
    exact = power_of(CLIPS["tone"], power=1)
    rounded = power_of(CLIPS["tone"], power=1, dtype=torch.float32)
    assert 0 < (exact - rounded).abs().max() < 1e-6 * exact.max()


@pytest.mark.parametrize(
    ("sampling_rate", "n_fft", "n_mels", "limits"),
    [(22050, 2048, 128, {}), (16000, 512, 96, {}), (44100, 1024, 40, {"fmin_hz": 30.0, "fmax_hz": 17000.0})],
)
def test_mel_filterbank_is_librosas(sampling_rate, n_fft, n_mels, limits):
    expected = librosa.filters.mel(
        sr=sampling_rate, n_fft=n_fft, n_mels=n_mels, **{name[:4]: value for name, value in limits.items()}
    )
    ours = spectral.mel_filterbank(sampling_rate, n_fft, n_mels, **limits)
    np.testing.assert_allclose(ours.T, expected, atol=1e-6 * expected.max())


@pytest.mark.parametrize("tuning", [-0.5, -0.07, 0.0, 0.31])
def test_chroma_filterbank_is_librosas(tuning):
    for sampling_rate, n_fft in ((22050, 2048), (16000, 1024)):
        expected = librosa.filters.chroma(sr=sampling_rate, n_fft=n_fft, tuning=tuning)
        np.testing.assert_allclose(spectral.chroma_filterbank(sampling_rate, n_fft, tuning).T, expected, atol=1e-6)


def test_dct_basis_is_the_orthonormal_cosine_transform():
    values = np.random.default_rng(SEED).standard_normal((5, 128))
    expected = scipy.fft.dct(values, norm="ortho")[:, :20]
    np.testing.assert_allclose(values @ spectral.dct_basis(128, 20), expected, atol=1e-5)


@every_clip
def test_timbre_is_librosas(samples):
    """Every frame, not only the mean, within a thousandth of the size of the feature."""
    magnitude, mel_db = power_of(samples, power=1), mel_db_of(samples)
    centroid, bandwidth = spectral.spectral_moments(magnitude, SAMPLING_RATE)
    pairs = {
        "mfcc": (spectral.mfcc(mel_db)[0], librosa.feature.mfcc(y=samples, sr=SAMPLING_RATE).T),
        "centroid": (centroid[0], librosa.feature.spectral_centroid(y=samples)[0]),
        "bandwidth": (bandwidth[0], librosa.feature.spectral_bandwidth(y=samples)[0]),
        "zcr": (spectral.zero_crossing_rate(as_batch(samples))[0], librosa.feature.zero_crossing_rate(samples)[0]),
        "rms": (spectral.rms(as_batch(samples))[0], librosa.feature.rms(y=samples)[0]),
    }
    for name, (ours, expected) in pairs.items():
        np.testing.assert_allclose(ours, expected, atol=1e-3 * np.abs(expected).mean(), err_msg=name)
    rolloff = spectral.spectral_rolloff(magnitude, SAMPLING_RATE)[0].numpy()
    expected = librosa.feature.spectral_rolloff(y=samples)[0]
    assert abs(rolloff.mean() - expected.mean()) <= 1e-3 * expected.mean()
    assert np.abs(rolloff - expected).max() <= 1.001 * SAMPLING_RATE / 2048  # rounding may move it by one bin


@every_clip
def test_chroma_and_tuning_are_librosas(samples):
    expected = librosa.feature.chroma_stft(y=samples, sr=SAMPLING_RATE).T
    power = power_of(samples)
    tuning = librosa.estimate_tuning(S=power[0].numpy().T, sr=SAMPLING_RATE)
    assert spectral.estimate_tuning(power, SAMPLING_RATE) == [pytest.approx(tuning, abs=1e-6)]
    np.testing.assert_allclose(spectral.chroma(power, SAMPLING_RATE)[0], expected, atol=1e-3)


@every_clip
@pytest.mark.parametrize("aggregate", ["mean", "median"])
def test_onset_strength_is_librosas(samples, aggregate):
    expected = librosa.onset.onset_strength(y=samples, sr=SAMPLING_RATE, aggregate=getattr(np, aggregate))
    ours = spectral.onset_strength(mel_db_of(samples), aggregate=aggregate)[0].numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-3)


def test_onset_strength_names_what_it_can_do():
    with pytest.raises(ValueError, match="aggregate is 'max', but must be 'mean' or 'median'"):
        spectral.onset_strength(torch.zeros(1, 10, 128), aggregate="max")


@pytest.mark.parametrize("win_length", [384, 129])
def test_tempogram_is_librosas(win_length):
    onsets = librosa.onset.onset_strength(y=CLIPS["melody, drums, hiss"], sr=SAMPLING_RATE)
    expected = librosa.feature.tempogram(onset_envelope=onsets, win_length=win_length).T
    np.testing.assert_allclose(spectral.tempogram(as_batch(onsets), win_length)[0], expected, atol=1e-4)


def rhythms():
    rng = np.random.default_rng(SEED)
    for index in range(24):
        bpm, seconds = rng.uniform(55, 210), rng.uniform(5, 14)
        drums = clicks(bpm, seconds, seed=index) + clicks(bpm * rng.choice([1.5, 2, 3]), seconds, 0.3, seed=index + 99)
        hiss = noise(seconds, 10 ** rng.uniform(-5, -1.5), seed=index)
        yield drums + hiss[: len(drums)] + melody(seconds, seed=index)[: len(drums)] * rng.uniform(0, 1)


def test_tempo_is_librosas():
    """The tempo of beat_track, whose onset strength is a median over the bands, and that of feature.tempo (a mean)."""
    agree = []
    for samples in rhythms():
        mel_db = mel_db_of(samples)
        for aggregate in ("median", "mean"):
            onsets = librosa.onset.onset_strength(y=samples, sr=SAMPLING_RATE, aggregate=getattr(np, aggregate))
            expected = librosa.feature.tempo(onset_envelope=onsets, sr=SAMPLING_RATE)[0]
            ours = spectral.tempo(spectral.onset_strength(mel_db, aggregate=aggregate), SAMPLING_RATE)[0]
            agree.append(abs(float(ours) - expected) < 1e-3)
    assert np.mean(agree) >= 0.95


def test_log_mel_musicnn_is_the_taggers_own():
    samples = tone(440.0, sampling_rate=16000) + noise(4.0, 0.05)[: 4 * 16000]
    mel = librosa.feature.melspectrogram(y=samples, sr=16000, hop_length=256, n_fft=512, n_mels=96).T
    expected = np.log10(10000 * mel.astype(np.float16).astype(np.float32) + 1)
    ours = spectral.log_mel_musicnn(as_batch(samples))[0]
    assert ours.shape == expected.shape == (251, 96)
    # Half precision has 11 bits: a sum rounded the other way moves the logarithm by 2 ** -10 / ln 10.
    np.testing.assert_allclose(ours, expected, atol=5e-4)
    assert np.mean(np.abs(ours.numpy() - expected) > 1e-6) < 0.01


def test_log_mel_musicnn_survives_what_half_precision_cannot_hold():
    assert spectral.log_mel_musicnn(as_batch(tone(440.0, amplitude=1e6))).isfinite().all()


# Properties


@pytest.mark.parametrize("function", [spectral.chroma, spectral.spectral_rolloff])
def test_loudness_does_not_matter(function):
    quiet, loud = (function(power_of(gain * CLIPS["melody"]), SAMPLING_RATE) for gain in (2**-6, 1.0))
    torch.testing.assert_close(quiet, loud)


def everything(samples):
    """All answers for (batch, samples), each (batch, ...)."""
    power = spectral.spectrogram(samples)
    mel_db = spectral.power_to_db(spectral.mel_spectrogram(power, SAMPLING_RATE))
    onsets = spectral.onset_strength(mel_db)
    return {
        "mfcc": spectral.mfcc(mel_db),
        "moments": torch.stack(spectral.spectral_moments(power.sqrt(), SAMPLING_RATE), -1),
        "rolloff": spectral.spectral_rolloff(power.sqrt(), SAMPLING_RATE),
        "zero crossings": spectral.zero_crossing_rate(samples),
        "rms": spectral.rms(samples),
        "chroma": spectral.chroma(power, SAMPLING_RATE),
        "onsets": onsets,
        "median onsets": spectral.onset_strength(mel_db, aggregate="median"),
        "tempogram": spectral.tempogram(onsets),
        "tempo": spectral.tempo(onsets, SAMPLING_RATE),
        "musicnn": spectral.log_mel_musicnn(samples),
    }


def test_a_clip_does_not_depend_on_its_neighbours():
    clips = [as_batch(CLIPS[name]) for name in ("noise", "chord", "tone", "half silent")]
    together = everything(torch.cat(clips))
    for row, samples in enumerate(clips):
        for name, alone in everything(samples).items():
            assert torch.equal(alone[0], together[name][row]), name


@given(any_samples())
@settings(max_examples=40)
def test_finite_in_finite_out(samples):
    for name, answer in everything(as_batch(samples)).items():
        assert answer.dtype == torch.float32, name
        assert answer.isfinite().all(), name


def test_silence():
    silence = np.zeros(SAMPLING_RATE, dtype=np.float32)
    power, mel_db = power_of(silence), mel_db_of(silence)
    assert spectral.estimate_tuning(power, SAMPLING_RATE) == [0.0]
    assert not spectral.chroma(power, SAMPLING_RATE).any()
    assert not torch.stack(spectral.spectral_moments(power, SAMPLING_RATE)).any()
    assert not spectral.spectral_rolloff(power, SAMPLING_RATE).any()
    assert not spectral.zero_crossing_rate(as_batch(silence)).any()
    assert not spectral.onset_strength(mel_db).any()
    assert not spectral.tempogram(spectral.onset_strength(mel_db)).any()
    assert spectral.tempo(spectral.onset_strength(mel_db), SAMPLING_RATE).tolist() == [0.0]
