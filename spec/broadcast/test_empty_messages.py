"""Messages without a body: how much memory a server takes for those that nobody reads."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from harness.conformance.api import Room, Violation
from spec.common.backlog_memory import BOUND, MIB, BacklogMemory

FEW, FEW_S = 50, 1.0  # messages, and in how long a server takes them that is not too slow for a flood
OFFERED = 8 * MIB  # bytes, each of which is a message
OFFERED_AT_LEAST = MIB
FILLING = 1_200_000  # bytes of long messages: more than the kernel buffers on the way to a client
STEP, STEP_S = MIB // 4, 2.0  # between two looks at its memory
FLAT = 1.0  # bytes of growth for each message: two clients have at least a byte of each in their backlogs
OFFERING_S = 60.0  # of the server's time


@pytest.mark.slow
@pytest.mark.case(204, "BC-LOAD-2")
async def test_memory_is_bounded_though_messages_are_empty(room: Room, note: Callable[[str], None]) -> None:
    """BC-LOAD-2: A server does not buffer without bound.

    Up to eight million empty messages are offered by a client that reads none of them; another one reads nothing
    either, and more long messages than the kernel buffers wait for both already. A server that needs a second for
    fifty of them is not asked.
    """
    alice = await room.join_one()
    begun = time.monotonic()
    await alice.send(*[b""] * FEW)
    await room.barrier(alice)
    if (took_s := time.monotonic() - begun) > FEW_S:
        note(f"not tried: {FEW} empty messages take {took_s:.1f} s")
        return
    _, sender = await room.join_stalled(2)
    await room.pour(alice, FILLING, size=250, seconds=4)
    await alice.leave()
    growth, clock = BacklogMemory(room.usage().rss_bytes, BOUND + 2 * MIB), room.clock()
    while growth.taken < OFFERED and clock.read() < OFFERING_S and not growth.is_unbounded():
        if growth.taken >= OFFERED_AT_LEAST and growth.slope() < FLAT:
            break
        took = await room.flood(sender, STEP, seconds=STEP_S, size=0)
        if not took:  # it has disconnected the sender, or takes nothing more from it: allowed
            break
        growth.samples.append((growth.taken + took, room.usage().rss_bytes - growth.before))
    note(f"{growth.most / 1e6:.1f} MB for {growth.taken:,} empty messages")
    if growth.is_unbounded():
        raise Violation(
            f"after {growth.taken:,} empty messages were offered to 2 clients that read nothing, memory has grown by "
            f"{growth.most / 1e6:.0f} MB and still grows; the bound is {growth.bound / 1e6:.0f} MB",
            kind="used",
        )
    for client in room.clients:
        if not client.left:
            await client.reset()
    await room.join(2)
