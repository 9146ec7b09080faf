"""The clients of a swarm before a load: they connect, join, and know that all are in the room."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.addresses import Address
from harness.codec import Codec
from harness.errors import Violation
from harness.load.clients.connect import connect
from harness.load.clients.join import Marks
from harness.load.processes import Ranks
from harness.load.verify.frames import Voice

SEND_S = 30.0


@dataclass
class Clients:
    """Clients of one server, numbered in the order of their coming, over all processes of the load.

    Attributes:
        ranks: this process's place among those of the load; every one of them has every count-th client.
        server_pid: for its memory and processor time.
        as_arriving: say messages in the form in which a server delivers them, to a server that only hands bytes on,
            and say nothing to join.
        subscriptions: of all clients.
        sockets: of this process's clients.
        numbers: theirs.
        are_together: whether they all stand at the same point of their streams.
    """

    address: Address
    codec: Codec
    server_pid: int
    as_arriving: bool = False
    ranks: Ranks = field(default_factory=Ranks)
    sockets: list[socket.socket] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    subscriptions: list[tuple[int, ...]] = field(default_factory=list)
    are_together: bool = False

    def connect(self, count: int, topics: Sequence[int] = (0,), *, small_buffers: bool = False) -> None:
        """Connect this many more clients, that ask for these topics (`small_buffers`: see `connecting.connect`).

        Raises:
            Violation: the server does not take them.
        """
        before, step = len(self.subscriptions), self.ranks.count
        own = range(before + (self.ranks.rank - before) % step, before + count, step)
        made = connect(self.address, len(own), first=own.start, step=step, small_buffers=small_buffers)
        self.sockets += made
        self.numbers += own
        self.subscriptions += [tuple(topics)] * count
        for number, one in zip(own, made, strict=True):
            if words := b"" if self.as_arriving else self.codec.join(number, topics):
                try:
                    one.settimeout(SEND_S)
                    one.sendall(words)
                except OSError as error:
                    raise Violation(f"client {number} could not join: {error}") from None

    def voices(self, count: int, topic: int = 0) -> list[Voice]:
        """Return this many of those who hear a topic, to speak to it.

        They are spread over the room: many servers serve in the order of joining, and the first would look fast.
        """
        hearers = [client for client, topics in enumerate(self.subscriptions) if topic in topics]
        return [Voice(hearers[(2 * place + 1) * len(hearers) // (2 * count)], topic) for place in range(count)]

    def join(self, *, together: bool = True) -> int:
        """Return when all clients have heard that they are in the room, each in all of its topics.

        Args:
            together: go on until all have heard one and the same message of each topic, and nothing behind it. A
                server may drop it for somebody, and then all try anew with another, some times; `are_together` tells
                whether it came about. Returns how long after it was sent the last has heard it, in ns.

        Raises:
            Violation: that does not come about.
        """
        marks = Marks(self.sockets, self.numbers, self.subscriptions, self.codec, self._spoken, self.ranks)
        took_ns = marks.heard(together=together)
        self.are_together = marks.are_together
        return took_ns

    def _spoken(self, body: bytes, client: int) -> bytes:
        return self.codec.arrives(body, client) if self.as_arriving else self.codec.encode(body)

    def dismiss(self, first: int) -> None:
        """Disconnect the clients from this number on."""
        stay = sum(number < first for number in self.numbers)
        for one in self.sockets[stay:]:
            one.close()
        del self.sockets[stay:], self.numbers[stay:], self.subscriptions[first:]

    def close(self) -> None:
        """Disconnect all clients."""
        self.dismiss(0)
