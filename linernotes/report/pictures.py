"""Pictures of a model and its music: plain arrays in, a matplotlib `Figure` out, `save` writes it.

Nothing here touches pyplot or leaves a setting behind, so pictures can be drawn in a server or a test. Colours are
Okabe and Ito's, which colour-blind readers tell apart; from the eighth curve on the lines are dashed. Arrays may come
straight from metrics.json: None there is NaN here, and is left out of the picture.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cycler import cycler
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image
from sklearn.metrics import auc, roc_curve

from linernotes.modeling.spectral import hz_to_mel, mel_spectrogram, power_to_db, spectrogram

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
QUIET = "#8C8C8C"
STYLE = {
    "axes.edgecolor": "#666666",
    "axes.prop_cycle": cycler(linestyle=["-", "--"]) * cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters everywhere
    "font.size": 10,
    "grid.color": "#E5E5E5",
    "legend.frameon": False,
    "savefig.dpi": 130,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
}
SHOWN_FEATURES = 20
WAVEFORM_COLUMNS = 1200  # more than the pixels there are
SPECTROGRAM_DECIBELS = 80  # below the loudest moment; what is quieter is drawn as silence
SPECTROGRAM_TICKS_HZ = (128, 512, 2048, 8192)
styled = rc_context(STYLE)


@styled
def save(figure: Figure, path: str | Path) -> Path:
    """Writes a picture in the format that the path's suffix names; folders are made. Returns the path.

    A PNG has 256 colours, none further than a shade from its own, which is a third of the size.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".png":
        figure.savefig(path)
        return path
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
    return path


@styled
def waveforms_and_spectrograms(waveforms: dict[str, Any], sampling_rate: int) -> Figure:
    """What each genre looks like: its waveform, and its mel spectrogram in decibels below its loudest moment.

    Args:
        waveforms: name -> (samples,).
    """
    figure = Figure(figsize=(10.5, 0.6 + 1.45 * len(waveforms)), layout="constrained")
    grid = figure.subplots(len(waveforms), 2, sharex=True, sharey="col", squeeze=False)
    for (left, right), (name, waveform) in zip(grid, waveforms.items(), strict=True):
        waveform = np.asarray(waveform, np.float32)
        starts = np.linspace(0, len(waveform), min(WAVEFORM_COLUMNS, len(waveform)), endpoint=False).astype(int)
        low, high = np.minimum.reduceat(waveform, starts), np.maximum.reduceat(waveform, starts)
        left.fill_between(starts / sampling_rate, low, high, color=PALETTE[0], linewidth=0.3)
        left.set_ylabel(name, fontweight="bold")
        image = _spectrogram(right, waveform, sampling_rate)
    grid[0, 0].set_title("waveform (full scale is 1)")
    grid[0, 1].set_title("mel spectrogram (Hz)")
    for axes in grid[-1]:
        axes.set_xlabel("time (s)")
    bar = figure.colorbar(image, ax=grid[:, 1], fraction=0.03, shrink=min(1, 2 / len(waveforms)))
    bar.set_label("dB below the loudest")
    bar.outline.set_visible(False)
    return figure


def _spectrogram(axes: Axes, waveform: np.ndarray, sampling_rate: int) -> Any:
    power = spectrogram(torch.from_numpy(waveform)[None], dtype=torch.float32)
    decibels = power_to_db(mel_spectrogram(power, sampling_rate), top_db=SPECTROGRAM_DECIBELS)[0].T.numpy()
    bands = len(decibels)
    image = axes.imshow(
        decibels - decibels.max(),
        cmap="magma",
        vmin=-SPECTROGRAM_DECIBELS,
        vmax=0,
        origin="lower",
        aspect="auto",
        extent=(0, len(waveform) / sampling_rate, -0.5, bands - 0.5),
    )
    ticks = [hz for hz in SPECTROGRAM_TICKS_HZ if hz < sampling_rate / 2]
    # the centres of the bands are the inner ones of bands + 2 points evenly spaced in mel
    axes.set_yticks(hz_to_mel(np.array(ticks)) / hz_to_mel(sampling_rate / 2) * (bands + 1) - 1, ticks, fontsize=8)
    return image


@styled
def confusion_matrix(matrix, labels: Sequence[str]) -> Figure:
    """How often each class was heard as which: counts as text, shares of the row as colour.

    Args:
        matrix: (classes, classes) counts, [reference][prediction].
    """
    matrix = np.asarray(matrix)
    totals = matrix.sum(1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    side = 2.2 + 0.62 * len(labels)
    figure = Figure(figsize=(side + 0.9, side), layout="constrained")
    axes = figure.subplots()
    image = _heatmap(axes, shares, labels, labels)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            text = f"{count}\n{shares[row, column]:.0%}" if row == column else f"{count}"
            axes.text(column, row, text, ha="center", va="center", color=_readable_on(shares[row, column]), fontsize=9)
    axes.set(xlabel="heard as", ylabel="reference")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, format=PercentFormatter(1))
    bar.set_label("share of the reference's clips")
    bar.outline.set_visible(False)
    return figure


