"""Processes that servers leave behind: found, reported and killed.

They are children of this process, because it is a subreaper (see `harness.processes.warden`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

import anyio
import psutil

from harness.processes import own_children, warden
from harness.processes.deadlines import ServerClock
from harness.processes.output import shorten


def _orphans() -> list[int]:
    """Return the children of this process that it did not start: processes left behind by servers."""
    with contextlib.suppress(ChildProcessError):
        for pid in set(warden.children(os.getpid())) - own_children.pids:
            os.waitpid(pid, os.WNOHANG)
    return [pid for pid in warden.children(os.getpid()) if pid not in own_children.pids]


async def kill(grace_s: float, reaper: int | None = None) -> list[str]:
    """Kill the orphans that are still there after a while, and their descendants; return their commands.

    Args:
        grace_s: how long they may take to end.
        reaper: the process that has adopted the orphans in a sandbox; it is killed with them, but is not one of them.
    """
    clock = ServerClock(os.getpid())  # they are descendants of this process
    while _orphans() and clock.read() < grace_s:
        await anyio.sleep(0.01)  # there is no event for the end of a process that this one did not start
    commands: dict[int, str] = {}  # by pid; a process that is already dying has none
    deadline = time.monotonic() + warden.KILLING_S  # a process of another user cannot be killed
    while (found := _orphans()) and time.monotonic() < deadline:
        pids = [pid for orphan in found for pid in (orphan, *warden.descendants(orphan))]
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if pid not in {*commands, reaper} and process.status() != psutil.STATUS_ZOMBIE:
                    commands[pid] = shorten(" ".join(process.cmdline()) or process.name())
        for pid in pids:  # the end of the first may be that of all
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await anyio.sleep(0.002)
    return list(dict.fromkeys(commands.values()))
