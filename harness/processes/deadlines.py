"""How long a server is waited for: the time in which it waits itself, for a processor that others have, does not count.

So a busy machine is no fault of a server's, and whoever does nothing is told as soon as on an idle one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from harness.processes.proc import queued_s

LEAST_S = 0.1  # an excuse that is shorter is none


class Queueing:
    """The time that a process and all below it wait for a processor, from now on."""

    def __init__(self, pid: int) -> None:
        self._pid, self._queued_s = pid, queued_s(pid)

    def excuses_s(self, elapsed_s: float) -> float:
        """Return how much of the time since this was last asked, `elapsed_s`, was spent so; 0 where nobody can tell."""
        before, self._queued_s = self._queued_s, queued_s(self._pid)
        waited = min(self._queued_s - before, elapsed_s)  # of several threads, several may wait at a time
        return waited if waited >= LEAST_S else 0.0


async def in_time(wait: Callable[[], Awaitable[object]], seconds: float, pid: int) -> bool:
    """Wait for something that a server owes, for so many seconds in which it could have done it.

    Args:
        wait: returns when it has come; called again, after it was cancelled, where more time is granted.
        pid: the server's.

    Returns:
        Whether it came.
    """
    queueing = Queueing(pid)
    while True:
        with anyio.move_on_after(seconds):
            await wait()
            return True
        seconds = queueing.excuses_s(seconds)
        if not seconds:
            return False
