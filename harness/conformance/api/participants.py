"""Who comes to a server: its clients, each proven to be in the room, and fences between what they say.

A fence is a message that is heard later: it proves what stood before it, so that nothing here sleeps.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence
from contextlib import suppress

from anyio.abc import TaskGroup

from harness.conformance.api import client as clients
from harness.conformance.api.barrier import fence
from harness.conformance.api.client import Client
from harness.conformance.api.trace import Journal
from harness.errors import Violation
from harness.history.record import Ledger
from harness.model import Spec
from harness.servers.launch import where_instead
from harness.servers.process import Server

DYING_S = 0.2  # between a server's last connection and its end


class Door:
    """The clients of one server, and how they come to it."""

    def __init__(self, spec: Spec, server: Server, tasks: TaskGroup) -> None:
        self.spec, self.server, self._tasks = spec, server, tasks
        self.ledger, self.journal = Ledger(), Journal()
        self.clients: list[Client] = []
        self._connected = 0
        self.may_end = False  # set by cases that end the server themselves

    # --- coming

    async def connect(
        self, *, small: bool = False, joins: bool = True, topics: Sequence[int] = (0,), reads: bool = True
    ) -> Client:
        """Connect one client, which is not known to be in the room yet.

        Args:
            small: for clients that will stall, little is kept on the way to them (see `harness.conformance.api.dial`).
            joins: whether it says at once what it takes to be in the room.
            topics: what it wants to hear, where a client chooses that.
            reads: whether it reads from the start.
        """
        number = self._connected
        self._connected += 1
        greeting = self.spec.codec.join(number, topics) if joins else b""
        self.journal.step("connect", [number], greeting)
        try:
            one = await clients.connect(
                number,
                self.server.address,
                self.spec.codec,
                self.ledger,
                self.journal,
                self._tasks,
                self.server.pid,
                small=small,
            )
        except Violation as refused:
            self.look_dead()
            raise Violation(f"{refused}{where_instead(self.server)}", kind="died") from None
        self.clients.append(one)
        if reads:
            one.start_reading()
        if greeting:
            with suppress(Violation):  # who is not served is told as that, where somebody waits for it
                await one.send_raw(greeting, as_step=False)
        return one

    async def join(self, count: int = 1, *, small: bool = False) -> list[Client]:
        """Connect this many reading clients, each proven to be in the room: it has heard a message.

        Args:
            small: see `connect`.
        """
        # They read when all have come: of a thousand, each may be told of each other one, and that is half a million.
        newcomers = [await self.connect(small=small, reads=False) for _ in range(count)]
        for one in newcomers:
            one.start_reading()
        await self.fence(newcomers[0], newcomers)
        return newcomers

    async def join_one(self, *, small: bool = False) -> Client:
        """Connect one reading client, proven to be in the room."""
        return (await self.join(1, small=small))[0]

    async def join_stalled(self, count: int = 1) -> list[Client]:
        """Connect this many clients that are in the room and then read no more."""
        newcomers = await self.join(count, small=True)
        for one in newcomers:
            one.stall()
        return newcomers

    # --- fences

    async def fence(
        self, speaker: Client | None = None, hearers: Collection[Client] | None = None, *, as_step: bool = True
    ) -> None:
        """Return when every hearer has heard something that the speaker said after the call began.

        By the order of one sender everything the speaker said before has then been delivered or dropped.

        Args:
            speaker: by default the first client that is reading.
            hearers: by default every client that is connected and reading.
            as_step: whether this is a deed of its own for the journal, and not a part of a larger one.

        Raises:
            Violation: a hearer heard nothing for PATIENCE_S, or was disconnected.
        """
        reading = [one for one in self.clients if one.is_reading]
        speaker = speaker or reading[0]
        hearers = reading if hearers is None else hearers
        if as_step:
            self.journal.step("fence", [speaker.number, *(one.number for one in hearers)])
        await fence(self, speaker, hearers)

    async def fence_or_closed(self, speaker: Client, slow: Client) -> None:
        """Return when a client that was slow has heard the speaker again, or has been disconnected for it."""
        try:
            await self.fence(speaker, [slow])
        except Violation:
            self.look_alive()
            if slow.closed is None:
                raise

    # --- dying

    def look_alive(self) -> None:
        """Raise Violation when the server's process has ended."""
        if self.server.status is not None and not self.may_end:
            last_words = self.server.stderr.last_words()
            raise Violation(
                f"the server {self.server.how_it_ended()} in the middle of the case"
                + (f"; its last words: {last_words}" if last_words else ""),
                self.spec.faults["died"],
                kind="died",
            )

    def look_dead(self) -> None:
        """Raise Violation when the server's process has ended, or does so in the next moment."""
        with suppress(subprocess.TimeoutExpired):
            self.server.process.wait(DYING_S)
        self.look_alive()
