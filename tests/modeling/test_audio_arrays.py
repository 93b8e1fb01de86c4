"""Arrays and tensors as audio: how they are scaled, which are refused, and their rates."""

import numpy as np
import pytest
import torch
from audio_files import RATE

from linernotes.modeling.audio import AudioError, describe, read_audio, stream_audio


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint8, np.uint16, np.uint32])
def test_integers_are_scaled_by_their_type(dtype):
    info = np.iinfo(dtype)
    middle = (int(info.max) + int(info.min) + 1) // 2
    array = np.array([info.min, middle, info.max], dtype=dtype)
    samples = read_audio(array, RATE, source_sampling_rate=RATE)
    np.testing.assert_allclose(samples, [-1, 0, 1], atol=0.01)
    assert samples[0] == -1
    assert samples[1] == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.dtype(">f4")])
def test_floats_stay_as_they_are(dtype):
    array = np.array([0.5, -0.25, 1.5], dtype=dtype)
    np.testing.assert_array_equal(read_audio(array, RATE, source_sampling_rate=RATE), [0.5, -0.25, 1.5])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_tensors(dtype):
    tensor = torch.tensor([[0.5, -0.25], [0.5, 0.25]], dtype=dtype, requires_grad=True)
    np.testing.assert_array_equal(read_audio(tensor, RATE, source_sampling_rate=RATE), [0.5, 0.0])
    assert describe(tensor) is None


def test_an_array_is_not_changed_and_not_shared():
    array = np.zeros(10, np.float32)
    for block in stream_audio(array, RATE, source_sampling_rate=RATE):
        block += 1
    assert not array.any()


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        (
            np.zeros((48_000, 2)),
            "too_many_channels",
            r"shape \(48000, 2\) means 48000 channels.*transpose it \(array.T\)",
        ),
        (np.zeros((48_000, 1)), "too_many_channels", "transpose it"),
        (np.float32(0), "not_audio", "got float32, expected a path"),
        (np.zeros(()), "not_audio", r"got an array of shape \(\) and type float64, expected \(samples,\)"),
        (np.zeros((1, 2, 100)), "not_audio", r"shape \(1, 2, 100\)"),
        (np.zeros(100, object), "not_audio", "type object"),
        (np.zeros(100, bool), "not_audio", "type bool"),
        (np.zeros(100, complex), "not_audio", "type complex128"),
        (np.full(100, "a"), "not_audio", "type <U1"),
        (np.zeros(100, np.int64), "not_audio", "type int64.*floats within .-1 or of integers of 8, 16 or 32 bits"),
        ([0.0, 0.1], "not_audio", r"got list, expected .*np.asarray"),
        ({"array": [0.0, 0.1], "sampling_rate": RATE}, "not_audio", "got list"),
        (None, "not_audio", "got NoneType"),
        (7, "not_audio", "got int"),
        (np.zeros(0), "empty", "0 samples"),
        (np.zeros((2, 0)), "empty", "0 samples"),
        (np.zeros((0, 100)), "empty", "0 samples"),
        (np.array([0.0, np.nan]), "not_finite", r"sample 1 \(0\.000 s\) of channel 0 is nan"),
        (np.array([[0.0, 0.0], [1e300, 0.0]]), "not_finite", "sample 0 .* of channel 1 is inf"),
    ],
)
def test_arrays_that_are_no_audio(source, code, message):
    with pytest.raises(AudioError, match=message) as caught:
        read_audio(source, 22_050, source_sampling_rate=RATE)
    assert (caught.value.code, caught.value.path) == (code, None)


def test_less_than_one_sample_at_the_rate_asked_for_is_too_short():
    with pytest.raises(AudioError, match=r"shorter than one sample at 16000 Hz: .* give a longer recording") as caught:
        read_audio(np.zeros(5), 16_000, source_sampling_rate=192_000)
    assert caught.value.code == "too_short"


def test_a_dict_without_a_rate_takes_that_of_the_call():
    samples = read_audio({"array": np.zeros(100), "sampling_rate": None}, RATE, source_sampling_rate=RATE)
    assert len(samples) == 100


@pytest.mark.parametrize("source", [np.zeros(100), torch.zeros(100), {"array": np.zeros(100)}])
def test_an_array_needs_a_rate(source):
    with pytest.raises(AudioError, match="does not say its sampling rate: pass it in Hz") as caught:
        read_audio(source, 22_050)
    assert caught.value.code == "no_sampling_rate"


@pytest.mark.parametrize("rate", [0, -1, 1, 3_999, 768_001, 2**31, float("nan"), float("inf"), "44100", True])
def test_rates_out_of_this_world(rate):
    for rates in ((RATE, rate), (rate, RATE)):
        with pytest.raises(AudioError, match="4000 to 768000 Hz are allowed: state the true one") as caught:
            read_audio(np.zeros(100), rates[0], source_sampling_rate=rates[1])
        assert caught.value.code == "bad_sampling_rate"


@pytest.mark.parametrize("rate", [4_000, 768_000, 44_100.5, np.int64(44_100), np.float32(22_050)])
def test_rates_that_are_allowed(rate):
    samples = read_audio(np.zeros(44_100), 16_000, source_sampling_rate=rate)
    assert len(samples) == pytest.approx(44_100 * 16_000 / rate, abs=1)
