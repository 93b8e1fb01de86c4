"""How many times faster than it plays a recording is heard, where the time goes, and what others would take.

    python benchmarks/throughput.py [--seconds 120] [--runs 5] [--threads 1 2] [--clips 16]

Each published model that answers is asked by its own `predict` about one song (the bundled recording, repeated), with
weights of 32 bits and in bfloat16; the parts of an answer (reading, what the network is given, the network) are timed
by themselves, and set beside the least they could take: reading, one short-time Fourier transform, and the network's
multiplications at the rate at which this machine multiplies matrices. Then all models together on a folder, and what a
user might take instead: librosa's beat tracker for tempo, musicnn by its own recipe (librosa's mel spectrogram) for
tags, transformers' audio spectrogram transformer of the usual size in its pipeline (random weights are as fast). All
sides take turns; medians count. Writes benchmarks/results/throughput.json and .png, and prints a table.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import librosa
import numpy as np
import soundfile
import torch
from matplotlib.figure import Figure
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    AudioClassificationPipeline,
)

import linernotes
from linernotes.bulk import listen_to_folder
from linernotes.modeling.audio import stream_audio
from linernotes.modeling.musicnn import NUM_MELS, PATCH_FRAMES, MusicnnTagger
from linernotes.modeling.windows import split

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
RECORDING = ROOT / "linernotes" / "assets" / "morning_mood.ogg"
MATRIX, PRODUCTS = 1024, 20  # size of the matrices that the machine's rate is measured by, and how many
PARTS = ("reading", "what the network is given", "network")


def write_song(path: Path, seconds: float) -> None:
    samples, rate = soundfile.read(RECORDING, always_2d=True, dtype="float32")
    times = -(-round(seconds * rate) // len(samples))
    soundfile.write(path, np.tile(samples, (times, 1))[: round(seconds * rate)], rate)


def timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turns(sides: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """The median time of each side, after one run of each that is not counted."""
    for side in sides.values():
        side()
    taken = [{name: timed(side) for name, side in sides.items()} for _ in range(runs)]
    return {name: median(each[name] for each in taken) for name in sides}


def products_per_second() -> float:
    """Multiplications and additions a second of two matrices, as the flop counter counts them."""
    one, other = torch.randn(MATRIX, MATRIX), torch.randn(MATRIX, MATRIX)
    one @ other
    return 2 * MATRIX**3 / median(timed(lambda: one @ other) for _ in range(PRODUCTS))


# Ours


class Parts:
    """The parts of a model's answer to a song, each by itself."""

    def __init__(self, model: Any, song: Path):
        self.model, self.song, self.rate = model, song, model.config.sampling_rate
        self.windows = [window.samples for window in split(self.blocks(), self.rate, model.config.window_seconds)]
        self.inputs = [self.given(window) for window in self.windows]

    def blocks(self):
        return stream_audio(str(self.song), self.rate)

    def given(self, window: np.ndarray) -> dict[str, torch.Tensor]:
        return dict(self.model.feature_extractor([window], sampling_rate=self.rate, return_tensors="pt"))

    def read(self) -> None:
        for _ in self.blocks():
            pass

    def prepare(self) -> None:
        for window in self.windows:
            self.given(window)

    @torch.inference_mode()
    def compute(self) -> None:
        for inputs in self.inputs:
            self.model(**inputs)

    def transform(self) -> None:
        """One short-time Fourier transform of all windows, the least that a spectrum takes."""
        for window in self.windows:
            torch.stft(torch.from_numpy(window), 1024, 512, window=torch.hann_window(1024), return_complex=True)

    @torch.no_grad()  # in inference mode nothing is counted
    def operations(self) -> int:
        with FlopCounterMode(display=False) as counter:
            self.model(**self.inputs[0])
        return counter.get_total_flops() * len(self.inputs)


def of_model(name: str, song: Path, seconds: float, runs: int, rate: float) -> dict[str, Any]:
    model, halved = linernotes.load(name), linernotes.load(name).to(torch.bfloat16)
    parts = Parts(model, song)
    sides = {
        "predict": lambda: model.predict(str(song)),
        "predict, bfloat16": lambda: halved.predict(str(song)),
        "reading": parts.read,
        "what the network is given": parts.prepare,
        "network": parts.compute,
        "Fourier transform": parts.transform,
    }
    taken = in_turns(sides, runs)
    floor = taken["reading"] + taken["Fourier transform"] + parts.operations() / rate
    return {
        "times_real_time": round(seconds / taken["predict"], 1),
        "times_real_time_bfloat16": round(seconds / taken["predict, bfloat16"], 1),
        "seconds": {side: round(value, 4) for side, value in taken.items()},
        "gigaflop": round(parts.operations() / 1e9, 3),
        "floor_seconds": round(floor, 4),
        "times_the_floor": round(taken["predict"] / floor, 2),
    }


