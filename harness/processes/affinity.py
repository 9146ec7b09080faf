"""Moves a running process, with all its threads and all processes below it, to other processor cores."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection

from harness.processes import warden


def move_to(pid: int, cores: Collection[int]) -> None:
    """Let a process and its descendants run on these cores only; what they start from then on inherits that.

    A thread may start another one meanwhile, so all are looked at until there is none elsewhere.

    Raises:
        PermissionError: it runs as another user.
    """
    wanted = set(cores)
    while elsewhere := [thread for thread in _threads(pid) if _cores_of(thread) not in (wanted, None)]:
        for thread in elsewhere:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(thread, wanted)


def _threads(pid: int) -> list[int]:
    found: list[int] = []
    for process in (pid, *warden.descendants(pid)):
        with contextlib.suppress(OSError):
            found += map(int, os.listdir(f"/proc/{process}/task"))
    return found


def _cores_of(thread: int) -> set[int] | None:
    """Return the cores on which a thread may run, or None if it has ended."""
    with contextlib.suppress(ProcessLookupError):
        return os.sched_getaffinity(thread)
    return None
