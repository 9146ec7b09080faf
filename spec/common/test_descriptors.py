"""Descriptors: none is left, clients are gone before they are accepted, and others get the descriptors of the dead."""

from __future__ import annotations

import itertools
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import pytest

from harness.conformance.api import Room, Start, Violation, few_may_wait
from spec.common.leftovers import LOOK_S, must_release_descriptors, served_or_closed
from spec.common.queues import connect_to_limit

CONNECTING = 60  # clients
LEAVING = 30  # so few that a server with long pauses needs no second one
RECOVER_S = 60.0
STAYING = 3  # clients that keep their descriptors, and leave enough of them, however many each needs
RECOVER_TURNS = 10  # at least, however long they take
ACCEPTING_S = 3.0
SPIN_WINDOWS = 2
SPIN_S, SPIN_SHARE = 1.0, 0.1  # of a core: a server that spins gets more even on a busy machine
PLACES = (12, 13, 14)  # free descriptors: whatever number a client needs, they do not always come out even
QUEUE = 16  # clients that connect
GONE = 24  # clients


@pytest.mark.slow
@pytest.mark.case(72, "LOAD-8")
async def test_without_descriptors_the_server_survives_and_recovers(room: Room) -> None:
    """LOAD-8: A server that has run out of descriptors survives, does not spin, and accepts again when one is free.

    The limit of open files is lowered to twenty above what it uses; sixty clients connect, or as many as its queue
    takes; then all but three leave.
    """
    if reason := few_may_wait(CONNECTING):
        pytest.skip(reason)
    alice, bob = await room.join(2)
    async with _descriptors_left(room, 20) as limit:
        clients = await connect_to_limit(room, CONNECTING, limit)
        await room.barrier(alice, [alice, bob])
        # What a runtime does once, such as to compile, does not count: the quieter half of the time decides.
        spent = min([await _spent(room, SPIN_S) for _ in range(SPIN_WINDOWS)])
        await room.barrier(alice, [alice, bob])
        for client in clients[:-STAYING]:
            await client.hang_up()
        # Until it has noticed that they left it may still turn clients away: allowed, if it ends.
        clock = room.clock()
        for turn in itertools.count(1):
            if turn > RECOVER_TURNS and clock.read() > RECOVER_S:
                break
            joining = await room.connect()
            # Those that stay wait before it: a server may accept some of them, and the rest only after another pause.
            for waiting in (clients[-STAYING:], [joining]):
                await served_or_closed(room, alice, waiting)
            if not joining.closed:
                break
            await anyio.sleep(0.1)
    assert not joining.closed, f"{RECOVER_S:.0f} s after descriptors were free again, it still turns clients away"
    assert spent < SPIN_SHARE * SPIN_S, (
        f"out of descriptors, with nothing to do, it used {spent:.2f} s of processor time in {SPIN_S:.0f} s"
    )


@pytest.mark.slow
@pytest.mark.case(224, "START-14")
async def test_without_descriptors_it_serves_while_nobody_reads_its_standard_error(start: Start) -> None:
    """START-14: A server keeps serving when nothing reads its standard error.

    Its standard error is a full pipe. Then its descriptors run out, of which many servers say something.
    """
    if reason := few_may_wait(CONNECTING):
        pytest.skip(reason)
    room = start.room(await start.server(drain_stderr=False))
    alice, bob = await room.join(2)
    _fill_standard_error(room.server.pid)
    async with _descriptors_left(room, 20) as limit:
        clients = await connect_to_limit(room, CONNECTING, limit)
        await room.barrier(alice, [alice, bob])
        for client in clients:
            await client.hang_up()
        await room.barrier(bob, [alice, bob])


@pytest.mark.slow
@pytest.mark.case(225, "LOAD-8")
async def test_it_has_no_descriptor_when_the_first_clients_leave(start: Start) -> None:
    """LOAD-8: A server that has run out of descriptors survives, does not spin, and accepts again when one is free.

    Two clients of a new server talk. Thirty more connect while it may open twenty descriptors, and leave without a
    word, by RST. What it loads only now, to close a connection, needs a descriptor, too.
    """
    if reason := few_may_wait(LEAVING):
        pytest.skip(reason)
    room = start.room(await start.server())
    await room.chatter(await room.join(2), 10)
    async with _descriptors_left(room, 20) as limit:
        clients = await connect_to_limit(room, LEAVING, limit, joins=False)
        # It may keep some, or turn some away.
        await room.wait_until(lambda: room.usage().descriptors >= limit, ACCEPTING_S)
        for client in clients:
            await client.reset()
        await _must_accept(room)


