"""Order: one sequence of all messages, of which every client receives a part.

These cases only create the occasions. The judge of histories, which checks every room when its case has
ended, finds whatever no single order explains.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation

AHEAD = 20  # clients that come and go, before the server must have dealt with them


@pytest.mark.smoke
@pytest.mark.case(44, "ORDER-1")
async def test_each_senders_order_is_kept(room: Room) -> None:
    """ORDER-1: The messages of one sender are delivered in the order in which it sent them.

    Three senders, a thousand messages each, in bursts and one by one.
    """
    clients = await room.join(4)
    await room.chatter(clients[:3], 900, burst=100)
    await room.chatter(clients[:3], 100, burst=1)


@pytest.mark.smoke
@pytest.mark.case(45, "ORDER-2")
async def test_all_receivers_agree_while_several_send_at_once(room: Room) -> None:
    """ORDER-2: All clients see the same order: there is one sequence of all messages, and each client receives a part
    of it.

    Six senders at the same time and three clients that only receive; then twelve of twenty-four; then two, and half
    of them, whose messages the server finds all at once, because it was stopped while they arrived.
    """
    clients = await room.join(9)
    await room.chatter(clients[:6], 300, burst=3)
    await room.chatter(clients[:6], 600, burst=60)
    clients += await room.join(15)
    await room.chatter(clients[:12], 100, burst=5)
    for turn in room.rounds(60, seconds=4):
        with room.server_paused():
            for sender in clients[:2] if turn % 2 else clients[turn % 5 :: 2]:
                await sender.send_next()
        await room.barrier(clients[0])


@pytest.mark.case(46, "ORDER-3")
async def test_an_answer_never_comes_before_its_question(room: Room) -> None:
    """ORDER-3: An answer is never delivered before its question.

    Pairs that ask and answer, several at a time, while six receive; no client answers before it has received the
    question.
    """
    clients = await room.join(12)

    async def converse(asker: Client, answerer: Client) -> None:
        for _ in room.rounds(100, seconds=4):
            await room.barrier(asker, [answerer])
            await room.barrier(answerer, [asker])

    async with anyio.create_task_group() as tasks:
        for pair in range(3):
            tasks.start_soon(converse, clients[2 * pair], clients[2 * pair + 1])
    await room.barriers(clients)


@pytest.mark.case(47, "ORDER-4")
async def test_a_senders_own_copies_stand_in_the_common_order(room: Room) -> None:
    """ORDER-4: A sender receives its own messages in the common order.

    All send at the same moment, one message at a time, and receive their own among the others.
    """
    clients = await room.join(6)
    for _ in room.rounds(60, seconds=4):
        async with anyio.create_task_group() as tasks:
            for sender in clients:
                tasks.start_soon(sender.send_next)
        await room.barrier(clients[0])
    await room.chatter(clients, 200, burst=4)


@pytest.mark.slow
@pytest.mark.case(48, "ORDER-5")
async def test_the_order_holds_under_drops(room: Room) -> None:
    """ORDER-5: The order holds whatever else happens: messages are dropped, clients join and leave, segments are split.

    Two clients stall and resume by turns while three others send more than any buffer holds.
    """
    senders = await room.join(3)
    slow = await room.join(2, small=True)
    for turn in range(4):
        stalled = slow[turn % 2]
        stalled.stall()
        async with anyio.create_task_group() as tasks:
            for sender in senders:
                tasks.start_soon(partial(room.pour, sender, 1_200_000, size=250, seconds=3))
        with contextlib.suppress(Violation):  # it may have been disconnected
            await stalled.send_next()  # a message of its own, after all that it has not received
        stalled.start_reading()
        await room.barrier_or_closed(senders[0], stalled)


@pytest.mark.case(49, "ORDER-5")
async def test_the_order_holds_while_clients_join_and_leave(room: Room) -> None:
    """ORDER-5: The order holds whatever else happens: messages are dropped, clients join and leave, segments are split.

    Three senders and a receiver stay; others come, send and leave in every way all the time.
    """
    clients = await room.join(4)
    over = anyio.Event()

    async def churn(leave: Callable[[Client], object]) -> None:
        while not over.is_set():
            client = await room.connect()
            await client.send(client.next_body(), client.next_body(100))
            await anyio.sleep(0.001)
            await client.send_next()  # it arrives together with the end of the stream
            await leave(client)  # type: ignore[misc]
            if client.number % AHEAD == 0:  # a slow server must not lag behind for minutes
                await room.barrier(clients[3], clients[3:])

    async with anyio.create_task_group() as tasks:
        for leave in (_leave_by_fin, _leave_by_reset):
            tasks.start_soon(churn, leave)
        for _ in room.rounds(10, seconds=8):
            await room.chatter(clients[:3], 100, burst=5)
        over.set()
    await room.barriers(clients)


async def _leave_by_fin(client: Client) -> None:
    await client.hang_up()


async def _leave_by_reset(client: Client) -> None:
    await client.reset()


@pytest.mark.case(50, "ORDER-5")
async def test_the_order_holds_with_sliced_segments(room: Room, rng: random.Random) -> None:
    """ORDER-5: The order holds whatever else happens: messages are dropped, clients join and leave, segments are split.

    Four senders whose bytes are cut at random places, the pieces interleaved.
    """
    clients = await room.join(5)
    for _ in range(30):
        streams = [b"".join(room.encode(client.next_body(rng.randrange(60))) for _ in range(20)) for client in clients]
        while any(streams):
            for place, sender in enumerate(clients[:4]):
                cut = rng.randrange(1, 90)
                if streams[place]:
                    await sender.send_raw(streams[place][:cut])
                streams[place] = streams[place][cut:]
            streams[4] = b""  # the fifth only receives
        await room.barrier(clients[0])
    await room.barriers(clients)


@pytest.mark.case(51, "ORDER-6")
async def test_whether_the_order_is_that_of_real_time_is_reported(room: Room, note: Callable[[str], None]) -> None:
    """ORDER-6: The harness reports whether the order is also the real-time order (linearizable).

    One client sends when another has received its own message: in real time that one was earlier, by any clock.
    """
    alice, bob, carol = await room.join(3)
    pairs = swapped = 0
    for turn in room.rounds(300, seconds=3):
        first, second = (alice, bob) if turn % 2 else (bob, alice)
        earlier = await first.send_next()
        await room.barrier(first, [first])
        later = await second.send_next()
        await room.barrier(second)
        if earlier in carol.received and later in carol.received:
            pairs += 1
            swapped += carol.received.index(earlier) > carol.received.index(later)
    note(f"{'not ' if swapped else ''}linearizable in {pairs} pairs of messages")
