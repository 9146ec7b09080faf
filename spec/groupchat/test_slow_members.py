"""Members that do not read: what the others receive when the server disconnects them, and what is kept for them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import anyio
import psutil
import pytest

from harness.conformance.api import Client, Inconclusive, Room, Violation
from spec.common.backlog_memory import BOUND, MEMORY_SHARE, MIB, BacklogMemory, must_be_bounded
from spec.groupchat.membership import (
    join_frame,
    members_seen_by,
    wait_for,
    wait_until_those_connected_know,
)
from spec.groupchat.one_order import must_have_one_order

BATCHES, BATCH, SIZE = 90, 90, 250  # of texts that one member sends, texts of each, and bytes of a text
LOUD_S, STUCK_S = 8.0, 3.0
STALLED, RESUMING = 200, 3  # members that do not read, and those of them that do in the end
VISITORS = 50  # at a time
OFFERED = 2 * 133  # bytes of a visitor's Joined and Left
FILLING = 512 * 1024  # bytes for each member, of which the kernel holds the first
OFFERING_S = 90.0  # of the server's time
FACTOR = 2  # a server that exceeds the bound may still end growing below so many times the bound


@pytest.mark.slow
@pytest.mark.case(186, "GC-ROOM-2", "GC-ROOM-3")
async def test_after_its_disconnection_no_text_of_a_member_is_received(room: Room) -> None:
    """GC-ROOM-2: A text from another client is never delivered before the Welcome or Joined that names that client, or
    after its Left.
    GC-ROOM-3: Said, Joined and Left have one order, which is the same for all clients.

    A member sends two megabytes, many texts in each write, and reads none of them, until the server disconnects it or
    reads no more. One of the others joined before it, and one after it.
    """
    alice = await room.join_one()
    (loud,) = await room.join_stalled()
    bob = await room.join_one()
    for _ in room.rounds(BATCHES, LOUD_S):
        if not await _is_sent(loud):
            break
        await room.barrier(alice, [alice, bob])
    await room.barrier(bob, [alice, bob])
    for client in (alice, bob):
        members_seen_by(client)
    must_have_one_order([alice, bob])


async def _is_sent(client: Client) -> bool:
    """Send a batch of texts; return whether the server takes it, and has not disconnected the client."""
    with anyio.move_on_after(STUCK_S) as patience, suppress(Violation):
        await client.send(*(client.next_body(SIZE) for _ in range(BATCH)))
    return not (patience.cancelled_caught or client.closed)


@pytest.mark.slow
@pytest.mark.case(188, "GC-LOAD-2", "GC-ROOM-1")
async def test_notices_that_nobody_reads_are_not_kept_without_bound(room: Room, note: Callable[[str], None]) -> None:
    """GC-LOAD-2: A server does not buffer without bound.
    GC-ROOM-1: Welcome and the notices after it show every client who is in the room, and show all clients the same.

    Two hundred members read nothing while thousands come and go under long names, fewer when memory has stopped
    growing. Then three of them read again: they receive all notices, or are disconnected.
    """
    stalled = await room.join_stalled(STALLED)
    alice = await room.join_one()
    growth = BacklogMemory(room.usage().rss_bytes, BOUND + STALLED * MIB)
    allowed = min(FACTOR * growth.bound, MEMORY_SHARE * psutil.virtual_memory().available)
    clock, begun, visitors = room.clock(), len(alice.notes), 0
    while clock.read() < OFFERING_S and growth.most < allowed:
        guests = [await room.connect(joins=False, reads=False) for _ in range(VISITORS)]
        for place, guest in enumerate(guests, visitors):
            await guest.send_raw(join_frame(chr(0x10000 + place) + "🦓" * 31))
            await guest.close_sending()
        visitors += VISITORS
        await wait_for(alice, lambda: len(alice.notes) >= begun + 2 * visitors, f"{2 * visitors} notices")  # noqa: B023
        for guest in guests:
            await guest.hang_up()
        growth.samples.append((visitors * OFFERED * STALLED, room.usage().rss_bytes - growth.before))
        if visitors * OFFERED > FILLING and growth.is_flat(clock.read()):
            break
    note(
        f"{growth.most / 1e6:.1f} MB for the notices of {visitors} visitors, {growth.taken / 1e6:.0f} MB for {STALLED}"
    )
    if growth.runs_away() or growth.goes_on():
        sentence = (
            f"{visitors} have come and gone while {STALLED} members read nothing, and memory has grown by "
            f"{growth.most / 1e6:.0f} MB and still grows; the bound is {growth.bound / 1e6:.0f} MB"
        )
        if growth.most < FACTOR * growth.bound:
            raise Inconclusive(f"{sentence}, and there was no time or memory for more")
        raise Violation(sentence, "GC-LOAD-2", kind="used")
    for client in stalled[:RESUMING]:
        client.start_reading()
        with suppress(Violation):  # it may be disconnected
            await room.barrier_or_closed(alice, client)
    for client in stalled[RESUMING:]:
        await client.reset()
    must_have_one_order(await wait_until_those_connected_know([alice, *stalled[:RESUMING]]))


@pytest.mark.slow
@pytest.mark.case(213, "GC-LOAD-2")
async def test_memory_is_bounded_though_texts_are_long(room: Room, note: Callable[[str], None]) -> None:
    """GC-LOAD-2: A server does not buffer without bound.

    Up to 128 MB of the longest texts are offered while one member reads nothing, fewer to a server that has stopped
    growing.
    """
    await must_be_bounded(room, await room.join_stalled(), note, size=room.spec.codec.max_body)
