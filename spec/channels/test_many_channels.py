"""More channels than some numbers can count."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest

from harness.conformance.api import Client, Room
from spec.channels.replies import subscribe
from spec.channels.wire import body_of

MANY, MANY_S = 2**16, 40.0  # channels, and the server's time for all of them; a slower server gets fewer
AT_FIRST, AT_ONCE = 500, 2000  # in one write
FIRST, NEXT = 100, 200  # with those that `subscribe` adds, the first and the last ones overlap if numbers have 16 bits


@pytest.mark.slow
@pytest.mark.case(229, "CH-CHANNEL-4", "CH-CHANNEL-5")
async def test_a_client_may_have_more_channels_than_sixteen_bits_count(room: Room, note: Callable[[str], None]) -> None:
    """CH-CHANNEL-4: A client may subscribe to any number of channels, and receives the messages of each.
    CH-CHANNEL-5: A message goes only to clients that have subscribed to its channel.

    One client subscribes to a hundred channels, and then another to 65,536, or as many as a slow server takes. Each
    receives what is sent to its first or last ones, and nothing of the other's.
    """
    alice, bob, carol = await room.join(3)
    first = [f"first {number}" for number in range(FIRST)]
    await subscribe(bob, *first)
    names = await _subscribe_to_many(room, carol)
    note(f"{len(names):,} channels")
    last = list(dict.fromkeys([*names[MANY // 2 - NEXT : MANY // 2], *names[-NEXT:]]))  # signed numbers have 15 bits
    await room.deliver(alice, _bodies(first), [bob])
    await room.deliver(alice, _bodies(last), [carol])
    await room.barrier(alice)
    for client, others in ((bob, last), (carol, first)):
        received = {room.messages.bodies[number] for number in client.received}
        wrong = sorted(received.intersection(_bodies(others)))
        assert not wrong, (
            f"with {len(first) + len(names):,} channels, {client} received {wrong[0].decode()!r}, which was sent to a "
            "channel to which only another client had subscribed"
        )


async def _subscribe_to_many(room: Room, client: Client) -> list[str]:
    """Subscribe to MANY channels, or to fewer where that would take longer than MANY_S; return their names."""
    clock, names = room.clock(), list[str]()
    while not names or (len(names) < MANY and clock.read() * MANY <= MANY_S * len(names)):
        end = min(MANY, len(names) + (AT_ONCE if names else AT_FIRST))
        more = [f"channel {number}" for number in range(len(names), end)]
        await subscribe(client, *more)
        names += more
    return names


def _bodies(names: Collection[str]) -> list[bytes]:
    return [body_of(name, "hi") for name in names]
