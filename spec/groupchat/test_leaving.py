"""Leaving: who is told, and what becomes of the name."""

from __future__ import annotations

import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.messages import Joined, Left, Welcome
from spec.groupchat.membership import request_name, join_as, connect_guest, join_frame, members_seen_by, must_refuse, notices, wait_for_notice

POURED = 2_000_000  # bytes: more than waits for a client that does not read


async def _must_be_told_once(room: Room, witnesses: list[Client], names: list[str]) -> None:
    for one in witnesses:
        for name in names:
            await wait_for_notice(one, Left(name))
    await room.barrier(witnesses[0], witnesses)
    for one in witnesses:
        told = [notice.name for notice in notices(one) if isinstance(notice, Left)]
        assert sorted(told) == sorted(names), f"{names} have left, and {one} was told Left of {told}"


@pytest.mark.smoke
@pytest.mark.case(151, "GC-LEAVE-1")
async def test_all_others_are_told_once_when_somebody_leaves_by_fin(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.

    By a FIN that is followed by nothing, by closing, in the middle of a frame, and right behind a Join.
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
    for one in (alice, bob):
        await wait_for_notice(one, Joined("last"))
    await _must_be_told_once(room, [alice, bob], ["half-closed", "closing", "unfinished", "hasty", "last"])


@pytest.mark.smoke
@pytest.mark.case(152, "GC-LEAVE-1")
async def test_all_others_are_told_once_when_somebody_leaves_by_rst(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.

    With nothing unread, with much, in the middle of a frame, and while the room talks.
    """
    alice, bob = await room.join(2)
    names = [f"visitor {turn}" for turn in range(12)]
    for turn, name in enumerate(names):
        one = await join_as(room, name)
        if turn % 4 == 1:
            one.stall()
            await room.pour(alice, 50_000, size=200, seconds=1)
        elif turn % 4 == 2:
            await one.send_raw(room.encode(b"unfinished")[:3])
        elif turn % 4 == 3:
            await alice.send(*(alice.next_body() for _ in range(50)))
            await one.send(*(one.next_body() for _ in range(50)))
        await one.reset()
    await _must_be_told_once(room, [alice, bob], names)


@pytest.mark.case(153, "GC-LEAVE-1")
async def test_nobody_is_told_of_guests(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.

    Guests come and go, one has been refused the name of a member, who stays, and one has sent half of a Join.
    """
    alice, bob = await room.join(2)
    had = len(notices(bob))  # of alice, if bob was served first
    for turn in range(12):
        one = await connect_guest(room)
        if turn % 3 == 1:
            await must_refuse(one, room.spec.codec.encode_join(alice.number), "a taken name")
        elif turn % 3 == 2:
            await one.send_raw(join_frame("half")[:4])
        await (one.reset, one.leave, one.hang_up)[turn % 3 if turn > 5 else turn % 2]()
    await room.barrier(bob, [alice, bob])
    assert notices(bob)[had:] == [], f"only guests came and went, and {bob} was told {notices(bob)[had:]}"
    await must_refuse(await connect_guest(room), room.spec.codec.encode_join(alice.number), "the name of somebody who is there")
    await room.deliver(alice, [b"I am still here"], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(154, "GC-LEAVE-2")
async def test_a_name_is_free_as_soon_as_left_is_told(room: Room) -> None:
    """GC-LEAVE-2: Once Left has been received, the name is free.

    After a FIN, a RST, a close with unread bytes, a half-closed connection; each time the next one takes the name at
    once, and is heard under it.
    """
    alice, bob = await room.join(2)
    for turn in range(12):
        if turn % 2:
            one = await join_as(room, "zoe")
        else:
            one = await connect_guest(room)
            answer = await request_name(one, "zoe")
            if not isinstance(answer, Welcome):
                raise Violation(f"Left 'zoe' was told, then {one} asked for the name and was answered {answer!r}")
        await room.deliver(one, [one.next_body()], [alice, bob, one])
        if turn % 4 == 2:
            one.stall()
            await alice.send_next(200)
        await (one.leave, one.reset, one.hang_up, one.close_sending)[turn % 4]()
        await wait_for_notice(alice, Left("zoe"), turn + 1)
    await room.barrier(bob, [alice, bob])
    for one in (alice, bob):
        assert members_seen_by(one) == {alice.name, bob.name}


@pytest.mark.slow
@pytest.mark.case(155, "GC-LEAVE-1", "GC-LEAVE-2")
async def test_who_leaves_while_it_is_slow_is_told_as_well(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.
    GC-LEAVE-2: Once Left has been received, the name is free.

    Three have not read for two megabytes when they leave: by RST, by closing, and by a FIN alone, which reads on. Or
    they have been disconnected before, and that is a leave as well.
    """
    alice, bob = await room.join(2)
    slow = await room.join_stalled(3)
    names = [one.name or "" for one in slow]
    await room.pour(alice, POURED, size=250, seconds=3)
    await slow[0].reset()
    await slow[1].hang_up()
    await slow[2].close_sending()
    slow[2].start_reading()  # a server need not look for the FIN of somebody who takes nothing
    await _must_be_told_once(room, [alice, bob], names)
    again = [await join_as(room, name) for name in names]
    await room.barrier(again[0], [alice, bob, *again])
    for one in (alice, bob, *again):
        members_seen_by(one)
