"""Guests: clients that come, hear, and leave while a load goes on; what they hear is verified as well."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from harness.addresses import Address
from harness.codec import Codec
from harness.errors import Violation
from harness.load.load import Load

CONNECT_S = 10.0
FIRST_NAME = 100_000  # numbers of guests, for their names; those of residents are lower


@dataclass
class Guest:
    """Somebody who has come and not left yet; times in monotonic ns."""

    client: int
    connection: socket.socket
    came_ns: int
    leaves_ns: int
    heard_ns: int = 0


class Churn:
    """Lets guests come on a schedule and leave after a stay.

    Args:
        rate_per_s: how many come in a second, at even distances.
        stay_s: how long each stays.
        topics: what they want to hear.

    Attributes:
        waits_ns: for each guest that heard something, the time from the moment at which it should have come.
        deaf: guests that left before they had heard anything.
    """

    def __init__(
        self, address: Address, codec: Codec, load: Load, *, rate_per_s: float, stay_s: float, topics: Sequence[int]
    ) -> None:
        self._address, self._codec, self._load, self._topics = address, codec, load, tuple(topics)
        self._interval_ns, self._stay_ns = 1e9 / rate_per_s, int(stay_s * 1e9)
        self._started_ns = time.monotonic_ns()
        self._here: deque[Guest] = deque()  # in the order of leaving
        self._by_client: dict[int, Guest] = {}
        self.waits_ns: list[int] = []
        self.deaf = 0

    @property
    def due_ns(self) -> int:
        """When something is to be done next, in monotonic ns."""
        leaving = self._here[0].leaves_ns if self._here else self._next_ns
        return min(self._next_ns, leaving)

    @property
    def _next_ns(self) -> int:
        return self._started_ns + int((len(self._by_client) + 1) * self._interval_ns)

    def act(self) -> None:
        """Let those come and leave whose time it is."""
        while (due_ns := self._next_ns) <= time.monotonic_ns():
            self._come(due_ns)
        while self._here and self._here[0].leaves_ns <= time.monotonic_ns():
            self._leave(self._here.popleft())

    def _come(self, due_ns: int) -> None:
        try:
            one = socket.create_connection((self._address.host, self._address.port), CONNECT_S)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.sendall(self._codec.join(FIRST_NAME + len(self._by_client), self._topics))
        except OSError as error:
            raise Violation(f"a guest could not come: {error}") from None
        client = self._load.add_guest(one, self._topics)
        guest = Guest(client, one, due_ns, time.monotonic_ns() + self._stay_ns)
        self._here.append(guest)
        self._by_client[client] = guest

    def heard(self, client: int, at_ns: int) -> None:
        """Note that a client has received something; the first time it tells how long joining took."""
        guest = self._by_client.get(client)
        if guest and not guest.heard_ns and self._load.core.heard(client):
            guest.heard_ns = at_ns
            self.waits_ns.append(at_ns - guest.came_ns)

    def _leave(self, guest: Guest) -> None:
        self._load.drop_guest(guest.client)
        guest.connection.close()
        self.deaf += not guest.heard_ns

    def end(self) -> None:
        """Let all leave."""
        while self._here:
            self._leave(self._here.popleft())
