"""What a head has to hear: one frozen backbone under BeatMeter's pooled layers, and under periods of its frames.

    python benchmarks/meter_heads.py configs/beatmeter/pocket.yaml --data-dir DATA

The rows of the experiment are heard once. Every head then learns from the same of them, for `training.head_epochs`, and
answers about the same test rows: the layers pooled as published, periods of activations that nobody taught, and periods
of activations that learned events first, for `training.event_epochs`. Writes benchmarks/results/meter_heads.json.
"""

import argparse
import json
import logging
import platform
from pathlib import Path

import torch

from linernotes.modeling.chunks import Heard
from linernotes.modeling.music_model import MusicModel
from linernotes.training.config import load_experiment
from linernotes.training.head_first import hear, together
from linernotes.training.head_stages import teach_head
from linernotes.training.multilabel import figures
from linernotes.training.recipes import beatmeter

RESULT = Path(__file__).parent / "results" / "meter_heads.json"
HEADS = {  # by name, what of the experiment is overridden
    "pooled layers, as published": ("model.head_type=pooled", "training.event_epochs=0"),
    "periods of random activations": ("training.event_epochs=0",),
    "periods of events": (),
    "both": ("model.tempogram_pooled=true",),
}
FROZEN = ("training.tuning=frozen",)
KEPT = ("n", "n_groups", "accuracy", "balanced_accuracy", "map", "by_origin", "by_novelty", "several")
AT_ONCE = 32


@torch.inference_mode()
def logits_of(model: MusicModel, heard: list[Heard]) -> list[list[float]]:
    model.eval()
    batches = [together(heard[start : start + AT_ONCE], model.device) for start in range(0, len(heard), AT_ONCE)]
    return torch.cat([model.judge(batch).logits for batch in batches]).tolist()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    given = parser.parse_args()
    experiment = load_experiment(given.config, FROZEN)
    data = beatmeter.load_data(experiment, given.data_dir)
    listener = beatmeter.create_model(experiment, data.train)
    known, unknown = (
        hear(listener, beatmeter.plain_view(rows, experiment), AT_ONCE) for rows in (data.train, data.test)
    )
    about = {column: list(data.test[column]) for column in ("labels", "group", "clip", "source", "origin", "novelty")}
    heads = {}
    for name, overrides in HEADS.items():
        experiment = load_experiment(given.config, [*FROZEN, *overrides])
        torch.manual_seed(experiment.training.seed)
        model = beatmeter.create_model(experiment, data.train)
        teach_head(model, data.train, *known, experiment)
        measured = figures({"logits": logits_of(model, unknown[0])} | about, model.config)
        heads[name] = {key: measured[key] for key in KEPT}
        print(f"{name}: balanced accuracy {measured['balanced_accuracy']['value']:.3f}", flush=True)
    result = {
        "config": given.config.as_posix(),
        "backbone": listener.config.backbone_name,
        "training_rows": len(data.train),
        "test_rows": len(data.test),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "heads": heads,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
