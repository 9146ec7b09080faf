"""Starts servers before they are needed, where a server takes long to become ready and mostly waits meanwhile."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from dataclasses import dataclass

from harness.addresses import Address, free_address
from harness.errors import LaunchError
from harness.model import Implementation
from harness.servers import process
from harness.zoo import build

SLOW_S = 0.7  # from start to ready
INTERVAL_S = 0.8  # at which servers are to become ready
MOST = 3  # at a time: they take memory
WORKING_SHARE = 0.5  # of a start that takes processor time: more of them at once would be no faster


@dataclass(frozen=True)
class EarlyServer:
    """A server that was started before it was needed.

    Attributes:
        address: where it listens.
        started: its process.
        reservation: keeps the address until it is closed.
    """

    address: Address
    started: process.Started
    reservation: contextlib.ExitStack


class EarlyStarts:
    """The servers of one implementation that were started early."""

    def __init__(self) -> None:
        self._implementation: Implementation | None = None
        self._wanted = 0
        self._waiting: deque[EarlyServer] = deque()

    def learn(self, ready_s: float, cpu_s: float) -> None:
        """Take note of how long a start took, and of the processor time that it needed."""
        is_slow = ready_s > SLOW_S and cpu_s < WORKING_SHARE * ready_s
        self._wanted = min(MOST, math.ceil(ready_s / INTERVAL_S)) if is_slow else 0

    def prepare(self, implementation: Implementation, needed: int) -> None:
        """Start as many servers as are useful, but no more than will be needed; end those of another implementation."""
        if implementation != self._implementation:
            self.close()
            self._implementation, self._wanted = implementation, 0
        for _ in range(min(self._wanted, needed) - len(self._waiting)):
            with contextlib.ExitStack() as stack:
                address = stack.enter_context(free_address())
                try:
                    command = build.command(implementation)
                    started = process.start(implementation, [*command, str(address)])
                except LaunchError:  # the case that needs the server reports it
                    return
                self._waiting.append(EarlyServer(address, started, stack.pop_all()))

    def take(self) -> EarlyServer | None:
        """Return the server that was started first, or None; its end is up to the caller."""
        return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        """End the servers that nothing has needed."""
        while server := self.take():
            process.discard(server.started)
            server.reservation.close()
