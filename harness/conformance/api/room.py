"""A server under test and the clients that a case brings to it.

Nothing here sleeps to find out that something did *not* come: a fence, a message that is sent and heard
later, proves it. Nothing here blames a server for one lost message: what must arrive is sent again, as often
as it takes, and only what never arrives is a fault (see `harness.conformance.api.barrier`).
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import or_

import anyio

from harness.conformance.api.client import Client
from harness.conformance.api.participants import Door
from harness.conformance.api.signatures import signatures
from harness.errors import Violation
from harness.history.judge import judge
from harness.history.record import History, Names, printable
from harness.model import Usage
from harness.servers.resources import usage

ATTEMPTS = 20  # to get one message through: a server that loses half of all deliveries passes nearly surely
FLOOD_CHUNK = 65536
LONG_BODY = 255  # long enough where a protocol has far longer ones
POUR_BATCH = 24_000  # bytes on their way to a client that keeps up; its server need not buffer more


class Room(Door):
    """The clients of one server, in one history."""

    # --- bodies

    def encode(self, body: bytes) -> bytes:
        """Return the bytes that send a body."""
        return self.spec.codec.encode(body)

    @property
    def longest(self) -> int:
        """The length of a long body, in bytes: the longest there is, or LONG_BODY."""
        return min(self.spec.codec.max_body, LONG_BODY)

    # --- saying

    async def deliver(
        self,
        speaker: Client,
        bodies: Sequence[bytes],
        hearers: Collection[Client] | None = None,
        *,
        window: int = 256,
    ) -> int:
        """Send these bodies until every hearer has received each of them; return how many copies were lost.

        `window` messages go out in one write. What was lost is sent again in smaller windows, so that a
        server with a queue of a few messages gets it all through as well.

        Raises:
            Violation: a body never arrives.
        """
        hearers = [one for one in self.clients if one.is_reading] if hearers is None else hearers
        wanted: list[tuple[Client, Counter[bytes]]] = [(one, Counter(bodies)) for one in hearers]
        lost, failures = 0, 0
        while queue := list(reduce(or_, (counter for _, counter in wanted), Counter[bytes]()).elements()):
            batch = queue[:window]
            marks = [len(one.received) for one, _ in wanted]
            await speaker.send(*batch)
            await self.fence(speaker, hearers)
            missed = 0
            for (one, counter), mark in zip(wanted, marks, strict=True):
                came = Counter(self.ledger.bodies[number] for number in one.received[mark:])
                due = Counter(batch) & counter
                missed += (due - came).total()
                counter.subtract(due & came)
            lost += missed
            if not missed:
                failures, window = 0, min(2 * window, 1024)
            elif window > 1:
                window = max(1, window // 4)
            else:
                failures += 1
                if failures >= ATTEMPTS:
                    one = next(one for one, counter in wanted if counter[batch[0]] > 0)
                    raise Violation(
                        f"{one} never received {printable(batch[0])}, a body of {len(batch[0])} bytes that "
                        f"{speaker} sent {failures} times, while messages before and after it arrived",
                        kind="lost",
                        about=(speaker.number, one.number),
                        body=batch[0],
                    )
        return lost

    async def chatter(self, senders: Sequence[Client], messages: int, *, burst: int = 20, size: int = 0) -> None:
        """Let all senders speak at once, each in bursts, and wait until everybody has heard the last of each."""

        async def speak(one: Client) -> None:
            for _ in range(0, messages, burst):
                await one.send(*(one.next_body(size) for _ in range(burst)), as_step=False)

        self.journal.step("chatter", [one.number for one in senders], numbers=(messages, burst, size))

        async with anyio.create_task_group() as tasks:
            for one in senders:
                tasks.start_soon(speak, one)
        for one in senders:
            await self.fence(one)

    async def pour(self, speaker: Client, total: int, *, size: int, seconds: float) -> None:
        """Send `total` bytes of distinct messages, in batches small enough that whoever reads keeps up."""
        batch = max(1, POUR_BATCH // size)
        self.journal.step("pour", [speaker.number], numbers=(total, size))
        for _ in self.rounds(total // (batch * size), seconds):
            await speaker.send(*(speaker.next_body(size) for _ in range(batch)), as_step=False)
            await self.fence(speaker, [speaker], as_step=False)

    async def flood(
        self,
        speaker: Client,
        total: int,
        *,
        seconds: float,
        until: Callable[[], bool] = lambda: False,
        size: int | None = None,
    ) -> int:
        """Send `total` bytes of messages (long ones by default) as fast as they are taken; return how many were.

        Ends early after `seconds`, when the server takes nothing for two seconds, when it has hung up on the
        speaker (it may: whoever floods does not keep up with the echo), or when `until()` says so.
        """
        size = size or self.longest
        chunk = self.spec.codec.encode(f"flood of client {speaker.number} ".encode().ljust(size, b"~"))
        chunk *= FLOOD_CHUNK // len(chunk)
        taken, deadline = 0, time.monotonic() + seconds
        while taken < total and time.monotonic() < deadline and not until():
            with anyio.move_on_after(2) as patience:
                try:
                    await speaker.send_raw(chunk)
                except Violation:
                    break
                taken += len(chunk)
            if patience.cancelled_caught:
                break
        return taken

    def rounds(self, count: int, seconds: float) -> Iterator[int]:
        """Count to `count`, but no longer than `seconds`: a slow server need not do as much as a fast one."""
        deadline = time.monotonic() + seconds
        for number in range(count):
            if time.monotonic() > deadline and number:
                return
            yield number

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Look at something outside this process until it is so; return whether it was within `seconds`."""
        deadline = time.monotonic() + seconds
        while not (so := condition()) and time.monotonic() < deadline:
            await anyio.sleep(0.02)  # what is looked at sets no event of ours
        return so

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the server's processes for the length of the context: what comes meanwhile, it finds all at once."""
        self.journal.step("signal", numbers=[signal.SIGSTOP])
        self.server.signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self.journal.step("signal", numbers=[signal.SIGCONT])
            self.server.signal_all(signal.SIGCONT)

    # --- judging

    def usage(self) -> Usage:
        """Return what the server and all its children use now."""
        self.look_alive()
        return usage(self.server.pid)

    def heard(self, one: Client, body: bytes) -> int:
        """Return how many times a client has received a body."""
        number = self.ledger.numbers.get(body)
        return 0 if number is None else one.received.count(number)

    def judge(self) -> None:
        """Raise Violation when the history so far is none that a lawful server can make, or the server has died."""
        self.look_alive()
        faults = [fault for one in self.clients for fault in one.faults]
        faults += signatures(self.clients, self.ledger)
        faults += judge(self.history())
        if faults:
            first = faults[0]
            raise Violation(first.sentence, self.spec.faults[first.kind], fault=first, about=first.witnesses)

    def history(self) -> History:
        """Return what all clients did so far."""
        events: list[list[int]] = [[] for _ in range(self._connected)]
        for one in self.clients:
            events[one.number] = one.events
        return History(
            events=events,
            clients=range(self._connected),
            senders=self.ledger.senders,
            times_sent=self.ledger.times_sent,
            names=Names(self.ledger),
            where=self._where,
        )

    def _where(self, client: int, event: int) -> tuple[int | None, int | None]:
        """Return the byte offset and the time (ns) of an event, for `History.where`."""
        one = next(one for one in self.clients if one.number == client)
        marks = self.journal.marks.get(client)
        return one.offsets[event], marks.time_of(event) if marks else None
