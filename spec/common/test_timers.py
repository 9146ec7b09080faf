"""Timers of a minute and more: what a server does with clients that have been silent for long."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

import anyio
import anyio.to_thread
import pytest

from harness.conformance.api import Address, Client, Room, Start, Violation
from spec.common.leftovers import must_disconnect, must_release_descriptors

LONG_S = 95.0  # longer than the timers of a minute and a half
NOW_AND_THEN_S = 2.0
BACKLOG_S = 45.0  # the kernel's pause between two looks at a client that does not read may be as long then
STALLED = 20  # clients
STALL_S = 110.0  # longer than the kernel's pause between two looks at a client that does not read can be by then
VISITS, TOGETHER = 66_000, 200  # connections, and how many between two looks whether all are served
VISITS_S, VISIT_S = 60.0, 5.0  # for all, and for those together
RESET_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a RST


@pytest.mark.long
@pytest.mark.case(89, "DELIVER-6", "DELIVER-8", "LOAD-3")
async def test_timers_of_up_to_ninety_seconds_harm_no_client(start: Start) -> None:
    """DELIVER-6: A room still works after a period of silence.
    DELIVER-8: A client that reads is served for as long as it stays.
    LOAD-3: A client that was slow and reads again receives whole messages in order, or is disconnected.

    Four servers, for 95 seconds: in one room two clients talk, another has sent a message at first, one is in the
    middle of a message, and one never sends; in one room all are silent, one of them in the middle of a message, and
    one has only connected; in one room there is no client; and in one a client reads nothing for 45 seconds, and then
    everything.
    """
    ways = (_talk, _be_silent, _be_empty, _stall)
    rooms = [start.room(await start.server()) for _ in ways]
    async with anyio.create_task_group() as tasks:
        for room, what in zip(rooms, ways, strict=True):
            tasks.start_soon(what, room)


@pytest.mark.long
@pytest.mark.case(97, "DELIVER-8", "COME-6")
async def test_everybody_is_served_after_sixty_six_thousand_visits(room: Room) -> None:
    """DELIVER-8: A client that reads is served for as long as it stays.
    COME-6: When clients have left, everything the server held for them is released: descriptors, threads, processes
    and memory.

    More clients come and go than 16 bits can count; fewer where the server accepts slowly. Of so many, even one
    in a thousand whose descriptor is not released shows. Another one that joins then is served.
    """
    clients = await room.join(3)
    before = room.usage()
    for _ in room.rounds(VISITS // TOGETHER, seconds=VISITS_S):
        # Not by Client: so many of them are too many for this process.
        is_fast = await anyio.to_thread.run_sync(_visit, room.server.address)
        await room.barrier(clients[0], clients)
        if not is_fast:
            break
    await (await room.join_one()).leave()
    await must_release_descriptors(room, clients[0], before, "very many clients have come and gone")


def _visit(address: Address) -> bool:
    """Connect and disconnect many times; return whether the server accepts as fast as that."""
    ends_at = time.monotonic() + VISIT_S
    for _ in range(TOGETHER):
        if time.monotonic() > ends_at:
            return False
        with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as visit:
            visit.settimeout(VISIT_S)
            visit.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
            try:
                visit.connect((address.host, address.port))
            except OSError:
                return False
    return True


async def _talk(room: Room) -> None:
    alice, bob, early, half, silent = await room.join(5)
    first, rest = await _begin_a_message(room, half)
    ends_at = time.monotonic() + LONG_S
    while time.monotonic() < ends_at:
        await room.barrier((alice, bob)[int(time.monotonic() / 10) % 2], as_step=False)
        await anyio.sleep(NOW_AND_THEN_S)
    del first
    await half.send_raw(rest)
    for sender in (early, half, silent, alice):
        await room.barrier(sender)


async def _be_silent(room: Room) -> None:
    alice, bob, half = await room.join(3)
    _, rest = await _begin_a_message(room, half)
    new = await room.connect()  # nothing has ever been delivered to it
    await anyio.sleep(LONG_S)
    await half.send_raw(rest)
    for sender in (new, alice, half, bob):
        await room.barrier(sender)


async def _be_empty(room: Room) -> None:
    await (await room.join_one()).leave()
    await anyio.sleep(LONG_S)
    await room.join(2)


async def _stall(room: Room) -> None:
    (slow,), alice = await room.join_stalled(), await room.join_one()
    await room.pour(alice, 1_200_000, size=250, seconds=10)
    await anyio.sleep(BACKLOG_S)
    slow.start_reading()
    for _ in range(2):
        await room.barrier_or_closed(alice, slow)
        await room.pour(alice, 100_000, size=250, seconds=4)


async def _begin_a_message(room: Room, client: Client) -> tuple[bytes, bytes]:
    """Let a client that has sent something send the first half of a message; return both halves."""
    await room.barrier(client)
    whole = room.encode(client.next_body(30))
    await client.send_raw(whole[:9])
    return whole[:9], whole[9:]


@pytest.mark.long
@pytest.mark.case(90, "COME-9")
async def test_a_client_that_half_closes_and_never_reads_is_disconnected(room: Room) -> None:
    """COME-9: A client that has closed its sending side and reads nothing is disconnected within 60 seconds.

    Twenty clients do not read until the server has a backlog for each; half of them close their sending side before
    that, and half of them then. The others go on sending. The descriptors must be released.
    """
    alice = await room.join_one()
    before = room.usage()
    stalled = await room.join_stalled(STALLED)
    for client in stalled[::2]:
        await client.close_sending()
    await room.pour(alice, 1_500_000, size=250, seconds=10)
    for client in stalled[1::2]:
        await client.close_sending()
    await must_disconnect(room, alice, before, "clients that do not read")


@pytest.mark.long
@pytest.mark.case(206, "COME-9")
async def test_a_client_that_half_closes_after_a_long_stall_is_disconnected(room: Room) -> None:
    """COME-9: A client that has closed its sending side and reads nothing is disconnected within 60 seconds.

    Twenty clients do not read until the server has a backlog for each. Nearly two minutes later, in which nobody sends
    anything, they close their sending side. A timeout of the kernel that a server sets only then is looked at up to
    two minutes later still.
    """
    alice = await room.join_one()
    before = room.usage()
    stalled = await room.join_stalled(STALLED)
    await room.pour(alice, 1_500_000, size=250, seconds=10)
    await anyio.sleep(STALL_S)
    for client in stalled:
        with suppress(Violation):  # a client that does not read may have been disconnected
            await client.close_sending()
    await must_disconnect(room, alice, before, "clients that had not read for two minutes")
