"""Clients that have joined and do not read for a while; what they get when they read again is verified as well.

A server may have disconnected them meanwhile, as any that keeps it waiting.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from harness.load.clients.join import QUIET_S
from harness.load.load import Load

THAWED_BUFFER_BYTES = 1 << 16
STEP_NS = 5_000_000
THAW_S = 15.0  # at most


def thaw(load: Load, connections: Sequence[socket.socket], topics: Sequence[int]) -> dict[str, float]:
    """Say nothing more, and let them read until nothing more comes; return figures of it.

    Raises:
        Violation: what they received was never sent. Whether it was lawful is told by `load.finish()`.
    """
    load.core.hush()
    clients = []
    for one in connections:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, THAWED_BUFFER_BYTES)
        clients.append(load.add_guest(one, topics, may_be_closed=True))
    started = came_at = time.monotonic()
    while time.monotonic() < min(came_at + QUIET_S, started + THAW_S):
        took = load.step(time.monotonic_ns() + STEP_NS)
        if any(client in clients for client, _ in took):
            came_at = time.monotonic()
    return {
        "frozen": len(clients),
        "frozen_disconnected": len(set(clients) & set(load.closed())),
        "frozen_heard": sum(map(load.core.heard, clients)) / len(clients),
    }
