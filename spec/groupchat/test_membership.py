"""Membership: all clients agree on who is in the room, and notices and texts have one order."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.membership import (
    ANSWER_S,
    connect_guest,
    join_as,
    join_frame,
    members_seen_by,
    names_of,
    notices,
    wait_for,
    wait_for_notice,
    wait_until_all_know,
    wait_until_those_connected_know,
)
from spec.groupchat.messages import Joined, Left
from spec.groupchat.one_order import must_have_one_order

VISITORS, CROWD = 200, 550  # clients
AHEAD = 20  # visitors, before the server must have dealt with them
POURED = 2_000_000  # bytes: more than any server buffers for a client that does not read


@pytest.mark.case(161, "GC-ROOM-1")
async def test_everybody_knows_who_is_there_while_many_come_and_go(room: Room) -> None:
    """GC-ROOM-1: Welcome and the notices after it show every client who is in the room, and show all clients the same.

    Clients constantly come and go, in every way, and some come to stay; at the end all of these know the same.
    """
    stay = await room.join(3)
    over = anyio.Event()

    async def churn(leave: Callable[[Client], object]) -> None:
        while not over.is_set():
            visitor = await room.connect()
            await visitor.send_next()
            await anyio.sleep(0.002)
            await leave(visitor)  # type: ignore[misc]
            if visitor.number % AHEAD == 0:  # a slow server must not lag behind for minutes
                await room.barrier(stay[0], stay[:1])

    async with anyio.create_task_group() as tasks:
        for leave in (Client.hang_up, Client.reset, Client.hang_up, Client.reset):
            tasks.start_soon(churn, leave)
        for _ in room.rounds(12, seconds=4):
            stay.append(await room.join_one())
            await room.chatter(stay[:2], 20, burst=5)
        over.set()
    await wait_until_all_know(stay, names_of(stay))
    await room.barrier(stay[0], stay)
    must_have_one_order(stay)


@pytest.mark.case(162, "GC-ROOM-2")
async def test_no_text_is_received_before_joined_or_after_left(room: Room) -> None:
    """GC-ROOM-2: A text from another client is never delivered before the Welcome or Joined that names that client, or
    after its Left.

    Join, three texts and a FIN in one write, and in several; then Join and a text from eight clients, which the server
    finds all at the same moment.
    """
    alice, bob = await room.join(2)
    for turn in range(60):
        visitor = await connect_guest(room)
        bodies = [visitor.next_body() for _ in range(3)]
        frames = [room.spec.codec.encode_join(visitor.number), *map(room.encode, bodies)]
        for data in [b"".join(frames)] if turn % 2 else frames:
            await visitor.send_raw(data)
        await (visitor.leave if turn % 3 else visitor.close_sending)()
        await wait_for_notice(alice, Left(visitor.name or ""))
    for _ in room.rounds(15, seconds=3):
        visitors = [await connect_guest(room) for _ in range(8)]
        with room.server_paused():
            for client in visitors:
                await client.send_raw(room.spec.codec.encode_join(client.number) + room.encode(client.next_body()))
        await wait_until_all_know([alice, bob, *visitors], names_of([alice, bob, *visitors]))
        with room.server_paused():
            for client in visitors:
                await client.send_next()
                await client.close_sending()
        await wait_until_all_know([alice, bob], names_of([alice, bob]))
    for client in (alice, bob):
        await room.barrier(client, [alice, bob])
        members_seen_by(client)


@pytest.mark.case(163, "GC-ROOM-3")
async def test_texts_and_notices_stand_in_one_order(room: Room) -> None:
    """GC-ROOM-3: Said, Joined and Left have one order, which is the same for all clients.

    Eight clients send while others join and leave, all of which the server finds at the same moment; then again without
    pausing the server, as fast as possible.
    """
    stay = await room.join(8)
    for turn in room.rounds(40, seconds=3):
        leaving = await room.join(2)
        joining = [await connect_guest(room) for _ in range(2)]
        with room.server_paused():
            for place, client in enumerate(stay):
                await client.send_next()
                if place == turn % 8:
                    await joining[0].send_raw(room.spec.codec.encode_join(joining[0].number))
                    await leaving[0].hang_up()
            await joining[1].send_raw(room.spec.codec.encode_join(joining[1].number))
            await leaving[1].reset()
        await wait_until_all_know([*stay, *joining], names_of([*stay, *joining]))
        for client in joining:
            await client.hang_up()
        await wait_until_all_know(stay, names_of(stay))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(room.chatter, stay[:6], 400, burst=4))
        for _ in range(20):
            await (await room.connect()).hang_up()
    for client in stay:
        await room.barrier(client, stay)
        members_seen_by(client)
    must_have_one_order(stay)


@pytest.mark.case(164, "GC-ROOM-4")
async def test_all_receive_the_notices_of_a_crowd_that_comes_and_leaves(room: Room) -> None:
    """GC-ROOM-4: Welcome, Refused, Joined and Left are not dropped for a client that reads.

    Two hundred clients come, and leave at the same moment, half of them by RST; two that stay are notified of each.
    """
    stay = await room.join(2)
    visitors = [await room.connect(reads=False) for _ in range(VISITORS)]
    await wait_until_all_know(stay, names_of([*stay, *visitors]))
    with room.server_paused():
        for place, client in enumerate(visitors):
            await (client.reset() if place % 2 else client.hang_up())
    await wait_until_all_know(stay, names_of(stay))
    for client in stay:
        count = len(notices(client))
        assert count >= 2 * VISITORS, f"{client} received {count} of {2 * VISITORS} notices"
    await room.barrier(stay[1], stay)


@pytest.mark.slow
@pytest.mark.case(169, "GC-JOIN-2", "GC-ROOM-4")
async def test_eleven_hundred_notices_at_once_are_received(room: Room) -> None:
    """GC-JOIN-2: Welcome has the names of those who are in the room, each once, and not the joining client's own.
    GC-ROOM-4: Welcome, Refused, Joined and Left are not dropped for a client that reads.

    550 members leave and 550 guests join, all of which the server finds at the same moment; the Welcome of one more
    names more than 512.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < 4 * CROWD + 150:  # a server may need two for each
        pytest.skip(f"only {limit} descriptors are allowed here")
    stay = await room.join(2)
    members = [await room.connect(reads=False) for _ in range(CROWD)]
    await wait_until_all_know(stay, names_of([*stay, *members]))
    guests = [await room.connect(joins=False, reads=False) for _ in range(CROWD)]
    await room.barrier(stay[0], stay)
    with room.server_paused():
        for leaving, joining in zip(members, guests, strict=True):
            await leaving.close_sending()
            await joining.send_raw(room.spec.codec.encode_join(joining.number))
    for client in stay:  # a look at all notices after each chunk would take minutes
        await wait_for(client, lambda client=client: len(client.notes) >= 3 * CROWD, f"{3 * CROWD} notices")  # type: ignore[misc]
    await wait_until_all_know(stay, names_of([*stay, *guests]))
    late = await join_as(room, "late")
    names = names_of([*stay, *guests, late])
    if not await late.wait_while_receiving(lambda: members_seen_by(late) == names, ANSWER_S):
        known = len(members_seen_by(late))
        raise Violation(f"{len(names)} are in the room, but {late}, who joined last, knows of {known}", "GC-JOIN-2")


