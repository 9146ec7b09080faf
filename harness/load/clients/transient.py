"""Transient clients: they join while a load goes on, receive, and leave; what they receive is verified as well."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from harness.addresses import Address
from harness.codec import LoadCodec
from harness.errors import OF_THE_MACHINE, Inconclusive, Violation
from harness.load.load import Load

CONNECT_S = 10.0
FIRST_NUMBER = 100_000  # of transient clients, for their names: higher than those of all clients that stay


@dataclass
class TransientClient:
    """A client that has joined and not left yet.

    Attributes:
        client: its number in the load.
        connection: its socket.
        due_ns: when it was due to join, in monotonic ns.
        leaves_ns: when it is due to leave, in monotonic ns.
        received_ns: when it first received something, in monotonic ns; 0 before that.
    """

    client: int
    connection: socket.socket
    due_ns: int
    leaves_ns: int
    received_ns: int = 0


class TransientClients:
    """Connects transient clients on a schedule, and disconnects each after its stay.

    Args:
        address: of the server.
        codec: of its protocol.
        load: the load that receives for them.
        rate_per_s: how many join in a second, at even intervals.
        stay_s: how long each stays.
        topics: the topics to which each subscribes.

    Attributes:
        waits_ns: for each client that received something, the time from the moment at which it was due to join.
        unserved: how many clients left without having received anything.
    """

    def __init__(
        self, address: Address, codec: LoadCodec, load: Load, *, rate_per_s: float, stay_s: float, topics: Sequence[int]
    ) -> None:
        self._address, self._codec, self._load, self._topics = address, codec, load, tuple(topics)
        self._interval_ns, self._stay_ns = 1e9 / rate_per_s, int(stay_s * 1e9)
        self._started_ns = time.monotonic_ns()
        self._present: deque[TransientClient] = deque()  # in the order in which they leave
        self._by_client: dict[int, TransientClient] = {}
        self.waits_ns: list[int] = []
        self.unserved = 0

    @property
    def due_ns(self) -> int:
        """When the next client is due to join or to leave, in monotonic ns."""
        leaving = self._present[0].leaves_ns if self._present else self._next_ns
        return min(self._next_ns, leaving)

    @property
    def _next_ns(self) -> int:
        return self._started_ns + int((len(self._by_client) + 1) * self._interval_ns)

    def act(self) -> None:
        """Connect and disconnect the clients that are due."""
        while (due_ns := self._next_ns) <= time.monotonic_ns():
            self._connect(due_ns)
        while self._present and self._present[0].leaves_ns <= time.monotonic_ns():
            self._disconnect(self._present.popleft())

    def _connect(self, due_ns: int) -> None:
        try:
            connection = socket.create_connection((self._address.host, self._address.port), CONNECT_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(self._codec.encode_join(FIRST_NUMBER + len(self._by_client), self._topics))
        except OSError as error:
            if error.errno in OF_THE_MACHINE:
                raise Inconclusive(f"the harness cannot connect a transient client: {error.strerror}") from None
            raise Violation(f"a transient client could not join: {error}") from None
        client = self._load.add_client(connection, self._topics)
        joined = TransientClient(client, connection, due_ns, time.monotonic_ns() + self._stay_ns)
        self._present.append(joined)
        self._by_client[client] = joined

    def note_received(self, client: int, at_ns: int) -> None:
        """Note that a client of the load has received something.

        Args:
            client: its number in the load; other than transient clients are ignored.
            at_ns: when, in monotonic ns.
        """
        transient = self._by_client.get(client)
        if transient and not transient.received_ns and self._load.engine.received_count(client):
            transient.received_ns = at_ns
            self.waits_ns.append(at_ns - transient.due_ns)

    def _disconnect(self, leaving: TransientClient) -> None:
        self._load.drop_client(leaving.client)
        leaving.connection.close()
        self.unserved += not leaving.received_ns

    def end(self) -> None:
        """Disconnect all that are still present."""
        while self._present:
            self._disconnect(self._present.popleft())
