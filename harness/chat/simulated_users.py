"""Simulates many users of a server at once (`harness chat --swarm N`) and judges the history of their messages."""

from __future__ import annotations

import resource
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import numpy as np
from anyio.abc import SocketStream, TaskGroup

from harness.addresses import Address
from harness.chat.connection import RECEIVE_BYTES, connect
from harness.codec import Codec, Decoder, Frame
from harness.errors import HarnessError, UsageError
from harness.history.fault import Fault
from harness.history.judge import judge
from harness.history.record import History, MessageNames, MessageRegistry, printable, send_event
from harness.model import Spec

MAX_CLIENTS = 10_000
MAX_DELIVERIES = 25_000_000  # all are kept in memory until the history is judged
SPARE_FILES = 32
CONNECT_BATCH = 64  # clients that connect at the same time; fewer than the listen backlog of any server
MESSAGES_PER_WRITE = 20
RESEND_S = 0.5  # until another message is sent, for clients that have received none yet
JOIN_TIMEOUT_S = 20.0  # without progress while the clients join
SILENCE_S = 5.0  # after this long without a delivery, missing messages count as dropped


@dataclass
class SimulatedUser:
    """A simulated client.

    Attributes:
        number: its number, from 0.
        stream: its connection.
        decoder: cuts what it receives into frames.
        events: its events, as in `harness.history.record`.
        has_received: whether it has received a message, so that it is known to have joined.
        closed: whether the server disconnected it.
    """

    number: int
    stream: SocketStream
    decoder: Decoder
    events: array[int] = field(default_factory=lambda: array("q"))
    has_received: bool = False
    closed: bool = False


@dataclass(frozen=True)
class SwarmOutcome:
    """The result of a simulation.

    Attributes:
        clients: the number of clients.
        messages: the number of messages that all clients sent together.
        joining_s: seconds until every client had connected and received a message.
        deliveries: messages received, summed over the clients.
        expected: what `deliveries` would be without drops.
        seconds: from the first message to the last delivery.
        closed: the number of clients that the server disconnected.
        faults: what makes the history unlawful; empty if it is lawful.
    """

    clients: int
    messages: int
    joining_s: float
    deliveries: int
    expected: int
    seconds: float
    closed: int
    faults: Sequence[Fault]

    @property
    def proves_nothing(self) -> bool:
        """Whether nothing was delivered after the joining, so that there is no verdict."""
        return not (self.faults or self.deliveries)


