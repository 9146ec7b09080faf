"""Members that do not read: what the others receive when the server disconnects them, and what is kept for them."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.membership import members_seen_by, must_have_one_order

BATCHES, BATCH, SIZE = 90, 90, 250  # of texts that one member sends, texts of each, and bytes of a text
LOUD_S, STUCK_S = 8.0, 3.0


@pytest.mark.slow
@pytest.mark.case(186, "GC-ROOM-2", "GC-ROOM-3")
async def test_who_is_disconnected_in_the_middle_of_its_own_texts_is_heard_no_more(room: Room) -> None:
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
