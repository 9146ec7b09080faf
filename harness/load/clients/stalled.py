"""Stalled clients: they have joined and do not read for a while; what they receive afterwards is verified as well.

A server may disconnect them meanwhile, as any client that keeps it waiting.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from harness.load.clients.join import QUIET_S
from harness.load.load import Load
from harness.processes.standstill import LoopClock

RESUMED_BUFFER_BYTES = 1 << 16
STEP_NS = 5_000_000
RESUME_S = 15.0  # at most


def resume(load: Load, connections: Sequence[socket.socket], topics: Sequence[int]) -> dict[str, float]:
    """Stop sending, and let stalled clients read until nothing more comes.

    `load.finish()` decides whether what they received was lawful.

    Args:
        load: the load, of which these clients are no part yet.
        connections: the sockets of the stalled clients.
        topics: the topics to which they have subscribed.

    Returns:
        Figures of the stalled clients.

    Raises:
        Violation: they received something that was never sent.
    """
    load.engine.stop_sending()
    clients = []
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RESUMED_BUFFER_BYTES)
        clients.append(load.add_client(connection, topics, may_be_closed=True))
    clock, last_received = LoopClock(), 0.0
    while clock.read() < min(last_received + QUIET_S, RESUME_S):
        received = load.step(time.monotonic_ns() + STEP_NS)
        if any(client in clients for client, _ in received):
            last_received = clock.read()
    return {
        "stalled_clients": len(clients),
        "stalled_clients_disconnected": len(set(clients) & set(load.closed())),
        "stalled_messages_per_client": sum(map(load.engine.received_count, clients)) / len(clients),
    }
