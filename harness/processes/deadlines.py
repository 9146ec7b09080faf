"""Deadlines for servers that exclude the time in which the server, or who waits for it, waits for a processor.

They also exclude the time in which this process stood still, and most likely the server with it. So neither a busy nor
a suspended machine is held against a server, and a server that does nothing is still reported promptly.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from harness.processes.proc import ProcessorUse
from harness.processes.standstill import active_s, stood_still_s
from harness.processes.tasks import background_tasks

LONGEST_SLEEP_S = 3600.0  # where there is no limit at all
MIN_LOST_S = 0.1  # a deadline is not extended for less


class LostTime:
    """The time that a process has lost, counted from the creation of this object on.

    It or one of its descendants waited for a processor, or this process stood still. Threads that wait for each other
    lose nothing: what the process has run on all cores that it may use is not lost.

    Args:
        pid: the process.
        includes_ours: also count the time in which this process waited for a processor, and so did not read what the
            other one had sent.
    """

    def __init__(self, pid: int, *, includes_ours: bool = False) -> None:
        self._its = ProcessorUse(pid)
        self._ours = ProcessorUse(os.getpid(), includes_descendants=False) if includes_ours else None
        self._cores = _cores(pid)
        self._elapsed_s, self._before = 0.0, (0.0, 0.0, 0.0, stood_still_s())

    def since_last_call_s(self, elapsed_s: float) -> float:
        """Return how much of the `elapsed_s` since the last call was lost; 0 if unknown.

        What is too little to count is added to the next result.
        """
        self._elapsed_s += elapsed_s
        now = self._totals()
        ran_s, waited_s, ours_s, still_s = (after - before for after, before in zip(now, self._before, strict=True))
        # Several threads may wait at the same time.
        its_s = min(waited_s, max(0.0, self._elapsed_s - ran_s / self._cores))
        lost_s = min(its_s + ours_s + still_s, self._elapsed_s)
        if lost_s < MIN_LOST_S:
            return 0.0
        self._elapsed_s, self._before = 0.0, now
        return lost_s

    def _totals(self) -> tuple[float, float, float, float]:
        """Return the seconds that it has run and waited, that this process has waited, and has stood still."""
        self._its.read()
        ours_s = 0.0
        if self._ours:
            self._ours.read()
            ours_s = self._ours.waited_s
        return self._its.ran_s, self._its.waited_s, ours_s, stood_still_s()


def _cores(pid: int) -> int:
    """Return how many cores a process may use."""
    with contextlib.suppress(AttributeError, OSError):  # it has ended, or this is not Linux
        return len(os.sched_getaffinity(pid))
    return os.cpu_count() or 1


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

    It does count those in which this process waited for one: where both do so most of the time, it would stand still.

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
    """Wait for something that a process must do, not counting the time that it or this process lost (see `LostTime`).

    Args:
        wait: returns when the process has done it; cancelled and called again when more time is granted.
        seconds: how long the process may take.
        pid: the process.

    Returns:
        Whether the process has done it.
    """
    lost_time = LostTime(pid, includes_ours=True)
    while True:
        with anyio.move_on_after(seconds):
            await wait()
            return True
        seconds = lost_time.since_last_call_s(seconds)
        if not seconds:
            return False
