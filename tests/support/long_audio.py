"""A recording of hours, written block by block, and what hearing it costs a model in a process of its own."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 22_050
BLOCK_SECONDS = 10.0
SUPPORT = Path(__file__).parent


def write_long(path: Path, seconds: float, seed: int = 0) -> Path:
    """Quiet noise, louder and softer, under tones that change every ten seconds: mono FLAC, never held in memory."""
    rng = np.random.default_rng(seed)
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16", format="FLAC") as file:
        left = round(seconds * RATE)
        while left:
            times = np.arange(min(left, round(BLOCK_SECONDS * RATE))) / RATE
            hz, beats_hz, level = rng.uniform(80, 2_000, 3), rng.uniform(1, 3), rng.uniform(0.002, 0.02)
            notes = sum(np.sin(2 * np.pi * each * times) for each in hz) * np.exp(-4 * (times * beats_hz % 1))
            file.write(0.05 * notes + level * rng.standard_normal(len(times)))
            left -= len(times)
    return path


def cost_of_hearing(model: str, *recordings: Path) -> dict[str, Any]:
    """Loads a model in a new process, which hears one recording after the other.

    model: the name of a bundled one, or of a family of `every_family`.

    Returns `loaded_bytes`, what the process holds once the model is loaded, and for each recording the seconds heard,
    those taken, and by how much the process has been larger so far.
    """
    command = [sys.executable, "-W", "ignore", __file__, model, *map(str, recordings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that hears ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def _memory_bytes(name: str) -> int:
    """A line of /proc/self/status. The peak of getrusage would be no less than that of the process we come from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])


def _hear(name: str, recordings: list[str]) -> dict[str, Any]:
    sys.path.insert(0, str(SUPPORT))
    import torch
    from every_family import EVERY_FAMILY

    import linernotes

    torch.set_num_threads(1)
    model = EVERY_FAMILY[name]() if name in EVERY_FAMILY else linernotes.load(name)
    loaded, costs = _memory_bytes("VmRSS"), []
    noise = np.random.default_rng(0).normal(scale=0.01, size=round(10 * RATE)).astype(np.float32)
    model.predict(noise, sampling_rate=RATE)  # what is done once is no cost of length
    for recording in recordings:
        started = time.perf_counter()
        answer = model.predict(recording)
        seconds = time.perf_counter() - started
        more = _memory_bytes("VmHWM") - loaded
        heard = {"heard_seconds": answer["heard_seconds"], "seconds": round(seconds, 2)}
        costs.append(heard | {"peak_bytes_above_loaded": more})
    return {"loaded_bytes": loaded, "recordings": costs}


if __name__ == "__main__":
    print(json.dumps(_hear(sys.argv[1], sys.argv[2:])))
