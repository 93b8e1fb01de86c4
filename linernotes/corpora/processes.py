"""Processes that share out work, and that end with the process which gave it to them.

Only the standard library is imported here, so that a process starts quickly.
"""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """So many processes, fresh ones: a fork may inherit held locks.

    Who leaves early (by an error, Ctrl-C) waits for the tasks that are begun, and for no others. Workers outlive this
    process by no more than a moment, however it ends.
    """
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_follow_parent)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Ctrl-C reaches every process of a terminal: the parent alone answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    wait([parent_process().sentinel])
    os._exit(1)  # from a thread nothing less ends a process that waits for its next task
