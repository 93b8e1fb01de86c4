"""Pictures of how a model learned and what it learned to listen to; as those of `linernotes.report.pictures`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from linernotes.report.pictures import PALETTE, styled

BEST = {"loss": np.argmin, "accuracy": np.argmax}  # what is drawn of a training, and which epoch was the best


@styled
def training_curves(records: Sequence[dict[str, Any]], earlier: Sequence[str] = ()) -> Figure:
    """Loss, and accuracy where it was measured, over the epochs; the best epoch of the validation is marked.

    Args:
        records: a training log: dicts with `epoch` and any of `loss`, `eval_loss`, `accuracy`, `eval_accuracy`. Those
            with `stage` come from before the training and have panels of their own, one a stage.
        earlier: stages from before the training; where no record is of one, the title says what is missing.

    Raises:
        ValueError: no record of the training holds any of them.
    """
    stages: dict[str, list] = {}
    for record in records:
        if "stage" in record:
            stages.setdefault(record["stage"], []).append(record)
    records = [record for record in records if "stage" not in record]
    shown = [name for name in BEST if any({name, f"eval_{name}"} & record.keys() for record in records)]
    if not shown:
        raise ValueError("no record holds `loss`, `eval_loss`, `accuracy` or `eval_accuracy`: there is nothing to draw")
    panels = len(stages) + len(shown)
    figure = Figure(figsize=((4 if stages else 5) * panels, 3.6), layout="constrained")
    grid, count = figure.subplots(1, panels, squeeze=False)[0], len(stages) + 1
    for number, (axes, (stage, of_stage)) in enumerate(zip(grid, stages.items(), strict=False), 1):
        _curves(axes, of_stage, "loss")
        axes.set_title(f"stage {number} of {count}: {stage}")
    for axes, name in zip(grid[len(stages) :], shown, strict=True):
        _curves(axes, records, name)
        if stages:
            axes.set_title(f"stage {count} of {count}")
    if earlier and not stages:
        figure.suptitle(
            f"the last of {len(earlier) + 1} stages; of {' and '.join(earlier)} no loss was kept", fontsize=11
        )
    return figure


def _curves(axes: Axes, records: Sequence[dict[str, Any]], name: str) -> None:
    for key, label, color in ((name, "training", PALETTE[0]), (f"eval_{name}", "validation", PALETTE[1])):
        points = np.array([(record["epoch"], record[key]) for record in records if key in record], float)
        if len(points):
            axes.plot(*points.T, linestyle="-", marker="." if len(points) == 1 else "", color=color, label=label)
    if len(points):
        epoch, value = points[BEST[name](points[:, 1])]
        axes.plot(epoch, value, "o", color=PALETTE[1], label=f"best: {value:.3g} at epoch {epoch:.3g}")
    axes.set(xlabel="epoch", ylabel=name)
    axes.grid(axis="y")
    axes.legend()


@styled
def layer_weights(weights: Sequence[float]) -> Figure:
    """What each layer of a backbone counts, from the first to the last; the line is where all count alike."""
    layers = range(1, len(weights) + 1)
    figure = Figure(figsize=(max(4.0, 1.2 + 0.4 * len(weights)), 3.2), layout="constrained")
    axes = figure.subplots(subplot_kw={"xlabel": "layer", "ylabel": "weight", "xticks": layers})
    axes.bar(layers, weights, color=PALETTE[0])
    alike = f"all alike: {1 / len(weights):.3g}"
    axes.axhline(1 / len(weights), color=PALETTE[1], linestyle="--", linewidth=1, label=alike)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), fontsize=8)
    return figure
