"""What LoRA costs beside full fine-tuning and a frozen backbone: time and memory of one training step of BeatMeter.

    python benchmarks/lora_step.py [--shapes pocket 95m] [--batch-size 8] [--runs 5]

Random weights; recordings of one chunk of 5 s; adapters of rank 16 on queries and values, as in configs/beatmeter. A
step is forward, backward and AdamW. Each cell is a process of its own: the median of its runs behind a first one, how
far memory rose above the finished model, and how many weights learn. Writes benchmarks/results/lora_step.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from beatmeter_chunks import RATE, SHAPES
from beatmeter_chunks import make as make_model
from mega_audioformer_cell import peak_bytes

from linernotes.training.lora import add_lora

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "lora_step.json"
TUNINGS = ("full", "lora", "frozen")
SECONDS = 5


def make(shape: str, tuning: str) -> torch.nn.Module:
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(shape, Path(folder)).train()
    if tuning == "lora":
        add_lora(model)
    elif tuning == "frozen":
        model.freeze_backbone()
    return model


def measure(shape: str, tuning: str, batch_size: int, runs: int) -> dict[str, float]:
    model = make(shape, tuning)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-4)
    sound = 0.1 * torch.randn(batch_size, SECONDS * RATE)
    labels = torch.zeros(batch_size, model.config.num_labels)

    def step() -> float:
        started = time.perf_counter()
        optimizer.zero_grad()
        model(sound, labels=labels).loss.backward()
        optimizer.step()
        return time.perf_counter() - started

    before = peak_bytes()
    step()
    return {
        "step_seconds": round(statistics.median(step() for _ in range(runs)), 4),
        "bytes": peak_bytes() - before,
        "learning": sum(parameter.numel() for parameter in learning),
    }


def in_a_process(options: argparse.Namespace, shape: str, tuning: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--cell", shape, tuning]
    for name in ("batch_size", "runs", "threads"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{shape}, {tuning}: {run.stderr.strip().splitlines()[-1]}")
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--cell", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.cell:
        print(json.dumps(measure(*options.cell, options.batch_size, options.runs)))
        return
    cells = []
    for shape in options.shapes:
        for tuning in TUNINGS:
            cells.append({"shape": shape, "tuning": tuning, **in_a_process(options, shape, tuning)})
            told = cells[-1]
            print(
                f"{shape:7}{tuning:8}{told['step_seconds']:8.3f} s {told['bytes'] / 2**20:8.0f} MiB "
                f"{told['learning']:12,} weights learn",
                flush=True,
            )
    machine = {"cores": os.cpu_count(), "threads": options.threads, "machine": platform.machine()}
    about = {"machine": machine, "torch": torch.__version__, "batch_size": options.batch_size, "seconds": SECONDS}
    options.out.write_text(json.dumps(about | {"cells": cells}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
