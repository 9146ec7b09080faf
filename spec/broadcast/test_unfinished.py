"""A message that is finished much later, when many others have passed."""

from __future__ import annotations

import pytest

from harness.conformance.api import Room, Violation
from spec.broadcast.wire import encode

UNFINISHED = 4  # clients that are in the middle of a message
PASSING, PASSING_S = 12 * 1024 * 1024, 6.0  # bytes that pass meanwhile, or fewer to a slow server
ATTEMPTS = 8  # a server that loses half of all deliveries loses all of these to one client once in four billion times


@pytest.mark.slow
@pytest.mark.case(236, "BC-FRAME-2")
async def test_a_message_may_be_finished_after_megabytes_of_others(room: Room) -> None:
    """BC-FRAME-2: However TCP splits the bytes of a message, it is the same message.

    Four clients send the first half of a message, another one twelve megabytes, and then they send the rest.
    """
    alice, *clients = await room.join(1 + UNFINISHED)
    for _ in range(ATTEMPTS):
        bodies = [client.next_body(100) for client in clients]
        for client, body in zip(clients, bodies, strict=True):
            await client.send_raw(encode(body)[:50])
        flooder = await room.join_one()
        await room.flood(flooder, PASSING, seconds=PASSING_S)
        if not flooder.closed:  # it may have been disconnected
            await flooder.reset()
        await room.barrier(alice, [alice, *clients])  # when the others are served again, there is room for the rest
        for client, body in zip(clients, bodies, strict=True):
            await client.send_raw(encode(body)[50:])
            await room.barrier(client, [alice, client])
        if any(room.times_received(alice, body) for body in bodies):
            return
    raise Violation(
        f"a message whose second half comes {PASSING / 1e6:.0f} MB later never arrives: tried {ATTEMPTS} times by "
        f"{UNFINISHED} clients",
        clients=(clients[0].number, alice.number),
    )
