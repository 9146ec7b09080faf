"""A server under test and the clients that a case connects to it.

Nothing here sleeps to find out that something did *not* arrive: a barrier proves it, by a message that is sent and
received later. Nothing here blames a server for one lost message: what must arrive is sent again, as often as
necessary, and only what never arrives is a fault.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import anyio
from anyio.abc import TaskGroup

from harness.conformance.api import barrier, sender_names, traffic
from harness.conformance.api.client import Client
from harness.conformance.api.participants import Participants
from harness.errors import Violation
from harness.history.judge import judge
from harness.model import Spec, Usage
from harness.processes.deadlines import ServerClock
from harness.servers.process import Server
from harness.servers.resources import Unreadable, process_cpu_s, usage

LONG_BODY = 255  # long enough where a protocol has far longer ones
POUR_BATCH = 24_000  # bytes on their way to a client that keeps up; its server need not buffer more


class Room:
    """One server and its clients, whose history is judged as a whole.

    Attributes:
        spec: the spec whose protocol they speak.
        server: the server's process.
        clients: all that have connected so far, in the order of their numbers.
        messages: the bodies of all messages that a client has sent, by their numbers.
        trace: what the clients did, and what went over the wire.
    """

    def __init__(self, spec: Spec, server: Server, tasks: TaskGroup) -> None:
        self.spec, self.server = spec, server
        self._participants = Participants(spec, server, tasks)
        self.clients: Sequence[Client] = self._participants.clients
        self.messages, self.trace = self._participants.messages, self._participants.trace
        self._is_fast = False  # not known

    # --- connecting

    async def connect(
        self,
        *,
        small: bool = False,
        joins: bool = True,
        topics: Sequence[int] = (0,),
        reads: bool = True,
        local: tuple[str, int] | None = None,
    ) -> Client:
        """Connect one client, which is not known to be in the room yet.

        Args:
            small: for clients that will stall: little is buffered on the way to them.
            joins: whether it sends at once what the protocol requires of a joining client.
            topics: the topics that it subscribes to, where a client chooses them.
            reads: whether it reads from the start.
            local: the host and port that it connects from; None for any.

        Raises:
            Violation: the server does not accept the connection.
        """
        return await self._participants.connect(small=small, joins=joins, topics=topics, reads=reads, local=local)

    async def join(self, count: int = 1, *, small: bool = False) -> list[Client]:
        """Connect clients that read, and wait until each has received a message, which proves that it is in the room.

        Args:
            count: how many.
            small: see `connect`.
        """
        # They read when all have connected: of a thousand, each may be notified of every other, half a million times.
        clients = [await self.connect(small=small, reads=False) for _ in range(count)]
        for client in clients:
            client.start_reading()
        await self.barrier(clients[0], clients)
        return clients

    async def join_one(self, *, small: bool = False) -> Client:
        """Connect one client as `join` does."""
        return (await self.join(1, small=small))[0]

    async def join_stalled(self, count: int = 1) -> list[Client]:
        """Connect clients that are in the room and then stop reading."""
        clients = await self.join(count, small=True)
        for client in clients:
            client.stall()
        return clients

    # --- barriers

    async def barrier(
        self, sender: Client | None = None, receivers: Collection[Client] | None = None, *, as_step: bool = True
    ) -> None:
        """Return when every receiver has received something that the sender sent after the call began.

        By the order of one sender, everything the sender sent before has then been delivered or dropped.

        Args:
            sender: by default the first client that is reading.
            receivers: by default every client that is connected and reading.
            as_step: whether this is a step of its own in the trace, and not a part of a larger one.

        Raises:
            Violation: a receiver received nothing for `barrier.PATIENCE_S`, or was disconnected.
        """
        reading = self._participants.reading()
        sender = sender or reading[0]
        receivers = reading if receivers is None else receivers
        if as_step:
            self.trace.record_step("barrier", [sender.number, *(client.number for client in receivers)])
        await barrier.barrier(self._participants, sender, receivers)

    async def barriers(self, senders: Collection[Client], receivers: Collection[Client] | None = None) -> None:
        """Hold a barrier from each of the senders, all at the same time: a server that answers late is asked once.

        Args:
            senders: the clients that send.
            receivers: by default every client that is connected and reading.

        Raises:
            ExceptionGroup: of what `barrier` raises.
        """
        async with anyio.create_task_group() as tasks:
            for sender in senders:
                tasks.start_soon(self.barrier, sender, receivers)

    async def barrier_or_closed(self, sender: Client, slow: Client) -> None:
        """Return when a slow client has received from the sender again, or has been disconnected for being slow."""
        try:
            await self.barrier(sender, [slow])
        except Violation:
            self.check_alive()
            if slow.closed is None:
                raise

    # --- sending

    def encode(self, body: bytes) -> bytes:
        """Return the bytes that send a body."""
        return self.spec.codec.encode(body)

    @property
    def longest(self) -> int:
        """The length of a long body, in bytes: the longest there is, or LONG_BODY."""
        return min(self.spec.codec.max_body, LONG_BODY)

    async def deliver(
        self,
        sender: Client,
        bodies: Sequence[bytes],
        receivers: Collection[Client] | None = None,
        *,
        at_once: int = 256,
    ) -> int:
        """Send bodies until every receiver has received each of them; return how many copies were lost.

        Args:
            sender: sends them.
            bodies: what is sent; a body that occurs twice must arrive twice.
            receivers: by default every client that is connected and reading.
            at_once: how many messages go out in one write; fewer when some were lost.

        Raises:
            Violation: a body never arrives.
        """
        chosen = self._participants.reading() if receivers is None else receivers

        async def settle() -> None:
            await self.barrier(sender, chosen)

        return await traffic.deliver(sender, bodies, chosen, at_once=at_once, messages=self.messages, barrier=settle)

    async def chatter(self, senders: Sequence[Client], messages: int, *, burst: int = 20, size: int = 0) -> int:
        """Let all senders send at once; when every client has the last message of each, return how many each has sent.

        Args:
            senders: the clients that send.
            messages: how many each of them sends; fewer to a server that needs half a minute for them.
            burst: how many messages go out in one write.
            size: bytes of a body, at least.
        """
        self.trace.record_step("chatter", [client.number for client in senders], numbers=(messages, burst, size))
        tried = 0
        if messages > traffic.TRIAL and not self._is_fast:
            clock, few, tried = self.clock(), min(burst, traffic.TRIAL), traffic.TRIAL
            await traffic.chatter(senders, tried, burst=few, size=size)
            await self.barriers(senders)
            self._is_fast = (took_s := max(0.01, clock.read())) < traffic.IS_FAST_S
            messages = min(messages, int(tried * traffic.CHATTER_S / took_s))
        await traffic.chatter(senders, messages, burst=min(burst, max(1, messages)), size=size)
        await self.barriers(senders)
        return tried + messages

    async def pour(self, sender: Client, total: int, *, size: int, seconds: float) -> None:
        """Send distinct messages in batches small enough that every client that reads keeps up.

        Args:
            sender: sends them, and waits for its own copies.
            total: bytes of bodies.
            size: bytes of a body.
            seconds: after which it ends early.
        """
        batch = max(1, POUR_BATCH // size)
        self.trace.record_step("pour", [sender.number], numbers=(total, size))
        for _ in self.rounds(total // (batch * size), seconds):
            await sender.send(*(sender.next_body(size) for _ in range(batch)), as_step=False)
            await self.barrier(sender, [sender], as_step=False)

    async def flood(
        self,
        sender: Client,
        total: int,
        *,
        seconds: float,
        until: Callable[[], bool] = lambda: False,
        size: int | None = None,
        stuck_s: float | None = None,
    ) -> int:
        """Send some messages again and again, as fast as the server takes them; return how many bytes it took.

        Ends early when the server takes nothing for some seconds, or has disconnected the sender.

        Args:
            sender: sends them.
            total: bytes after which the flood ends.
            seconds: after which the flood ends.
            until: ends the flood when it returns true.
            size: bytes of the body, none or at least some twenty; by default a long one.
            stuck_s: how long the server may take nothing; by default `traffic.STUCK_S`.
        """
        chunk = traffic.flood_chunk(sender, self.encode, self.longest if size is None else size)
        stuck_s = traffic.STUCK_S if stuck_s is None else stuck_s
        return await traffic.flood(sender, chunk, total, seconds=seconds, until=until, stuck_s=stuck_s)

    async def takes(self, sender: Client, data: bytes, seconds: float) -> bool:
        """Send bytes as they are; return whether the server took them.

        Args:
            sender: the client that sends.
            data: the bytes.
            seconds: how long the server may read nothing; time in which it waits for a processor does not count.
        """
        return await traffic.takes(sender, data, seconds, self.clock())

    def rounds(self, count: int, seconds: float, at_least: int = 1) -> Iterator[int]:
        """Count to `count`, but no longer than `seconds`: a slow server need not do as much as a fast one.

        Args:
            count: how many rounds at most.
            seconds: after which there are no more.
            at_least: how many rounds there are, however long they take.
        """
        return traffic.rounds(count, seconds, at_least)

    # --- the server's process

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Poll something outside this process until it is true; return whether it was within `seconds`."""
        deadline = time.monotonic() + seconds
        while not (is_true := condition()) and time.monotonic() < deadline:
            await anyio.sleep(0.02)  # what is polled sets no event of ours
        return is_true

    @contextmanager
    def server_paused(self) -> Iterator[None]:
        """Stop the server's processes (SIGSTOP) for the length of the context; it then finds all input at once."""
        self.trace.record_step("signal", numbers=[signal.SIGSTOP])
        self.server.signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self.trace.record_step("signal", numbers=[signal.SIGCONT])
            self.server.signal_all(signal.SIGCONT)

    def usage(self) -> Usage:
        """Return what the server and all its children use now.

        Raises:
            Violation: the server has ended.
            Unreadable: this user may not see it.
        """
        self.check_alive()
        used = usage(self.server.pid)
        if not used.processes:
            self.check_alive()
            raise Unreadable  # it is there, and hidden (the mount option hidepid of /proc)
        return used

    def cpu_s(self) -> float:
        """Return the processor time that the server and its children have used so far, in s, to the nanosecond."""
        self.check_alive()
        return process_cpu_s(self.server.pid)

    def clock(self) -> ServerClock:
        """Return a clock that does not count the time in which the server waits for a processor."""
        return ServerClock(self.server.pid)

    def expect_end(self) -> None:
        """Let the server end from now on: the case ends it."""
        self._participants.server_may_end = True

    def check_alive(self) -> None:
        """Raise Violation when the server's process has ended."""
        self._participants.check_alive()

    def check_not_dying(self) -> None:
        """Raise Violation when the server's process has ended, or ends within the next moment."""
        self._participants.check_not_dying()

    # --- judging

    def times_received(self, client: Client, body: bytes) -> int:
        """Return how many times a client has received a body."""
        number = self.messages.numbers.get(body)
        return 0 if number is None else client.received.count(number)

    def judge(self) -> None:
        """Raise Violation when no conforming server can have produced the history so far, or the server has ended."""
        self.check_alive()
        faults = [fault for client in self.clients for fault in client.faults]
        faults += sender_names.wrong_names(self.clients, self.messages)
        faults += judge(self._participants.history())
        if faults:
            first = faults[0]
            raise Violation(first.sentence, self.spec.faults[first.kind], fault=first, clients=first.witnesses)