def check_limits(address: Address, clients: int, messages: int) -> None:
    """Check that a swarm of this size is allowed, and raise the limit of open files if needed.

    Args:
        address: the address of the server; it must be a loopback address.
        clients: the number of clients.
        messages: the number of messages that each client sends.

    Raises:
        UsageError: the address is not local, or this machine cannot hold so many clients or deliveries.
    """
    if not (address.host == "localhost" or address.host == "::1" or address.host.startswith("127.")):
        raise UsageError(f"a swarm connects to loopback addresses only, and {address} is not one")
    deliveries = clients * clients * messages
    if deliveries > MAX_DELIVERIES:
        raise UsageError(
            f"{clients:,} clients with {messages:,} messages each make {deliveries:,} deliveries; "
            f"at most {MAX_DELIVERIES:,} can be judged: take fewer clients or messages"
        )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + SPARE_FILES
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise UsageError(f"{clients:,} clients need {wanted:,} open files; this machine allows {hard:,} (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def run_swarm(spec: Spec, address: Address, clients: int, messages: int) -> SwarmOutcome:
    """Connect the clients, let all of them send, and judge the history of what they received.

    Args:
        spec: the protocol.
        address: the address of the server.
        clients: the number of clients.
        messages: the number of messages that each client sends.

    Raises:
        HarnessError: a client could not connect, or did not receive any message while all joined.
    """
    started = time.monotonic()
    async with anyio.create_task_group() as tasks:
        swarm = SimulatedUsers(spec.codec, address, tasks)
        await swarm.join(clients)
        joined = time.monotonic()
        await swarm.send(messages)
        outcome = SwarmOutcome(
            clients,
            clients * messages,
            joined - started,
            swarm.deliveries,
            clients * clients * messages,
            max(swarm.last_delivery - joined, 0.0),
            sum(user.closed for user in swarm.users),
            swarm.judge(),
        )
        tasks.cancel_scope.cancel()
    return outcome


class SimulatedUsers:
    """Simulated clients of one server, whose events form one history.

    Args:
        codec: the protocol.
        address: the address of the server.
        tasks: the task group in which the clients receive.
    """

    def __init__(self, codec: Codec, address: Address, tasks: TaskGroup) -> None:
        self._codec, self._address, self._tasks = codec, address, tasks
        self._registry = MessageRegistry()
        self._first_counted = 0  # the number of the first message whose deliveries are counted
        self._activity = anyio.Event()
        self._faults: list[Fault] = []
        self.users: list[SimulatedUser] = []
        self._not_joined = 0  # clients that have not received a message yet
        self.deliveries = 0
        self.last_delivery = 0.0

    async def join(self, count: int) -> None:
        """Connect this many clients; return when each has received a message, which proves that it has joined.

        Raises:
            HarnessError: a client could not connect, was disconnected, or received no message.
        """
        for begin in range(0, count, CONNECT_BATCH):
            async with anyio.create_task_group() as tasks:
                for number in range(begin, min(begin + CONNECT_BATCH, count)):
                    tasks.start_soon(self._connect, number)
        self.users.sort(key=lambda user: user.number)
        fewest, fewest_since, attempt = self._not_joined, time.monotonic(), 0
        while self._not_joined:
            # A different sender each time: if the messages of one client do not arrive, the judge decides.
            await self._send_burst(self.users[attempt % count], [f"word {attempt} to all".encode()])
            attempt += 1
            with anyio.move_on_after(RESEND_S):
                while self._not_joined:
                    await self._activity.wait()
            if self._not_joined < fewest:
                fewest, fewest_since = self._not_joined, time.monotonic()
            disconnected = next((user for user in self.users if user.closed), None)
            if disconnected:
                raise HarnessError(f"the server disconnected client {disconnected.number} while all joined")
            if self._not_joined and time.monotonic() - fewest_since > JOIN_TIMEOUT_S:
                raise HarnessError(
                    f"{self._not_joined:,} of {count:,} clients received nothing for {JOIN_TIMEOUT_S:.0f} s"
                )

    async def _connect(self, number: int) -> None:
        try:
            stream = await connect(self._address)
        except OSError as error:
            raise HarnessError(f"client {number}: {error}") from None
        user = SimulatedUser(number, stream, self._codec.reply_decoder())
        self.users.append(user)
        self._not_joined += 1
        self._tasks.start_soon(self._receive, user)
        if greeting := self._codec.encode_join(number):
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # noticed by `_receive`
                await stream.send(greeting)

    async def send(self, count: int) -> None:
        """Let each client send `count` messages; return when all are delivered, or deliveries have stopped."""
        self._first_counted, self.deliveries, self.last_delivery = len(self._registry.bodies), 0, time.monotonic()
        expected = len(self.users) ** 2 * count
        async with anyio.create_task_group() as tasks:
            for user in self.users:
                tasks.start_soon(self._send_all, user, count)
            while self.deliveries < expected:
                with anyio.move_on_after(SILENCE_S) as silence:
                    await self._activity.wait()
                if silence.cancelled_caught:
                    tasks.cancel_scope.cancel()  # the server does not read from clients that still send
                    return

    async def _send_all(self, user: SimulatedUser, count: int) -> None:
        for begin in range(0, count, MESSAGES_PER_WRITE):
            numbers = range(begin, min(begin + MESSAGES_PER_WRITE, count))
            await self._send_burst(user, [f"{user.number}.{number}".encode() for number in numbers])

    async def _send_burst(self, user: SimulatedUser, bodies: Sequence[bytes]) -> None:
        user.events.extend(send_event(self._registry.register(user.number, body)) for body in bodies)
        try:
            await user.stream.send(b"".join(map(self._codec.encode, bodies)))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            user.closed = True

    async def _receive(self, user: SimulatedUser) -> None:
        async with user.stream:
            try:
                while not self._faults:  # after a fault the decoder may be out of step with the stream
                    self._record(user, user.decoder.feed(await user.stream.receive(RECEIVE_BYTES)))
            except ValueError as error:
                self._add_fault(user, "created", f"bytes that are not of this protocol: {error}")
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                user.closed = True

    def _record(self, user: SimulatedUser, frames: Sequence[Frame]) -> None:
        numbers, senders, count = self._registry.numbers, self._registry.senders, 0
        for frame in frames:
            if frame.body is None:
                continue
            number = numbers.get(frame.body)
            if number is None:
                self._add_fault(user, "created", f"{printable(frame.body)}, which no client has sent")
                return
            if frame.sender is not None and frame.sender != self._codec.name(senders[number]):
                self._add_fault(user, "sender name", f"{printable(frame.body)} as sent by {frame.sender!r}")
            self._not_joined -= not user.has_received
            user.has_received = True
            user.events.append(number)
            count += number >= self._first_counted
        if count:
            self.deliveries += count
            self.last_delivery = time.monotonic()
        self._activity.set()
        self._activity = anyio.Event()

    def _add_fault(self, user: SimulatedUser, kind: str, what: str) -> None:
        self._faults.append(Fault(kind, f"client {user.number} received {what}", (user.number,), (), ()))

    def judge(self) -> list[Fault]:
        """Return what makes the history of the clients unlawful; an empty list if it is lawful."""
        history = History(
            events=[np.frombuffer(user.events, np.int64) for user in self.users],
            clients=[user.number for user in self.users],
            senders=self._registry.senders,
            send_counts=self._registry.send_counts,
            names=MessageNames(self._registry),
        )
        return self._faults or judge(history)


def summary(outcome: SwarmOutcome) -> str:
    """Return a few lines of text that describe an outcome."""
    lines = [f"{outcome.clients:,} clients joined in {outcome.joining_s:.2f} s"]
    if outcome.messages:
        rate = f" ({outcome.deliveries / outcome.seconds:,.0f} a second)" if outcome.seconds else ""
        lines.append(
            f"{outcome.messages:,} messages, {outcome.deliveries:,} deliveries in {outcome.seconds:.2f} s{rate}"
        )
        dropped = outcome.expected - outcome.deliveries
        share = f"{dropped / outcome.expected:.2%}"
        lines.append(f"{dropped:,} deliveries ({share}) were dropped" if dropped else "none was dropped")
    if outcome.closed:
        lines.append(f"{outcome.closed:,} clients were disconnected")
    lines += [f"{fault.kind}: {fault.sentence}" for fault in outcome.faults]
    if outcome.proves_nothing:
        lines.append("nothing was delivered after they had joined: this proves nothing")
    else:
        lines.append("not lawful" if outcome.faults else "lawful: one order fits them all")
    return "\n".join(lines)
