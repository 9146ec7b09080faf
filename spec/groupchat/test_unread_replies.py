"""Overload specific to groupchat: replies that are not read."""

from __future__ import annotations

from contextlib import suppress

import pytest

from harness.conformance.api import Room, Violation
from spec.common.unread_replies import RequestFlood, must_bound_replies, must_let_go, must_rest
from spec.groupchat.membership import (
    INVALID_FRAME,
    join_as,
    join_frame,
    members_seen_by,
    names_of,
    refused_after_a_pause,
    send_and_get_answer,
    wait_for_notice,
    wait_until_all_know,
    wait_until_those_connected_know,
)
from spec.groupchat.messages import Left, Welcome
from spec.groupchat.wire import encode_frame

UNREAD, UNREAD_S = 6_000_000, 8.0  # bytes of requests, and seconds for them


@pytest.mark.slow
@pytest.mark.case(171, "GC-LOAD-2", "GC-LOAD-4")
async def test_replies_that_nobody_takes_are_not_kept_without_bound(room: Room) -> None:
    """GC-LOAD-2: A server does not buffer without bound.
    GC-LOAD-4: A sender that never reads harms no other client.

    A client sends long invalid frames, and then short ones, some 400 MB of each or as much as the server reads, and
    reads no answer.
    """
    await must_bound_replies(room, [encode_frame(b"\x09" * 1000), INVALID_FRAME])


@pytest.mark.long
@pytest.mark.case(172, "GC-COME-9")
async def test_a_client_that_half_closes_and_reads_no_reply_is_disconnected(room: Room) -> None:
    """GC-COME-9: A client that has closed its sending side and reads nothing is disconnected within 60 seconds.

    Ten clients send invalid frames until the server no longer reads them, or 512 KB (fewer to a slow server), read no
    reply, and close their sending side; another one goes on sending. The descriptors must be released.
    """
    await must_let_go(room, INVALID_FRAME)


@pytest.mark.case(207, "GC-ROOM-4", "GC-ASK-3")
async def test_a_guest_that_catches_up_receives_all_refusals(room: Room) -> None:
    """GC-ROOM-4: Welcome, Refused, Joined and Left are not dropped for a client that reads.
    GC-ASK-3: Whatever is refused is answered by one Refused, to its sender and no other client; it changes nothing,
    and the connection stays open.

    Twenty thousand invalid frames arrive at once, from a guest that reads the answers a moment later, and sends nothing
    more. Then it joins. To a slow server it sends fewer.
    """
    alice = await room.join_one()
    guest = await refused_after_a_pause(room, alice)
    if not guest.closed:
        welcome = await send_and_get_answer(guest, join_frame("late"))
        assert isinstance(welcome, Welcome), f"a valid Join after all this was answered by {welcome!r}"


@pytest.mark.slow
@pytest.mark.case(208, "GC-LOAD-10")
async def test_a_client_that_takes_no_replies_costs_no_processor_time(room: Room) -> None:
    """GC-LOAD-10: A server with nothing to do uses less than 1 % of a core, whatever state its clients are in.

    Three clients take no replies, and have sent requests until the server read no more of them.
    """
    await must_rest(room, encode_frame(b"\x09" * 100))


@pytest.mark.slow
@pytest.mark.case(168, "GC-ROOM-1", "GC-LEAVE-1")
async def test_a_member_that_reads_no_answer_knows_who_is_there_or_has_left(room: Room) -> None:
    """GC-ROOM-1: Welcome and the notices after it show every client who is in the room, and show all clients the same.
    GC-LEAVE-1: When the connection of a client in the room has ended, by FIN or by RST, all others in the room
    receive Left, once.

    A member sends invalid frames and reads no answer, until the server reads no more of them or disconnects it. Then
    somebody comes and goes, and somebody comes to stay. It reads again, and leaves.
    """
    staying = await room.join(2)
    alice, bob = staying
    for turn in range(2):
        (stalled,) = await room.join_stalled()
        await RequestFlood(room, stalled, encode_frame(b"\x09" * 100)).run(UNREAD, UNREAD_S)
        visitor = await join_as(room, f"visitor {turn}")
        await visitor.hang_up()
        await wait_for_notice(bob, Left(f"visitor {turn}"))
        staying.append(await room.join_one())
        if not turn:
            stalled.start_reading()
            with suppress(Violation):
                await room.barrier_or_closed(alice, stalled)
            await wait_until_those_connected_know([*staying, stalled])
            members_seen_by(stalled)
        await stalled.reset()  # a FIN would stand behind megabytes of requests
        await wait_until_all_know(staying, names_of(staying))
        again = await join_as(room, stalled.name or "")  # it is free
        await again.hang_up()
        await wait_for_notice(bob, Left(stalled.name or ""), 2)
