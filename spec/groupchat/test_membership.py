"""The room: everybody is told the same of who is in it, in one order with what is said."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.messages import Joined, Left
from spec.groupchat.membership import (
    join_as,
    connect_guest,
    join_frame,
    members_seen_by,
    must_have_one_order,
    notices,
    wait_until_all_know,
    wait_for_notice,
)

CROWD = 200
POURED = 2_000_000  # bytes: more than waits for a client that does not read


def names_of(clients: list[Client]) -> set[str]:
    return {one.name or "" for one in clients}


@pytest.mark.case(161, "GC-ROOM-1")
async def test_everybody_knows_who_is_there_while_many_come_and_go(room: Room) -> None:
    """GC-ROOM-1: Welcome and the notices after it show every client who is in the room, and show all clients the same.

    Four come and go in every way, all the time, and some come to stay; at the end all know the same.
    """
    stay = await room.join(3)
    over = anyio.Event()

    async def churn(leave: Callable[[Client], object]) -> None:
        while not over.is_set():
            one = await room.connect()
            await one.send_next()
            await anyio.sleep(0.002)
            await leave(one)  # type: ignore[misc]

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
async def test_nobody_is_heard_before_joined_or_after_left(room: Room) -> None:
    """GC-ROOM-2: A text from another client is never delivered before the Welcome or Joined that names that client, or
    after its Left.

    Join, three texts and the end in one write, and in several; then Join and a text of many at the same moment.
    """
    alice, bob = await room.join(2)
    for turn in range(60):
        one = await connect_guest(room)
        bodies = [one.next_body() for _ in range(3)]
        frames = [room.spec.codec.encode_join(one.number), *map(room.encode, bodies)]
        for data in [b"".join(frames)] if turn % 2 else frames:
            await one.send_raw(data)
        await (one.leave if turn % 3 else one.close_sending)()
        await wait_for_notice(alice, Left(one.name or ""))
    for _ in room.rounds(15, seconds=3):
        crowd = [await connect_guest(room) for _ in range(8)]
        with room.server_paused():
            for one in crowd:
                await one.send_raw(room.spec.codec.encode_join(one.number) + room.encode(one.next_body()))
        await wait_until_all_know([alice, bob, *crowd], names_of([alice, bob, *crowd]))
        with room.server_paused():
            for one in crowd:
                await one.send_next()
                await one.close_sending()
        await wait_until_all_know([alice, bob], names_of([alice, bob]))
    for one in (alice, bob):
        await room.barrier(one, [alice, bob])
        members_seen_by(one)


@pytest.mark.case(163, "GC-ROOM-3")
async def test_texts_and_notices_stand_in_one_order(room: Room) -> None:
    """GC-ROOM-3: Said, Joined and Left have one order, which is the same for all clients.

    Eight speak while others join and leave at the same moment, which their server finds when it wakes up; and again
    without that, as fast as it goes.
    """
    stay = await room.join(8)
    for turn in room.rounds(40, seconds=3):
        goes = await room.join(2)
        comes = [await connect_guest(room) for _ in range(2)]
        with room.server_paused():
            for place, one in enumerate(stay):
                await one.send_next()
                if place == turn % 8:
                    await comes[0].send_raw(room.spec.codec.encode_join(comes[0].number))
                    await goes[0].hang_up()
            await comes[1].send_raw(room.spec.codec.encode_join(comes[1].number))
            await goes[1].reset()
        await wait_until_all_know(stay, names_of([*stay, *comes]))
        for one in comes:
            await one.hang_up()
        await wait_until_all_know(stay, names_of(stay))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(room.chatter, stay[:6], 400, burst=4))
        for _ in range(20):
            await (await room.connect()).hang_up()
    for one in stay:
        await room.barrier(one, stay)
        members_seen_by(one)
    must_have_one_order(stay)


@pytest.mark.case(164, "GC-ROOM-4")
async def test_everybody_is_told_when_a_crowd_comes_and_leaves_at_once(room: Room) -> None:
    """GC-ROOM-4: Welcome, Refused, Joined and Left are not dropped for a client that reads.

    Two hundred come, and leave at the same moment, half of them by RST; two who stay are told of each.
    """
    stay = await room.join(2)
    crowd = [await room.connect(reads=False) for _ in range(CROWD)]
    await wait_until_all_know(stay, names_of([*stay, *crowd]))
    with room.server_paused():
        for place, one in enumerate(crowd):
            await (one.reset() if place % 2 else one.hang_up())
    await wait_until_all_know(stay, names_of(stay))
    for one in stay:
        assert len(notices(one)) >= 2 * CROWD, f"{one} was told {len(notices(one))} notices of {2 * CROWD}"
    await room.barrier(stay[1], stay)


@pytest.mark.slow
@pytest.mark.case(165, "GC-ROOM-4")
async def test_notices_are_not_dropped_while_the_room_is_loud(room: Room) -> None:
    """GC-ROOM-4: Welcome, Refused, Joined and Left are not dropped for a client that reads.

    Bursts of a quarter of a megabyte, which may well be dropped, and in each of them somebody comes and goes.
    """
    alice, bob = await room.join(2)
    for turn in room.rounds(20, seconds=6):
        one = await connect_guest(room)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(room.chatter, [alice], 1000, burst=500, size=250))
            await one.send_raw(join_frame(f"visitor {turn}"))
            await wait_for_notice(bob, Joined(f"visitor {turn}"))
            await one.hang_up()
        for witness in (alice, bob):
            await wait_for_notice(witness, Left(f"visitor {turn}"))
    await wait_until_all_know([alice, bob], names_of([alice, bob]))


@pytest.mark.slow
@pytest.mark.case(166, "GC-ROOM-1")
async def test_a_member_that_was_slow_knows_who_is_there_or_is_disconnected(room: Room) -> None:
    """GC-ROOM-1: Welcome and the notices after it show every client who is in the room, and show all clients the same.

    It does not read while two megabytes are said and forty come and go; when it reads on, it is told of all of them,
    or is disconnected.
    """
    alice, bob = await room.join(2)
    (sleeper,) = await room.join_stalled()
    for turn in range(4):
        await room.pour(alice, POURED // 4, size=250, seconds=2)
        for place in range(10):
            one = await join_as(room, f"visitor {turn}.{place}")
            await one.hang_up()
            await wait_for_notice(bob, Left(one.name or ""))
    stays = await room.join_one()
    sleeper.start_reading()
    with contextlib.suppress(Violation):  # it may be disconnected, and that is a Left for the others
        await room.barrier_or_closed(alice, sleeper)
    here = [alice, bob, stays] if sleeper.closed else [alice, bob, stays, sleeper]
    await wait_until_all_know(here, names_of(here))
    members_seen_by(sleeper)
    must_have_one_order(here)
