"""What clients send in bulk: until all of it has arrived, or as fast as a server takes it."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from functools import reduce
from operator import or_

import anyio

from harness.conformance.api.client import Client
from harness.errors import Violation
from harness.history.record import MessageRegistry, printable
from harness.processes.deadlines import ServerClock

ATTEMPTS = 30  # to get one message through: a server that loses half of all deliveries passes almost surely
MOST_AT_ONCE = 1024  # messages in one write
FLOOD_CHUNK = 65536  # bytes, or a few more
STUCK_S = 2  # without a byte being taken before a flood ends
TRIAL = 20  # messages of each sender, before many more are sent to a server that may be slow
IS_FAST_S = 1.0  # for those
CHATTER_S = 30.0  # for all messages together that a slower server gets


async def deliver(
    sender: Client,
    bodies: Sequence[bytes],
    receivers: Collection[Client],
    *,
    at_once: int,
    messages: MessageRegistry,
    barrier: Callable[[], Awaitable[None]],
) -> int:
    """Send bodies until every receiver has received each of them.

    Args:
        sender: sends them.
        bodies: what is sent; a body that occurs twice must arrive twice.
        receivers: the clients that must receive them.
        at_once: how many messages go out in one write. Where more than half is lost, it is sent again in
            smaller batches, so that a server with a queue of a few messages delivers them all as well.
        messages: the registry of the clients' messages.
        barrier: returns when everything sent so far has been delivered to the receivers, or dropped.

    Returns:
        How many copies were lost.

    Raises:
        Violation: a body never arrives.
    """
    missing = [(client, Counter(bodies)) for client in receivers]
    lost, failures = 0, 0
    while queue := list(reduce(or_, (wanted for _, wanted in missing), Counter[bytes]()).elements()):
        batch = queue[:at_once]
        marks = [len(client.received) for client, _ in missing]
        if failures % 2:  # a server that loses every second copy would lose the same one each time
            await sender.send_next(as_step=False)
        await sender.send(*batch)
        await barrier()
        lost_now, due_now = 0, 0
        for (client, wanted), mark in zip(missing, marks, strict=True):
            received = Counter(messages.bodies[number] for number in client.received[mark:])
            due = Counter(batch) & wanted
            due_now += due.total()
            lost_now += (due - received).total()
            wanted.subtract(due & received)
        lost += lost_now
        if not lost_now:
            failures, at_once = 0, min(2 * at_once, MOST_AT_ONCE)
        elif 2 * lost_now <= due_now:
            failures = 0  # at random, as it seems: what is missing becomes less with each batch
        elif at_once > 1:
            at_once = max(1, at_once // 4)
        else:
            failures += 1
            if failures >= ATTEMPTS:
                client = next(client for client, wanted in missing if wanted[batch[0]] > 0)
                raise Violation(
                    f"{client} never received {printable(batch[0])}, a body of {len(batch[0])} bytes that "
                    f"{sender} sent {failures} times, while messages before and after it arrived",
                    kind="lost",
                    clients=(sender.number, client.number),
                    body=batch[0],
                )
    return lost


def flood_chunk(sender: Client, encode: Callable[[bytes], bytes], size: int) -> bytes:
    """Return messages for one write of a flood; they differ, because a server might keep equal ones only once.

    Args:
        sender: sends them.
        encode: returns the bytes of a message.
        size: bytes of a body; 0 for empty ones.
    """
    chunk = b""
    for place in itertools.count():
        if len(chunk) >= FLOOD_CHUNK:
            break
        chunk += encode(f"flood {sender.number} {place}".encode().ljust(size, b"~") if size else b"")
    return chunk


async def flood(
    sender: Client, chunk: bytes, total: int, *, seconds: float, until: Callable[[], bool], stuck_s: float
) -> int:
    """Send some messages again and again, as fast as the server takes them.

    Args:
        sender: sends them.
        chunk: their bytes, encoded, for one write.
        total: bytes after which the flood ends. It ends earlier when the server takes nothing for `stuck_s`, or has
            disconnected the sender (it may: a client that floods does not keep up with the echo).
        seconds: after which the flood ends.
        until: ends the flood when it returns true.
        stuck_s: how long the server may take nothing.

    Returns:
        How many bytes the server took.
    """
    taken, deadline = 0, time.monotonic() + seconds
    while taken < total and time.monotonic() < deadline and not until():
        with anyio.move_on_after(stuck_s) as patience:
            try:
                await sender.send_raw(chunk)
            except Violation:
                break
            taken += len(chunk)
        if patience.cancelled_caught:
            break
    return taken


async def takes(sender: Client, data: bytes, seconds: float, clock: ServerClock) -> bool:
    """Send bytes as they are; return whether the server took them.

    A kernel takes more only when a good part of its buffer is free, for which a slow reader needs long. So what counts
    is whether the server reads.

    Args:
        sender: the client that sends.
        data: the bytes.
        seconds: how long the server may read nothing.
        clock: of the server.
    """
    sent, since, last = anyio.Event(), clock.read(), -1

    async def send() -> None:
        await sender.send_raw(data, as_step=False)
        sent.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        while clock.read() - since <= seconds:
            with anyio.move_on_after(seconds / 20):
                await sent.wait()
                break
            if (unread := sender.connection.unread_bytes() or 0) != last:
                last, since = unread, clock.read()
        tasks.cancel_scope.cancel()
    return sent.is_set()


async def chatter(senders: Sequence[Client], messages: int, *, burst: int, size: int) -> None:
    """Let all senders send at the same time.

    Args:
        senders: the clients that send.
        messages: how many each of them sends.
        burst: how many messages go out in one write.
        size: bytes of a body, at least.
    """

    async def send(client: Client) -> None:
        for done in range(0, messages, burst):
            bodies = [client.next_body(size) for _ in range(min(burst, messages - done))]
            await client.send(*bodies, as_step=False)

    async with anyio.create_task_group() as tasks:
        for client in senders:
            tasks.start_soon(send, client)


def rounds(count: int, seconds: float, at_least: int = 1) -> Iterator[int]:
    """Count to `count`, but no longer than `seconds`: a slow server need not do as much.

    Args:
        count: how many rounds at most.
        seconds: after which there are no more.
        at_least: how many rounds there are, however long they take.
    """
    deadline = time.monotonic() + seconds
    for number in range(count):
        if time.monotonic() > deadline and number >= at_least:
            return
        yield number
