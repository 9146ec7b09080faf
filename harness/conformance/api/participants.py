"""The clients of one server: how they connect, what they record together, and whether their server still runs."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress

from anyio.abc import TaskGroup

from harness.conformance.api.client import Client
from harness.conformance.api.connection import Connection
from harness.conformance.api.dial import dial
from harness.conformance.api.shared import Shared
from harness.conformance.api.trace import Trace
from harness.errors import Violation
from harness.history.record import History, MessageNames, MessageRegistry
from harness.model import Spec
from harness.servers.launch import actual_address_note
from harness.servers.process import Server

DYING_S = 0.2  # between a server's last connection and its end


class Participants:
    """The clients of one server, and the records that they share.

    Attributes:
        clients: all that have connected so far, in the order of their numbers.
        messages: every body that a client has sent.
        trace: what the clients did, and what went over the wire.
        server_may_end: set by cases that end the server themselves.
    """

    def __init__(self, spec: Spec, server: Server, tasks: TaskGroup) -> None:
        self.spec, self.server = spec, server
        self.messages, self.trace = MessageRegistry(), Trace()
        self._shared = Shared(spec.codec, self.messages, self.trace, tasks, server.pid)
        self.clients: list[Client] = []
        self.server_may_end = False
        self._attempts = 0  # to connect; a client that is refused has a number as well

    async def connect(
        self,
        *,
        small: bool,
        joins: bool,
        topics: Sequence[int],
        reads: bool,
        local: tuple[str, int] | None = None,
    ) -> Client:
        """Connect one client.

        Args:
            small: for clients that will stall: little is buffered on the way to them (see `dial`).
            joins: whether it sends at once what the protocol requires of a joining client.
            topics: the topics that it subscribes to, where a client chooses them.
            reads: whether it reads from the start.
            local: the host and port that it connects from; None for any.

        Raises:
            Violation: the server does not accept the connection.
        """
        number = self._attempts
        self._attempts += 1
        greeting = self.spec.codec.encode_join(number, topics) if joins else b""
        self.trace.record_step("connect", [number], greeting)
        try:
            socket = await dial(self.server.address, self.server.pid, small=small, local=local)
        except Violation as refused:
            self.check_not_dying()
            raise Violation(f"{refused}{actual_address_note(self.server)}", kind="died") from None
        self.trace.record_note(number, "connected")
        client = Client(number, Connection(socket), self._shared)
        self.clients.append(client)
        if reads:
            client.start_reading()
        if greeting:
            with suppress(Violation):  # a client that is not served is reported where the case waits for it
                await client.send_raw(greeting, as_step=False)
        return client

    def reading(self) -> list[Client]:
        """Return the clients that are connected and reading."""
        return [client for client in self.clients if client.is_reading]

    def check_alive(self) -> None:
        """Raise Violation when the server's process has ended."""
        if self.server.status is not None and not self.server_may_end:
            last_words = self.server.stderr.last_words()
            raise Violation(
                f"the server {self.server.exit_description()} in the middle of the case"
                + (f"; its last words: {last_words}" if last_words else ""),
                self.spec.faults["died"],
                kind="died",
            )

    def check_not_dying(self) -> None:
        """Raise Violation when the server's process has ended, or ends within the next moment."""
        with suppress(subprocess.TimeoutExpired):
            self.server.process.wait(DYING_S)
        self.check_alive()

    def history(self) -> History:
        """Return what all clients did so far."""
        events: list[list[int]] = [[] for _ in range(self._attempts)]
        for client in self.clients:
            events[client.number] = client.events
        return History(
            events=events,
            clients=range(self._attempts),
            senders=self.messages.senders,
            send_counts=self.messages.send_counts,
            names=MessageNames(self.messages),
            locate=self._where,
        )

    def _where(self, number: int, event: int) -> tuple[int | None, int | None]:
        """Return the byte offset and the time (ns) of a client's event, for `History.where`."""
        client = next(client for client in self.clients if client.number == number)
        times = self.trace.event_times.get(number)
        return client.offsets[event], times.time_of(event) if times else None
