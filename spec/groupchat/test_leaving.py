"""Leaving: who is notified, and what becomes of the name."""

from __future__ import annotations

import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.membership import (
    connect_guest,
    join_as,
    join_frame,
    members_seen_by,
    must_refuse,
    notices,
    request_name,
    wait_for_notice,
)
from spec.groupchat.messages import Joined, Left, Welcome

POURED = 2_000_000  # bytes: more than waits for a client that does not read


async def _must_receive_left_once(room: Room, members: list[Client], names: list[str]) -> None:
    for client in members:
        for name in names:
            await wait_for_notice(client, Left(name))
    await room.barrier(members[0], members)
    for client in members:
        received = [notice.name for notice in notices(client) if isinstance(notice, Left)]
        assert sorted(received) == sorted(names), f"{names} have left, but {client} received Left for {received}"


@pytest.mark.smoke
@pytest.mark.case(151, "GC-LEAVE-1")
async def test_all_others_are_told_once_when_somebody_leaves_by_fin(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.

    By a FIN alone, by closing, in the middle of a frame, and right after a Join.
    """
    alice, bob = await room.join(2)
    half_closed, closing, unfinished, hasty = [
        await join_as(room, name) for name in ("half-closed", "closing", "unfinished", "hasty")
    ]
    await half_closed.close_sending()
    await closing.hang_up()
    await unfinished.send_raw(room.encode(b"unfinished")[:-3])
    await unfinished.leave()
    await hasty.leave()
    last = await connect_guest(room)
    await last.send_raw(join_frame("last"))
    await last.close_sending()
    for client in (alice, bob):
        await wait_for_notice(client, Joined("last"))
    await _must_receive_left_once(room, [alice, bob], ["half-closed", "closing", "unfinished", "hasty", "last"])


@pytest.mark.smoke
@pytest.mark.case(152, "GC-LEAVE-1")
async def test_all_others_are_told_once_when_somebody_leaves_by_rst(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.

    With nothing unread, with much unread, in the middle of a frame, and while others send.
    """
    alice, bob = await room.join(2)
    names = [f"visitor {turn}" for turn in range(12)]
    for turn, name in enumerate(names):
        visitor = await join_as(room, name)
        if turn % 4 == 1:
            visitor.stall()
            await room.pour(alice, 50_000, size=200, seconds=1)
        elif turn % 4 == 2:
            await visitor.send_raw(room.encode(b"unfinished")[:3])
        elif turn % 4 == 3:
            await alice.send(*(alice.next_body() for _ in range(50)))
            await visitor.send(*(visitor.next_body() for _ in range(50)))
        await visitor.reset()
    await _must_receive_left_once(room, [alice, bob], names)


@pytest.mark.case(153, "GC-LEAVE-1")
async def test_nobody_is_told_of_guests(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.

    Guests come and go; some have been refused the name of a member, which stays, and some have sent half a Join.
    """
    alice, bob = await room.join(2)
    before = len(notices(bob))  # includes alice's Joined if bob was served first
    for turn in range(12):
        visitor = await connect_guest(room)
        if turn % 3 == 1:
            await must_refuse(visitor, room.spec.codec.encode_join(alice.number), "a taken name")
        elif turn % 3 == 2:
            await visitor.send_raw(join_frame("half")[:4])
        await (visitor.reset, visitor.leave, visitor.hang_up)[turn % 3 if turn > 5 else turn % 2]()
    await room.barrier(bob, [alice, bob])
    new = notices(bob)[before:]
    assert new == [], f"only guests came and went, but {bob} received the notices {new}"
    await must_refuse(await connect_guest(room), room.spec.codec.encode_join(alice.number), "the name of a member")
    await room.deliver(alice, [b"I am still here"], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(154, "GC-LEAVE-2")
async def test_a_name_is_free_as_soon_as_left_is_told(room: Room) -> None:
    """GC-LEAVE-2: Once Left has been received, the name is free.

    After a FIN, a RST, a close with unread bytes, and a half-close; each time the next client takes the name at once,
    and its texts arrive under it.
    """
    alice, bob = await room.join(2)
    for turn in range(12):
        if turn % 2:
            zoe = await join_as(room, "zoe")
        else:
            zoe = await connect_guest(room)
            answer = await request_name(zoe, "zoe")
            if not isinstance(answer, Welcome):
                raise Violation(f"after Left 'zoe' had arrived, {zoe} asked for the name and received {answer!r}")
        await room.deliver(zoe, [zoe.next_body()], [alice, bob, zoe])
        if turn % 4 == 2:
            zoe.stall()
            await alice.send_next(200)
        await (zoe.leave, zoe.reset, zoe.hang_up, zoe.close_sending)[turn % 4]()
        await wait_for_notice(alice, Left("zoe"), turn + 1)
    await room.barrier(bob, [alice, bob])
    for client in (alice, bob):
        assert members_seen_by(client) == {alice.name, bob.name}


@pytest.mark.slow
@pytest.mark.case(155, "GC-LEAVE-1", "GC-LEAVE-2")
async def test_who_leaves_while_it_is_slow_is_told_as_well(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.
    GC-LEAVE-2: Once Left has been received, the name is free.

    Three clients have left two megabytes unread when they leave: by RST, by closing, and by a FIN alone, after which
    the client resumes reading. The server may have disconnected them before, which is a leave as well.
    """
    alice, bob = await room.join(2)
    slow = await room.join_stalled(3)
    names = [client.name or "" for client in slow]
    await room.pour(alice, POURED, size=250, seconds=3)
    await slow[0].reset()
    await slow[1].hang_up()
    await slow[2].close_sending()
    slow[2].start_reading()  # a server need not notice the FIN of a client that does not read
    await _must_receive_left_once(room, [alice, bob], names)
    again = [await join_as(room, name) for name in names]
    await room.barrier(again[0], [alice, bob, *again])
    for client in (alice, bob, *again):
        members_seen_by(client)
