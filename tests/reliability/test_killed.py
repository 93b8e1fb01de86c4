"""What judges killed runs can tell: how a process ended, and whether two results are the same."""

import json
import shutil
import time
from pathlib import Path

import pytest
from audio_files import posix_only
from killing import differing, in_a_fork


@posix_only
def test_a_process_is_killed_some_time_after_it_began(tmp_path):
    mark, late = tmp_path / "mark", tmp_path / "late"

    def work():
        time.sleep(0.2)
        mark.touch()
        time.sleep(60)
        late.touch()

    started = time.perf_counter()
    assert in_a_fork(work, mark, 0.05) is None
    assert 0.25 <= time.perf_counter() - started < 30
    assert mark.exists()
    assert not late.exists()


@posix_only
def test_one_that_ends_before_tells_how_long_it_took():
    assert 0.05 <= in_a_fork(lambda: time.sleep(0.05), kill_after_seconds=60.0) < 30


@posix_only
def test_one_that_fails_is_an_error(capfd):
    with pytest.raises(RuntimeError, match="ended with 1"):
        in_a_fork(lambda: 1 / 0, kill_after_seconds=60.0)
    assert "ZeroDivisionError" in capfd.readouterr().err


@pytest.fixture
def result(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "training.json").write_text('{"duration_seconds": 1.0}')
    write_log(folder)
    return folder


def write_log(folder: Path, train_loss: float = 0.7, **changed) -> None:
    step = {"step": 1, "eval_loss": 0.5, "eval_runtime": 0.1, "eval_steps_per_second": 9.0} | changed
    summary = {"step": 1, "train_runtime": 3.0, "train_loss": train_loss}
    (folder / "training_log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in (step, summary)))


def test_durations_are_no_difference(result, tmp_path):
    other = shutil.copytree(result, tmp_path / "other")
    (other / "training.json").write_text('{"duration_seconds": 2.0}')
    write_log(other, eval_runtime=0.2, eval_steps_per_second=4.0, train_loss=0.1)
    assert differing(result, other) == []


def test_weights_files_and_metrics_are(result, tmp_path):
    other = shutil.copytree(result, tmp_path / "other")
    (other / "model.safetensors").write_bytes(b"Weights")
    (other / "more.json").touch()
    write_log(other, eval_loss=0.50000001)
    assert differing(result, other) == ["model.safetensors", "more.json", "training_log.jsonl"]
    assert differing(other, result) == differing(result, other)
