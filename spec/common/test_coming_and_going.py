"""Joining and leaving: every way to leave, and what must not stay behind."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from harness.conformance.api import (
    Growth,
    Room,
    Violation,
    is_leak,
    watch_growth,
)
from spec.common.leftovers import (
    SPARE_THREADS,
    must_not_accumulate,
    must_not_grow_on,
    must_release_descriptors,
    released,
    steps,
    watch_repeatedly,
)

PLACES = 12  # clients
EMPTY_S = 1.5
BOUND = 200.0  # bytes of memory a connection: less than it takes to remember one
ENOUGH = 1000  # connections that are enough for a verdict
VISITS = 50  # in a step
STALLED_BOUND = 20_000  # bytes for each client that stalled and left
ATTEMPTS = 20  # to get one message through
CUTS = ((5, 0), (5, 2), (1, 0), (255, 254), (200, 100))  # bytes of a body, and how many of them are sent
FILLING = 2000  # bytes of a body that serves only to fill buffers


@pytest.mark.smoke
@pytest.mark.case(52, "COME-1")
async def test_clients_come_and_go_without_a_word(room: Room) -> None:
    """COME-1: Clients may come and go without sending a message, and the others are still served.

    A hundred and fifty of them, most immediately after connecting, with or without the bytes that let them join, some
    after they have been in the room.
    """
    alice, bob = await room.join(2)
    for turn in range(150):
        client = await (room.connect(joins=turn % 3 > 0) if turn % 10 else room.join_one())
        await (client.hang_up() if turn % 4 < 2 else client.reset())
    await room.deliver(alice, [b"where were we?"], [alice, bob])


def unfinished(room: Room, length: int, present: int) -> bytes:
    """Return the beginning of a message: all up to the first `present` bytes of a body of this length."""
    whole = room.encode(b"x" * length)
    return whole[: len(whole) - (length - present)]


@pytest.mark.smoke
@pytest.mark.case(53, "COME-2")
async def test_a_message_cut_short_by_fin_is_discarded(room: Room) -> None:
    """COME-2: If a client leaves in the middle of a message, by FIN or by RST, the unfinished message is discarded.

    The stream ends behind the header, in the body, and one byte before its end; another client has sent half a
    message, and must be able to finish it.
    """
    alice, bob, carol = await room.join(3)
    finished = False
    for turn in range(ATTEMPTS):
        body = carol.next_body(30)
        await carol.send_raw(room.encode(body)[:9])
        client = await room.join_one()
        await client.send_raw(unfinished(room, *CUTS[turn % len(CUTS)]))
        await client.leave()
        # A joining client may get the descriptor, and with it the buffer, of the one that left.
        joining = await room.join_one()
        await room.deliver(joining, [joining.next_body()], [alice, bob, joining])
        await joining.leave()
        await carol.send_raw(room.encode(body)[9:])
        await room.deliver(carol, [carol.next_body()], [alice, bob, carol])
        finished = finished or bool(room.times_received(alice, body))
        if finished and turn >= len(CUTS) - 1:
            return
    raise Violation(
        f"a message that {carol} had sent half of when another client left never arrives, tried {ATTEMPTS} times"
    )


@pytest.mark.case(54, "COME-2")
async def test_a_message_cut_short_by_rst_is_discarded(room: Room) -> None:
    """COME-2: If a client leaves in the middle of a message, by FIN or by RST, the unfinished message is discarded.

    The same, by RST.
    """
    alice, bob = await room.join(2)
    for length, present in CUTS:
        client = await room.join_one()
        await client.send_raw(unfinished(room, length, present))
        await room.barrier(alice)
        await client.reset()
        joining = await room.join_one()
        await room.deliver(joining, [joining.next_body()], [alice, bob, joining])
        await joining.leave()


@pytest.mark.case(96, "COME-1")
async def test_remaining_clients_are_served_whichever_leaves(room: Room, rng: random.Random) -> None:
    """COME-1: Clients may come and go without sending a message, and the others are still served.

    Twelve clients; again and again some of them leave, whichever they are, and as many join. Meanwhile the newest one
    is in the middle of a message: of all these messages at least one must arrive.
    """
    clients, bodies = await room.join(PLACES), list[bytes]()
    for turn in room.rounds(40, seconds=10, at_least=8):
        newest, body = clients[-1], clients[-1].next_body(30)
        whole = room.encode(body)
        await newest.send_raw(whole[:9])
        await room.barrier(clients[rng.randrange(PLACES - 1)], clients)
        for _ in range(rng.randrange(1, 4)):
            leaving = clients.pop(rng.randrange(len(clients) - 1))
            await (leaving.reset, leaving.hang_up)[rng.randrange(2)]()
        if turn % 2:  # a server that loses every second message would lose all of these
            await clients[0].send_next()
        await newest.send_raw(whole[9:])
        bodies.append(body)
        clients += [await room.connect() for _ in range(PLACES - len(clients))]
        await room.barrier(newest, clients)
    if len(bodies) >= ATTEMPTS and not any(room.times_received(client, body) for client in clients for body in bodies):
        raise Violation(f"none of {len(bodies)} messages arrived that were unfinished while others left")


@pytest.mark.case(56, "COME-4")
async def test_whether_a_half_closed_client_still_receives_is_reported(room: Room, note: Callable[[str], None]) -> None:
    """COME-4: A client that has closed its sending side may continue to receive.

    FIN from the client, then messages from others.
    """
    alice, bob = await room.join(2)
    await bob.close_sending()
    for _ in room.rounds(10, seconds=3):
        await room.barrier(alice, [alice])
    mark = len(bob.received)
    number = await alice.send_next()
    await room.barrier(alice, [alice])
    is_received = await room.wait_until(lambda: number in bob.received[mark:] or bob.closed is not None, 2)
    note(
        "a half-closed client goes on receiving"
        if is_received and not bob.closed
        else "a half-close ends the connection"
    )


@pytest.mark.case(57, "COME-5")
async def test_a_peer_that_dies_while_it_is_written_to_harms_nobody(room: Room) -> None:
    """COME-5: A client that dies while the server writes to it, or while its own messages are in transit, harms no
    other client.

    Ten clients reset while others send, some with unread bytes and some without.
    """
    alice, bob = await room.join(2)
    for turn in range(10):
        victim = await room.join_one()
        if turn % 2:
            victim.stall()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(room.pour, alice, 200_000, size=200, seconds=2))
            await anyio.sleep(0.002)
            await victim.reset()
        await room.barrier(bob)


@pytest.mark.case(58, "COME-5")
async def test_a_sender_that_leaves_during_its_own_broadcast_harms_nobody(room: Room) -> None:
    """COME-5: A client that dies while the server writes to it, or while its own messages are in transit, harms no
    other client.

    Five hundred messages and a RST, a FIN, or a close with unread echoes.
    """
    alice, bob = await room.join(2)
    for turn in range(9):
        client = await room.join_one()
        await client.send(*(client.next_body(20) for _ in range(500)))
        await (client.reset, client.leave, client.hang_up)[turn % 3]()
        await room.barrier(alice)
        await room.barrier(bob)


@pytest.mark.slow
@pytest.mark.case(59, "COME-6")
async def test_thousands_of_reconnects_leave_nothing_behind(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """COME-6: When clients have left, everything the server held for them is released: descriptors, threads,
    processes and memory.

    Descriptors, threads and processes return to their number or stop to grow; memory may grow at first, but not with
    every connection. The server is blamed only when it grows three times, with floods in between, which make a runtime
    with a garbage collector run it.
    """
    alice = await room.join_one()
    measured_steps = await steps(room, alice, VISITS)

    async def visit(count: int) -> int:
        await _come_and_go(room, count)
        await room.barrier(alice)
        return count

    async def visits(done: int) -> int:
        return await measured_steps.take(visit, waits=1)

    def size() -> int:
        return room.usage().rss_bytes

    watch = partial(
        watch_growth,
        visits,
        size,
        bound=BOUND,
        enough=3000,
        most=5000,
        seconds=14,
        least=ENOUGH,
        now_s=room.clock().read,
    )
    turns: list[Growth] = []

    async def come_and_go_for_long() -> int:
        turns[:] = await watch_repeatedly(room, alice, watch, BOUND)
        return sum(turn.total_count for turn in turns)

    await visits(0)
    await must_not_accumulate(room, alice, come_and_go_for_long, "connections have come and gone")
    fact("bytes a connection", turns[-1].summary(BOUND))
    note(must_not_grow_on(turns, BOUND, ENOUGH, "a connection"))


async def _come_and_go(room: Room, count: int) -> None:
    async def come_and_go() -> None:
        for turn in range(count // 10):
            client = await room.connect()
            if turn % 3:
                await client.send(client.next_body(100))
            if turn % 5 > 2:
                await client.send_raw(room.encode(b"half of it")[:6])
            if turn % 5 == 4:
                await client.leave()
            await (client.reset() if turn % 2 else client.hang_up())

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(come_and_go)


@pytest.mark.slow
@pytest.mark.case(60, "COME-6")
async def test_clients_that_never_read_and_leave_by_reset_leave_nothing_behind(room: Room) -> None:
    """COME-6: When clients have left, everything the server held for them is released: descriptors, threads,
    processes and memory.

    Ten stalled clients, whose buffers are full, leave by RST, again and again: the first turn may have created
    something for good (a pool, a larger heap), but the later ones must not. The server is blamed only when its memory
    grows three times, with floods in between, which make a runtime with a garbage collector run it.
    """
    alice = await room.join_one()

    async def visits(done: int) -> int:
        stalled = await room.join_stalled(10)
        await room.pour(alice, 1_200_000, size=min(room.spec.codec.max_body, FILLING), seconds=4)
        for client in stalled:
            await client.reset()
        await room.barrier(alice, [alice])
        return 10

    async def thirty_visits() -> int:
        return sum([await visits(turn) for turn in range(3)])

    before = room.usage()
    await visits(0)
    await released(room, alice, before, SPARE_THREADS)  # a pool has by now most of what it may keep
    first = room.usage()
    await must_not_accumulate(room, alice, thirty_visits, "stalled clients have left", threads=8)
    if room.usage().rss_bytes - first.rss_bytes < 30 * STALLED_BOUND:
        return

    def size() -> int:
        return room.usage().rss_bytes

    watch = partial(watch_growth, visits, size, bound=STALLED_BOUND, enough=80, most=300, seconds=20)
    turns = await watch_repeatedly(room, alice, watch, STALLED_BOUND)
    growth = turns[-1]
    if growth.total_count >= 80 and is_leak(turns, STALLED_BOUND):
        raise Violation(
            f"memory still grows by {growth.slope()} bytes for each stalled client that has left, "
            f"after {growth.total_count}",
            kind="used",
        )


@pytest.mark.case(61, "COME-7")
async def test_after_the_last_one_has_left_a_new_one_is_served(room: Room) -> None:
    """COME-7: A server keeps running after its last client has left.

    An empty room, five times, after every way to leave; the last time it stays empty for a while.
    """
    for turn in range(5):
        clients = await room.join(2)
        for client in clients:
            await (client.leave, client.reset, client.hang_up)[turn % 3]()
        await room.join_one()
        await room.clients[-1].hang_up()
    await anyio.sleep(EMPTY_S)
    await room.join(2)


@pytest.mark.case(62, "COME-8")
async def test_the_server_closes_its_side_of_a_closed_connection(room: Room) -> None:
    """COME-8: A server closes its side of a connection after the client has closed the connection.

    Thirty clients close, ten of them in the middle of a message and ten with unread messages; the others go on
    sending (a server may notice only then); the descriptors must be released.
    """
    alice = await room.join_one()
    before = room.usage()
    clients = await room.join(30)
    for turn, client in enumerate(clients):
        if turn % 3 == 1:
            await client.send_raw(room.encode(b"unfinished")[:4])
        elif turn % 3 == 2:
            client.stall()
            await client.send_next(200)
    await room.barrier(alice, [alice])
    for client in clients:
        await client.hang_up()
    await must_release_descriptors(room, alice, before, f"{len(clients)} clients have closed")
