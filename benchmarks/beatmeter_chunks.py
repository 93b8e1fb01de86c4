"""What it saves to hear chunks of 5 s together, as ours does, and not one by one, as published; memory for an hour.

    python benchmarks/beatmeter_chunks.py [--shape 95m] [--runs 5]

Random weights, the same on both sides; medians of interleaved runs of four recordings of 30 s. The hour is heard by
`predict`, from a file, in a process of its own, whose peak is compared with that of half a minute.
Writes benchmarks/results/beatmeter_chunks_SHAPE.json.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import AutoConfig, AutoModel

ROOT = Path(__file__).parents[1]
RATE, CHUNK, RECORDINGS = 24_000, 120_000, 4
SHAPES = {"pocket": ROOT / "models" / "pocket-mert" / "config.json", "95m": None}
CLASSES = {"AutoConfig": "configuration_beatmeter.BeatMeterConfig"}
CLASSES |= {"AutoModel": "modeling_beatmeter.BeatMeterForMeterClassification"}


def make(shape: str, folder: Path):
    """A model as published, with random weights, by its Auto class."""
    for file in (ROOT / "modeling").glob("*.py"):
        shutil.copy(file, folder)
    backbone = json.loads(SHAPES[shape].read_text()) if SHAPES[shape] else {}
    options = {"original_pooling": True, "do_normalize": False, "backbone_config": backbone}
    (folder / "config.json").write_text(json.dumps({"model_type": "beatmeter", "auto_map": CLASSES, **options}))
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    return AutoModel.from_config(config, trust_remote_code=True).eval()


def together(model, sound: torch.Tensor) -> torch.Tensor:
    return model(sound).logits


def one_by_one(model, sound: torch.Tensor) -> torch.Tensor:
    """The published loop: every chunk of every recording by itself, pooled, mean of means and maximum of maxima."""
    pooled = []
    for recording in sound:
        means, maxima = [], []
        for chunk in recording.split(CHUNK):
            heard = model.backbone(chunk[None], output_hidden_states=True)
            layers = torch.cat((*heard.hidden_states[1:-1], heard.last_hidden_state))  # the last behind its norm
            means.append(layers.mean(1))
            maxima.append(layers.amax(1))
        pooled.append(torch.cat((torch.stack(means).mean(0), torch.stack(maxima).amax(0)), dim=-1))
    return model.head((model.layer_weights()[None, :, None] * torch.stack(pooled)).sum(1))


def compare(model, runs: int) -> dict:
    sound = 0.1 * torch.randn(RECORDINGS, 30 * RATE, generator=torch.Generator().manual_seed(1))
    sides = {"one_by_one": one_by_one, "together": together}
    seconds = {name: [] for name in sides}
    with torch.inference_mode():
        logits = {name: side(model, sound) for name, side in sides.items()}  # also warms up
        for _ in range(runs):
            for name, side in sides.items():
                started = time.perf_counter()
                side(model, sound)
                seconds[name].append(time.perf_counter() - started)
    medians = {f"{name}_seconds": round(statistics.median(times), 3) for name, times in seconds.items()}
    ratio = medians["one_by_one_seconds"] / medians["together_seconds"]
    difference = float((logits["together"] - logits["one_by_one"]).abs().max())
    return {**medians, "ratio": round(ratio, 2), "largest_difference_of_logits": difference}


def listen(shape: str, seconds: float) -> dict:
    """Hears a recording of that length and says how long that took and how much memory the process ever had."""
    with tempfile.TemporaryDirectory() as place:
        model, rng = make(shape, Path(place)), np.random.default_rng(0)
        with soundfile.SoundFile(Path(place) / "music.wav", "w", RATE, 1, "PCM_16") as file:
            for start in range(0, round(seconds), 10):
                file.write(0.1 * rng.standard_normal(round(min(10, seconds - start) * RATE)))
        started = time.perf_counter()
        answer = model.predict(Path(place) / "music.wav")
        took = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"heard_seconds": answer["heard_seconds"], "seconds": round(took, 1), "peak_megabytes": round(peak / 1e6)}


def in_a_process(shape: str, seconds: float) -> dict:
    command = [sys.executable, "-W", "ignore", __file__, "--shape", shape, "--listen", str(seconds)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="pocket")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--hour", type=float, default=3600.0, help="length in seconds of the long recording")
    parser.add_argument("--listen", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        print(json.dumps(listen(options.shape, options.listen)))
        return
    with tempfile.TemporaryDirectory() as place:
        model = make(options.shape, Path(place))
        parameters, speed = model.num_parameters(), compare(model, options.runs)
    print(f"{speed['ratio']} times as fast together as one by one, {RECORDINGS} recordings of 30 s: {speed}")
    memory = {name: in_a_process(options.shape, length) for name, length in (("short", 30.0), ("long", options.hour))}
    print(f"memory: {memory}")
    machine = {"cores": os.cpu_count(), "threads": torch.get_num_threads(), "machine": platform.machine()}
    result = {"shape": options.shape, "parameters": parameters, "runs": options.runs, "machine": machine}
    out = ROOT / "benchmarks" / "results" / f"beatmeter_chunks_{options.shape}.json"
    out.write_text(json.dumps({**result, "speed": speed, "memory": memory}, indent=1) + "\n")


if __name__ == "__main__":
    main()
