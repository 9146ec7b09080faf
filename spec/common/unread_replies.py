"""Clients that send requests and read no reply: what a server keeps for them, and when it lets go of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import psutil

from harness.conformance.api import Client, Growth, Inconclusive, Room, Violation
from spec.common.idle import IDLE_SHARE, LONG_WINDOW_S, least_share
from spec.common.leftovers import must_disconnect

REQUESTED = 384 * 1024 * 1024  # bytes of requests
REQUESTING_CPU_S = 40.0  # of the server: a mutant in Python keeps 200 MB of replies in it, however busy the machine is
REQUESTING_S = 60.0  # of its time, for a server that goes on reading but uses less processor time
REQUESTING_MOST_S = 110.0  # on a busy machine: a case with two of these may take five minutes
GROWN = 64 * 1024 * 1024  # bytes that memory may grow by, and go on growing
RUNAWAY = 512 * 1024 * 1024  # bytes that it may grow by at all: a heap whose garbage is collected late is smaller
MEMORY_SHARE = 0.5  # of the machine's free memory, where that is less
KEPT = 0.1  # bytes for each byte of a request: less than it takes to keep its reply
LOOK_S = 0.03  # between two looks at its memory, at first,
LOOKS = 100  # and so often in the time that has passed: a fast server has read everything within seconds
CHUNK = 16 * 1024
STUCK_S = 3.0  # of the server's time in which it reads nothing more of what a client has sent
ENDING = 10  # clients that close their sending side
ENDING_REQUESTED = 512 * 1024  # bytes of requests: less than kernels buffer, so that all is sent before the FIN
ENDING_S = 40.0  # in which the server could answer what they send; a slow server gets less of it
MEASURED, MEASURED_S = 100, 20.0  # replies, and how long they may take, that show how slow it is
PIECE = 8192  # bytes, of which the server must read one in ENDING_STUCK_S
ENDING_STUCK_S = 15.0
ENDING_LOOK_S = 0.1
AT_ONCE, AT_ONCE_S = 60_000, 10.0  # bytes of requests in one write, and the server's time for them: it may answer late
MOMENT_S = 1.0  # in which a client that reads may take nothing: the text says "within some seconds"
PATIENCE_S = 20.0  # without receiving anything
RESTING, RESTING_BYTES, RESTING_S = 3, 4_000_000, 10.0  # clients that take no replies, and what each sends at most


@dataclass
class RequestFlood:
    """A client sends a request repeatedly, as fast as the server reads it.

    Attributes:
        room: the server.
        sender: the client that sends.
        request: its bytes.
        taken: how many bytes the kernel has accepted so far, in whole chunks.
        ended: is set at the end.
    """

    room: Room
    sender: Client
    request: bytes
    taken: int = 0
    ended: anyio.Event = field(default_factory=anyio.Event)

    def read(self) -> tuple[int, bool]:
        """Return how many bytes the server has read so far, to a chunk, and whether there are more for it to read."""
        unread = self.sender.connection.unread_bytes()
        return max(0, self.taken - (unread or 0)), unread != 0

    async def run(self, total: int, seconds: float, cpu_s: float = math.inf) -> None:
        """Send until the server reads nothing more or disconnects the client, or it is enough.

        Args:
            total: how many bytes are enough.
            seconds: how much of the server's time is enough, in s.
            cpu_s: how much processor time of the server is enough, in s.
        """
        clock, most, since = self.room.clock(), -1, 0.0
        enough_s, latest = self.room.cpu_s() + cpu_s, time.monotonic() + REQUESTING_MOST_S
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send, total)
            while not self.ended.is_set():
                now, (read, has_more) = clock.read(), self.read()
                if read > most or not has_more:  # with nothing to read, it is this process that is late
                    most, since = max(most, read), now
                is_enough = now >= seconds or self.room.cpu_s() >= enough_s or time.monotonic() >= latest
                if is_enough or now - since >= STUCK_S:
                    self.ended.set()
                with anyio.move_on_after(STUCK_S / 6):
                    await self.ended.wait()
            tasks.cancel_scope.cancel()

    async def _send(self, total: int) -> None:
        chunk = self.request * (CHUNK // len(self.request) + 1)
        with suppress(Violation):  # the server may disconnect it, since it does not read
            while self.taken < total:
                await self.sender.send_raw(chunk, as_step=False)
                self.taken += len(chunk)
        self.ended.set()


async def must_bound_replies(room: Room, requests: Iterable[bytes]) -> None:
    """Let a client that reads nothing send each of these requests, again and again; memory must be bounded.

    Args:
        room: the server, without clients.
        requests: each is answered by a reply.

    Raises:
        Violation: memory grows without end, or the others are not served meanwhile.
        Inconclusive: it has grown by all that this machine has.
    """
    alice, bob = await room.join(2)
    most = min(RUNAWAY, MEMORY_SHARE * psutil.virtual_memory().available)
    for request in requests:
        stalled = await room.connect(small=True, joins=False)
        stalled.stall()
        flood, growth = RequestFlood(room, stalled, request), Growth([0], [0])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flood.run, REQUESTED, REQUESTING_S, REQUESTING_CPU_S)
            # On its own: a barrier may take long, with so many requests.
            tasks.start_soon(_watch, room, flood, growth, most)
            while not flood.ended.is_set():
                await room.barrier(alice, [alice, bob], as_step=False)
                await room.barrier(bob, [alice, bob], as_step=False)
            tasks.cancel_scope.cancel()
        if growth.total_bytes > most and most < RUNAWAY:
            raise Inconclusive(f"memory has grown by {growth.total_bytes / 1e6:.0f} MB, and this machine has no more")
        if growth.total_bytes > most or (growth.total_bytes > GROWN and growth.continues(KEPT)):
            raise Violation(
                f"it read {growth.total_count / 1e6:.0f} MB of requests of a client that reads nothing, and memory has "
                f"grown by {growth.total_bytes / 1e6:.0f} MB",
                kind="used",
            )
        await stalled.reset()
    await room.barrier(alice)


async def _watch(room: Room, flood: RequestFlood, growth: Growth, most: float) -> None:
    """Measure memory over what the server reads, and end the flood when it has grown by more than `most` bytes."""
    growth.sizes[0], begun = room.usage().rss_bytes, time.monotonic()
    while growth.total_bytes <= most:
        with anyio.move_on_after(max(LOOK_S, (time.monotonic() - begun) / LOOKS)):
            await flood.ended.wait()
            return
        read, _ = flood.read()
        if read > growth.counts[-1]:
            growth.counts.append(read)
            growth.sizes.append(room.usage().rss_bytes)
        growth.sizes[0] = min(growth.sizes)  # what an earlier client has left behind may be released only now
    flood.ended.set()


async def must_let_go(room: Room, request: bytes) -> None:
    """Let clients that read nothing send requests, and close their sending side; the server must disconnect them.

    A slow server gets fewer requests, so that it can come to the end of them.

    Args:
        room: the server, without clients.
        request: a short one that is answered by a longer reply.

    Raises:
        Violation: the server keeps them.
        Inconclusive: it does not read so much that a FIN can follow.
    """
    alice = await room.join_one()
    before = room.usage()
    count = await _requests_in(room, request, ENDING_S / ENDING)
    total = min(ENDING_REQUESTED, count * len(request))
    ending = [await room.connect(small=True, joins=False) for _ in range(ENDING)]
    are_closed = 0

    async def send_and_end(client: Client) -> None:
        nonlocal are_closed
        client.stall()
        piece = request * (min(PIECE, total) // len(request))
        try:
            for _ in range(total // len(piece)):
                with anyio.fail_after(ENDING_STUCK_S):
                    await client.send_raw(piece, as_step=False)
            await client.close_sending()
            are_closed += 1
        except Violation:  # the server has disconnected it already
            are_closed += 1
        except TimeoutError:
            await client.reset()

    async with anyio.create_task_group() as tasks:
        for client in ending:
            tasks.start_soon(send_and_end, client)
    if not are_closed:
        raise Inconclusive("the server read too little of what was sent for a FIN to follow")
    await until_read(room, ending, ENDING_STUCK_S)
    await must_disconnect(room, alice, before, "clients that read no reply")


async def catch_up(room: Room, client: Client, bystander: Client, request: bytes) -> list[object]:
    """Let a client send a request many times in one write, and read the replies a moment later; return them.

    The replies are more than a server keeps for one client before it stops reading its requests. Nothing follows the
    requests. A slow server gets fewer of them.

    Args:
        room: the room of the clients.
        client: one for which little is buffered.
        bystander: another client, which is served meanwhile.
        request: a short one that is answered by a longer reply.

    Raises:
        Violation: not all replies arrive.
    """
    count = min(AT_ONCE // len(request), await _requests_in(room, request, AT_ONCE_S))
    since = len(client.notes)
    client.stall()
    with room.server_paused():
        await client.send_raw(count * request)
    with anyio.move_on_after(MOMENT_S):
        await room.barrier(bystander, [bystander])
    client.start_reading()
    await wait_until_answered(
        client,
        lambda: len(client.notes) >= since + count,
        lambda: f"{count:,} requests and received {len(client.notes) - since:,} replies",
    )
    return [note.value for note in client.notes[since:]]


async def wait_until_answered(client: Client, has_replies: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait for the replies to a client's requests, for as long as the client receives anything.

    Args:
        client: the client that has sent them.
        has_replies: whether they have arrived.
        what: returns what it has sent and received, for the failure's message.

    Raises:
        Violation: the replies do not arrive.
    """
    has_all = await client.wait_while_receiving(has_replies, PATIENCE_S)
    for fault in client.faults:
        raise Violation(fault.sentence, fault=fault, clients=(client.number,))
    if not has_all:
        how = f"the server closed the connection ({client.closed})" if client.closed else "nothing more arrived"
        raise Violation(
            f"{client} sent {what()}: {how}",
            kind="closed" if client.closed else "silent",
            clients=(client.number,),
        )


