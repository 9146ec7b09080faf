"""What Linux tells of processes in /proc, where any of them may end between two looks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from harness.processes import warden


def texts(folder: str, name: str, *, here: bool = False) -> Iterator[str]:
    """Yield what is in the file of this name in a folder, or in each of its folders; nothing for what is gone."""
    try:
        paths = [folder] if here else [f"{folder}/{one}" for one in os.listdir(folder)]
    except OSError:
        return
    for path in paths:
        with contextlib.suppress(OSError), open(f"{path}/{name}") as file:
            yield file.read()


def queued_s(pid: int) -> float:
    """Return how long the threads of a process and all below it have waited for a processor so far, by the kernel.

    The second number of a thread's schedstat is what it spent in a run queue, in ns (Linux, sched-stats.rst).
    Threads that have ended do not count, and where the kernel does not tell nobody has waited.
    """
    queued_ns = 0
    for one in [pid, *warden.descendants(pid)]:
        for text in texts(f"/proc/{one}/task", "schedstat"):
            queued_ns += sum(map(int, text.split()[1:2]))
    return queued_ns / 1e9
