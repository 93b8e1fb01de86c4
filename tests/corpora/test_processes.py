"""Workers end with the process that started them, and a stop waits for what is begun only."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from linernotes.corpora.processes import worker_pool

SCRIPT = """
import os, time
from linernotes.corpora.processes import worker_pool

def task(seconds):
    time.sleep(seconds)
    return os.getpid()

if __name__ == "__main__":
    with worker_pool(2) as pool:
        busy = [pool.submit(task, seconds) for seconds in (0.3, 0.3)]
        print(*{task.result() for task in busy}, flush=True)
        pool.submit(task, 600).result()
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_when_their_parent_is_killed(killed_by, tmp_path):
    (tmp_path / "parent.py").write_text(SCRIPT)
    with subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.send_signal(killed_by)
        parent.wait(timeout=30)
        assert workers
        try:
            until = time.monotonic() + 15
            while not all(map(gone, workers)):
                assert time.monotonic() < until, f"{workers} live on"
                time.sleep(0.1)
        finally:
            for pid in workers:
                if not gone(pid):
                    os.kill(pid, signal.SIGKILL)


def test_an_early_end_drops_tasks_that_wait():
    tasks = []

    def leave_early():
        with worker_pool(1) as pool:
            tasks.extend(pool.submit(time.sleep, 0.2) for _ in range(20))
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        leave_early()
    assert sum(task.cancelled() for task in tasks) >= 10
