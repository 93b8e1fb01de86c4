"""What a filter bank must be followed by: linear probes on front ends that nobody trained, beside log-mel statistics.

    python benchmarks/front_ends.py --data-dir DATA --out benchmarks/results/front_ends.json

The filters are those of pocket-mert (`linernotes.training.constant_q`). What follows is what a Hubert can be configured
to: normalisation of every frame over its channels ("layer"), or of every channel over the excerpt ("group"), and an
activation. DATA holds the labelled recordings that `linernotes.training.probes` asks about; rendered music is not used.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from linernotes.training.constant_q import PHASE_GAINS, PHASES, constant_q_filters, log_magnitudes
from linernotes.training.probe_features import Ears, log_mel_statistics, over_time
from linernotes.training.probe_tasks import real_tasks
from linernotes.training.probes import probe

RATE_HZ, CHANNELS, KERNEL, STRIDE = 24_000, 288, 3072, 160
TASKS = ("genre", "instrument_family", "voice_present", "speech_or_music")


def by_layer(filtered: Tensor) -> Tensor:
    return F.layer_norm(filtered.transpose(1, 2), (CHANNELS,)).transpose(1, 2)


def by_group(filtered: Tensor) -> Tensor:
    return F.group_norm(filtered, CHANNELS)


def with_gains(normalised: Tensor) -> Tensor:
    gains = torch.tensor(PHASE_GAINS).repeat(CHANNELS // PHASES)
    return F.relu6(normalised * gains[:, None])


FRONT_ENDS: dict[str, Callable[[Tensor], Tensor]] = {
    "layer norm, GELU": lambda filtered: F.gelu(by_layer(filtered)),
    "layer norm, three gains, ReLU6": lambda filtered: with_gains(by_layer(filtered)),
    "group norm, GELU": lambda filtered: F.gelu(by_group(filtered)),
    "group norm, three gains, ReLU6": lambda filtered: with_gains(by_group(filtered)),
    "logarithm (no Hubert has it)": log_magnitudes,
}


def ears(name: str, finish: Callable[[Tensor], Tensor]) -> Ears:
    """The filters and what follows, four frames at a time as the next convolution hears: means and deviations."""
    filters = constant_q_filters(CHANNELS, KERNEL, RATE_HZ)

    def hear(samples: Tensor) -> dict[str, Tensor]:
        filtered = F.conv1d(samples[:, None] / samples.std(1)[:, None, None].clamp(min=1e-6), filters, stride=STRIDE)
        return {"statistics": over_time(F.avg_pool1d(finish(filtered), 4, 2).transpose(1, 2))}

    return Ears(name, RATE_HZ, name, hear)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tasks = [task for task in real_tasks(options.data_dir) if task.name in TASKS]
    heard = [log_mel_statistics(), *(ears(name, finish) for name, finish in FRONT_ENDS.items())]
    table: dict[str, dict] = {}
    for task, result in probe(heard, tasks).items():
        row = {"log-mel statistics": result["accuracy"]}
        row |= {name: result["baselines"][name]["accuracy"] for name in FRONT_ENDS}
        table[task] = {"n": result["n"], "groups": result["n_groups"], "accuracy": row}
        print(task, {name: figure["value"] for name, figure in row.items()}, flush=True)
    options.out.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
