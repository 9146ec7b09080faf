"""Processor time in every state in which a room can be while nothing happens."""

from __future__ import annotations

import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from harness.conformance.api import Client, Room, few_may_wait
from spec.common.idle import IDLE_SHARE, LONG_WINDOW_S, WINDOW_S, least_share
from spec.common.leftovers import served_or_closed
from spec.common.queues import connect_to_limit

REFUSING_SHARE = 0.1  # while clients wait for a descriptor: a server may look now and then whether one is free
SPARE, WAITING = 12, 20  # descriptors, and clients that wait for one
CROWD = 300  # clients, for each of which a server may have a timer


@pytest.mark.slow
@pytest.mark.case(74, "LOAD-10")
async def test_a_server_with_nothing_to_do_uses_no_processor(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-10: A server with nothing to do uses less than 1 % of a core, whatever state its clients are in.

    The states follow each other in one room, and in each of them nothing is sent for a moment: no client yet; silent
    clients, few and many, some in the middle of a message, some that have closed their sending side or sent urgent
    data, some that do not read, have closed their sending side as well, or have caught up again; no descriptor is left,
    and those that waited for one are gone; all have left.
    """
    shares: dict[str, float] = {}
    async for state, limit, window_s in _states(room):
        shares[state] = await least_share(room, limit, window_s)
        assert shares[state] <= limit, (
            f"{state}, and nothing to do: it uses {shares[state]:.0%} of a core in each of several times {window_s} s"
        )
    busiest = max(shares, key=lambda state: shares[state])
    note(f"{shares[busiest]:.1%} of a core when idle, at most ({busiest})")


async def _states(room: Room) -> AsyncIterator[tuple[str, float, float]]:
    """Bring a room from state to state; yield the name of each, the share of a core it allows, and a window in s."""
    yield "before a client has joined", IDLE_SHARE, WINDOW_S

    alice, *others = await room.join(20)
    for turn, client in enumerate(others[:5]):
        await (client.reset() if turn % 2 else client.hang_up())
    await room.barrier(alice)
    yield "with silent clients", IDLE_SHARE, LONG_WINDOW_S

    crowd = await room.join(CROWD)
    yield f"with {CROWD} silent clients", IDLE_SHARE, WINDOW_S
    for client in crowd:
        await client.reset()
    await room.barrier(alice)

    half = room.encode(b"x" * 200)
    await others[5].send_raw(half[:1])
    await others[6].send_raw(half[:100])
    await room.barrier(alice)
    yield "with clients in the middle of a message", IDLE_SHARE, WINDOW_S

    for client in others[7:9]:
        await client.close_sending()
    await others[6].close_sending()
    for _ in range(2):
        stranger = await room.connect(joins=False)
        await stranger.close_sending()
    await room.barrier(alice)
    yield "with clients that have closed their sending side", IDLE_SHARE, WINDOW_S

    urgent = await room.join_one()
    urgent.send_urgent(half[:1])
    await room.barrier(alice)
    yield "with a client that has sent urgent data", IDLE_SHARE, WINDOW_S
    await urgent.reset()  # whether the byte belongs to its stream is up to the server

    stalled = await room.join_stalled(4)
    await room.pour(alice, 1_500_000, size=250, seconds=4)
    yield "with clients that do not read", IDLE_SHARE, WINDOW_S

    for client in stalled[:2]:
        await client.close_sending()
    await room.barrier(alice, [alice])
    yield "with clients that do not read and have closed their sending side", IDLE_SHARE, WINDOW_S

    for client in stalled[2:]:
        client.start_reading()
        await room.barrier_or_closed(alice, client)
    yield "with clients that have caught up", IDLE_SHARE, WINDOW_S

    # The limit of another process can be changed on Linux only, and those that get no descriptor must be able to wait.
    if sys.platform == "linux" and not few_may_wait(SPARE + WAITING):
        async with _without_descriptors(room, alice) as waiting:
            yield "with clients that wait for a descriptor", REFUSING_SHARE, WINDOW_S
            for turn, client in enumerate(waiting):
                await (client.reset() if turn % 2 else client.hang_up())
            await room.barrier(alice, [alice])
        await served_or_closed(room, alice, [await room.connect()])
        yield "after descriptors were short", IDLE_SHARE, WINDOW_S

    for client in room.clients:
        if not client.left:
            await client.reset()
    yield "after the last client has left", IDLE_SHARE, WINDOW_S


@asynccontextmanager
async def _without_descriptors(room: Room, alice: Client) -> AsyncIterator[list[Client]]:
    """Let more clients connect than the server has descriptors for, while the context lasts; yield them."""
    before = resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE)
    limit = room.usage().descriptors + SPARE
    resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    waiting = await connect_to_limit(room, SPARE + WAITING, limit)
    await room.barrier(alice, [alice])
    yield waiting
    resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE, before)
