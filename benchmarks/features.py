"""The 59 genre features against the same by librosa's own calls: speed, agreement, first answer of a new process.

    python benchmarks/features.py [--seconds 30] [--runs 7] [--threads 1 2] [--cold-runs 5]

Both sides take turns in one process, after one warm-up each; medians are reported. Writes
benchmarks/results/features.json and prints the tables. librosa uses threads only in numpy's matrix products.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import librosa
import numpy as np

# Nothing else up here: a new process that is timed for librosa imports this file.

SAMPLING_RATE = 22050
RESULT = Path(__file__).parent / "results" / "features.json"
TARGET_SPEEDUP = 20

# What a new process does until its first answer. On both sides torch and transformers are imported, because a model
# that classifies the features needs them.
COLD_STEPS = {
    "linernotes": {
        "torch, transformers": "import torch, transformers.feature_extraction_sequence_utils",
        "library": "from linernotes.modeling.feature_extraction_genre_moe import extract_features",
        "features": "features = extract_features(samples, 22050)",
    },
    "librosa": {
        "torch, transformers": "import torch, transformers.feature_extraction_sequence_utils",
        "library": "from features import librosa_features  # and librosa",
        "features": "features = librosa_features(samples)",
    },
}


def make_clip(seconds: float) -> np.ndarray:
    """Broken chords over drums with a little hiss, (samples,) float32."""
    rng = np.random.default_rng(0)
    clip = 0.003 * rng.standard_normal(int(seconds * SAMPLING_RATE))
    for index, start in enumerate((np.arange(0, seconds - 0.5, 0.25) * SAMPLING_RATE).astype(int)):
        after = np.arange(SAMPLING_RATE // 2) / SAMPLING_RATE
        pitch_hz = 196 * 2 ** (rng.choice([0, 3, 5, 7, 10, 12]) / 12)
        note = sum(np.sin(2 * np.pi * pitch_hz * harmonic * after) / harmonic for harmonic in range(1, 6))
        drum = rng.standard_normal(len(after)) * np.exp(-60 * after) * (0.5, 0.1, 0.3, 0.1)[index % 4]
        clip[start : start + len(after)] += 0.2 * note * np.exp(-4 * after) + drum
    return clip.astype(np.float32)


def librosa_parts(samples: np.ndarray) -> dict:
    """One call a group of features, as one would write it with librosa: name -> () -> the group's numbers."""
    feature = librosa.feature

    def mfcc() -> np.ndarray:
        coefficients = feature.mfcc(y=samples, sr=SAMPLING_RATE, n_mfcc=20)
        return np.concatenate((coefficients.mean(1), coefficients.std(1)))

    def harmonic_ratio() -> list[float]:
        harmonic, percussive = (np.square(part, dtype=np.float64).sum() for part in librosa.effects.hpss(samples))
        return [harmonic / (harmonic + percussive)]

    return {
        "mfcc": mfcc,
        "chroma": lambda: feature.chroma_stft(y=samples, sr=SAMPLING_RATE).mean(1),
        "centroid": lambda: feature.spectral_centroid(y=samples, sr=SAMPLING_RATE).mean(1),
        "bandwidth": lambda: feature.spectral_bandwidth(y=samples, sr=SAMPLING_RATE).mean(1),
        "rolloff": lambda: feature.spectral_rolloff(y=samples, sr=SAMPLING_RATE).mean(1),
        "zero_crossing_rate": lambda: feature.zero_crossing_rate(samples).mean(1),
        "rms": lambda: feature.rms(y=samples).mean(1),
        "tempo": lambda: np.ravel(librosa.beat.beat_track(y=samples, sr=SAMPLING_RATE)[0]),
        "harmonic_ratio": harmonic_ratio,
    }


def librosa_features(samples: np.ndarray) -> np.ndarray:
    return np.concatenate([part() for part in librosa_parts(samples).values()])


