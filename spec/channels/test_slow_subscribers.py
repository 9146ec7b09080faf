"""Overload specific to channels: a slow subscriber beside other channels, and replies that are not read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.conformance.api import Client, Room, Violation
from spec.channels.replies import encode_lines, replies_to, subscribe
from spec.channels.wire import Send, Subscribe, body_of
from spec.common.backlog_memory import must_be_bounded
from spec.common.unread_replies import RequestFlood, must_bound_replies, must_let_go

READERS = 3  # times that the readers may be disconnected
POURED = 6_000_000  # bytes that fill every buffer on the way to a client that does not read
IN_TURN = ("rust", "go")  # channels
BATCH = 24_000  # bytes on their way to clients that keep up: their server need not buffer more


@pytest.mark.slow
@pytest.mark.case(151, "CH-LOAD-1", "CH-CHANNEL-7")
async def test_a_slow_subscriber_holds_up_no_channel(room: Room) -> None:
    """CH-LOAD-1: A client that does not read, or reads slowly, does not stop the other clients.
    CH-CHANNEL-7: A valid Send is not answered: its sender gets no reply to it.

    Two clients do not read a channel to which more is sent than any kernel buffers; the others receive each other's
    messages in that channel and in others, and no message is answered.
    """
    alice, bob, carol = await room.join(3)
    for client in (alice, bob):
        await subscribe(client, "busy")
    await subscribe(carol, "quiet")
    for _ in range(2):
        stalled = await room.connect(small=True, joins=False)
        await subscribe(stalled, "busy")
        stalled.stall()
    flooder = await room.connect(joins=False)
    await RequestFlood(room, flooder, encode_lines(Send("busy", "~" * 1000))).run(POURED, 8)
    await flooder.reset()
    for _ in range(READERS):
        replies = await _answers_to_many(alice)
        for client in (alice, bob):
            await room.barrier_or_closed(carol, client)
        if not (alice.closed or bob.closed):
            break
        alice, bob = await room.join(2)  # they were too slow for the flood, and disconnected
        for client in (alice, bob):
            await subscribe(client, "busy")
    assert not replies, f"messages to a channel with subscribers that do not read were answered by {replies[:3]}"
    for _ in range(3):
        await room.deliver(alice, [body_of("busy", alice.next_body().decode())], [alice, bob])
        await room.deliver(bob, [body_of("quiet", bob.next_body().decode())], [carol])
        await room.barrier(carol, [alice, bob, carol])


async def _answers_to_many(sender: Client) -> list[object]:
    """Send more to the busy channel than waits for one client; return what answers that, nothing if disconnected."""
    since = len(sender.notes)
    try:
        await sender.send(*(body_of("busy", sender.next_body(2000).decode()) for _ in range(40)))
        return await replies_to(sender, b"", since=since)
    except Violation:
        if not sender.closed:
            raise
        return []


@pytest.mark.slow
@pytest.mark.case(152, "CH-LOAD-2", "CH-LOAD-4")
async def test_replies_that_nobody_takes_are_not_kept_without_bound(room: Room) -> None:
    """CH-LOAD-2: A server does not buffer without bound.
    CH-LOAD-4: A sender that never reads harms no other client.

    A client sends requests with long answers, and then invalid requests, some 400 MB of each or as much as the server
    reads, and reads no answer.
    """
    await must_bound_replies(room, [encode_lines(Subscribe("long " * 1000)), b"nonsense " * 20 + b"\n"])


@pytest.mark.long
@pytest.mark.case(153, "CH-COME-9")
async def test_a_client_that_half_closes_and_reads_no_reply_is_disconnected(room: Room) -> None:
    """CH-COME-9: A client that has closed its sending side and reads nothing is disconnected within 60 seconds.

    Ten clients send invalid requests until the server no longer reads them, or 512 KB (fewer to a slow server), read no
    reply, and close their sending side; another one goes on sending. The descriptors must be released.
    """
    await must_let_go(room, b"x\n")


@pytest.mark.slow
@pytest.mark.case(212, "CH-LOAD-2")
async def test_memory_is_bounded_though_messages_are_long(room: Room, note: Callable[[str], None]) -> None:
    """CH-LOAD-2: A server does not buffer without bound.

    Up to 128 MB of the longest messages are offered while one subscriber reads nothing, fewer to a server that has
    stopped growing.
    """
    await must_be_bounded(room, await room.join_stalled(), note, size=room.spec.codec.max_body)


@pytest.mark.slow
@pytest.mark.case(228, "CH-ORDER-5")
async def test_the_order_over_all_channels_holds_under_drops(room: Room) -> None:
    """CH-ORDER-5: The order holds whatever else happens: messages are dropped, clients join and leave, segments are
    split.

    A subscriber of two channels stalls until messages to the one and the other in turn have filled every buffer, and
    resumes reading; twice.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, *IN_TURN)
    for size, total in ((250, 1_200_000), (2000, 3_000_000)):
        slow = await room.join_one(small=True)
        await subscribe(slow, *IN_TURN)
        slow.stall()
        count = BATCH // size
        for _ in room.rounds(total // BATCH, seconds=4):
            bodies = [body_of(IN_TURN[place % 2], alice.next_body(size).decode()) for place in range(count)]
            await alice.send(*bodies)
            await room.barrier(alice, [alice, bob])
        slow.start_reading()
        await room.barrier_or_closed(alice, slow)
        await slow.hang_up()
