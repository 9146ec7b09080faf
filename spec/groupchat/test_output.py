"""What a server prints when it refuses requests: nothing on standard output, and nothing that stops it."""

from __future__ import annotations

import pytest

from harness.conformance.api import Client, Room, Start
from spec.common.standard_output import must_end_without_a_word
from spec.groupchat.invalid import INVALID_PAYLOADS
from spec.groupchat.membership import connect_guest, send_and_get_answer
from spec.groupchat.messages import MAX_TEXT
from spec.groupchat.wire import encode_frame, encode_say

TURNS, LEAST_TURNS, TURNS_S = 20, 5, 20.0  # of refusals, where nothing reads what a server says of them


async def _be_refused(room: Room, member: Client, guest: Client) -> None:
    """Send requests that are refused, of every kind, from a member and from a guest."""
    join = room.spec.codec.encode_join(member.number)  # a second Join of the member, and a taken name
    requests = [*map(encode_frame, INVALID_PAYLOADS.values()), join, encode_say(b"~" * (MAX_TEXT + 1))]
    await send_and_get_answer(member, b"".join(requests), count=len(requests))
    requests.append(encode_say(b"hello?"))
    await send_and_get_answer(guest, b"".join(requests), count=len(requests))


@pytest.mark.case(210, "GC-START-4")
async def test_refusals_are_not_printed_on_standard_output(room: Room) -> None:
    """GC-START-4: Standard output carries nothing but the ready line.

    A member and a guest send what is refused, of every kind.
    """
    alice = await room.join_one()
    await _be_refused(room, alice, await connect_guest(room))
    await must_end_without_a_word(room)


@pytest.mark.case(211, "GC-START-14")
async def test_it_serves_while_nobody_reads_what_it_says_of_refusals(start: Start) -> None:
    """GC-START-14: A server keeps serving when nothing reads its standard error.

    The pipe holds one page; hundreds of refusals would fill it with a line each.
    """
    room = start.room(await start.server(drain_stderr=False))
    alice, bob = await room.join(2)
    guest = await connect_guest(room)
    for _ in room.rounds(TURNS, TURNS_S, at_least=LEAST_TURNS):
        await _be_refused(room, alice, guest)
    await room.deliver(alice, [b"still here"], [alice, bob])
