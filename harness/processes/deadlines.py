"""Deadlines for servers that exclude the time in which the server itself waits for a processor used by others.

So a busy machine is not held against a server, and a server that does nothing is still reported promptly.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio

from harness.processes.proc import cpu_wait_s

MIN_CPU_WAIT_S = 0.1  # shorter waits are counted as time that the server had


class CpuWait:
    """The time that a process and its descendants wait for a processor, from the creation of this object on.

    Args:
        pid: the process.
    """

    def __init__(self, pid: int) -> None:
        self._pid, self._total_s = pid, cpu_wait_s(pid)

    def since_last_call_s(self, elapsed_s: float) -> float:
        """Return how much of the `elapsed_s` since the last call was spent waiting for a processor; 0 if unknown."""
        before, self._total_s = self._total_s, cpu_wait_s(self._pid)
        waited_s = min(self._total_s - before, elapsed_s)  # several threads may wait at the same time
        return waited_s if waited_s >= MIN_CPU_WAIT_S else 0.0


class ServerClock:
    """Counts the seconds that a server has had, without those in which it waited for a processor.

    Args:
        pid: the server's process.

    Attributes:
        elapsed_s: the seconds that it has had, at the last reading.
        waited_s: the seconds in which it waited for a processor, at the last reading.
    """

    def __init__(self, pid: int) -> None:
        self._wait, self._read_at = CpuWait(pid), time.monotonic()
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
    """Wait for something that a server must do, not counting the time in which it waited for a processor.

    Args:
        wait: returns when the server has done it; cancelled and called again when more time is granted.
        seconds: how long the server may take.
        pid: the server's process.

    Returns:
        Whether the server has done it.
    """
    cpu_wait = CpuWait(pid)
    while True:
        with anyio.move_on_after(seconds):
            await wait()
            return True
        seconds = cpu_wait.since_last_call_s(seconds)
        if not seconds:
            return False
