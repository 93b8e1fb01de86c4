"""How long a new process takes to its first answer: each published model, and genre-moe against the librosa calls of
"Music Genre MoE"; and what an import and a command that hears nothing take.

    python benchmarks/cold_start.py [RUNS]

Every run is a process of its own, all sides in turn, the file system warm. Ours and librosa's side load torch and
transformers, the same weights and the bundled recording; only reading and features differ.
Writes benchmarks/results/cold_start.json.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import linernotes

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "linernotes" / "assets" / "morning_mood.ogg"

OURS = """
import time; start = time.perf_counter()
import linernotes, torch, transformers
imported = time.perf_counter()
model = linernotes.load(FOLDER)
loaded = time.perf_counter()
answer = model.predict(RECORDING)
"""
LIBROSA = """
import time; start = time.perf_counter()
import librosa, linernotes, numpy as np, torch, transformers
imported = time.perf_counter()
model = linernotes.load(FOLDER)
loaded = time.perf_counter()
y, sr = librosa.load(RECORDING)
mfcc = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=20)
shape = ("centroid", "bandwidth", "rolloff")
spectral = [getattr(librosa.feature, f"spectral_{name}")(y=y, sr=sr).mean() for name in shape]
others = [librosa.feature.zero_crossing_rate(y).mean(), librosa.feature.rms(y=y).mean()]
others += [librosa.feature.tempo(y=y, sr=sr)[0]]
harmonic, percussive = librosa.effects.hpss(y)
share = (harmonic**2).sum() / ((harmonic**2).sum() + (percussive**2).sum())
row = np.r_[mfcc.mean(1), mfcc.std(1), librosa.feature.chroma_stft(y=y, sr=sr).mean(1), spectral, others, share]
answer = model.predict(row.astype(np.float32), already_normalised=False)
"""
REPORT = """
import json
done = time.perf_counter()
parts = {"imports": imported - start, "weights": loaded - imported, "reading and features": done - loaded}
print(json.dumps({"parts": parts, "total": done - start}))
"""
AGAINST = "genre-moe"
COMMANDS = {
    "import linernotes": ["-c", "import linernotes"],
    "linernotes --help": ["-m", "linernotes", "--help"],
    "linernotes models": ["-m", "linernotes", "models"],
}


def run(code: str, name: str) -> dict:
    """One new process: seconds of its parts, and in all, from the first import to the answer of a model."""
    code = f"FOLDER, RECORDING = {str(ROOT / 'models' / name)!r}, {str(RECORDING)!r}{code}{REPORT}"
    printed = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return json.loads(printed.stdout.splitlines()[-1])


def run_command(arguments: list[str]) -> dict:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return {"parts": {}, "total": time.perf_counter() - start}


def medians(runs: list[dict]) -> dict:
    parts = {name: statistics.median(run["parts"][name] for run in runs) for name in runs[0]["parts"]}
    return {
        "total_seconds": round(statistics.median(run["total"] for run in runs), 3),
        "parts_seconds": {name: round(seconds, 3) for name, seconds in parts.items()},
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    models = [facts["name"] for facts in linernotes.bundled_models()]
    sides = {name: partial(run, OURS, name) for name in models}
    sides |= {f"{AGAINST}, by librosa": partial(run, LIBROSA, AGAINST)}
    sides |= {name: partial(run_command, arguments) for name, arguments in COMMANDS.items()}
    for side in sides.values():
        side()  # fills the file cache
    runs = {name: [] for name in sides}
    for _ in range(count):
        for name, side in sides.items():
            runs[name].append(side())
    result = {name: medians(of_side) for name, of_side in runs.items()}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    out = ROOT / "benchmarks" / "results" / "cold_start.json"
    out.write_text(json.dumps({"runs": count, "machine": machine, "sides": result}, indent=1) + "\n")
    for name, figures in result.items():
        parts = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in figures["parts_seconds"].items())
        print(f"{name:32} {figures['total_seconds']:6.2f} s{': ' if parts else ''}{parts}")


if __name__ == "__main__":
    main()
