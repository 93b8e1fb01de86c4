"""A training run that is killed with SIGKILL as soon as its first checkpoint is there."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def train_and_kill(config: Path, data_dir: Path, overrides: Sequence[str], run: Path) -> None:
    """Runs `linernotes train` in a process of its own until it is killed; fails where it ended before that."""
    arguments = [str(config), [str(data_dir)], overrides, str(run)]
    code = f"from linernotes.training.train import train; train(*{arguments!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    while process.poll() is None and not list(run.glob("checkpoint-*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "model").exists(), "the run ended before it could be killed"
