"""Clients that have joined and do not read for a while; what they get when they read again is verified as well.

A server may have disconnected them meanwhile, as any that keeps it waiting. So what they receive reaches the pump
through pairs of sockets, of which ours stay open: the pump takes the end of a connection for a fault.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress

from harness.swarm.drive import drive
from harness.swarm.joining import QUIET_S
from harness.swarm.load import Load

THAWED_BUFFER_BYTES = 1 << 16
READ = 65536
SLICE_S = 0.005
THAW_S = 15.0  # at most


class Frozen:
    """One of them."""

    def __init__(self, load: Load, connection: socket.socket) -> None:
        self._connection = connection
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, THAWED_BUFFER_BYTES)
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._client = load.pump.add(self._theirs)
        self._rest = b""
        self.disconnected = False
        self.received_bytes = 0

    def move(self) -> bool:
        """Hand on what has come; return whether anything has."""
        if not self._rest and not self.disconnected:
            try:
                self._rest = self._connection.recv(READ)
                self.disconnected = not self._rest
            except BlockingIOError:
                pass
            except ConnectionError:
                self.disconnected = True
            self.received_bytes += len(self._rest)
        moved = bool(self._rest)
        if moved:
            with suppress(BlockingIOError):
                self._rest = self._rest[self._ours.send(self._rest) :]
        return moved

    def close(self, load: Load) -> None:
        """Let the pump have done with it."""
        load.pump.drop(self._client)
        self._ours.close()
        self._theirs.close()


def thaw(load: Load, connections: Sequence[socket.socket]) -> dict[str, float]:
    """Let them read until nothing more comes; return figures of it.

    Raises:
        Violation: what they received was never sent. Whether it was lawful is told by `load.finish()`.
    """
    frozen = [Frozen(load, one) for one in connections]
    started = moved_at = time.monotonic()
    while time.monotonic() < min(moved_at + QUIET_S, started + THAW_S):
        moved = [one.move() for one in frozen]
        if any(moved):
            moved_at = time.monotonic()
        drive(load, SLICE_S, None, None, None)
    for one in frozen:
        one.close(load)
    return {
        "frozen": len(frozen),
        "frozen_disconnected": sum(one.disconnected for one in frozen),
        "frozen_received_bytes": sum(one.received_bytes for one in frozen) / len(frozen),
    }
