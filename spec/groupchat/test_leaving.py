"""Leaving: who is notified, and what becomes of the name."""

from __future__ import annotations

from functools import partial

import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.membership import (
    answers,
    connect_guest,
    has_answer,
    join_as,
    join_frame,
    members_seen_by,
    must_refuse,
    names_of,
    notices,
    request_name,
    wait_for,
    wait_for_notice,
    wait_until_all_know,
)
from spec.groupchat.messages import Joined, Left, Welcome
from spec.groupchat.wire import encode_frame

POURED = 2_000_000  # bytes: more than waits for a client that does not read
LONG_FRAMES = (40_000, 65_535)  # bytes: more than a server reads at a time, and the first fits into a receive window
NOTICED_S = 5.0  # until a server that notices the FIN of a client that does not read has done so
TRIES = 20


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
async def test_all_others_receive_left_once_after_fin(room: Room) -> None:
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
async def test_all_others_receive_left_once_after_rst(room: Room) -> None:
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
async def test_guests_are_announced_to_nobody(room: Room) -> None:
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
            await visitor.send_raw(join_frame("half")[: -1 if turn % 2 else 4])
        await (visitor.reset, visitor.leave, visitor.hang_up)[turn % 3 if turn > 5 else turn % 2]()
    await room.barrier(bob, [alice, bob])
    new = notices(bob)[before:]
    assert new == [], f"only guests came and went, but {bob} received the notices {new}"
    await must_refuse(await connect_guest(room), room.spec.codec.encode_join(alice.number), "the name of a member")
    await room.deliver(alice, [b"I am still here"], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(154, "GC-LEAVE-2")
async def test_a_name_is_free_as_soon_as_left_is_received(room: Room) -> None:
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
async def test_the_leaving_of_a_slow_client_is_announced_as_well(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.
    GC-LEAVE-2: Once Left has been received, the name is free.

    Four clients have left two megabytes unread when they leave: by RST, by closing, by a FIN alone, after which the
    client resumes reading, and by a FIN that a RST follows when another client has taken the name, if the server has
    noticed the FIN. The server may have disconnected them before, which is a leave as well.
    """
    alice, bob = await room.join(2)
    slow = await room.join_stalled(4)
    names = [client.name or "" for client in slow]
    await room.pour(alice, POURED, size=250, seconds=3)
    await slow[0].reset()
    await slow[1].hang_up()
    await slow[2].close_sending()
    slow[2].start_reading()  # a server need not notice the FIN of a client that does not read
    await slow[3].close_sending()
    is_free = await bob.wait_until(lambda: Left(names[3]) in notices(bob), NOTICED_S)
    heirs = [await join_as(room, names[3])] if is_free else []
    await slow[3].reset()
    await room.pour(alice, 50_000, size=250, seconds=3)  # a server may notice a RST when it writes
    await _must_receive_left_once(room, [alice, bob], names)
    for heir in heirs:
        await must_refuse(await connect_guest(room), join_frame(names[3]), "the name of a member")
        await room.deliver(heir, [heir.next_body()], [alice, bob, heir])
    again = [*heirs, *[await join_as(room, name) for name in names[: -1 if heirs else None]]]
    await room.barrier(again[0], [alice, bob, *again])
    for client in (alice, bob, *again):
        members_seen_by(client)


@pytest.mark.case(167, "GC-ROOM-1", "GC-LEAVE-2")
async def test_a_name_that_changes_hands_has_one_owner_at_a_time(room: Room) -> None:
    """GC-ROOM-1: Welcome and the notices after it show every client who is in the room, and show all clients the same.
    GC-LEAVE-2: Once Left has been received, the name is free.

    A member leaves, in every way, while three ask for its name, all of which the server finds at the same moment. They
    may be refused; whoever gets the name joins after Left.
    """
    alice, bob = await room.join(2)
    zoe = await join_as(room, "zoe")
    for turn in room.rounds(30, seconds=6):
        rivals = [await connect_guest(room) for _ in range(3)]
        await room.barrier(alice, [alice, bob])  # the server has accepted them
        with room.server_paused():
            await rivals[0].send_raw(join_frame("zoe"))
            await (zoe.hang_up, zoe.reset, zoe.close_sending)[turn % 3]()
            for client in rivals[1:]:
                await client.send_raw(join_frame("zoe"))
        for client in rivals:
            await wait_for(client, partial(has_answer, client), "an answer to Join")
        for member in (alice, bob):
            await wait_for_notice(member, Left("zoe"), turn + 1)
        winners = [client for client in rivals if isinstance(answers(client)[0], Welcome)]
        assert len(winners) < 2, f"{len(winners)} clients were welcomed as 'zoe'"
        zoe = winners[0] if winners else await join_as(room, "zoe")
        zoe.name = "zoe"
        for client in rivals:
            if client is not zoe:
                await client.hang_up()
        await wait_until_all_know([alice, bob, zoe], names_of([alice, bob, zoe]))


@pytest.mark.case(157, "GC-LEAVE-1")
async def test_who_dies_before_it_is_welcomed_does_not_stay(room: Room) -> None:
    """GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.

    Clients ask to join and are gone, by RST or by FIN, before the server has read that; none of them may stay in the
    room.
    """
    alice, bob = await room.join(2)
    for turn in range(12):
        visitor = await connect_guest(room)
        await room.barrier(alice, [alice, bob])
        with room.server_paused():
            await visitor.send_raw(room.spec.codec.encode_join(visitor.number))
            await (visitor.reset if turn % 3 else visitor.hang_up)()
    await room.barrier(bob, [alice, bob])
    late = await room.join_one()
    await wait_until_all_know([alice, bob, late], names_of([alice, bob, late]))


@pytest.mark.case(158, "GC-DELIVER-4")
async def test_a_name_inherits_no_texts(room: Room) -> None:
    """GC-DELIVER-4: A client receives no message that was sent before it joined.

    Somebody leaves with unread texts, more are sent while its name is free, and another client takes the name.
    """
    alice, bob = await room.join(2)
    past = set[int]()
    for turn in range(6):
        zoe = await join_as(room, "zoe")
        await room.deliver(zoe, [zoe.next_body()], [alice, bob, zoe])
        old = past.intersection(zoe.received)
        assert not old, f"who joined as 'zoe' received {len(old)} texts that were sent before it joined"
        zoe.stall()
        await alice.send(*(alice.next_body(200) for _ in range(20)))
        await (zoe.reset, zoe.hang_up)[turn % 2]()
        await wait_for_notice(alice, Left("zoe"), turn + 1)
        await alice.send(*(alice.next_body() for _ in range(5)))
        await room.barrier(alice, [alice, bob])
        past = set(alice.received)


@pytest.mark.case(159, "GC-COME-3")
async def test_what_stands_behind_a_long_frame_is_served_though_the_client_has_left(room: Room) -> None:
    """GC-COME-3: A message that a client sent in full before it left is delivered like any other message.

    A frame of more bytes than a server reads at a time, a Join, a text, and a FIN.
    """
    alice = await room.join_one()
    for turn in range(TRIES):
        visitor = await connect_guest(room)
        body = b"last words of " + visitor.next_body()
        with room.server_paused():
            long = encode_frame(b"\xee" * LONG_FRAMES[turn % 2])
            await visitor.send_raw(long + room.spec.codec.encode_join(visitor.number) + room.encode(body))
            await visitor.close_sending()
        for notice in (Joined(visitor.name or ""), Left(visitor.name or "")):
            await wait_for_notice(alice, notice)
        if turn and room.times_received(alice, body):
            return
    raise Violation(
        f"what a client sends behind a long frame, right before it leaves, never arrives ({TRIES} attempts)"
    )
