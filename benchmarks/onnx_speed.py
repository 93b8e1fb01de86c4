"""What ONNX graphs save: seconds for one window by torch, by a graph, and by a graph with weights of eight bits.

    python benchmarks/onnx_speed.py [MODEL...] [--runs 31] [--threads 1] [--out FILE]

Medians of interleaved runs over one window of the bundled recording: of the forward pass alone, from what the feature
extractor (and the codec) made, and of `predict` as it is. Beside them the size of the files, and by how much a
probability of `predict` differs from torch's at most. By default all bundled models that have graphs. Writes
benchmarks/results/onnx_speed.json; measure on a machine that does nothing else.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch

import linernotes
from linernotes.modeling.audio import read_audio
from linernotes.onnx_graphs import GRAPHS
from linernotes.onnx_models import export_onnx, load_onnx

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "linernotes" / "assets" / "morning_mood.ogg"
RESULTS = ROOT / "benchmarks" / "results" / "onnx_speed.json"
TORCH, ONNX, INT8 = "torch", "onnx", "onnx int8"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--runs", type=int, default=31)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    bundled = [facts["name"] for facts in linernotes.bundled_models() if facts["family"] in GRAPHS]
    torch.set_num_threads(options.threads)
    found = {Path(name).name: measured(name, options) for name in options.models or bundled}
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    versions = {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__}
    about = {"runs": options.runs, "threads": options.threads, "machine": machine, "versions": versions}
    options.out.write_text(json.dumps(about | {"models": found}, indent=1) + "\n")
    print(table(found))


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    with TemporaryDirectory() as place:
        folders = {way: Path(place, way) for way in (ONNX, INT8)}
        for way, folder in folders.items():
            export_onnx(name, folder, int8=way == INT8)
        graphs = {way: load_onnx(folder, threads=options.threads) for way, folder in folders.items()}
        models = {TORCH: linernotes.load(name), **graphs}
        window = whole_window(models[TORCH].config)
        ways = forward_and_predict(models, window)
        with torch.inference_mode():
            seconds = timed(ways, options.runs)
        rate = models[TORCH].config.sampling_rate
        answers = {way: model.predict(window, sampling_rate=rate)["probabilities"] for way, model in models.items()}
        sizes = {way: sum(file.stat().st_size for file in folder.glob("*.onnx*")) for way, folder in folders.items()}
    return {
        "window_seconds": models[TORCH].config.window_seconds,
        "forward": compared({way: seconds["forward", way] for way in models}),
        "predict": compared({way: seconds["predict", way] for way in models}),
        "bytes": sizes,
        "largest_difference": {way: largest_difference(answers[TORCH], answers[way]) for way in folders},
    }


def whole_window(config: Any) -> np.ndarray:
    """The bundled recording from its beginning, again and again until a window is full, (samples,)."""
    return np.resize(read_audio(RECORDING, config.sampling_rate), round(config.window_seconds * config.sampling_rate))


def forward_and_predict(models: dict[str, Any], window: np.ndarray) -> dict[tuple[str, str], Callable[[], Any]]:
    """What is timed, by ("forward" or "predict", way)."""
    model = models[TORCH]
    rate = model.config.sampling_rate
    inputs = dict(model.feature_extractor([window], sampling_rate=rate, return_tensors="pt"))
    if model.config.model_type == "mega_audioformer":  # whose codec is a graph of its own
        codes, _ = model.base_model.codec.tokens(inputs["input_values"], None)
        inputs = {"codes": codes, "attention_mask": torch.ones_like(codes[:, 0], dtype=torch.bool)}
    forward = {("forward", way): lambda each=each: each(**inputs) for way, each in models.items()}
    predict = {
        ("predict", way): lambda each=each: each.predict(window, sampling_rate=rate) for way, each in models.items()
    }
    return forward | predict


def timed(
    ways: dict[Any, Callable[[], Any]], runs: int, clock: Callable[[], float] = time.perf_counter
) -> dict[Any, float]:
    """Median seconds of each, after one run that is not counted; the ways take turns."""
    seconds: dict[Any, list[float]] = {name: [] for name in ways}
    for number in range(runs + 1):
        for name, do in ways.items():
            started = clock()
            do()
            if number:
                seconds[name].append(clock() - started)
    return {name: statistics.median(each) for name, each in seconds.items()}


def compared(seconds: dict[str, float]) -> dict[str, dict[str, float]]:
    """Seconds by way, and how many times faster than torch each other one is."""
    faster = {way: round(seconds[TORCH] / each, 3) for way, each in seconds.items() if way != TORCH}
    return {"seconds": {way: round(each, 7) for way, each in seconds.items()}, "times_faster": faster}


def largest_difference(expected: dict[str, float], found: dict[str, float]) -> float:
    return max(abs(found[label] - expected[label]) for label in expected)


def table(found: dict[str, dict[str, Any]]) -> str:
    """Milliseconds of forward pass and of `predict`, each with how many times faster it is than torch."""
    lines = [f"{'model':28} {'way':10} {'forward':>20} {'predict':>20} {'size':>9} {'differs by':>11}"]
    for name, figures in found.items():
        for way in (TORCH, ONNX, INT8):
            cells = []
            for what in ("forward", "predict"):
                times = figures[what]["times_faster"].get(way)
                cells.append(f"{1000 * figures[what]['seconds'][way]:.2f} ms" + (f" ({times:.2f} x)" if times else ""))
            size = f"{figures['bytes'][way] / 1e6:.2f} MB" if way in figures["bytes"] else ""
            differs = f"{figures['largest_difference'][way]:.1e}" if way in figures["largest_difference"] else ""
            lines.append(f"{name:28} {way:10} {cells[0]:>20} {cells[1]:>20} {size:>9} {differs:>11}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
