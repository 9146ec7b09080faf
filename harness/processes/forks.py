"""Several workers of one kind as forks of one process, so that what they all import is imported once.

The first process does what they have in common, forks, and then only reaps: it and each worker are child subreapers
(see `harness.processes.warden`), so its children are the workers, and what workers that have ended left behind.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
from collections.abc import Sequence

from harness.processes import warden


def channels(text: str) -> list[socket.socket]:
    """Return the channels that `harness.processes.workers.open_forks` has passed to this process."""
    return [socket.socket(fileno=int(number)) for number in text.split(",")]


def fork_workers(channels: Sequence[socket.socket]) -> socket.socket | None:
    """Fork a worker for each channel; return its channel in each of them, and None in this process when all have ended.

    Call it before the process has an event loop or threads.
    """
    gc.freeze()  # what they share is not theirs to collect
    gc.set_threshold(100_000, 50, 100)
    workers: set[int] = set()
    for channel in channels:
        if pid := os.fork():
            workers.add(pid)
            continue
        warden.become_subreaper()
        for other in channels:
            if other is not channel:
                other.close()
        return channel
    for channel in channels:
        channel.close()
    _reap(workers)
    return None


def _reap(workers: set[int]) -> None:
    """Wait until all workers have ended; end what each left behind."""
    while workers:
        pid, status = os.waitpid(-1, 0)
        if pid in workers:
            workers.discard(pid)
            if os.WIFSIGNALED(status):
                os.write(2, f"ended by signal {os.WTERMSIG(status)}\n".encode())
        for left_behind in set(warden.children(os.getpid())) - workers:
            for each in (left_behind, *warden.descendants(left_behind)):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(each, signal.SIGKILL)
