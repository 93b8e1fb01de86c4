"""Training runs that are killed with SIGKILL: as soon as the first checkpoint is there, or at any time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from small_experiments import Small

from linernotes.training.config import load_experiment

LOG = "log.jsonl"  # of a run, there from the first step on
TIMES = ("_runtime", "_per_second")  # how keys of a log end that tell how fast it went
TOLD_BY_TIME = {"training.json", "training_log.jsonl"}  # files of a result that hold durations


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


# At any time


def killed_at_random(small: Small, folder: Path, points: int, seed: int) -> dict[str, Any]:
    """Runs an experiment once unbroken, and for each point once killed at a random time between the first step and the
    end of all, and resumed until it ends.

    Processes are forks of this one, which must not have computed anything: so a run begins within milliseconds, and
    what is killed is training, not the import of torch. What is heard or encoded is kept by each run for itself.
    """
    for place in ("data", "config"):
        (folder / place).mkdir()
    told = folder / "told"
    in_a_fork(lambda: (small.data(folder / "data"), told.write_text(str(small.config(folder / "config")))))
    config = Path(told.read_text())
    load_experiment(config, small.overrides)  # imports the recipe, which every fork would else do for itself

    def training(run: Path, resume: bool = False) -> Callable[[], None]:
        return lambda: _train(config, folder / "data", small.overrides, run, resume)

    seconds = in_a_fork(training(folder / "unbroken"), folder / "unbroken" / LOG)
    rng, kills, early = np.random.default_rng(seed), [], 0
    while len(kills) < points:
        run, after = folder / "killed", float(rng.uniform(0, seconds))
        if in_a_fork(training(run), run / LOG, after) is not None:
            early += 1  # this machine was faster than when the unbroken run was timed
            if early > 10 * points:
                raise RuntimeError(f"{folder}: {early} runs ended before they could be killed; give it a longer run")
        else:
            left = [path for path in run.glob("checkpoint-*") if path.is_dir()]
            whole = sum((path / "trainer_state.json").is_file() for path in left)
            in_a_fork(training(run, resume=True))
            kill = {"after_seconds": round(after, 3), "checkpoints": whole, "begun_checkpoints": len(left) - whole}
            kills.append(kill | {"differs": differing(folder / "unbroken" / "model", run / "model")})
        shutil.rmtree(run)
    return {"seconds": round(seconds, 2), "kills": kills}


def _train(config: Path, data_dir: Path, overrides: Sequence[str], run: Path, resume: bool) -> None:
    import datasets
    import torch

    from linernotes.training.train import train

    torch.set_num_threads(1)
    datasets.config.HF_DATASETS_CACHE = run / "cache"
    train(config, [data_dir], overrides, run, resume)


def in_a_fork(
    work: Callable[[], Any], begins_with: Path | None = None, kill_after_seconds: float | None = None
) -> float | None:
    """The seconds that work took in a process of its own; None where it was killed before its end.

    Args:
        begins_with: a file; seconds are counted from when it is there.

    Raises RuntimeError where the process ended otherwise.
    """
    process = os.fork()
    if process == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    started, ended, killed = None, 0, False
    while not ended:
        if started is None and (begins_with is None or begins_with.exists()):
            started = time.perf_counter()
        passed = 0.0 if started is None else time.perf_counter() - started
        if kill_after_seconds is not None and not killed and started and passed >= kill_after_seconds:
            os.kill(process, signal.SIGKILL)
            killed = True
        ended, status = os.waitpid(process, os.WNOHANG)
        time.sleep(0.001)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL if killed else 0):
        raise RuntimeError(f"a process ended with {code}; what it said stands above")
    return passed if code == 0 else None


def differing(folder: Path, other: Path) -> list[str]:
    """Files of two results that are not the same, byte by byte; of their logs, all but the durations are compared."""
    names = {path.name for result in (folder, other) for path in result.iterdir()}
    found = []
    for name in sorted(names - TOLD_BY_TIME):
        one, two = folder / name, other / name
        if not (one.is_file() and two.is_file() and one.read_bytes() == two.read_bytes()):
            found.append(name)
    return found + ([] if figures_of(folder) == figures_of(other) else ["training_log.jsonl"])


def figures_of(folder: Path) -> list[dict[str, float]]:
    """The losses and metrics of every step, from a result's log; its last line sums up one process, and is left out."""
    records = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    steps = [record for record in records if "train_runtime" not in record]
    return [{key: value for key, value in record.items() if not key.endswith(TIMES)} for record in steps]