def seconds_of(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure_speed(samples: np.ndarray, runs: int, threads: int) -> dict:
    """Median seconds of both sides, taking turns, and of librosa's parts."""
    import torch
    from threadpoolctl import threadpool_limits

    from linernotes.modeling.feature_extraction_genre_moe import extract_features

    parts = librosa_parts(samples)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    ours, theirs = [], {name: [] for name in parts}
    with threadpool_limits(threads):
        for run in range(runs + 1):  # the first is the warm-up
            own = seconds_of(lambda: extract_features(samples, SAMPLING_RATE))
            other = {name: seconds_of(part) for name, part in parts.items()}
            if run:
                ours.append(own)
                for name, value in other.items():
                    theirs[name].append(value)
    torch.set_num_threads(before)
    totals = [sum(turn) for turn in zip(*theirs.values(), strict=True)]
    return {
        "linernotes_seconds": round(median(ours), 4),
        "librosa_seconds": round(median(totals), 4),
        "speedup": round(median(totals) / median(ours), 1),
        "speedup_worst_turn": round(min(b / a for a, b in zip(ours, totals, strict=True)), 1),
        "librosa_parts_seconds": {name: round(median(values), 4) for name, values in theirs.items()},
    }


def measure_agreement(samples: np.ndarray) -> dict[str, float]:
    """Largest difference of each group, over the mean size of librosa's numbers in it."""
    from linernotes.modeling.feature_extraction_genre_moe import FEATURE_GROUPS, extract_features

    ours, theirs = extract_features(samples, SAMPLING_RATE), librosa_features(samples)
    return {
        name: float(f"{np.abs(ours[columns] - theirs[columns]).max() / np.abs(theirs[columns]).mean():.2g}")
        for name, columns in FEATURE_GROUPS.items()
    }


def measure_cold_start(clip_path: Path, runs: int) -> dict:
    """Median seconds of each step in new processes, the sides taking turns. The first turn fills disk caches."""
    seconds = {side: {step: [] for step in steps} for side, steps in COLD_STEPS.items()}
    for run in range(runs + 1):
        for side, steps in COLD_STEPS.items():
            lines = [
                "import time, numpy as np",
                f"samples = np.load({str(clip_path)!r})",
                "clock = [time.perf_counter()]",
            ]
            for step in steps.values():
                lines += [step, "clock.append(time.perf_counter())"]
            lines.append("print(*np.diff(clock))")
            done = subprocess.run(
                [sys.executable, "-c", "\n".join(lines)],
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parent,
            )
            if run:
                for step, value in zip(steps, done.stdout.split()[-len(steps) :], strict=True):
                    seconds[side][step].append(float(value))
    return {
        side: {
            **{step: round(median(values), 3) for step, values in steps.items()},
            "total": round(median(map(sum, zip(*steps.values(), strict=True))), 3),
        }
        for side, steps in seconds.items()
    }


def machine() -> dict:
    import torch

    return {
        "cpu_count": os.cpu_count(),
        "architecture": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "librosa", "numpy", "transformers")},
    }


def report(result: dict) -> str:
    """The tables of the result, as Markdown."""
    lines = [f"59 features of a {result['clip_seconds']:g} s clip, seconds (median of {result['runs']} turns):", ""]
    lines += ["| threads | librosa | linernotes | times faster | worst turn |", "|---|---|---|---|---|"]
    for threads, row in result["speed"].items():
        speedup = f"{row['speedup']} | {row['speedup_worst_turn']}"
        lines.append(f"| {threads} | {row['librosa_seconds']:.3f} | {row['linernotes_seconds']:.3f} | {speedup} |")
    lines += ["", "Largest difference from librosa, in units of the feature's mean size:", ""]
    lines += ["| " + " | ".join(result["agreement"]) + " |", "|---" * len(result["agreement"]) + "|"]
    lines.append("| " + " | ".join(f"{value:.1g}" for value in result["agreement"].values()) + " |")
    steps = list(result["cold_start_seconds"]["linernotes"])
    lines += ["", "First answer of a new process, seconds:", ""]
    lines += ["| | " + " | ".join(steps) + " |", "|---" * (len(steps) + 1) + "|"]
    for side, row in result["cold_start_seconds"].items():
        lines.append(f"| {side} | " + " | ".join(f"{row[step]:.2f}" for step in steps) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the clip")
    parser.add_argument("--runs", type=int, default=7, help="turns of each side")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cold-runs", type=int, default=5, help="new processes of each side")
    arguments = parser.parse_args()

    samples = make_clip(arguments.seconds)
    RESULT.parent.mkdir(exist_ok=True)
    clip_path = RESULT.with_suffix(".npy")
    np.save(clip_path, samples)
    try:
        cold_start = measure_cold_start(clip_path, arguments.cold_runs)
    finally:
        clip_path.unlink()
    result = {
        "machine": machine(),
        "clip_seconds": arguments.seconds,
        "runs": arguments.runs,
        "speed": {str(threads): measure_speed(samples, arguments.runs, threads) for threads in arguments.threads},
        "agreement": measure_agreement(samples),
        "cold_start_seconds": cold_start,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(report(result))
    if min(row["speedup"] for row in result["speed"].values()) < TARGET_SPEEDUP:
        sys.exit(f"less than {TARGET_SPEEDUP} times as fast as librosa")


if __name__ == "__main__":
    main()