def of_folder(names: list[str], song: Path, clips: int, seconds: float) -> dict[str, Any]:
    """All models on a folder of excerpts, decoded by one worker beside them."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "songs")
        folder.mkdir()
        samples, rate = soundfile.read(song, always_2d=True, dtype="float32")
        length = round(seconds * rate)
        for number in range(clips):
            start = number * (len(samples) - length) // max(clips - 1, 1)
            soundfile.write(folder / f"{number}.flac", samples[start : start + length], rate)
        taken = timed(lambda: listen_to_folder(folder, Path(place, "notes.jsonl"), models=names, workers=1))
    return {
        "clips": clips,
        "seconds_each": seconds,
        "models": names,
        "times_real_time": round(clips * seconds / taken, 1),
    }


# Others


def others(song: Path) -> dict[str, Callable[[], Any]]:
    torch.manual_seed(0)
    tagger = MusicnnTagger().eval()
    spectrogram = ASTFeatureExtractor()
    transformer = ASTForAudioClassification(ASTConfig(num_labels=10)).eval()
    pipeline = AudioClassificationPipeline(model=transformer, feature_extractor=spectrogram, device="cpu")

    def beats() -> None:
        librosa.beat.beat_track(y=(heard := librosa.load(song))[0], sr=heard[1])

    @torch.inference_mode()
    def tags() -> None:
        samples, rate = librosa.load(song, sr=16_000)
        mel = librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=512, hop_length=256, n_mels=NUM_MELS)
        frames = torch.from_numpy(np.log10(1 + 10_000 * mel.T).astype(np.float32))
        tagger(frames[: len(frames) // PATCH_FRAMES * PATCH_FRAMES].unflatten(0, (-1, PATCH_FRAMES)))

    def usual_transformer() -> None:
        samples, rate = librosa.load(song, sr=16_000)
        for start in range(0, len(samples), 10 * rate):  # what it hears at once
            pipeline(samples[start : start + 10 * rate])

    return {"librosa's beat tracker": beats, "musicnn, by librosa": tags, "AST in its pipeline": usual_transformer}


def draw(models: dict[str, dict], path: Path, seconds: float) -> None:
    """Where the time goes: a bar a model of its parts, a line where the floor is."""
    figure = Figure(figsize=(8, 0.6 * len(models) + 1.4), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(models))
    for part in PARTS:
        widths = np.array([1000 * each["seconds"][part] / seconds for each in models.values()])
        axes.barh(list(models), widths, left=left, label=part)
        left += widths
    floors = [1000 * each["floor_seconds"] / seconds for each in models.values()]
    axes.scatter(floors, list(models), marker="|", s=300, color="black", label="floor", zorder=3)
    axes.set_xlabel("milliseconds a second of music")
    axes.invert_yaxis()
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--clips", type=int, default=16, help="of 30 s, in the folder")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    names = [facts["name"] for facts in linernotes.bundled_models() if facts["family"] != "sonicverse"]
    by_threads = {}
    with tempfile.TemporaryDirectory() as place:
        song = Path(place, "song.flac")
        write_song(song, options.seconds)
        for threads in options.threads:
            torch.set_num_threads(threads)
            rate = products_per_second()
            models = {name: of_model(name, song, options.seconds, options.runs, rate) for name in names}
            taken = in_turns(others(song), options.runs)
            by_threads[threads] = {
                "gigaflop_a_second": round(rate / 1e9, 1),
                "models": models,
                "others": {
                    name: {"times_real_time": round(options.seconds / value, 1)} for name, value in taken.items()
                },
                "folder": of_folder(names, song, options.clips, min(30.0, options.seconds)),
            }
            for name, figures in (models | by_threads[threads]["others"]).items():
                more = "".join(
                    f", {text} {figures[key]:g}"
                    for key, text in (("times_real_time_bfloat16", "in bfloat16"), ("times_the_floor", "floors"))
                    if key in figures
                )
                print(f"{threads} threads  {name:<32} {figures['times_real_time']:8.1f} x real time{more}", flush=True)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "torch": torch.__version__}
    result = {"seconds": options.seconds, "runs": options.runs, "machine": machine, "threads": by_threads}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "throughput.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(by_threads[options.threads[0]]["models"], options.out / "throughput.png", options.seconds)


if __name__ == "__main__":
    main()