@pytest.mark.case(170, "GC-ROOM-4")
async def test_a_death_in_the_middle_of_a_notice_keeps_it_from_nobody(room: Room) -> None:
    """GC-ROOM-4: Welcome, Refused, Joined and Left are not dropped for a client that reads.

    Clients that stay and clients that die have joined by turns; somebody joins at the moment of their death.
    """
    stay: list[Client] = []
    for _ in room.rounds(8, seconds=6):
        dying = []
        for _ in range(3):
            dying.append(await room.join_one())
            stay.append(await room.join_one())
        leaving, joining = await room.join_one(), await connect_guest(room)
        await room.barrier(stay[0], stay)
        with room.server_paused():
            await joining.send_raw(room.spec.codec.encode_join(joining.number))
            await leaving.hang_up()
            for client in dying:
                await client.reset()
        stay.append(joining)
        await wait_until_all_know(stay, names_of(stay))
    await room.barrier(stay[-1], stay)
    must_have_one_order(stay)


@pytest.mark.slow
@pytest.mark.case(165, "GC-ROOM-4")
async def test_notices_are_not_dropped_while_the_room_is_loud(room: Room) -> None:
    """GC-ROOM-4: Welcome, Refused, Joined and Left are not dropped for a client that reads.

    Bursts of a quarter of a megabyte, whose texts may be dropped, and in each of them a client comes and goes. A member
    that is disconnected, because it did not keep up with a burst, comes back.
    """
    alice, bob = await room.join(2)
    for turn in room.rounds(20, seconds=6):
        visitor = await connect_guest(room)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(room.chatter, [alice], 1000, burst=500, size=250))
                await visitor.send_raw(join_frame(f"visitor {turn}"))
                await wait_for_notice(bob, Joined(f"visitor {turn}"))
                await visitor.hang_up()
            for member in (alice, bob):
                await wait_for_notice(member, Left(f"visitor {turn}"))
        except* Violation:
            room.check_alive()
            if not (alice.closed or bob.closed):
                raise
            await visitor.hang_up()
            for member in (alice, bob):
                await member.hang_up()
            alice, bob = await room.join(2)
    await wait_until_all_know([alice, bob], names_of([alice, bob]))


@pytest.mark.slow
@pytest.mark.case(166, "GC-ROOM-1")
async def test_a_member_that_was_slow_knows_who_is_there_or_is_disconnected(room: Room) -> None:
    """GC-ROOM-1: Welcome and the notices after it show every client who is in the room, and show all clients the same.

    It does not read while two megabytes are sent and forty clients come and go; when it resumes reading, it receives
    all their notices, or is disconnected.
    """
    alice = await room.join_one()
    (stalled,) = await room.join_stalled()
    bob = await room.join_one()  # a server that serves them in turn comes to alice before the slow one, to bob after it
    for turn in range(4):
        await room.pour(alice, POURED // 4, size=250, seconds=2)
        for place in room.rounds(10, seconds=30):
            visitor = await join_as(room, f"visitor {turn}.{place}")
            await visitor.hang_up()
            await wait_for_notice(bob, Left(visitor.name or ""))
    carol = await room.join_one()
    stalled.start_reading()
    with contextlib.suppress(Violation):  # it may be disconnected, for which the others receive Left
        await room.barrier_or_closed(alice, stalled)
    members = await wait_until_those_connected_know([alice, bob, carol, stalled])
    members_seen_by(stalled)
    must_have_one_order(members)
