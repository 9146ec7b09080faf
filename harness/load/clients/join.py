"""Waits until all clients are in the room, before a load: it sends marker messages until each has received one.

A server may drop a marker for a client, and a client may join after it; so when nothing comes, another one is sent.
"""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from harness.codec import Decoder, LoadCodec, bodies_of
from harness.errors import Violation
from harness.load.processes import LoadProcesses
from harness.load.verify.frames import MARKER
from harness.processes.standstill import LoopClock

JOIN_S = 30.0
FIRST_QUIET_S = 0.02  # without a byte, after which the next marker is sent; twice as long each time
QUIET_S = 0.5
TOGETHER_ROUNDS = 10
READ_BYTES = 65536
fresh_numbers = itertools.count()  # no marker is sent twice: an old one that comes late must not count as a new one


class JoinMarkers:
    """Sends markers and receives them. Where the load has several processes, each knows what the others send.

    Args:
        sockets: the connections of this process's clients.
        numbers: the numbers of this process's clients.
        subscriptions: by client number, over all processes, the topics of the client.
        codec: of the protocol.
        encode_sent: returns the bytes with which a client sends a body: `encode_sent(body, client)`.
        processes: the processes of the load.

    Attributes:
        are_together: whether all clients have received the same last marker of each topic, and nothing after it.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        numbers: Sequence[int],
        subscriptions: Sequence[tuple[int, ...]],
        codec: LoadCodec,
        encode_sent: Callable[[bytes, int], bytes],
        processes: LoadProcesses,
    ) -> None:
        self._sockets, self._numbers, self._subscriptions = sockets, numbers, subscriptions
        self._codec, self._encode_sent, self._processes = codec, encode_sent, processes
        self._decoders = [codec.reply_decoder() for _ in sockets]
        self._places = {connection.fileno(): place for place, connection in enumerate(sockets)}
        # The first subscriber of each topic, which stays when others leave: whatever it sends later comes after its
        # markers, while those of a client that has left may come at any time.
        self._senders: dict[int, int] = {}
        for client, topics in enumerate(subscriptions):
            for topic in topics:
                self._senders.setdefault(topic, client)
        self._own = dict(zip(numbers, sockets, strict=True))
        self._topics: dict[bytes, int] = {}  # by the body of each marker that counts
        self._canonical: dict[bytes, bytes] = {}  # by a marker's canonical encoding, its body
        self._missing: dict[int, set[int]] = {}  # by the place of a client, its topics without a marker so far
        self.are_together = False

    def wait_for_all(self, *, together: bool) -> int:
        """Send markers until every client has received one in each of its topics.

        Args:
            together: wait until all clients have received the same marker of each topic, and nothing after it. A server
                that drops too much for that need not: then `are_together` is False.

        Returns:
            How long the last marker took to reach all clients, in ns.

        Raises:
            Violation: that takes longer than JOIN_S seconds, or a client receives a message that was never sent.
        """
        clock, rounds, quiet_s = LoopClock(), 0, FIRST_QUIET_S
        self._expect_all()
        sent_ns = 0
        with select.epoll() as poll:
            for connection in self._sockets:
                connection.setblocking(False)
                poll.register(connection.fileno(), select.EPOLLIN)
            while missing := sum(self._processes.gather(len(self._missing))):
                if clock.read() > JOIN_S:
                    raise Violation(
                        f"{missing} of {len(self._subscriptions)} clients did not receive, in {JOIN_S:.0f} s, "
                        f"any of {rounds} messages that were sent to find out whether they had joined"
                    )
                self.are_together = together and rounds < TOGETHER_ROUNDS
                if self.are_together:
                    self._expect_all()
                sent_ns = time.monotonic_ns()
                self._send()
                while self._missing and (ready := poll.poll(quiet_s)):
                    for descriptor, _ in ready:
                        self._receive(self._places[descriptor])
                rounds, quiet_s = rounds + 1, min(QUIET_S, 2 * quiet_s)
        return time.monotonic_ns() - sent_ns

    def _expect_all(self) -> None:
        """Count no marker that was sent before now."""
        self._topics, self._canonical = {}, {}
        self._missing = {place: set(self._subscriptions[client]) for place, client in enumerate(self._numbers)}

    def _send(self) -> None:
        for topic, client in self._senders.items():
            body = self._codec.make_body(MARKER + b"%d" % next(fresh_numbers), topic)
            self._topics[body] = topic
            self._canonical[self._codec.encode_delivery(body, client)] = body
            if client in self._own:
                with suppress(OSError):  # its buffer is full, or the server has disconnected it, which reading shows
                    self._own[client].send(self._encode_sent(body, client))

    def _receive(self, place: int) -> None:
        for body in self._bodies(place, self._decoders[place]):
            if (topic := self._topics.get(body)) is not None and place in self._missing:
                self._missing[place].discard(topic)
        if place in self._missing and not self._missing[place]:
            del self._missing[place]

    def _bodies(self, place: int, decoder: Decoder) -> list[bytes]:
        """Receive for a client; return the bodies of the messages, all of which are markers."""
        data = self._read(place)
        if data in self._canonical and not decoder.pending:
            return [self._canonical[data]]
        try:
            bodies = bodies_of(decoder.feed(data))
        except ValueError as error:
            client = f"client {self._numbers[place]}"
            raise Violation(f"{client} received bytes that are not of this protocol: {error}") from None
        if any(MARKER not in body for body in bodies):
            raise Violation(f"client {self._numbers[place]} received what no client has sent, before the load began")
        return bodies

    def _read(self, place: int) -> bytes:
        try:
            data = self._sockets[place].recv(READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            raise Violation(f"the server closed the connection of client {self._numbers[place]}, which was reading")
        return data
