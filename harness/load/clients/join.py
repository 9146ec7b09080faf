"""Finds out who is in the room, before a load: messages of the swarm's own, marks, until everybody has heard one.

A server may drop a mark for somebody, and a client may join after it, so silence is answered by another one.
"""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from harness.codec import Codec, Decoder, bodies_of
from harness.errors import Violation
from harness.load.processes import Ranks
from harness.load.verify.frames import MARK

JOIN_S = 30.0
FIRST_QUIET_S = 0.02  # without a byte, after which the next mark is said; twice as long each time
QUIET_S = 0.5
TOGETHER_ROUNDS = 10
READ = 65536
fresh = itertools.count()  # no mark is said twice: an old one that comes late must not be taken for a new one


class Marks:
    """Says marks and hears them. Where the load has several processes, each knows what the others say.

    Args:
        sockets, numbers: of this process's clients.
        subscriptions: of all.
        spoken: the bytes in which a client of this number says a body.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        numbers: Sequence[int],
        subscriptions: Sequence[tuple[int, ...]],
        codec: Codec,
        spoken: Callable[[bytes, int], bytes],
        ranks: Ranks,
    ) -> None:
        self._sockets, self._numbers, self._subscriptions = sockets, numbers, subscriptions
        self._codec, self._spoken, self._ranks = codec, spoken, ranks
        self._decoders = [codec.replies() for _ in sockets]
        self._places = {one.fileno(): place for place, one in enumerate(sockets)}
        self._speakers = {topic: client for client, topics in enumerate(subscriptions) for topic in topics}
        self._own = dict(zip(numbers, sockets, strict=True))
        self._marks: dict[bytes, int] = {}  # that count, by body, and their topics
        self._usual: dict[bytes, bytes] = {}  # their bodies, by the bytes in which they usually arrive
        self._waiting: dict[int, set[int]] = {}  # clients, and the topics of which they have not heard a mark
        self.are_together = False

    def heard(self, *, together: bool) -> int:
        """Return when all have heard a mark in each of their topics, and how long the last of them took, in ns.

        Args:
            together: go on until all have heard one and the same mark of each topic, and nothing behind it. A server
                that drops so much that this does not come about need not: then `are_together` is False.

        Raises:
            Violation: that does not come about in JOIN_S seconds, or somebody hears what was never said.
        """
        deadline, rounds, quiet_s = time.monotonic() + JOIN_S, 0, FIRST_QUIET_S
        self._wait_for_all()
        said_ns = 0
        with select.epoll() as poll:
            for one in self._sockets:
                one.setblocking(False)
                poll.register(one.fileno(), select.EPOLLIN)
            while waiting := sum(self._ranks.gather(len(self._waiting))):
                if time.monotonic() > deadline:
                    raise Violation(
                        f"{waiting} of {len(self._subscriptions)} clients did not hear, in {JOIN_S:.0f} s, "
                        f"any one of {rounds} messages that were sent to find out who is in the room"
                    )
                self.are_together = together and rounds < TOGETHER_ROUNDS
                if self.are_together:
                    self._wait_for_all()
                said_ns = time.monotonic_ns()
                self._say()
                while self._waiting and (ready := poll.poll(quiet_s)):
                    for descriptor, _ in ready:
                        self._hear(self._places[descriptor])
                rounds, quiet_s = rounds + 1, min(QUIET_S, 2 * quiet_s)
        return time.monotonic_ns() - said_ns

    def _wait_for_all(self) -> None:
        self._marks, self._usual = {}, {}
        self._waiting = {place: set(self._subscriptions[client]) for place, client in enumerate(self._numbers)}

    def _say(self) -> None:
        for topic, client in self._speakers.items():
            body = self._codec.body(MARK + b"%d" % next(fresh), topic)
            self._marks[body] = topic
            self._usual[self._codec.arrives(body, client)] = body
            if client in self._own:
                with suppress(BlockingIOError):
                    self._own[client].send(self._spoken(body, client))

    def _hear(self, place: int) -> None:
        for body in self._bodies(place, self._decoders[place]):
            if (topic := self._marks.get(body)) is not None and place in self._waiting:
                self._waiting[place].discard(topic)
        if place in self._waiting and not self._waiting[place]:
            del self._waiting[place]

    def _bodies(self, place: int, decoder: Decoder) -> list[bytes]:
        """Receive for a client; return the bodies of what has come, all of which are marks of ours."""
        data = self._receive(place)
        if data in self._usual and not decoder.pending:
            return [self._usual[data]]
        try:
            bodies = bodies_of(decoder.feed(data))
        except ValueError as error:
            who = f"client {self._numbers[place]}"
            raise Violation(f"{who} received bytes that are not of this protocol: {error}") from None
        if any(MARK not in body for body in bodies):
            raise Violation(f"client {self._numbers[place]} received what nobody has sent, before the load began")
        return bodies

    def _receive(self, place: int) -> bytes:
        try:
            data = self._sockets[place].recv(READ)
        except BlockingIOError:
            return b""
        except ConnectionError:
            data = b""
        if not data:
            raise Violation(f"the server closed the connection of client {self._numbers[place]}, which was reading")
        return data