@styled
def expert_gates(profile, labels: Sequence[str], expert_names: Sequence[str] | None = None) -> Figure:
    """Who is heard for what: mean gate weights, and how much each genre's own expert has of them.

    Args:
        profile: (classes, experts), each row sums to 1. The bars of self-activation need one expert a class.
        expert_names: the labels by default.
    """
    profile = np.asarray(profile, float)
    experts = list(expert_names or labels)
    own = profile.shape[0] == profile.shape[1]
    height = 1.8 + 0.5 * len(labels)
    figure = Figure(figsize=(2.6 + 0.62 * len(experts) + 4 * own, height), layout="constrained")
    axes = figure.subplots(1, 1 + own, width_ratios=[0.62 * len(experts) + 1, 3.4][: 1 + own], squeeze=False)[0]
    _heatmap(axes[0], profile, labels, experts)
    for (row, column), weight in np.ndenumerate(profile):
        if np.isfinite(weight):
            axes[0].text(column, row, f"{weight:.2f}", ha="center", va="center", color=_readable_on(weight), fontsize=9)
    axes[0].set(xlabel="expert", ylabel="genre of the clips")
    axes[0].set_title("mean gate weight", pad=16)
    if own:
        _self_activation_bars(axes[1], np.diagonal(profile), labels)
    return figure


def _self_activation_bars(axes: Axes, weights: np.ndarray, labels: Sequence[str]) -> None:
    alike = 1 / len(weights)
    bars = axes.barh(range(len(weights)), np.nan_to_num(weights), color=PALETTE[0], height=0.6)
    axes.axvline(alike, color=PALETTE[1], linestyle="--", linewidth=1)
    texts = [f"{weight:.0%}" if np.isfinite(weight) else "no clips" for weight in weights]
    axes.bar_label(bars, texts, padding=4, bbox={"color": "white", "pad": 1})
    axes.text(alike, 1.0, " all alike", color=PALETTE[1], transform=axes.get_xaxis_transform(), va="bottom", fontsize=8)
    axes.set(xlim=(0, 1.12), ylim=(len(weights) - 0.5, -0.5), xlabel="weight of the genre's own expert")
    axes.set_title("self-activation", pad=16)
    axes.set_yticks(range(len(weights)), labels)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])


@styled
def roc_curves(references, probabilities, labels: Sequence[str]) -> Figure:
    """Each genre against all others: share of its clips found over share of others taken for it, with the area.

    Args:
        references: (n,) class indices.
        probabilities: (n, classes).
    """
    references, probabilities = np.asarray(references), np.asarray(probabilities)
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", linewidth=1, label="_chance")
    for index, label in enumerate(labels):
        members = references == index
        if members.any() and not members.all():
            false, true, _ = roc_curve(members, probabilities[:, index], drop_intermediate=False)
            axes.plot(false, true, label=f"{label}  {auc(false, true):.3f}")
        else:
            axes.plot([], [], label=f"{label}  (no clips, or no others)")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_aspect("equal")
    axes.grid()
    axes.legend(title="area under the curve", loc="center left", bbox_to_anchor=(1.02, 0.5), alignment="left")
    return figure


