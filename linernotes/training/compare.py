"""What a second model would add to a first: `linernotes compare A.jsonl B.jsonl`, BeatMeter's check of orthogonality.

Two models that are right and wrong about the same clips are no better together than each alone. Of the clips that both
answered, those that only B has right are its gains and those that only A has right its losses; complementarity is
gains / losses. B is worth having beside A where both say the same of fewer than 85 % of the clips and complementarity
is above 1.5.

A file is what `linernotes evaluate --predictions` wrote, one JSON object a clip, or a run snapshot of BeatMeter's
engine, {"files": [{"fname", "predicted"}]}, which knows no truths: the other file has them. Of a snapshot's clips only
the file names count, without folders and extensions.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from linernotes.training.bootstrap import plain, resample, with_interval

MOST_AGREEMENT, LEAST_COMPLEMENTARITY = 0.85, 1.5


@dataclass(frozen=True)
class Said:
    """What a model said of clips by name; truths and groups are None of a snapshot."""

    predicted: dict[str, str]
    truths: dict[str, frozenset[str]] | None
    groups: dict[str, str] | None

    def by_file_name(self, path: Path) -> "Said":
        """With clips called by their file names alone. Raises ValueError where two have the same."""
        short = {clip: PurePosixPath(clip.replace("\\", "/")).stem for clip in self.predicted}
        if len(set(short.values())) < len(short):
            raise ValueError(f"{path} has clips of the same file name, which a run snapshot cannot tell apart")
        parts = (self.predicted, self.truths, self.groups)
        return Said(*(part and {short[clip]: value for clip, value in part.items()} for part in parts))


def compare_files(first: Path | str, second: Path | str) -> dict[str, Any]:
    """The figures of B, the second file, beside A, the first; see the module.

    Returns:
        n, n_groups, only_in_a and only_in_b (clips of one file alone); counts both_right, both_wrong, gains, losses;
        agreement, accuracy_a, accuracy_b, accuracy_either and b_minus_a with intervals; complementarity (None without a
        loss); worth_having, whether the gate is passed.

    Raises ValueError for another form, and where no clip is in both files or no file has truths.
    """
    a, b = read_said(Path(first)), read_said(Path(second))
    if a.truths is None or b.truths is None:
        a, b = a.by_file_name(first), b.by_file_name(second)
    known = a if a.truths is not None else b
    if known.truths is None:
        raise ValueError(f"{first} and {second} are run snapshots; one of both must have labels")
    clips = sorted(a.predicted.keys() & b.predicted.keys())
    if not clips:
        raise ValueError(f"{first} and {second} have no clip in common; evaluate both models on the same data")
    said = [np.array([part.predicted[clip] for clip in clips]) for part in (a, b)]
    right = [np.array([part.predicted[clip] in known.truths[clip] for clip in clips]) for part in (a, b)]
    groups = np.unique([known.groups[clip] for clip in clips], return_inverse=True)[1]
    alone = {"only_in_a": len(a.predicted) - len(clips), "only_in_b": len(b.predicted) - len(clips)}
    return {"n": len(clips), "n_groups": int(groups.max()) + 1, **alone, **beside(*right, said[0] == said[1], groups)}


def beside(right_a: np.ndarray, right_b: np.ndarray, same: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """The figures of clips (n,): whether A and B are right, whether both say the same, and the clips' groups."""
    counts = {
        "both_right": int((right_a & right_b).sum()),
        "both_wrong": int((~right_a & ~right_b).sum()),
        "gains": int((~right_a & right_b).sum()),
        "losses": int((right_a & ~right_b).sum()),
    }
    agreement, gains, losses = float(same.mean()), counts["gains"], counts["losses"]
    weights = resample(int(groups.max()) + 1, seed=0)[:, groups]

    def share(values: np.ndarray) -> dict[str, Any]:
        return with_interval(float(values.mean()), weights @ values / weights.sum(1))

    return counts | {
        "agreement": share(same.astype(float)),
        "accuracy_a": share(right_a.astype(float)),
        "accuracy_b": share(right_b.astype(float)),
        "accuracy_either": share((right_a | right_b).astype(float)),
        "b_minus_a": share(right_b.astype(float) - right_a),
        "complementarity": plain(gains / losses) if losses else None,
        "worth_having": agreement < MOST_AGREEMENT and gains > LEAST_COMPLEMENTARITY * losses,
    }


def read_said(path: Path) -> Said:
    """What a file says. Raises ValueError for one in another form, OSError for one that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        if '"files"' in text:
            files = json.loads(text)["files"]
            return Said({entry["fname"]: str(entry["predicted"]) for entry in files}, None, None)
        return of_rows(json.loads(line) for line in text.splitlines() if line.strip())
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # of UTF-8 and of JSON, and of other shapes
        raise ValueError(
            f"{path} is in no known form ({type(error).__name__}: {error}); give what `linernotes evaluate "
            "--predictions` wrote, or a snapshot with files, each with fname and predicted"
        ) from error


def of_rows(rows: Iterable[dict[str, Any]]) -> Said:
    """Rows of `--predictions`; of a clip that was answered several times (cross-validation) the mean is taken."""
    totals: dict[str, dict[str, float]] = {}
    truths, groups = {}, {}
    for row in rows:
        clip, total = row["clip"], totals.setdefault(row["clip"], dict.fromkeys(row["probabilities"], 0.0))
        for label, probability in row["probabilities"].items():
            total[label] += probability
        truths[clip] = frozenset(row["labels"] if "labels" in row else [row["label"]])
        groups[clip] = row["group"]
    return Said({clip: max(total, key=total.get) for clip, total in totals.items()}, truths, groups)


def told(figures: dict[str, Any]) -> str:
    """The figures as a few lines to read."""
    ratio = figures["complementarity"]
    worth = "worth having beside A" if figures["worth_having"] else "not worth having beside A"
    lines = [
        f"{figures['n']} clips in {figures['n_groups']} groups; right: A {figures['accuracy_a']['value']:.1%}, "
        f"B {figures['accuracy_b']['value']:.1%}, either {figures['accuracy_either']['value']:.1%}",
        f"both right {figures['both_right']}, both wrong {figures['both_wrong']}, "
        f"gains of B {figures['gains']}, losses of B {figures['losses']}",
        f"agreement {figures['agreement']['value']:.1%} (gate: below {MOST_AGREEMENT:.0%}), complementarity "
        f"{'without a loss' if ratio is None else f'{ratio:.2f}'} (gate: above {LEAST_COMPLEMENTARITY}): B is {worth}",
    ]
    if unshared := figures["only_in_a"] + figures["only_in_b"]:
        lines.append(f"{unshared} clips are in one file only and were left out")
    return "\n".join(lines)
