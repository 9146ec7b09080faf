"""Guests, who are connected and have not joined: what they receive, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from harness.conformance.api import Room
from spec.common.leftovers import must_release_descriptors
from spec.common.visits import must_stop_growing
from spec.groupchat.membership import (
    INVALID_FRAME,
    connect_guest,
    join_as,
    join_frame,
    must_receive_only,
    must_refuse,
    request_name,
    send_and_get_answer,
    wait_for_notice,
)
from spec.groupchat.messages import Left, Refused, Welcome
from spec.groupchat.wire import encode_say

LEAVING, UNFINISHED = 40, 200  # guests
BOUND = 200.0  # bytes of memory a guest: less than any server needs to remember one


@pytest.mark.smoke
@pytest.mark.case(130, "GC-GUEST-1")
async def test_guests_receive_nothing(room: Room) -> None:
    """GC-GUEST-1: A client that is not in the room receives nothing but the answers to its own requests.

    One guest has only connected, one was refused, and one has sent half a Join, while others send, come and go.
    """
    alice, bob = await room.join(2)
    silent, refused, half = [await connect_guest(room) for _ in range(3)]
    answer = await must_refuse(refused, room.spec.codec.encode_join(alice.number), "a taken name")
    await half.send_raw(join_frame("half")[:4])
    for turn in range(5):
        visitor = await join_as(room, f"visitor {turn}")
        await room.deliver(alice, [alice.next_body() for _ in range(20)], [alice, bob, visitor])
        await (visitor.leave() if turn % 2 else visitor.reset())
        await wait_for_notice(bob, Left(f"visitor {turn}"))
    await must_receive_only(silent, [], "has only connected")
    await must_receive_only(refused, [answer], "was refused once")
    welcome = await send_and_get_answer(half, join_frame("half")[4:])
    assert half.notes[0].value == welcome, f"{half}, which had sent half a Join, received {half.notes[0].value}"
    past = set(alice.received)  # what is sent again for a barrier may stand behind the Joined of late
    late = await request_name(silent, "late")
    assert isinstance(late, Welcome)
    old = past.intersection(silent.received)
    assert not old, f"a client that joined received {len(old)} texts that were sent while it was a guest"


@pytest.mark.smoke
@pytest.mark.case(131, "GC-GUEST-2")
async def test_what_a_guest_says_is_refused_and_never_forwarded(room: Room) -> None:
    """GC-GUEST-2: A Say from a client that is not in the room is refused, and no client receives it.

    Before the first Join, after one that was refused, and in one write with the Join before or after it.
    """
    alice, bob = await room.join(2)
    stranger = await connect_guest(room)
    early = [stranger.next_body() for _ in range(4)]
    await must_refuse(stranger, encode_say(early[0]), "a Say from a client that has not joined")
    await must_refuse(stranger, room.spec.codec.encode_join(alice.number), "a taken name")
    await must_refuse(stranger, encode_say(early[1]), "a Say from a client whose Join was refused")
    taken = room.spec.codec.encode_join(alice.number)
    answer = await send_and_get_answer(stranger, taken + encode_say(early[3]), count=2)
    assert isinstance(answer, Refused), f"a Say in one write with a Join that was refused was answered by {answer!r}"
    answer = await send_and_get_answer(
        stranger, encode_say(early[2]) + room.spec.codec.encode_join(stranger.number), count=2
    )
    assert isinstance(answer, Welcome), f"a Join right after a refused Say was answered by {answer!r}"
    for sender in (stranger, alice):
        await room.barrier(sender, [alice, bob, stranger])
    for client in (alice, bob, stranger):
        received = [body for body in early if room.times_received(client, body)]
        assert not received, f"{client} received {received}, sent by a client that had not joined"


@pytest.mark.case(156, "GC-COME-8")
async def test_guests_that_leave_are_let_go(room: Room) -> None:
    """GC-COME-8: A server closes its side of a connection after the client has closed the connection.

    Forty guests close, who have sent nothing, half a Join, a Join that was refused, or a Say.
    """
    alice = await room.join_one()
    before = room.usage()
    guests = [await connect_guest(room) for _ in range(LEAVING)]
    for turn, guest in enumerate(guests):
        if turn % 4 == 1:
            await guest.send_raw(join_frame("half")[:-1])
        elif turn % 4 == 2:
            await must_refuse(guest, room.spec.codec.encode_join(alice.number), "a taken name")
        elif turn % 4 == 3:
            await must_refuse(guest, encode_say(b"hello?"), "a Say from a guest")
    await room.barrier(alice, [alice])
    for guest in guests:
        await guest.hang_up()
    await must_release_descriptors(room, alice, before, f"{LEAVING} guests have closed")


@pytest.mark.slow
@pytest.mark.case(209, "GC-COME-6")
async def test_guests_that_never_joined_leave_nothing_behind(room: Room, note: Callable[[str], None]) -> None:
    """GC-COME-6: When clients have left, everything the server held for them is released: descriptors, threads,
    processes and memory.

    Thousands of guests, each of which sends one invalid frame, and half of which wait for the answer, leave by RST.
    """
    alice = await room.join_one()

    async def come_and_go(turn: int) -> None:
        guest = await connect_guest(room)
        if turn % 2:
            await must_refuse(guest, INVALID_FRAME, "a payload that is not a Request")
        else:
            await guest.send_raw(INVALID_FRAME)
        await guest.reset()

    async def visit(count: int) -> int:
        async with anyio.create_task_group() as tasks:
            for turn in range(count):
                tasks.start_soon(come_and_go, turn)
        await room.barrier(alice, [alice])
        return count

    await must_stop_growing(room, alice, visit, BOUND, "a guest that never joined", note)


@pytest.mark.case(112, "GC-LOAD-6")
async def test_two_hundred_guests_that_do_not_join_harm_nobody(room: Room) -> None:
    """GC-LOAD-6: Unfinished messages, however many, harm no other client.

    Two hundred clients have only connected, or have sent a part of a Join.
    """
    alice, bob = await room.join(2)
    for turn in range(UNFINISHED):
        guest = await connect_guest(room)
        if turn % 2:
            await guest.send_raw(join_frame(f"guest {turn}")[: 1 + turn % 9])
    carol = await join_as(room, "carol")
    await room.deliver(carol, [carol.next_body()], [alice, bob, carol])
