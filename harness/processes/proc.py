"""Reads /proc of Linux, in which any process may end between two reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from harness.processes import warden


def read_existing(paths: Iterable[str]) -> Iterator[str]:
    """Yield the text of each of these files that still exists."""
    for path in paths:
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            yield file.read()


def read_per_thread(pid: int, name: str) -> Iterator[str]:
    """Yield the text of the file of this name of each thread of a process; nothing if it has ended."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    yield from read_existing(f"/proc/{pid}/task/{thread}/{name}" for thread in threads)


def cpu_wait_s(pid: int) -> float:
    """Return how long the threads of a process and its descendants have waited for a processor so far, in s.

    The second number of a thread's schedstat is its time in run queues, in ns (Linux, sched-stats.rst). Threads that
    have ended do not count. The result is 0 if the kernel does not report it.
    """
    return sum(own_cpu_wait_s(each) for each in [pid, *warden.descendants(pid)])


def own_cpu_wait_s(pid: int) -> float:
    """Return how long the threads of a process have waited for a processor so far, in s, without its descendants."""
    return sum(int(number) for text in read_per_thread(pid, "schedstat") for number in text.split()[1:2]) / 1e9