@styled
def radar_charts(profile, labels: Sequence[str], expert_names: Sequence[str] | None = None) -> Figure:
    """The routing of each genre as a shape: mean gate weight of every expert, the genre's own with a dot.

    Args:
        profile: (classes, experts), each row sums to 1.
        expert_names: the labels by default.
    """
    profile = np.asarray(profile, float)
    experts = list(expert_names or labels)
    columns = min(5, len(labels))
    rows = -(-len(labels) // columns)
    figure = Figure(figsize=(2.9 * columns, 3.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, subplot_kw={"projection": "polar"}, squeeze=False).ravel()
    angles = np.linspace(0, 2 * np.pi, len(experts), endpoint=False)
    reach = max(0.2, np.ceil(np.nanmax(profile) * 5) / 5)
    for index, (axes, label) in enumerate(zip(grid, labels, strict=False)):
        weights = profile[index]
        axes.plot(np.append(angles, angles[0]), np.append(weights, weights[0]), "-", color=PALETTE[0])
        axes.fill(angles, weights, color=PALETTE[0], alpha=0.2)
        if len(experts) == len(labels):
            axes.plot(angles[index], weights[index], "o", color=PALETTE[1], clip_on=False, zorder=5)
        axes.set_theta_zero_location("N")
        axes.set_theta_direction(-1)
        axes.set_xticks(angles, experts, fontsize=8)
        for text, angle in zip(axes.get_xticklabels(), angles, strict=True):
            text.set_ha(("right", "center", "left")[int(np.sign(np.sin(angle).round(6))) + 1])
            text.set_va(("top", "center", "bottom")[int(np.sign(np.cos(angle).round(6))) + 1])
        axes.tick_params(axis="x", pad=0)
        axes.set_yticks([reach / 2, reach], [f"{reach / 2:.1f}", f"{reach:.1f}"], fontsize=7, color=QUIET)
        axes.set_rlabel_position(180 / len(experts))
        axes.set_ylim(0, reach)
        axes.spines["polar"].set_color("#CCCCCC")
        axes.set_title(label, pad=14, fontweight="bold")
    for axes in grid[len(labels) :]:
        axes.set_visible(False)
    return figure


@styled
def feature_importance(importances, names: Sequence[str], groups: dict[str, slice] | None = None) -> Figure:
    """The features that the answers rest on, and their sums by group, as shares of all.

    Args:
        importances: (features,), 0 or more, such as the mean of |gradient x z-score| over many clips.
        groups: name -> slice of the features; without it only the features are drawn.
    """
    shares = np.asarray(importances, float) / np.sum(importances)
    order = np.argsort(-shares, kind="stable")[:SHOWN_FEATURES]
    colors = np.full(len(shares), PALETTE[0], object)
    groups = groups or {}
    sums = {name: shares[where].sum() for name, where in groups.items()}
    ranked = sorted(sums, key=sums.get, reverse=True)
    # the strongest groups have a colour of their own, in both panels; the others share the quiet one
    palette = {name: PALETTE[place] if place < len(PALETTE) - 1 else QUIET for place, name in enumerate(ranked)}
    for name, where in groups.items():
        colors[where] = palette[name]
    panels = 1 + bool(groups)
    figure = Figure(figsize=(5.2 * panels, max(2.4, 0.24 * len(order) + 1.2)), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _ranked_bars(axes[0], [names[i] for i in order], shares[order], list(colors[order]))
    axes[0].set_title(f"the {len(order)} strongest of {len(shares)} features")
    if groups:
        ranked = ranked[:SHOWN_FEATURES]
        _ranked_bars(axes[1], ranked, [sums[name] for name in ranked], [palette[name] for name in ranked])
        axes[1].set_title("by group")
    return figure


def _ranked_bars(axes: Axes, names: Sequence[str], shares: Sequence[float], colors: list[str]) -> None:
    bars = axes.barh(range(len(names)), shares, color=colors, height=0.7)
    axes.bar_label(bars, [f"{share:.1%}" for share in shares], padding=3, fontsize=8)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=9)
    axes.set(xlabel="share of all importance", ylim=(len(names) - 0.4, -0.6), xlim=(0, 1.15 * max(shares)))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.xaxis.set_major_locator(MaxNLocator(5))


@styled
def reliability_diagram(count, confidence, accuracy) -> Figure:
    """Is a confidence what it says? A dot for the answers of every bin of confidence, off the diagonal by as much as
    it is not; and below it how many answers the bin holds.

    Args:
        count, confidence, accuracy: (bins,) of equal width from 0 to 1; mean confidence and accuracy of each, NaN or
            None where it is empty. `reliability_diagram(**metrics["reliability"])`.
    """
    count, confidence, accuracy = (np.asarray(array, float) for array in (count, confidence, accuracy))
    filled = count > 0
    error = (count * np.abs(confidence - accuracy))[filled].sum() / count.sum()
    figure = Figure(figsize=(5, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    said, right = confidence[filled], accuracy[filled]
    upper.plot([0, 1], [0, 1], color=QUIET, linestyle=":", label="accuracy = confidence")
    upper.vlines(said, said, right, color=PALETTE[1], linewidth=2, label="difference")
    upper.plot(said, right, "-o", color=PALETTE[0], linewidth=1, markersize=5, label="one bin of answers")
    upper.set(ylabel="accuracy", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    upper.set_title(f"expected calibration error {error:.3f}", pad=24)
    upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize=8, columnspacing=1, handletextpad=0.5)
    upper.grid()
    upper.set_axisbelow(True)
    lower.bar((np.arange(len(count)) + 0.5) / len(count), count, 0.92 / len(count), color=QUIET)
    lower.set(xlabel="confidence (top probability)", ylabel="answers")
    return figure


def _heatmap(axes: Axes, shares: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> Any:
    """An image of numbers between 0 and 1 with named rows and columns."""
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    # long names under narrow columns run into each other
    slanted = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if max(map(len, columns)) > 5 else {}
    axes.set_xticks(range(len(columns)), columns, **slanted)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _readable_on(share: float) -> str:
    return "white" if share > 0.5 else "#222222"
