"""How far plain methods come with meters: logistic regression on how onsets repeat, ours and by librosa's own calls.

    python benchmarks/meter_baseline.py meter_scores --data-dir DATA [--most 2000]

`linernotes evaluate` puts the first beside the model, on the same rows; the second shows that it is no straw man: the
mean over time of librosa's tempogram and of its tempogram ratios. Learned from the training rows of a rendered corpus,
measured on its test rows. Writes benchmarks/results/meter_baseline.json.
"""

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import librosa
import numpy as np
from datasets import Dataset

from linernotes.corpora.manifest import read_excerpt
from linernotes.corpora.meter_rows import as_datasets, rendered_rows
from linernotes.corpora.meters import METER_CLASSES
from linernotes.training.multilabel import figures
from linernotes.training.periodicity import RATE_HZ, learned_answers, periodicity
from linernotes.training.rows import find_folder

RESULT = Path(__file__).parent / "results" / "meter_baseline.json"
LABELS = [str(meter) for meter in METER_CLASSES]
SHOWN = ("accuracy", "balanced_accuracy", "map")


def librosa_statistics(samples: np.ndarray) -> np.ndarray:
    """Mean tempogram over 8 s windows, mean tempogram ratios, and the tempo that they are ratios of."""
    onsets = librosa.onset.onset_strength(y=samples, sr=RATE_HZ)
    tempogram = librosa.feature.tempogram(onset_envelope=onsets, sr=RATE_HZ)
    bpm = librosa.feature.tempo(onset_envelope=onsets, sr=RATE_HZ)
    ratios = librosa.feature.tempogram_ratio(tg=tempogram, sr=RATE_HZ, bpm=bpm)
    return np.concatenate([tempogram.mean(1), ratios.mean(1), np.log(bpm)])


def heard(rows: Dataset, statistics) -> np.ndarray:
    excerpts = zip(rows["audio"], rows["start_seconds"], rows["end_seconds"], strict=True)
    return np.stack([statistics(read_excerpt(audio, start or 0.0, end, RATE_HZ)) for audio, start, end in excerpts])


def measured(known: Dataset, unknown: Dataset, statistics) -> dict:
    started = time.perf_counter()
    learned, asked = heard(known, statistics), heard(unknown, statistics)
    seconds_per_clip = (time.perf_counter() - started) / (len(known) + len(unknown))
    probabilities = learned_answers(learned, known["labels"], asked, LABELS)
    logits = np.log(probabilities.clip(1e-6, 1 - 1e-6)) - np.log1p(-probabilities.clip(1e-6, 1 - 1e-6))
    columns = ("labels", "group", "clip", "source", "origin", "novelty")
    answer = {"logits": logits.tolist()} | {column: list(unknown[column]) for column in columns}
    found = figures(answer, argparse.Namespace(labels=LABELS, thresholds=None))
    kept = (*SHOWN, "n", "n_groups", "confusion", "several", "by_origin", "by_novelty", "by_source")
    return {"statistics": learned.shape[1], "seconds_per_clip": seconds_per_clip} | {key: found[key] for key in kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", help="name of a rendered corpus")
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--most", type=int, help="learn from the first so many rows only")
    given = parser.parse_args()
    data = as_datasets(rendered_rows(find_folder(given.corpus, given.data_dir), METER_CLASSES).rows)
    known, unknown = (
        data["train"].select(range(min(given.most or len(data["train"]), len(data["train"])))),
        data["test"],
    )
    methods = {"our periodicities": periodicity, "librosa's tempogram": librosa_statistics}
    result = {
        "corpus": given.corpus,
        "training_rows": len(known),
        "test_rows": len(unknown),
        "machine": platform.machine(),
        "librosa": version("librosa"),
        "methods": {name: measured(known, unknown, statistics) for name, statistics in methods.items()},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for name, found in result["methods"].items():
        shown = ", ".join(f"{key.replace('_', ' ')} {found[key]['value']:.3f}" for key in SHOWN)
        print(f"{name}: {shown}; {1000 * found['seconds_per_clip']:.0f} ms a clip")


if __name__ == "__main__":
    main()
