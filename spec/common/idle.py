"""How much processor time a server uses while it has nothing to do."""

from __future__ import annotations

import time

import anyio

from harness.conformance.api import Room

WINDOW_S, LONG_WINDOW_S = 0.4, 2.5  # the latter is longer than the period of what a server does every second
WINDOWS = 8  # of which one must be quiet: what a runtime does once (compile, collect garbage) ends
MOST_WINDOWS = 5 * WINDOWS  # what it does once takes longer on a busy machine
IDLE_SHARE = 0.01  # of a core


async def least_share(room: Room, limit: float, window_s: float) -> float:
    """Return the share of a core that a server uses in the quietest of some windows.

    Args:
        room: the server.
        limit: a share; the first window below it is the last.
        window_s: the length of a window.
    """
    least, clock = float("inf"), room.clock()
    for window in range(MOST_WINDOWS):
        if window >= WINDOWS and clock.read() > WINDOWS * WINDOW_S:
            break
        before, begun = room.cpu_s(), time.monotonic()
        await anyio.sleep(window_s)
        least = min(least, (room.cpu_s() - before) / (time.monotonic() - begun))
        if least <= limit:
            break
    return least
