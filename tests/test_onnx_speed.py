"""The arithmetic of benchmarks/onnx_speed.py, and one round of it on a small model."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

SPEED = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "onnx_speed.py")))


class Clock:
    """Time that passes when it is told to, and who told it."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self) -> float:
        return self.now

    def way(self, name: str, *seconds: float):
        left = list(seconds)

        def do() -> None:
            self.now += left.pop(0)
            self.calls.append(name)

        return do


def test_seconds_are_medians_of_turns_without_the_first():
    clock = Clock()
    ways = {"slow": clock.way("slow", 90.0, 4.0, 8.0, 5.0), "fast": clock.way("fast", 70.0, 1.0, 2.0, 3.0)}
    assert SPEED.timed(ways, 3, clock) == {"slow": 5.0, "fast": 2.0}
    assert clock.calls == ["slow", "fast"] * 4


def test_times_faster_are_of_torch():
    found = SPEED.compared({"torch": 0.3, "onnx": 0.1, "onnx int8": 0.6})
    assert found == {
        "seconds": {"torch": 0.3, "onnx": 0.1, "onnx int8": 0.6},
        "times_faster": {"onnx": 3.0, "onnx int8": 0.5},
    }


def test_the_largest_difference_is_of_one_label():
    expected, found = {"jazz": 0.7, "rock": 0.2, "pop": 0.1}, {"jazz": 0.6, "rock": 0.5, "pop": -0.1}
    assert SPEED.largest_difference(expected, found) == pytest.approx(0.3)


def test_a_window_is_filled_with_the_recording_from_its_beginning():
    window = SPEED.whole_window(SimpleNamespace(sampling_rate=8000, window_seconds=20.0))
    assert len(window) == 160_000
    once = len(SPEED.read_audio(SPEED.RECORDING, 8000))
    assert (window[once:] == window[: len(window) - once]).all()


@pytest.mark.slow
def test_a_small_model_is_measured_whole(tiny_folder, tmp_path, capsys):
    out = tmp_path / "speed.json"
    SPEED.main([str(tiny_folder), "--runs", "1", "--threads", str(torch.get_num_threads()), "--out", str(out)])
    written = json.loads(out.read_text())
    (figures,) = written["models"].values()
    assert list(written["models"]) == ["tiny-moe"]
    for part in ("forward", "predict"):
        assert all(seconds > 0 for seconds in figures[part]["seconds"].values())
        assert list(figures[part]["seconds"]) == ["torch", "onnx", "onnx int8"]
    assert figures["largest_difference"]["onnx"] <= 1e-4
    assert 0 < figures["largest_difference"]["onnx int8"] < 0.1
    assert figures["bytes"]["onnx"] > 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["model", "way", "forward", "predict"]
    assert [row.split()[0] for row in rows] == ["tiny-moe"] * 3


def test_the_speeds_told_are_those_that_were_measured():
    root = Path(__file__).parents[1]
    told = (root / "docs" / "onnx.md").read_text(encoding="utf-8").splitlines()
    models = json.loads((root / "benchmarks" / "results" / "onnx_speed.json").read_text())["models"]
    for name, measured in models.items():
        speed, sizes = measured["predict"], measured["bytes"]
        faster = " | ".join(f"{speed['times_faster'][way]:.2f}" for way in ("onnx", "onnx int8"))
        megabytes = " | ".join(f"{sizes[way] / 1e6:.1f} MB" for way in ("onnx", "onnx int8"))
        row = f"| {name} | {1000 * speed['seconds']['torch']:.1f} ms | {faster} | {megabytes} | "
        assert f"{row}{measured['largest_difference']['onnx int8']:.1e} |" in told
