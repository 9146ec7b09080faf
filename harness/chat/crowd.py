"""A crowd: very many clients in one room that all speak at once, and what came of it, judged."""

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
from harness.chat.link import CHUNK, connect
from harness.codec import Codec, Decoder, Frame
from harness.errors import HarnessError, UsageError
from harness.history.fault import Fault
from harness.history.judge import judge
from harness.history.record import History, Ledger, Names, printable, sent
from harness.model import Spec

MOST_CLIENTS = 10_000
MOST_DELIVERIES = 25_000_000  # all of them are kept until they have been judged
SPARE_FILES = 32
JOINING = 64  # clients that connect at the same time: fewer than any server's backlog
BURST = 20  # messages in one write
AGAIN_S = 0.5  # before it is said again to whoever has not heard yet that it has joined
PATIENCE_S = 20.0  # without any sign of life while all join
SILENCE_S = 5.0  # after which what has not come was dropped


@dataclass
class Member:
    """A client of the crowd; `events` are those of a history."""

    number: int
    stream: SocketStream
    decoder: Decoder
    events: array[int] = field(default_factory=lambda: array("q"))
    has_heard: bool = False
    closed: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        joining_s: until all had connected and heard that they are in the room.
        deliveries, expected: messages heard by somebody, and how many there would be without drops.
        seconds: from the first message to the last delivery.
        closed: clients that the server disconnected.
        faults: what no lawful server does; empty when the history is lawful.
    """

    clients: int
    messages: int
    joining_s: float
    deliveries: int
    expected: int
    seconds: float
    closed: int
    faults: Sequence[Fault]


def look_ahead(address: Address, clients: int, messages: int) -> None:
    """Raise UsageError when so large a crowd may not be, here or at that address; make room for its connections."""
    if not (address.host == "localhost" or address.host == "::1" or address.host.startswith("127.")):
        raise UsageError(f"a swarm goes to loopback addresses only, and {address} is none")
    deliveries = clients * clients * messages
    if deliveries > MOST_DELIVERIES:
        raise UsageError(
            f"{clients:,} clients with {messages:,} messages each make {deliveries:,} deliveries; "
            f"at most {MOST_DELIVERIES:,} can be judged: take fewer clients or messages"
        )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + SPARE_FILES
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise UsageError(f"{clients:,} clients need {wanted:,} open files; this machine allows {hard:,} (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def gather(spec: Spec, address: Address, clients: int, messages: int) -> Outcome:
    """Let so many clients join a server, all send so many messages, and judge what they hear.

    Raises:
        HarnessError: not all could connect, or not all heard that they are in the room.
    """
    begun = time.monotonic()
    async with anyio.create_task_group() as tasks:
        crowd = Crowd(spec.codec, address, tasks)
        await crowd.join(clients)
        joined = time.monotonic()
        await crowd.speak(messages)
        outcome = Outcome(
            clients,
            clients * messages,
            joined - begun,
            crowd.deliveries,
            clients * clients * messages,
            max(crowd.latest - joined, 0.0),
            sum(one.closed for one in crowd.members),
            crowd.judge(),
        )
        tasks.cancel_scope.cancel()
    return outcome


class Crowd:
    """Clients of one server, in one history."""

    def __init__(self, codec: Codec, address: Address, tasks: TaskGroup) -> None:
        self._codec, self._address, self._tasks = codec, address, tasks
        self._ledger = Ledger()
        self._first = 0  # the number of the first message that is counted
        self._news = anyio.Event()
        self._faults: list[Fault] = []
        self.members: list[Member] = []
        self._deaf = 0  # members that have heard nothing yet
        self.deliveries = 0
        self.latest = 0.0

    async def join(self, count: int) -> None:
        """Connect this many clients; return when each has heard something, which shows that it is in the room."""
        for begin in range(0, count, JOINING):
            async with anyio.create_task_group() as tasks:
                for number in range(begin, min(begin + JOINING, count)):
                    tasks.start_soon(self._connect, number)
        self.members.sort(key=lambda one: one.number)
        progress, since, said = self._deaf, time.monotonic(), 0
        while self._deaf:
            # Another one each time: that somebody does not hear itself, or is not heard, is for the judge.
            await self._say(self.members[said % count], [f"word {said} to all".encode()])
            said += 1
            with anyio.move_on_after(AGAIN_S):
                while self._deaf:
                    await self._news.wait()
            if self._deaf < progress:
                progress, since = self._deaf, time.monotonic()
            gone = next((one for one in self.members if one.closed), None)
            if gone:
                raise HarnessError(f"the server disconnected client {gone.number} while all joined")
            if self._deaf and time.monotonic() - since > PATIENCE_S:
                raise HarnessError(f"{self._deaf:,} of {count:,} clients heard nothing for {PATIENCE_S:.0f} s")

    async def _connect(self, number: int) -> None:
        try:
            stream = await connect(self._address)
        except OSError as error:
            raise HarnessError(f"client {number}: {error}") from None
        one = Member(number, stream, self._codec.replies())
        self.members.append(one)
        self._deaf += 1
        self._tasks.start_soon(self._listen, one)
        if greeting := self._codec.join(number):
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # who listens is told
                await stream.send(greeting)

    async def speak(self, count: int) -> None:
        """Let all send so many messages; return when all has been heard, or nothing comes any more."""
        self._first, self.deliveries, self.latest = len(self._ledger.bodies), 0, time.monotonic()
        expected = len(self.members) ** 2 * count
        async with anyio.create_task_group() as tasks:
            for one in self.members:
                tasks.start_soon(self._speak, one, count)
            while self.deliveries < expected:
                with anyio.move_on_after(SILENCE_S) as silence:
                    await self._news.wait()
                if silence.cancelled_caught:
                    tasks.cancel_scope.cancel()  # whoever still sends is not read
                    return

    async def _speak(self, one: Member, count: int) -> None:
        for begin in range(0, count, BURST):
            numbers = range(begin, min(begin + BURST, count))
            await self._say(one, [f"{one.number}.{number}".encode() for number in numbers])

    async def _say(self, one: Member, bodies: Sequence[bytes]) -> None:
        one.events.extend(sent(self._ledger.enter(one.number, body)) for body in bodies)
        try:
            await one.stream.send(b"".join(map(self._codec.encode, bodies)))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            one.closed = True

    async def _listen(self, one: Member) -> None:
        async with one.stream:
            try:
                while not self._faults:  # after the first a stream may be out of step
                    self._take(one, one.decoder.feed(await one.stream.receive(CHUNK)))
            except ValueError as error:
                self._saw(one, "created", f"bytes that are not of this protocol: {error}")
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                one.closed = True

    def _take(self, one: Member, frames: Sequence[Frame]) -> None:
        numbers, senders, count = self._ledger.numbers, self._ledger.senders, 0
        for frame in frames:
            if frame.body is None:
                continue
            number = numbers.get(frame.body)
            if number is None:
                self._saw(one, "created", f"{printable(frame.body)}, which nobody has sent")
                return
            if frame.sender is not None and frame.sender != self._codec.name(senders[number]):
                self._saw(one, "sender name", f"{printable(frame.body)} as said by {frame.sender!r}")
            self._deaf -= not one.has_heard
            one.has_heard = True
            one.events.append(number)
            count += number >= self._first
        if count:
            self.deliveries += count
            self.latest = time.monotonic()
        self._news.set()
        self._news = anyio.Event()

    def _saw(self, one: Member, kind: str, what: str) -> None:
        self._faults.append(Fault(kind, f"client {one.number} received {what}", (one.number,), (), ()))

    def judge(self) -> list[Fault]:
        """Return what no lawful server does."""
        history = History(
            events=[np.frombuffer(one.events, np.int64) for one in self.members],
            clients=[one.number for one in self.members],
            senders=self._ledger.senders,
            times_sent=self._ledger.times_sent,
            names=Names(self._ledger),
        )
        return self._faults or judge(history)


def told(outcome: Outcome) -> str:
    """Return an outcome in words, a few lines."""
    one = outcome
    lines = [f"{one.clients:,} clients joined in {one.joining_s:.2f} s"]
    if one.messages:
        rate = f" ({one.deliveries / one.seconds:,.0f} a second)" if one.seconds else ""
        lines.append(f"{one.messages:,} messages, {one.deliveries:,} deliveries in {one.seconds:.2f} s{rate}")
        lost = one.expected - one.deliveries
        lines.append(f"{lost:,} deliveries ({lost / one.expected:.2%}) were dropped" if lost else "none was dropped")
    if one.closed:
        lines.append(f"{one.closed:,} clients were disconnected")
    lines += [f"{fault.kind}: {fault.sentence}" for fault in one.faults]
    lines.append("not lawful" if one.faults else "lawful: one order fits them all")
    return "\n".join(lines)
