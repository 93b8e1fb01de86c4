"""windows.py: nothing is dropped, nothing counts twice, however the signal arrives."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linernotes.modeling.windows import Window, merge, spans, split

RATE = 100  # samples a second: small enough to read the numbers


def ramp(length: int) -> np.ndarray:
    return np.arange(length, dtype=np.float32)  # each sample is its own index


def places(windows: list[Window]) -> list[tuple[float, float, float]]:
    return [(window.start_seconds, window.end_seconds, window.new_seconds) for window in windows]


# ---- known answers


def test_a_remainder_is_heard_by_a_full_window_that_ends_with_the_recording():
    windows = list(split([ramp(1050)], RATE, 3.0))
    assert places(windows) == [(0, 3, 3), (3, 6, 3), (6, 9, 3), (7.5, 10.5, 1.5)]
    assert all(len(window.samples) == 300 for window in windows)
    assert windows[-1].samples[0] == 750
    assert windows[-1].samples[-1] == 1049


def test_a_recording_that_fits_has_no_extra_window():
    assert places(list(split([ramp(600)], RATE, 3.0))) == [(0, 3, 3), (3, 6, 3)]


def test_a_recording_shorter_than_a_window_is_one_window_as_it_is():
    (window,) = split([ramp(120)], RATE, 3.0)
    np.testing.assert_array_equal(window.samples, ramp(120))
    assert places([window]) == [(0, 1.2, 1.2)]


@pytest.mark.parametrize("blocks", [[], [ramp(0)], [ramp(0), ramp(0)]])
def test_an_empty_recording_has_no_window(blocks):
    assert list(split(blocks, RATE, 3.0)) == []


@pytest.mark.parametrize("length", [1, 120, 299, 300, 301, 600, 1050])
def test_spans_are_the_windows_of_a_recording_of_known_length(length):
    windows = list(split([ramp(length)], RATE, 3.0))
    expected = [(start * RATE, stop * RATE, new * RATE) for start, stop, new in places(windows)]
    assert [pytest.approx(span) for span in spans(length, 300)] == expected


def test_windows_are_float32_and_their_own_memory():
    block = ramp(600).astype(np.float64)
    first, second = split([block], RATE, 3.0)
    assert first.samples.dtype == np.float32
    first.samples[:] = -1
    assert second.samples[0] == 300
    assert block[0] == 0


def test_windows_come_as_soon_as_they_are_full():
    pulled = []
    blocks = (pulled.append(index) or ramp(100) for index in range(1000))
    first = next(split(blocks, RATE, 3.0))
    assert first.end_seconds == 3
    assert len(pulled) == 3


# ---- properties

recordings = st.integers(0, 2000)
window_lengths = st.integers(1, 400)


@given(recordings, window_lengths)
def test_every_sample_is_in_a_window_and_every_second_counts_once(length, window):
    windows = list(split([ramp(length)], RATE, window / RATE))
    assert sum(each.new_seconds for each in windows) == pytest.approx(length / RATE)
    assert set(itertools.chain.from_iterable(each.samples.tolist() for each in windows)) == set(range(length))
    reached = 0.0
    for each in windows:
        assert each.end_seconds - reached == pytest.approx(each.new_seconds)  # new is what no earlier window held
        assert len(each.samples) == min(window, length)
        assert each.samples[0] == round(each.start_seconds * RATE)
        assert each.samples[-1] == round(each.end_seconds * RATE) - 1
        reached = each.end_seconds


@given(recordings, window_lengths, st.lists(st.integers(0, 500), max_size=20))
def test_how_the_signal_is_cut_into_blocks_changes_nothing(length, window, block_lengths):
    signal = ramp(length)
    blocks = np.split(signal, np.minimum(np.cumsum(block_lengths), length)) if block_lengths else [signal]
    whole = list(split([signal], RATE, window / RATE))
    pieces = list(split(blocks, RATE, window / RATE))
    assert places(pieces) == places(whole)
    for one, other in zip(pieces, whole, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


@pytest.mark.parametrize("block_seconds", [5.0, 36_000.0])
def test_ten_hours_need_no_more_memory_than_a_window(block_seconds):
    rate, hours = 1000, 10
    silence = np.zeros(int(block_seconds * rate), np.float32)
    blocks = (silence for _ in range(int(hours * 3600 / block_seconds)))
    tracemalloc.start()
    try:
        seconds = sum(window.new_seconds for window in split(blocks, rate, 30.0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seconds == pytest.approx(hours * 3600)
    assert peak < 6 * 30 * rate * 4  # the ten hours are 1,200 windows


# ---- errors


@pytest.mark.parametrize("window_seconds", [0.0, -1.0, 0.001])
def test_a_window_without_a_sample_is_refused(window_seconds):
    with pytest.raises(ValueError, match=f"window_seconds is {window_seconds} at 100 Hz; .* at least one sample"):
        split([ramp(10)], RATE, window_seconds)


def test_blocks_must_be_mono():
    with pytest.raises(ValueError, match=r"block of shape \(2, 50\), expected mono"):
        list(split([np.zeros((2, 50), np.float32)], RATE, 0.1))


# ---- merge


def test_merge_is_the_mean_weighted_by_what_each_window_heard():
    readings = [{"logits": np.array([0.0, 4.0])}, {"logits": np.array([4.0, 0.0])}]
    np.testing.assert_allclose(merge(readings, [3.0, 1.0])["logits"], [1.0, 3.0])


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=5), st.floats(1e-3, 1e3))
def test_a_single_reading_comes_out_as_it_went_in(values, weight):
    reading = {"a": np.array(values, np.float32), "b": np.array([[1.5]], np.float32)}
    merged = merge([reading], [weight])
    assert merged.keys() == reading.keys()
    for key, value in reading.items():
        np.testing.assert_array_equal(merged[key], value)
        assert merged[key].dtype == np.float32


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6), st.floats(0.1, 10))
def test_merge_stays_between_the_readings_and_ignores_the_scale_of_the_weights(weights, scale):
    readings = [{"p": np.array([float(index)])} for index in range(len(weights))]
    merged = merge(readings, weights)["p"]
    assert 0 <= merged[0] <= len(weights) - 1
    np.testing.assert_allclose(merged, merge(readings, [scale * weight for weight in weights])["p"])


@pytest.mark.parametrize(
    ("readings", "weights", "message"),
    [
        ([], [], "got 0 readings"),
        ([{"a": np.ones(1)}], [1.0, 2.0], "expected one weight each"),
        ([{"a": np.ones(1)}], [0.0], "not negative and not all 0"),
        ([{"a": np.ones(1)}] * 2, [2.0, -1.0], "not negative and not all 0"),
        ([{"a": np.ones(1)}], [float("nan")], "expected finite ones"),
        ([{"a": np.ones(1)}, {"b": np.ones(1)}], [1.0, 1.0], "expected the same in each"),
        ([{"a": np.ones(1)}, {"a": np.ones(2)}], [1.0, 1.0], "same shape"),
    ],
)
def test_merge_refuses_what_does_not_fit(readings, weights, message):
    with pytest.raises(ValueError, match=message):
        merge(readings, weights)
