"""The search of a case for a conversation that fails: its time, and the shortest failure so far."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from harness.conformance.api.room import Room
from harness.conformance.api.start import Start
from harness.errors import Violation

Action = Callable[[], Awaitable[Any]]
SHRINK_S = 15.0


class FuzzSearch:
    """What all conversations of a case share.

    Attributes:
        start: starts their servers.
        count: how many have begun.
        shortest_failure: the error and the room of the shortest conversation that failed.
        request: hands an action to the case's task, with the future that gets its result.
    """

    def __init__(self, start: Start, deadline: float) -> None:
        self.start, self._deadline = start, deadline
        self.count = 0
        self.shortest_failure: tuple[Violation, Room] | None = None
        self.request: Callable[[tuple[Action, Future[Any]]], None]

    def is_over(self) -> bool:
        """Return whether a conversation has failed, or the time is over."""
        return self.shortest_failure is not None or self.out_of_time()

    def out_of_time(self) -> bool:
        """Return whether no new conversation may begin."""
        return time.monotonic() > self._deadline

    def record_failure(self, error: Violation, room: Room) -> None:
        """Record a conversation that failed; after the first failure, SHRINK_S remain to find a shorter one."""
        if self.shortest_failure is None:
            self._deadline = time.monotonic() + SHRINK_S
        if self.shortest_failure is None or len(room.trace.steps) <= len(self.shortest_failure[1].trace.steps):
            self.shortest_failure = error, room
