"""What a process that has nothing of ours hears: a folder or a repository, loaded and asked in an empty place.

The process has its own empty cache, an empty working folder and no `linernotes`. What it reports is compared with what
it reported of another copy: the folder before it left, and the revision that came back.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from linernotes.hub_upload.errors import PublishError

SECONDS = 4.0  # of sound at most; a model with a shorter window is asked about one window
TIMEOUT_SECONDS = 900
TOLERANCE = 1e-6
ALIKE = 1e-5  # of numbers in two answers: sums on other threads, or aligned otherwise, round otherwise
SCRIPT = Path(__file__).with_name("asking.py")
HIDDEN_VARIABLES = ("PYTHON", "HF_", "HUGGING", "TRANSFORMERS_", "LINERNOTES_")
KEPT_VARIABLES = ("HF_ENDPOINT", "HF_HUB_DISABLE_XET")  # which Hub, and how it is spoken to


def ask(target: str | Path, *, revision: str | None = None, token: str | None = None) -> dict[str, Any]:
    """Loads a folder or repository in a clean process by every Auto class that it names, and asks it about one sound.

    Code is trusted only where the config has an `auto_map`; a folder without is loaded as a backbone of transformers.

    Args:
        target: a folder, or a Hub id with `revision`.
        token: for a private repository; handed over in the environment, never on a command line.

    Returns:
        `weights` (SHA-256 of all of them), `parameters`, `missing_keys`, `unexpected_keys`, `mismatched_keys`,
        `predict`, and for classifiers `classifier` and `pipeline`, the probabilities by label; of a backbone, instead
        of `predict`, `heard`, the shape and some statistics of its `last_hidden_state`, or of a codec's `audio_values`.

    Raises:
        PublishError: it could not be loaded or asked; the message ends with the process' last line.
    """
    local = isinstance(target, Path)
    request = {"target": str(target.resolve() if local else target), "revision": revision, "code_revision": revision}
    with tempfile.TemporaryDirectory() as place:
        empty, home = Path(place, "empty"), Path(place, "home")
        empty.mkdir()
        environment = clean_environment(home) | ({"HF_HUB_OFFLINE": "1"} if local else {})
        if token and not local:
            environment["HF_TOKEN"] = token
        try:
            run = subprocess.run(
                [sys.executable, "-I", str(SCRIPT)],
                input=json.dumps(request | {"seconds": SECONDS}),
                cwd=empty,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PublishError(f"{target}: no answer from a clean process within {TIMEOUT_SECONDS} s") from None
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
        raise PublishError(f"{target}: a clean process could not load and ask it: {reason}")
    return sound_report(str(target), json.loads(run.stdout.splitlines()[-1]))


def clean_environment(home: Path) -> dict[str, str]:
    """This environment without what Python, transformers and the Hub's client read from it, and empty caches."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(HIDDEN_VARIABLES)}
    environment |= {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
    empty = {"HF_HOME": str(home), "LINERNOTES_CACHE": str(home)}
    return environment | empty | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def sound_report(target: str, report: dict[str, Any]) -> dict[str, Any]:
    """The report, if it is of a whole model whose ways of being asked agree. Raises PublishError."""
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[kind]:
            raise PublishError(
                f"{target}: {len(report[kind])} {kind.replace('_', ' ')}, {report[kind][0]!r} first; "
                "config.json and the weights are not of one model: save both again"
            )
    if report["imported"]:
        raise PublishError(f"{target}: its code imports {report['imported'][0]}, which its users do not have")
    if not report["in_eval_mode"]:
        raise PublishError(f"{target}: the loaded model is in training mode; its answers would be noisy")
    if "classifier" in report:
        labels = list(report["classifier"])
        said = [value for value in report["predict"].values() if isinstance(value, dict) and list(value) == labels]
        for way in ("classifier", "pipeline"):
            if not said or differences(said[0], {label: report[way][label] for label in labels}):
                raise PublishError(f"{target}: predict and the {way} give different probabilities for one window")
    if states := report.get("heard"):
        if not all(math.isfinite(value) for value in states.values() if isinstance(value, float)):
            raise PublishError(f"{target}: not all is finite that it makes of a sound; train or save it again")
        if states["from_silence"] <= TOLERANCE:
            raise PublishError(f"{target}: it makes the same of a sound and of silence; train or save it again")
    return report


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two reports differ: in structure, words, booleans, or numbers by more than 1e-5."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = [f"{path or 'the keys'}: {sorted(set(one) ^ set(other))}"] if set(one) != set(other) else []
        shared = [key for key in one if key in other]
        return found + [
            line for key in shared for line in differences(one[key], other[key], f"{path}.{key}".strip("."))
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for index, (a, b) in pairs for line in differences(a, b, f"{path}[{index}]")]
    if isinstance(one, float) and isinstance(other, float):
        return [] if abs(one - other) <= ALIKE else [f"{path}: {one} and {other}"]
    return [] if one == other else [f"{path}: {one!r} and {other!r}"]
