"""Overload specific to channels: a slow subscriber beside other channels, and replies that are not read."""

from __future__ import annotations

import time

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.channels.replies import encode_lines, subscribe
from spec.channels.wire import Send, Subscribe, body_of

POURED = 6_000_000  # bytes that fill every buffer on the way to a client that does not read
REQUESTED = 96 * 1024 * 1024  # bytes of requests
REQUESTED_BOUND = 64 * 1024 * 1024  # bytes of growth
CHUNK = 65536
STUCK_S = 2.0  # without reading anything more from a client


async def _flood(sender: Client, line: bytes, total: int, seconds: float) -> int:
    """Send a line repeatedly, as fast as the server reads it; return how many bytes it read."""
    chunk, taken, deadline = line * (CHUNK // len(line) + 1), 0, time.monotonic() + seconds
    while taken < total and time.monotonic() < deadline:
        with anyio.move_on_after(STUCK_S) as patience:
            try:
                await sender.send_raw(chunk, as_step=False)
            except Violation:  # the server may disconnect it, since it does not read
                return taken
            taken += len(chunk)
        if patience.cancelled_caught:
            return taken
    return taken


@pytest.mark.slow
@pytest.mark.case(151, "CH-LOAD-1")
async def test_a_slow_subscriber_holds_up_no_channel(room: Room) -> None:
    """CH-LOAD-1: A client that does not read, or reads slowly, does not stop the other clients.

    Two clients do not read a channel to which more is sent than any kernel buffers; the others receive each other's
    messages in that channel and in others.
    """
    alice, bob, carol = await room.join(3)
    for client in (alice, bob):
        await subscribe(client, "busy")
    await subscribe(carol, "quiet")
    for _ in range(2):
        stalled = await room.connect(small=True, joins=False)
        await subscribe(stalled, "busy")
        stalled.stall()
    flooder = await room.connect(joins=False)
    await _flood(flooder, encode_lines(Send("busy", "~" * 1000)), POURED, 8)
    for _ in range(3):
        await room.deliver(alice, [body_of("busy", alice.next_body().decode())], [alice, bob])
        await room.deliver(bob, [body_of("quiet", bob.next_body().decode())], [carol])
        await room.barrier(carol, [alice, bob, carol])


@pytest.mark.slow
@pytest.mark.case(152, "CH-LOAD-2", "CH-LOAD-4")
async def test_replies_that_nobody_takes_are_not_kept_without_bound(room: Room) -> None:
    """CH-LOAD-2: A server does not buffer without bound.
    CH-LOAD-4: A sender that never reads harms no other client.

    A client sends requests with long answers, and then invalid requests, some 100 MB of each or as much as the server
    reads, and reads no answer.
    """
    alice, bob = await room.join(2)
    before = room.usage().rss_bytes
    for request in (encode_lines(Subscribe("long " * 1000)), b"nonsense " * 20 + b"\n"):
        stalled = await room.connect(small=True, joins=False)
        stalled.stall()
        taken = 0
        async with anyio.create_task_group() as tasks:

            async def flood(stalled: Client = stalled, request: bytes = request) -> None:
                nonlocal taken
                taken = await _flood(stalled, request, REQUESTED, 6)

            tasks.start_soon(flood)
            for _ in room.rounds(10, seconds=4):
                await room.barrier(alice, [alice, bob])
                await room.barrier(bob, [alice, bob])
        grown = room.usage().rss_bytes - before
        if grown > REQUESTED_BOUND:
            raise Violation(
                f"a client that reads nothing sent {taken / 1e6:.0f} MB of requests, and memory has grown by "
                f"{grown / 1e6:.0f} MB",
                kind="used",
            )
        await stalled.reset()
    await room.barrier(alice)
