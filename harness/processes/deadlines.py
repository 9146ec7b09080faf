"""Deadlines for servers that exclude the time in which the server itself waits for a processor used by others.

They also exclude the time in which this process stood still, and most likely the server with it. So neither a busy nor
a suspended machine is held against a server, and a server that does nothing is still reported promptly.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from harness.processes.proc import cpu_wait_s
from harness.processes.standstill import active_s, stood_still_s
from harness.processes.tasks import background_tasks

LONGEST_SLEEP_S = 3600.0  # where there is no limit at all
MIN_CPU_WAIT_S = 0.1  # shorter waits are counted as time that the server had


class LostTime:
    """The time that a process has lost: it and its descendants waited for a processor, or this process stood still.

    It counts from the creation of this object on.

    Args:
        pid: the process.
    """

    def __init__(self, pid: int) -> None:
        self._pid, self._waited_s, self._stood_still_s = pid, cpu_wait_s(pid), stood_still_s()

    def since_last_call_s(self, elapsed_s: float) -> float:
        """Return how much of the `elapsed_s` since the last call was lost; 0 if unknown."""
        waited_s, self._waited_s = self._waited_s, cpu_wait_s(self._pid)
        still_s, self._stood_still_s = self._stood_still_s, stood_still_s()
        # Several threads may wait at the same time.
        lost_s = min(self._waited_s - waited_s + self._stood_still_s - still_s, elapsed_s)
        return lost_s if lost_s >= MIN_CPU_WAIT_S else 0.0


@asynccontextmanager
async def move_on_after_active(seconds: float) -> AsyncIterator[anyio.CancelScope]:
    """Cancel the body of the context after some time in which this process did not stand still."""
    end_s = active_s() + seconds

    async def expire(scope: anyio.CancelScope) -> None:
        while (left_s := end_s - active_s()) > 0:
            await anyio.sleep(min(left_s, LONGEST_SLEEP_S))
        scope.cancel()

    async with background_tasks() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(expire, scope)
            yield scope


class ServerClock:
    """Counts the seconds that a server has had, without those in which it waited for a processor.

    Args:
        pid: the server's process.

    Attributes:
        elapsed_s: the seconds that it has had, at the last reading.
        waited_s: the seconds in which it waited for a processor, at the last reading.
    """

    def __init__(self, pid: int) -> None:
        self._wait, self._read_at = LostTime(pid), time.monotonic()
        self.elapsed_s = self.waited_s = 0.0

    def read(self) -> float:
        """Return the seconds that the server has had so far."""
        now = time.monotonic()
        passed_s, self._read_at = now - self._read_at, now
        waited_s = self._wait.since_last_call_s(passed_s)
        self.waited_s += waited_s
        self.elapsed_s += passed_s - waited_s
        return self.elapsed_s


async def completes_within(wait: Callable[[], Awaitable[object]], seconds: float, pid: int) -> bool:
    """Wait for something that a process must do, not counting the time that it lost (see `LostTime`).

    Args:
        wait: returns when the process has done it; cancelled and called again when more time is granted.
        seconds: how long the process may take.
        pid: the process.

    Returns:
        Whether the process has done it.
    """
    lost_time = LostTime(pid)
    while True:
        with anyio.move_on_after(seconds):
            await wait()
            return True
        seconds = lost_time.since_last_call_s(seconds)
        if not seconds:
            return False