async def must_rest(room: Room, request: bytes) -> None:
    """Let some clients send requests and take no replies, until the server reads no more; then it must be idle.

    Args:
        room: the server, without clients.
        request: is answered by a reply.

    Raises:
        Violation: the server uses processor time.
        Inconclusive: it still reads.
    """
    alice = await room.join_one()
    floods = []
    for _ in range(RESTING):
        client = await room.connect(small=True, joins=False)
        client.stall()
        floods.append(RequestFlood(room, client, request))
        await floods[-1].run(RESTING_BYTES, RESTING_S)
    await until_read(room, [flood.sender for flood in floods], STUCK_S)  # kernels hold megabytes of them
    await room.barrier(alice)
    read = [flood.read()[0] for flood in floods]
    share = await least_share(room, IDLE_SHARE, LONG_WINDOW_S)
    if share > IDLE_SHARE and read != [flood.read()[0] for flood in floods]:
        raise Inconclusive("the server still reads what clients send that take no replies")
    if share > IDLE_SHARE:
        raise Violation(
            f"with clients that take no replies, and nothing to do, it uses {share:.0%} of a core", kind="used"
        )


async def _requests_in(room: Room, request: bytes, seconds: float) -> int:
    """Return how many requests the server answers in this time, by a measurement; at least one.

    Args:
        room: the server.
        request: its bytes.
        seconds: of the server's time.
    """
    client, clock = await room.connect(joins=False), room.clock()
    await client.send_raw(request * MEASURED, as_step=False)
    await client.wait_until(lambda: len(client.notes) >= MEASURED, MEASURED_S)
    answered, took_s = len(client.notes), clock.read()
    await client.hang_up()
    return max(1, int(answered * seconds / max(took_s, 1e-6)))


async def until_read(room: Room, clients: Iterable[Client], stuck_s: float) -> None:
    """Wait until the server has read all that these clients have sent, or reads nothing more of it.

    A server that is slow cannot know of a FIN that it has not come to.

    Args:
        room: the server.
        clients: those that have sent.
        stuck_s: of the server's time in which it reads nothing more.
    """
    clock, least, since = room.clock(), math.inf, 0.0
    while unread := sum(client.connection.unread_bytes() or 0 for client in clients):
        now = clock.read()
        if unread < least:
            least, since = unread, now
        if now - since > stuck_s:
            break
        await anyio.sleep(ENDING_LOOK_S)
