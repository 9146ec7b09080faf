"""The clients of a swarm before a load: they connect, join, and wait until all are in the room."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.addresses import Address
from harness.codec import LoadCodec
from harness.errors import Violation
from harness.load.clients.connect import connect
from harness.load.clients.join import JoinMarkers
from harness.load.processes import LoadProcesses
from harness.load.verify.frames import Sender

SEND_S = 30.0  # at most, to send what makes a client join
# Clients that connect before the processes hear of each other again: after SILENCE_S one would count as lost.
CLIENTS_A_PART = 10_000


@dataclass
class Clients:
    """Clients of one server, numbered in the order in which they connect, over all processes of the load.

    Attributes:
        as_arriving: whether clients send messages in the form in which a server delivers them, and send nothing to
            join: for a server that only relays bytes.
        processes: the processes of the load, each of which connects its share of the clients.
        sockets: the connections of this process's clients, in the order of their numbers.
        numbers: the numbers of this process's clients, in the same order.
        subscriptions: by client number, over all processes, the topics of the client.
        are_together: whether all clients stand at the same point of their streams: `join` decides that.
    """

    address: Address
    codec: LoadCodec
    as_arriving: bool = False
    processes: LoadProcesses = field(default_factory=LoadProcesses)
    sockets: list[socket.socket] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    subscriptions: list[tuple[int, ...]] = field(default_factory=list)
    are_together: bool = False

    @property
    def count(self) -> int:
        """The number of clients that are connected, over all processes of the load."""
        return len(self.subscriptions)

    def connect(self, count: int, topics: Sequence[int] = (0,), *, small_buffers: bool = False) -> None:
        """Connect more clients and let them subscribe.

        Args:
            count: the number of clients to add, over all processes of the load.
            topics: the topics to which each of them subscribes.
            small_buffers: whether the kernel buffers little for them (see `harness.load.clients.connect.connect`).

        Raises:
            Violation: the server does not take them.
            Inconclusive: this process can open no more connections.
            HarnessError: another process of the load was lost meanwhile.
        """
        first, stop = self.count, self.count + count
        for start in range(first, stop, CLIENTS_A_PART):
            if start > first:
                self.processes.gather(None)
            self._connect(self.processes.share(start, min(start + CLIENTS_A_PART, stop)), topics, small_buffers)
        self.subscriptions += [tuple(topics)] * count

    def _connect(self, own: range, topics: Sequence[int], small_buffers: bool) -> None:
        """Connect clients of this process and let them subscribe.

        Args:
            own: their numbers.
            topics: the topics to which each of them subscribes.
            small_buffers: whether the kernel buffers little for them.

        Raises:
            Violation: the server does not take them.
            Inconclusive: this process can open no more connections.
        """
        connections = connect(self.address, len(own), first=own.start, step=own.step, small_buffers=small_buffers)
        self.sockets += connections
        self.numbers += own
        for number, connection in zip(own, connections, strict=True):
            if request := b"" if self.as_arriving else self.codec.encode_join(number, topics):
                try:
                    connection.settimeout(SEND_S)
                    connection.sendall(request)
                except OSError as error:
                    raise Violation(f"client {number} could not join: {error}") from None

    def senders(self, count: int, topic: int = 0) -> list[Sender]:
        """Return so many of a topic's subscribers as senders to it.

        They are spread evenly over the subscribers: many servers serve in the order of joining, and the first clients
        would look fast.
        """
        subscribers = [client for client, topics in enumerate(self.subscriptions) if topic in topics]
        return [Sender(subscribers[(2 * place + 1) * len(subscribers) // (2 * count)], topic) for place in range(count)]

    def join(self, *, together: bool = True) -> int:
        """Wait until every client has received a message in each of its topics.

        Args:
            together: wait until all clients have received the same message of each topic and nothing after it. A server
                may drop that message for a client; then all try again with another one, a limited number of times.
                `are_together` says whether they succeeded.

        Returns:
            How long the last message took to reach all clients, in ns.

        Raises:
            Violation: a client does not receive anything, or receives something that was not sent.
        """
        markers = JoinMarkers(
            self.sockets, self.numbers, self.subscriptions, self.codec, self._encode_sent, self.processes
        )
        took_ns = markers.wait_for_all(together=together)
        self.are_together = markers.are_together
        return took_ns

    def _encode_sent(self, body: bytes, client: int) -> bytes:
        return self.codec.encode_delivery(body, client) if self.as_arriving else self.codec.encode(body)

    def disconnect_from(self, first: int) -> None:
        """Disconnect the clients whose number is at least `first`."""
        staying = sum(number < first for number in self.numbers)
        for connection in self.sockets[staying:]:
            connection.close()
        del self.sockets[staying:], self.numbers[staying:], self.subscriptions[first:]

    def close(self) -> None:
        """Disconnect all clients."""
        self.disconnect_from(0)
