"""Clients that leave before they have joined, or before they have read what the server has for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import anyio
import pytest

from harness.conformance.api import Room, Violation
from spec.common.leftovers import must_release_descriptors
from spec.common.queues import connect_many
from spec.common.visits import must_stop_growing

BOUND = 200.0  # bytes of memory a connection: less than it takes to remember one
CONNECTING_S = 0.1  # for a client, before the queue counts as full
MOST_S = 5.0  # for the clients of a step, where the queue is short
QUICK_S, BURST, BODY_SIZE = 0.1, 16, 50  # a burst that is received within this time is doubled, up to so many messages
STALLED = 20  # clients
CATCHING_UP_S = 1.0  # without a byte


@pytest.mark.slow
@pytest.mark.case(226, "COME-6")
async def test_clients_that_leave_before_they_have_joined_leave_nothing_behind(
    room: Room, note: Callable[[str], None]
) -> None:
    """COME-6: When clients have left, everything the server held for them is released: descriptors, threads,
    processes and memory.

    The server is stopped (SIGSTOP) while one client sends many messages, to a slow server fewer, and some others
    connect and leave; again and again. It finds all of that at once: who leaves may be overtaken by what lets it join.
    """
    alice, burst = await room.join_one(), 1

    async def visit(count: int) -> int:
        nonlocal burst
        begun, visited = time.monotonic(), 0
        while visited < count and time.monotonic() < begun + MOST_S:
            with room.server_paused():
                await alice.send(*(alice.next_body(BODY_SIZE) for _ in range(burst)), as_step=False)
                visitors = await connect_many(room, count - visited, lambda: True, queued_s=CONNECTING_S)
                for turn, client in enumerate(visitors):
                    await (client.reset() if turn % 2 else client.hang_up())
            visited += len(visitors)
            if visited < count:
                await anyio.sleep(CONNECTING_S)  # for the server to accept them
        await room.barrier(alice)
        if time.monotonic() - begun < QUICK_S:
            burst = min(2 * burst, BURST)
        return visited

    await must_stop_growing(room, alice, visit, BOUND, "a client that left at once", note)


@pytest.mark.slow
@pytest.mark.case(227, "LOAD-3", "COME-8")
async def test_clients_that_end_with_a_backlog_catch_up_or_die(room: Room) -> None:
    """LOAD-3: A client that was slow and reads again receives whole messages in order, or is disconnected.
    COME-8: A server closes its side of a connection after the client has closed the connection.

    Twenty clients do not read until the server has a backlog for each, and close their sending side. Then half of them
    leave by RST; the others read on, while more is sent, until nothing comes any more, and leave. The descriptors must
    be released.
    """
    alice = await room.join_one()
    before = room.usage()
    stalled = await room.join_stalled(STALLED)
    await room.pour(alice, 1_500_000, size=250, seconds=10)
    for client in stalled:
        with suppress(Violation):  # a client that does not read may have been disconnected
            await client.close_sending()
    await room.barrier(alice, [alice])
    for client in stalled[::2]:
        await client.reset()
    for client in stalled[1::2]:
        client.start_reading()
    await room.pour(alice, 100_000, size=250, seconds=4)
    async with anyio.create_task_group() as tasks:
        for client in stalled[1::2]:
            tasks.start_soon(client.wait_while_receiving, lambda: False, CATCHING_UP_S)
    for client in stalled[1::2]:
        await client.hang_up()
    await must_release_descriptors(room, alice, before, f"{STALLED} clients have left that had not read everything")