async def _must_accept(room: Room) -> None:
    """Connect a client, again whenever it is turned away, until it has received a message."""
    clock, client = room.clock(), await room.connect()
    while not client.received:
        if clock.read() > RECOVER_S:
            raise Violation(
                f"{RECOVER_S:.0f} s after descriptors were free again, a new client still receives nothing",
                kind="silent",
                clients=(client.number,),
            )
        if client.closed:
            client = await room.connect()
        with suppress(Violation):  # it has been turned away
            await client.send_next()
        room.check_alive()
        await anyio.sleep(LOOK_S)


def _fill_standard_error(pid: int) -> None:
    """Write to the pipe that is a process's standard error until it takes no more."""
    try:
        pipe = os.open(f"/proc/{pid}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        pytest.skip(f"its standard error cannot be filled here: {error.strerror}")
    for size in (4096, 1):  # what is shorter than PIPE_BUF is written whole or not at all
        with suppress(BlockingIOError):
            while True:
                os.write(pipe, b"\n" * size)
    os.close(pipe)


async def _spent(room: Room, seconds: float) -> float:
    """Return the processor time that a server uses in some seconds, in s."""
    before = room.cpu_s()
    await anyio.sleep(seconds)
    return room.cpu_s() - before


@asynccontextmanager
async def _descriptors_left(room: Room, count: int) -> AsyncIterator[int]:
    """Let the server have so many more descriptors than it uses now, as long as the context lasts; return the limit."""
    if sys.platform != "linux":
        pytest.skip("the limit of another process can be changed on Linux only")
    soft, hard = resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE)
    limit = room.usage().descriptors + count
    resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE, (limit, hard))
    yield limit
    resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.case(85, "LOAD-8")
async def test_without_descriptors_every_client_is_served_or_disconnected_in_the_end(room: Room) -> None:
    """LOAD-8: A server that has run out of descriptors survives, does not spin, and accepts again when one is free.

    Sixteen clients connect to a server that has twelve descriptors left (or thirteen, or fourteen: a client may need
    two or three of them, and then the last client gets only a part). Those that have been served leave, until each one
    has been served or disconnected. At the end no descriptor is missing.
    """
    if reason := few_may_wait(QUEUE):
        pytest.skip(reason)
    alice = await room.join_one()
    before = room.usage()
    for places in PLACES:
        async with _descriptors_left(room, places):
            waiting = [await room.connect() for _ in range(QUEUE)]
            while waiting:
                for client in await served_or_closed(room, alice, waiting):
                    waiting.remove(client)
                    await client.hang_up()
    await must_release_descriptors(
        room, alice, before, f"{QUEUE * len(PLACES)} clients have waited for a descriptor and left"
    )


@pytest.mark.case(86, "COME-1", "COME-6")
async def test_clients_that_are_gone_before_they_are_accepted(room: Room) -> None:
    """COME-1: Clients may come and go without sending a message, and the others are still served.
    COME-6: When clients have left, everything the server held for them is released: descriptors, threads, processes
    and memory.

    The server is stopped (SIGSTOP) while a client connects and leaves, by RST or by FIN, without a byte, with half a
    message or with a whole one. All of them at least are closed, and those who come later are served.
    """
    alice, bob = await room.join(2)
    before = room.usage()
    half = room.encode(b"x" * 100)[:30]
    for turn in range(GONE):
        with room.server_paused():
            client = await room.connect(joins=turn % 2 > 0)  # one at a time: the queue may be short
            if turn % 3 == 1:
                await client.send_raw(half)
            elif turn % 3 == 2:
                await client.send_next()
            await (client.hang_up() if turn % 8 == 7 else client.reset())
        await room.barrier(alice, [alice, bob])
    joining = await room.join_one()
    await room.deliver(joining, [joining.next_body()], [alice, bob, joining])
    await joining.leave()
    await must_release_descriptors(room, alice, before, f"{GONE} clients were gone before they were accepted")


@pytest.mark.case(100, "COME-5")
async def test_a_descriptor_that_is_used_again_at_once_belongs_to_the_new_client(room: Room) -> None:
    """COME-5: A client that dies while the server writes to it, or while its own messages are in transit, harms no
    other client.

    The server finds at the same moment a message, which it forwards to a client that is dead, a client that connects
    and gets its descriptor, and what the dead one has left.
    """
    alice, bob = await room.join(2)
    for _ in range(10):
        victim = await room.join_one()
        with room.server_paused():
            await bob.send_next()
            joining = await room.connect()
            await victim.reset()
        await room.barrier(alice, [alice, bob, joining])
        await room.barrier(joining, [alice, bob, joining])
