"""Twenty minutes through every family: memory that does not grow with them, time in proportion to them."""

import sys
from pathlib import Path

import pytest
from every_family import EVERY_FAMILY
from long_audio import RATE, cost_of_hearing, write_long
from soundfile import info

GIB = 2**30
MOST_TIMES = 3  # as long as half of it: proportional is 2, quadratic 4, and other processes disturb both

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc"),
]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("long")
    return [write_long(folder / f"{minutes}.flac", 60 * minutes) for minutes in (10, 20)]


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_memory_stays_and_time_is_in_proportion(family, recordings):
    half, whole = cost_of_hearing(family, *recordings)["recordings"]
    assert (half["heard_seconds"], whole["heard_seconds"]) == pytest.approx((600, 1_200), abs=0.1)
    assert whole["peak_bytes_above_loaded"] < GIB
    assert whole["peak_bytes_above_loaded"] - half["peak_bytes_above_loaded"] < GIB // 16
    assert whole["seconds"] / half["seconds"] < MOST_TIMES


def test_the_recording_is_as_long_as_asked_and_changes(recordings, tmp_path):
    assert [info(path).frames / RATE for path in recordings] == [600, 1_200]
    short = write_long(tmp_path / "short.flac", 12.5)
    assert info(short).frames == round(12.5 * RATE)
    assert short.read_bytes() != write_long(tmp_path / "other.flac", 12.5, seed=1).read_bytes()


def test_a_process_that_cannot_hear_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)ended with 1: .*nothing\.flac"):
        cost_of_hearing("genre_moe", tmp_path / "nothing.flac")
