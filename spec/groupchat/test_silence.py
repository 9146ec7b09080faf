"""Silence: members that send nothing stay, and guests may join whenever they like."""

from __future__ import annotations

import time

import anyio
import pytest

from harness.conformance.api import Room
from spec.groupchat.membership import (
    connect_guest,
    join_frame,
    members_seen_by,
    must_receive_only,
    must_refuse,
    names_of,
    refused_after_a_pause,
    send_and_get_answer,
    wait_until_all_know,
)
from spec.groupchat.messages import Welcome

SILENT_S, LONG_SILENT_S = 12.0, 95.0  # longer than timers of ten seconds, and of a minute and a half
NOW_AND_THEN_S = 2.0


@pytest.mark.slow
@pytest.mark.case(181, "GC-ROOM-1", "GC-JOIN-5", "GC-DELIVER-8")
async def test_twelve_silent_seconds_change_nothing(room: Room) -> None:
    """GC-ROOM-1: Welcome and the notices after it show every client who is in the room, and show all clients the same.
    GC-JOIN-5: A client that was refused may try again on the same connection.
    GC-DELIVER-8: A client that reads is served for as long as it stays.

    A member sends nothing; one guest has only connected, one was refused, one has taken many answers late, and one has
    sent half a Join. Then all join.
    """
    await _must_still_be_there(room, SILENT_S)


@pytest.mark.long
@pytest.mark.case(181, "GC-ROOM-1", "GC-JOIN-5", "GC-DELIVER-8")
async def test_a_minute_and_a_half_of_silence_changes_nothing(room: Room) -> None:
    """GC-ROOM-1: Welcome and the notices after it show every client who is in the room, and show all clients the same.
    GC-JOIN-5: A client that was refused may try again on the same connection.
    GC-DELIVER-8: A client that reads is served for as long as it stays.

    A member sends nothing; one guest has only connected, one was refused, one has taken many answers late, and one has
    sent half a Join. Then all join.
    """
    await _must_still_be_there(room, LONG_SILENT_S)


async def _must_still_be_there(room: Room, seconds: float) -> None:
    alice, bob, silent = await room.join(3)
    fresh, refused, half = [await connect_guest(room) for _ in range(3)]
    answer = await must_refuse(refused, room.spec.codec.encode_join(alice.number), "a taken name")
    await half.send_raw(join_frame("half")[:4])
    late = await refused_after_a_pause(room, alice)
    joining = {fresh: ("fresh", 0), refused: ("refused", 0), half: ("half", 4)}
    if not late.closed:  # a server may disconnect it for that, but not later
        joining[late] = ("late", 0)
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        await room.barrier(alice, [alice, bob, silent], as_step=False)
        await anyio.sleep(NOW_AND_THEN_S)
    await must_receive_only(fresh, [], "has only connected")
    await must_receive_only(refused, [answer], "was refused once")
    await must_refuse(fresh, join_frame(silent.name or ""), "the name of a silent member")
    for client, (name, sent) in joining.items():
        welcome = await send_and_get_answer(client, join_frame(name)[sent:])
        assert isinstance(welcome, Welcome), f"after {seconds:.0f} s a valid Join was answered by {welcome!r}"
        client.name = name
    members = [alice, bob, silent, *joining]
    await wait_until_all_know(members, names_of(members))
    for sender in (silent, bob):
        await room.barrier(sender, members)
    for client in members:
        members_seen_by(client)
