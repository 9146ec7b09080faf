"""Empty messages: how much memory a server takes for those that nobody reads."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
import pytest

from harness.conformance.api import Inconclusive, Room, Violation
from spec.common.backlog_memory import BOUND, MIB, BacklogMemory

FEW, FEW_S = 50, 1.0  # messages, and in how long a server takes them that is not too slow for a flood
OFFERED_AT_LEAST, OFFERED = MIB // 4, 4 * MIB  # messages
OFFERED_AT_MOST = 4 * OFFERED  # when memory has exceeded the bound: a heap may still become full
FILLING = 1_200_000  # bytes of long messages: more than the kernel buffers on the way to a client
STALLED = 2  # clients
AT_ONCE, STEP = 1024, 16 * 1024  # messages in one write, and between two looks at the server's memory
STUCK_S = 20.0  # without taking those of one write
FLAT = 1.0  # bytes of growth for each message: a backlog has at least a byte of each
OFFERING_S = 60.0  # of the server's time


@pytest.mark.slow
@pytest.mark.case(204, "LOAD-2")
async def test_memory_is_bounded_though_messages_are_empty(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to four million empty messages (sixteen, if memory exceeds the bound) are offered while two clients read nothing,
    for which more long messages than the kernel buffers wait already. A server that needs a second for fifty of them is
    not asked.
    """
    sender = await room.join_one()
    begun = time.monotonic()
    await sender.send(*[b""] * FEW)
    await room.barrier(sender)
    if (took_s := time.monotonic() - begun) > FEW_S:
        note(f"not tried: {FEW} empty messages take {took_s:.1f} s")
        return
    await room.join_stalled(STALLED)
    await room.pour(sender, FILLING, size=250, seconds=4)
    written, offered = room.encode(b"") * AT_ONCE, 0
    is_stuck = False  # it takes nothing more: allowed

    def unread() -> int:
        return (sender.connection.unread_bytes() or 0) * AT_ONCE // len(written)

    growth, clock = BacklogMemory(room.usage().rss_bytes, BOUND + STALLED * MIB), room.clock()

    def is_whole() -> bool:
        offered = OFFERED_AT_MOST if growth.most > growth.bound else OFFERED
        return growth.taken >= offered or growth.runs_away()

    while not is_whole() and clock.read() < OFFERING_S and not is_stuck:
        if growth.taken >= OFFERED_AT_LEAST and growth.slope() < FLAT:
            break
        with anyio.move_on_after(STUCK_S) as patience:
            try:
                await sender.send_raw(written, as_step=False)
            except Violation:  # a server may disconnect a client that does not keep up with its own echo
                sender = await room.join_one()
        if is_stuck := patience.cancelled_caught:
            break
        offered += AT_ONCE
        if offered % STEP == 0:
            # The kernel's buffers hold a million of them; what a server takes between two looks is to be little.
            is_stuck = not await room.wait_until(lambda: unread() < STEP, STUCK_S)
            growth.samples.append((max(growth.taken, offered - unread()), room.usage().rss_bytes - growth.before))
    note(f"{growth.most / 1e6:.1f} MB for {growth.taken:,} empty messages")
    if growth.runs_away() or (is_whole() and growth.goes_on(FLAT)):
        raise Violation(
            f"after {growth.taken:,} empty messages were offered while {STALLED} clients read nothing, memory has "
            f"grown by {growth.most / 1e6:.0f} MB and still grows; the bound is {growth.bound / 1e6:.0f} MB",
            kind="used",
        )
    if not is_stuck and growth.goes_on(FLAT):  # by garbage, as long as a heap is not full
        raise Inconclusive(
            f"memory grew by {growth.most / 1e6:.0f} MB with {growth.taken:,} empty messages, all that the server took "
            f"in {OFFERING_S:.0f} s; the bound is {growth.bound / 1e6:.0f} MB, and so few do not prove that it goes on"
        )
    for client in room.clients:
        if not client.left:
            await client.reset()
    await room.join(2)
