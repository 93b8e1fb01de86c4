"""Checkpoints that were cut and disks that are full: a run ends with one line, and goes on from what is whole."""

import errno
import json
import re
import resource
import shutil
import signal
from pathlib import Path

import pytest
import small_experiments
from audio_files import posix_only
from safetensors import SafetensorError
from typer.testing import CliRunner

from linernotes.cli import app
from linernotes.training.checkpoints import LEARNED, is_whole, last_whole_checkpoint, refusing_full_disk
from linernotes.training.train import MusicTrainer, train

OVERRIDES = ["training.epochs=3"]


@pytest.fixture(scope="module")
def of_tables(tmp_path_factory) -> tuple[Path, Path]:
    """Config and data of a family whose checkpoints are whole folders."""
    folder = tmp_path_factory.mktemp("tables")
    return small_experiments.genre_moe_config(folder), small_experiments.genre_moe_data(folder)


@pytest.fixture(scope="module")
def unbroken(of_tables, tmp_path_factory) -> Path:
    config, data_dir = of_tables
    return train(config, [data_dir], OVERRIDES, tmp_path_factory.mktemp("run")).parent


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def weights_of(run: Path) -> bytes:
    return (run / "model" / "model.safetensors").read_bytes()


def resumed_from_the_one_before(name: str, unbroken: Path, config: Path, data_dir: Path, overrides, run: Path) -> None:
    """Cuts a file of a run's newest checkpoint; the run goes on from the one before, to the same weights."""
    shutil.copytree(unbroken, run)
    shutil.rmtree(run / "model")
    before, newest = sorted(run.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    cut(newest / name)
    assert last_whole_checkpoint(run) == before
    assert not newest.exists()
    train(config, [data_dir], overrides, run, resume=True)
    assert weights_of(run) == weights_of(unbroken)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_cut_checkpoint_is_passed_over_for_the_one_before(name, of_tables, unbroken, tmp_path):
    resumed_from_the_one_before(name, unbroken, *of_tables, OVERRIDES, tmp_path / "run")


@pytest.mark.slow
def test_so_is_one_whose_learned_weights_were_cut(tmp_path):
    config = small_experiments.mathrock_affect_config(tmp_path)
    data_dir = small_experiments.mathrock_affect_data(tmp_path)
    overrides = ["training.epochs=2", "training.best_metric=null", "training.patience=null"]
    unbroken = train(config, [data_dir], overrides, tmp_path / "unbroken").parent
    resumed_from_the_one_before(LEARNED, unbroken, config, data_dir, overrides, tmp_path / "run")


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt"])
def test_what_is_missing_from_a_checkpoint_breaks_it(name, unbroken, tmp_path):
    checkpoint = shutil.copytree(last_whole_checkpoint(unbroken), tmp_path / "checkpoint-1")
    assert last_whole_checkpoint(tmp_path) == checkpoint
    (checkpoint / name).unlink()
    assert last_whole_checkpoint(tmp_path) is None


@pytest.mark.parametrize("text", ['{"global_st', '{"epoch": 1}', None])
def test_a_checkpoint_without_its_state_is_broken(text, unbroken, tmp_path):
    checkpoint = shutil.copytree(last_whole_checkpoint(unbroken), tmp_path / "checkpoint-1")
    (checkpoint / "trainer_state.json").unlink()
    if text is not None:
        (checkpoint / "trainer_state.json").write_text(text)
    assert last_whole_checkpoint(tmp_path) is None
    assert not checkpoint.exists()


def test_a_checkpoint_whose_best_was_cut_is_passed_over_too(unbroken, tmp_path):
    """The run would end with the last weights, in place of the best."""
    for step, best in ((1, 1), (2, 1), (3, 3), (4, 3)):
        checkpoint = shutil.copytree(last_whole_checkpoint(unbroken), tmp_path / f"checkpoint-{step}")
        state = json.loads((checkpoint / "trainer_state.json").read_text())
        changed = state | {"global_step": step, "best_global_step": best}
        (checkpoint / "trainer_state.json").write_text(json.dumps(changed))
    assert last_whole_checkpoint(tmp_path).name == "checkpoint-4"
    cut(tmp_path / "checkpoint-3" / "model.safetensors")
    assert last_whole_checkpoint(tmp_path).name == "checkpoint-2"


# No room


@pytest.fixture
def file_size():
    """Limits how long a file may grow, which for one that writes is a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@posix_only
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt"])
def test_a_full_disk_ends_training_with_one_line_and_the_run_goes_on(
    name, of_tables, unbroken, tmp_path, file_size, monkeypatch
):
    """The second checkpoint has no room for a file of it."""
    (config, data_dir), run = of_tables, tmp_path / "run"
    size, whole = (last_whole_checkpoint(unbroken) / name).stat().st_size, MusicTrainer._save_checkpoint

    def with_less_room(self, *arguments):
        if list(run.glob("checkpoint-*")):
            file_size(3 * size // 4)
        whole(self, *arguments)

    asked = ["train", str(config), "--data-dir", str(data_dir), "--out", str(run), "--set", *OVERRIDES]
    with monkeypatch.context() as patched:
        patched.setattr(MusicTrainer, "_save_checkpoint", with_less_room)
        said = CliRunner().invoke(app, asked)
    file_size(resource.RLIM_INFINITY)
    assert said.exit_code == 2
    (line,) = said.stderr.strip().splitlines()
    assert re.search(rf"{run} cannot be written \(.*\): make room on that disk, then go on with --resume", line)
    broken = max(run.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    assert not is_whole(broken)
    said = CliRunner().invoke(app, [*asked, "--resume"])
    assert said.exit_code == 0
    assert weights_of(run) == weights_of(unbroken)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "cache/codes.arrow"),
            r"cache/codes\.arrow cannot be written",
        ),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "run cannot be written .*os error 28"),
        (
            RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed\nframe #0: x"),
            r"failed\): m",
        ),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"), "pos 64 vs 0"),
    ],
)
def test_every_writer_s_way_to_say_that_there_is_no_room_is_known(error, told):
    with pytest.raises(OSError, match=told), refusing_full_disk(Path("run")):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "data"),
        SafetensorError("I/O error: Permission denied (os error 13)"),
        RuntimeError("PytorchStreamReader failed reading zip archive"),
    ],
)
def test_other_errors_are_left_as_they_are(error):
    with pytest.raises(type(error)) as raised, refusing_full_disk(Path("run")):
        raise error
    assert raised.value is error
