"""Clients that have not subscribed: what they send is forwarded, and they may stay as long as they like."""

from __future__ import annotations

import time
from contextlib import nullcontext

import anyio
import pytest

from harness.conformance.api import Room, Start, Violation
from spec.channels.invalid import INVALID_LINES, INVALID_UTF_8
from spec.channels.replies import ATTEMPTS, encode_lines, replies_to, subscribe
from spec.channels.wire import Subscribe, Subscribed, body_of
from spec.common.held_back import Sent, must_not_hold_back
from spec.common.unread_replies import PATIENCE_S, catch_up

SILENT_S, LONG_SILENT_S = 12.0, 95.0  # longer than timers of ten seconds, and of a minute and a half


@pytest.mark.case(138, "CH-DELIVER-7", "CH-COME-3")
async def test_the_first_and_last_messages_of_a_client_that_only_sends_arrive(room: Room) -> None:
    """CH-DELIVER-7: A client may send as soon as it is connected.
    CH-COME-3: A message that a client sent in full before it left is delivered like any other message.

    A client that never subscribes connects, sends one message and closes its sending side; the same while the server
    is stopped. Of several clients at least one must be heard each time.
    """
    alice = await room.join_one()
    for pause, when in ((nullcontext, ""), (room.server_paused, " while the server is stopped")):
        sent = set[int]()
        for turn in range(ATTEMPTS):
            client = await room.connect(joins=False)
            with pause():
                sent.add(await client.send_next())
                await client.close_sending()
            await client.leave()
            seconds = PATIENCE_S if turn == ATTEMPTS - 1 else 1
            if await alice.wait_until(lambda sent=sent: not sent.isdisjoint(alice.received), seconds):  # type: ignore[misc]
                break
        else:
            raise Violation(f"what a client that never subscribes sends{when} and leaves, never arrives")


@pytest.mark.slow
@pytest.mark.case(140, "CH-DELIVER-11")
async def test_what_outsiders_send_last_arrives_though_nothing_else_happens(room: Room) -> None:
    """CH-DELIVER-11: No message is held back until something else happens: another message, or a client that joins or
    leaves.

    The sender has subscribed to no channel, or to another one, or has requests answered in the same segment. After each
    message there is silence.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, "rust")
    stranger = await room.connect(joins=False)

    async def of_a_stranger() -> Sent:
        return Sent([await stranger.send_next()], [alice, bob])

    async def to_another_channel() -> Sent:
        return Sent(await alice.send(body_of("rust", alice.next_body().decode())), [bob], [alice])

    async def behind_replies() -> Sent:
        body = body_of("rust", alice.next_body().decode())
        await alice.send_raw(encode_lines(Subscribe("go")) + b"nonsense\n" + room.encode(body))
        return Sent([room.messages.numbers[body]], [bob], [alice])

    for what, occasion in {
        "a message of a client that has not subscribed": of_a_stranger,
        "a message to a channel to which its sender has not subscribed": to_another_channel,
        "a message in one segment with requests that are answered": behind_replies,
    }.items():
        await must_not_hold_back(room, alice, what, occasion)


@pytest.mark.case(148, "CH-START-14")
async def test_it_serves_while_nobody_reads_what_it_says_of_errors(start: Start) -> None:
    """CH-START-14: A server keeps serving when nothing reads its standard error.

    The pipe holds one page; hundreds of invalid requests would fill it with a line each.
    """
    room = start.room(await start.server(drain_stderr=False))
    alice, bob = await room.join(2)
    for _ in range(5):
        await replies_to(alice, b"\n".join([*INVALID_LINES, *INVALID_UTF_8, b""]))
    await room.deliver(alice, [b"still here"], [alice, bob])


@pytest.mark.slow
@pytest.mark.case(154, "CH-DELIVER-8", "CH-CHANNEL-10")
async def test_who_has_not_subscribed_may_stay_for_twelve_seconds(room: Room) -> None:
    """CH-DELIVER-8: A client that reads is served for as long as it stays.
    CH-CHANNEL-10: A channel whose subscribers have all left can be subscribed to again, and its messages are
    delivered again.

    One sends nothing, one has sent half a request, one only sends, one has taken many replies late, and one hears
    nothing in its channel, whose first subscriber has left.
    """
    await _must_keep(room, SILENT_S)


@pytest.mark.long
@pytest.mark.case(154, "CH-DELIVER-8", "CH-CHANNEL-10")
async def test_who_has_not_subscribed_may_stay_for_a_minute_and_a_half(room: Room) -> None:
    """CH-DELIVER-8: A client that reads is served for as long as it stays.
    CH-CHANNEL-10: A channel whose subscribers have all left can be subscribed to again, and its messages are
    delivered again.

    One sends nothing, one has sent half a request, one only sends, one has taken many replies late, and one hears
    nothing in its channel, whose first subscriber has left.
    """
    await _must_keep(room, LONG_SILENT_S)


async def _must_keep(room: Room, seconds: float) -> None:
    alice, bob = await room.join(2)
    silent, half, sender, quiet, first = [await room.connect(joins=False) for _ in range(5)]
    await subscribe(first, "quiet")
    await first.hang_up()
    await room.barrier(alice, [alice, bob])
    await subscribe(quiet, "quiet")
    late = await room.connect(small=True, joins=False)
    await catch_up(room, late, alice, b"x\n")
    line = encode_lines(Subscribe("late"))
    await half.send_raw(line[:9])
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        await sender.send_next()  # raises Violation if it has been disconnected
        await room.barrier(alice, [alice, bob], as_step=False)
        await anyio.sleep(2)
    for client in (silent, sender, late):
        await subscribe(client, "late")
    replies = await replies_to(half, line[9:])
    assert replies == [Subscribed("late")], f"the rest of a Subscribe, {seconds:.0f} s late, was answered by {replies}"
    sent = set[int]()
    for attempt in range(ATTEMPTS):
        sent.update(await alice.send(body_of("quiet", alice.next_body().decode())))
        patience_s = PATIENCE_S if attempt == ATTEMPTS - 1 else 1
        if await quiet.wait_until(lambda: not sent.isdisjoint(quiet.received), patience_s):
            return
    raise Violation(
        f"a client that had received nothing for {seconds:.0f} s receives nothing more",
        kind="silent",
        clients=(alice.number, quiet.number),
    )
