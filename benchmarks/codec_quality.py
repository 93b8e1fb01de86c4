"""How well a codec says again what it hears: mel distance, SI-SDR and the use of its codebooks, at several bit rates.

    python benchmarks/codec_quality.py models/pocket-codec --data-dir DATA [--bandwidths 1.5 12] [--seconds 5]

The recordings are those that the codec's training held out. Intervals are 95 % bootstraps over songs. Writes
metrics.json beside the codec, which its card is made of. With the codec are compared Opus at its lowest bit rate as
libsndfile writes it, measured from the files' sizes, and silence in place of an answer.
"""

import argparse
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
import torch
from datasets import Dataset
from transformers import EncodecModel

from linernotes.corpora.manifest import read_excerpt
from linernotes.training.bootstrap import RESAMPLES, resample, with_interval
from linernotes.training.codec_training import mel_distance, said_again, si_sdr
from linernotes.training.config import parse_experiment
from linernotes.training.evaluate import provenance
from linernotes.training.residual_quantizer import perplexity

DECIBELS = 20 / np.log(10)  # of a difference of logarithms, base e, of magnitudes
OPUS_RATE = 24_000


def excerpts(rows: Dataset, sampling_rate: int, seconds: float) -> list[torch.Tensor]:
    """The middle of each recording, (samples,)."""
    length, heard = round(seconds * sampling_rate), []
    for source in rows["audio"]:
        samples = read_excerpt(source, 0.0, None, sampling_rate)
        start = max(len(samples) - length, 0) // 2
        heard.append(torch.from_numpy(samples[start : start + length]))
    return heard


def opus(sound: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Through Opus at the strongest compression, and its kbit/s."""
    file = BytesIO()
    soundfile.write(file, sound.numpy(), OPUS_RATE, format="OGG", subtype="OPUS", compression_level=0.99)
    rate = 8 * len(file.getvalue()) / (len(sound) / OPUS_RATE) / 1000
    file.seek(0)
    again = torch.from_numpy(soundfile.read(file, dtype="float32")[0])[: len(sound)]
    return torch.nn.functional.pad(again, (0, len(sound) - len(again))), rate


def interval(values: list[float], groups: list[str]) -> dict[str, float]:
    """The mean, with songs resampled."""
    ids = np.unique(groups, return_inverse=True)[1]
    sums, counts = np.bincount(ids, values), np.bincount(ids)
    draws = resample(len(sums), seed=0)
    return with_interval(float(np.mean(values)), (draws @ sums) / (draws @ counts))


def figures(said: list[torch.Tensor], heard: list[torch.Tensor], groups: list[str], sampling_rate: int) -> dict:
    mel = [mel_distance(s[None], h[None], sampling_rate).item() * DECIBELS for s, h in zip(said, heard, strict=True)]
    ratio = [si_sdr(s[None], h[None]).item() for s, h in zip(said, heard, strict=True)]
    return {"mel_distance_db": interval(mel, groups), "si_sdr_db": interval(ratio, groups)}


def measure(codec: EncodecModel, rows: Dataset, bandwidths: list[float], seconds: float) -> dict[str, dict]:
    """By bit rate what the codec says again, and on the same recordings Opus and silence."""
    rate = codec.config.sampling_rate
    heard, groups = excerpts(rows, rate, seconds), list(rows["group"])
    coded = [opus(sound) for sound in heard]
    opus_kbps = np.mean([kbps for _, kbps in coded])
    silent = figures([torch.zeros_like(sound) for sound in heard], heard, groups, rate)
    baselines = {
        f"Opus, {opus_kbps:.1f} kbit/s in the mean": figures([said for said, _ in coded], heard, groups, rate),
        "silence": {"mel_distance_db": silent["mel_distance_db"]},
    }
    how = {"level": 0.95, "method": "bootstrap over groups", "resamples": RESAMPLES, "seed": 0}
    about = {"n": len(heard), "n_groups": len(set(groups)), "interval": how, "seconds": seconds}
    results = {}
    for bandwidth in bandwidths:
        answers = [said_again(codec, sound[None], bandwidth) for sound in heard]
        measured = figures([said[0] for said, _ in answers], heard, groups, rate)
        used = perplexity(torch.cat([codes for _, codes in answers], dim=2), codec.config.codebook_size)
        results[f"kbps_{bandwidth:g}"] = about | measured | {"perplexity": [round(p, 1) for p in used]}
        results[f"kbps_{bandwidth:g}"]["baselines"] = baselines
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("codec", type=Path)
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--bandwidths", type=float, nargs="+", default=[1.5, 12.0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--out", type=Path, help="metrics.json in the codec's folder where none is given")
    options = parser.parse_args()
    facts = json.loads((options.codec / "training.json").read_text())
    experiment = parse_experiment(facts["experiment"])
    codec = EncodecModel.from_pretrained(options.codec, dtype=torch.float32).eval()
    held_out = experiment.recipe.load_data(experiment, options.data_dir).test
    results = measure(codec, held_out, options.bandwidths, options.seconds)
    written = json.dumps({"model": experiment.name, "training": provenance(facts), "results": results}, indent=1)
    (options.out or options.codec / "metrics.json").write_text(written + "\n")
    print(written)


if __name__ == "__main__":
    main()
