"""How Mega-AudioFormer's cost grows with length, against a flat transformer over all tokens and a spectrogram ViT.

    python benchmarks/mega_audioformer_scaling.py [--shape pocket] [--seconds 5 15 30 120 600] [--threads 2]

All three have the same width, depth and heads, random weights, batches of one. "flat" is our own network with one
codebook of as many entries, K x 75 frames a second: the same layers over K x T positions. It is not pre-trained here,
since it would choose among all books' entries at once. "spectrogram" is transformers' AST over 128 mel bands, 100
frames a second, whose table of learned positions grows with length. Each cell is a process of its own, which
mega_audioformer_cell.py is: the median of its runs, and how far memory rose above the finished model. What makes the
input (a codec, a mel spectrogram) is not in it. A cell that would pass 180 s or 12 GiB is not run: it is given by the
exponent between the two longest lengths that were, and marked. Besides: codes that are classified as they are, against
codes that are decoded to sound and classified by their spectrogram. Writes the figures and a picture of them,
benchmarks/results/mega_audioformer_scaling_SHAPE.json and .png, prints them as a table, and puts the forward passes of
the published shape on the published cards.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from mega_audioformer_cell import BOOKS, LIMIT_BYTES, SHAPES, SIDES, TASKS

from linernotes.training.publish import add_benchmark

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CELL = Path(__file__).with_name("mega_audioformer_cell.py")
LIMIT_SECONDS = 180.0
PUBLISHED_SHAPE = "pocket"
TOLD_AT = (30.0, 12.0)  # the length and bit rate of the headline


def in_a_process(request: dict, threads: int) -> dict | None:
    """What a cell says of itself; None where it passes a limit."""
    command = [sys.executable, "-W", "ignore", str(CELL), json.dumps(request), "--threads", str(threads)]
    try:
        with tempfile.TemporaryDirectory() as cache:  # of the code that Auto classes copy
            environment = os.environ | {"HF_MODULES_CACHE": cache}
            run = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=2 * LIMIT_SECONDS, check=False
            )
    except subprocess.TimeoutExpired:
        return None
    if run.returncode:
        if "can't allocate memory" in run.stderr or "MemoryError" in run.stderr:
            return None
        raise RuntimeError(f"{request}: {run.stderr.strip().splitlines()[-1]}")
    return json.loads(run.stdout.splitlines()[-1])


def extrapolated(cells: list[dict], seconds: float, key: str) -> tuple[float, float] | None:
    """(value, exponent) at a length, by the power law through the two longest cells that were measured."""
    measured = [cell for cell in cells if cell["measured"]][-2:]
    if len(measured) < 2 or min(cell[key] for cell in measured) <= 0:
        return None
    first, second = measured
    exponent = math.log(second[key] / first[key]) / math.log(second["seconds"] / first["seconds"])
    return second[key] * (seconds / second["seconds"]) ** exponent, exponent


def series(side: str, task: str, shape: str, kbps: float, lengths: list[float], threads: int) -> list[dict]:
    """The cells of one side, task and bit rate, from short to long."""
    cells: list[dict] = []
    for seconds in lengths:
        place = {"side": side, "task": task, "kbps": kbps, "seconds": seconds}
        expected = {key: extrapolated(cells, seconds, key) for key in ("run_seconds", "bytes")}
        limits = {"run_seconds": LIMIT_SECONDS, "bytes": LIMIT_BYTES}
        too_much = any(found and found[0] > limits[key] for key, found in expected.items())
        found = None if too_much else in_a_process({**place, "shape": shape}, threads)
        if found is not None and (found["run_seconds"] > LIMIT_SECONDS or found["bytes"] > LIMIT_BYTES):
            found = None
        if found is not None:
            cells.append({**place, "measured": True, **found})
        elif expected["run_seconds"]:
            value, exponent = expected["run_seconds"]
            memory = expected["bytes"][0] if expected["bytes"] else None
            cells.append({**place, "measured": False, "run_seconds": value, "exponent": exponent, "bytes": memory})
        print(line(cells[-1]) if cells and cells[-1]["seconds"] == seconds else f"{place}: past the limits", flush=True)
    return cells


def all_series(shape: str, lengths: list[float], threads: int) -> list[dict]:
    cells: list[dict] = []
    for task in TASKS:
        for side in SIDES:
            if side != "ours" and task == "pre-training step":
                continue  # an AST predicts no tokens, and the flat one's would be others
            for kbps in BOOKS if side != "spectrogram" else [min(BOOKS)]:
                cells += series(side, task, shape, kbps, lengths, threads)
    return cells


def all_decoding(shape: str, lengths: list[float], threads: int) -> list[dict]:
    """Codes as they are against codes that are decoded first, by bit rate and length, where no limit is passed."""
    decoding = []
    for kbps in BOOKS:
        for seconds in lengths:
            if found := in_a_process({"shape": shape, "kbps": kbps, "seconds": seconds}, threads):
                decoding.append({"kbps": kbps, "seconds": seconds, **found})
                ratio = found["decoded_seconds"] / found["codes_seconds"]
                print(f"decode-free at {kbps:g} kbit/s, {seconds:g} s: {ratio:.1f} times as fast", flush=True)
    return decoding


def line(cell: dict) -> str:
    mark = "" if cell["measured"] else f"  (not run: by the exponent {cell['exponent']:.2f})"
    memory = f"{cell['bytes'] / 2**20:9.0f}" if cell["bytes"] is not None else "        ?"
    place = f"{cell['side']:11} {cell['task']:17} {cell['kbps']:4g} kbit/s {cell['seconds']:4g} s"
    return f"{place}  {cell['run_seconds']:10.3f} s {memory} MiB{mark}"


def comparisons(cells: list[dict]) -> list[dict]:
    """How many times as fast as each other side ours is, length by length; a spectrogram has no bit rate."""
    ours = {(c["task"], c["kbps"], c["seconds"]): c for c in cells if c["side"] == "ours"}
    found = []
    for cell in cells:
        for kbps in {"ours": (), "flat": (cell["kbps"],), "spectrogram": BOOKS}[cell["side"]]:
            place = {"task": cell["task"], "kbps": kbps, "seconds": cell["seconds"]}
            if (mine := ours.get(tuple(place.values()))) is None:
                continue
            ratio, measured = cell["run_seconds"] / mine["run_seconds"], cell["measured"] and mine["measured"]
            found.append({"against": cell["side"], **place, "times_as_fast": ratio, "measured": measured})
    return found


def memory_exponents(cells: list[dict]) -> list[dict]:
    """By which power of length memory grows between the two longest measured lengths: 1 is linear."""
    found = []
    for side, task, kbps in sorted({(c["side"], c["task"], c["kbps"]) for c in cells}):
        mine = [c for c in cells if (c["side"], c["task"], c["kbps"]) == (side, task, kbps)]
        if law := extrapolated(mine, 1.0, "bytes"):
            found.append({"side": side, "task": task, "kbps": kbps, "exponent": law[1]})
    return found


def draw(cells: list[dict], path: Path) -> None:
    from matplotlib import color_sequences
    from matplotlib.figure import Figure

    from linernotes.report.pictures import save

    figure = Figure(figsize=(12, 7), layout="constrained")
    grid = figure.subplots(2, len(TASKS), sharex=True)
    lines = sorted({(c["side"], c["kbps"]) for c in cells})
    colours = dict(zip(lines, color_sequences["tab10"], strict=False))  # a network has one in all panels
    for column, task in enumerate(TASKS):
        for row, (key, unit) in enumerate((("run_seconds", 1.0), ("bytes", 2**20))):
            axes = grid[row][column]
            for side, kbps in sorted({(c["side"], c["kbps"]) for c in cells if c["task"] == task}):
                mine = [c for c in cells if (c["side"], c["task"], c["kbps"]) == (side, task, kbps) and c[key]]
                name = side if side == "spectrogram" else f"{side}, {kbps:g} kbit/s"
                colour = colours[side, kbps]
                axes.plot([c["seconds"] for c in mine], [c[key] / unit for c in mine], color=colour, label=name)
                for cell in mine:  # what was not run is hollow
                    face = colour if cell["measured"] else "white"
                    axes.plot(cell["seconds"], cell[key] / unit, "o", color=colour, markerfacecolor=face)
            axes.set(xscale="log", yscale="log", title=task if row == 0 else "", xlabel="length in s" if row else "")
            axes.set_ylabel(("time in s", "memory in MiB")[row] if column == 0 else "")
    grid[0][0].legend(fontsize="small")
    save(figure, path)


def for_card(result: dict) -> dict:
    """The forward passes, and how many times as fast ours is as each other side, length by length."""
    rows = []
    for cell in result["cells"]:
        if cell["task"] != TASKS[0]:
            continue
        memory = "-" if cell["bytes"] is None else f"{cell['bytes'] / 2**20:,.0f}"
        rate = "-" if cell["side"] == "spectrogram" else f"{cell['kbps']:g}"
        how = "measured" if cell["measured"] else f"by the exponent {cell['exponent']:.2f}"
        rows.append([cell["side"], rate, f"{cell['seconds']:g}", f"{cell['run_seconds']:.3g}", memory, how])
    (seconds, kbps), passes = TOLD_AT, TASKS[0]
    told = {(each["against"], each["task"], each["seconds"], each["kbps"]): each for each in result["speed"]}
    times = [
        f"{told[place]['times_as_fast']:.1f} times as fast as {side}"
        for side in SIDES[1:]
        if (place := (side, passes, seconds, kbps)) in told
    ]
    about = (
        "One forward pass of a network of this size with random weights, on "
        f"{result['machine']['threads']} threads of a CPU: ours; a flat transformer of the same layers over all codes "
        "one after the other; a spectrogram transformer (AST of transformers) over mel bands. "
        f"At {seconds:g} s and {kbps:g} kbit/s ours is {' and '.join(times)}. What makes codes or spectrogram is not "
        "in it. What would pass 180 s or 12 GiB was not run: the exponent of the two longest lengths before it gives "
        "it, a hollow circle in the picture, which has training steps too."
    )
    columns = ["network", "kbit/s", "length in s", "time in s", "memory in MiB", "how"]
    return {"title": "Cost by length", "about": about, "columns": columns, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="pocket")
    parser.add_argument("--seconds", type=float, nargs="+", default=[5.0, 15.0, 30.0, 120.0, 600.0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the results")
    options = parser.parse_args()
    lengths = sorted(options.seconds)
    cells = all_series(options.shape, lengths, options.threads)
    decoding = all_decoding(options.shape, lengths, options.threads)
    told = comparisons(cells)
    for found in told:
        if (found["seconds"], found["kbps"]) == TOLD_AT:
            print(f"{found['times_as_fast']:.1f} times as fast as {found['against']}, {found['task']}, 12 kbit/s, 30 s")
    machine = {"cores": os.cpu_count(), "threads": options.threads, "machine": platform.machine()}
    result = {"shape": options.shape, "machine": machine, "torch": torch.__version__, "cells": cells, "speed": told}
    result |= {"memory_exponents": memory_exponents(cells), "decoding": decoding}
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"mega_audioformer_scaling_{options.shape}"
    (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(cells, options.out / f"{name}.png")
    if options.shape == PUBLISHED_SHAPE and options.out == RESULTS:
        for folder in (ROOT / "models").glob("mega-audioformer-*"):
            add_benchmark(folder, "scaling", for_card(result), picture=options.out / f"{name}.png")


if __name__ == "__main__":
    main()
