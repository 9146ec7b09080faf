"""Overload: clients that do not read, clients that flood, and too many clients at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Inconclusive, Room, Violation, few_may_wait
from spec.common.limits import require_descriptors

STALLING = 8 * 1024 * 1024  # bytes: more than the kernel buffers on the way to a client
LONG_S = 3.0  # a long time for a client to read nothing
LIGHT = 12  # messages of light senders
FLOODS = 3  # before it remains open whether a light sender is starved
FLOOD_PART = 100_000  # bytes
FLOOD_S = 8.0
LAGGING_S, LONG = 8.0, 250  # and bytes of a body
FINISHED = 20  # of the unfinished messages
WORDS, ALONE_S = 25, 0.02  # messages of a client that does not read, and between two of them
STAYING = 500  # of a thousand clients
QUEUE = 128  # connections that may wait; a server that accepts in time needs no more for two hundred


@pytest.mark.slow
@pytest.mark.case(63, "LOAD-1")
async def test_one_stalled_reader_does_not_stop_the_others(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-1: A client that does not read, or reads slowly, does not stop the other clients.

    More is offered than any kernel buffers for the stalled client; then the others must receive from each other.
    """
    (stalled,) = await room.join_stalled()
    flooder = await room.join_one()
    taken = await room.flood(flooder, STALLING, seconds=10)
    alice, bob = await room.join(2)
    for _ in range(3):  # a single message may take another path in the server than a flood
        number = await alice.send_next()
        await room.wait_until(lambda number=number: number in bob.received, 1)  # type: ignore[misc]
    for _ in room.rounds(20, seconds=5):
        await room.barrier(alice, [alice, bob])
        await room.pour(bob, 100_000, size=250, seconds=1)
    stalled.start_reading()
    await room.barrier_or_closed(alice, stalled)
    if stalled.closed:
        note(f"disconnects a client that does not read ({stalled.bytes_received:,} bytes reached it)")
    else:
        note(f"drops for a client that does not read ({stalled.bytes_received:,} of {taken:,} bytes reached it)")


@pytest.mark.slow
@pytest.mark.case(66, "LOAD-3", "DELIVER-1")
async def test_a_stalled_reader_that_resumes_gets_whole_messages_or_the_end(room: Room) -> None:
    """LOAD-3: A client that was slow and reads again receives whole messages in order, or is disconnected.
    DELIVER-1: Every message is forwarded to all clients, including the sender.

    It resumes three seconds after all buffers are full: it receives a part of the common order and then current
    messages, or the end of the stream. If it is still connected, what it sends then is received as well, and at least
    one of the messages that it has sent while it did not read.
    """
    (stalled,) = await room.join_stalled()
    alice, bob = await room.join(2)
    async with anyio.create_task_group() as tasks:
        for sender in (alice, bob):
            tasks.start_soon(partial(room.pour, sender, 2_500_000, size=200, seconds=6))
    await anyio.sleep(LONG_S)
    words = list[int]()
    with _unless_closed(room, stalled):
        for _ in range(WORDS):
            words.append(await stalled.send_next())
            await anyio.sleep(ALONE_S)
    await room.pour(alice, 100_000, size=200, seconds=2)
    stalled.start_reading()
    await room.barrier_or_closed(alice, stalled)
    await room.barrier_or_closed(bob, stalled)
    if not stalled.closed:
        with _unless_closed(room, stalled):
            await room.barrier(stalled, [alice])
            if words and not set(words) & set(alice.received):
                raise Violation(f"{len(words)} messages of a client that did not read meanwhile never arrived")


@contextmanager
def _unless_closed(room: Room, slow: Client) -> Iterator[None]:
    """Let what is done in the context fail if a client is disconnected meanwhile: it may be, for having been slow."""
    try:
        yield
    except Violation:
        room.check_alive()
        if slow.closed is None:
            raise


@pytest.mark.slow
@pytest.mark.case(67, "LOAD-1")
async def test_a_reader_at_one_kilobyte_a_second_does_not_stop_the_others(room: Room) -> None:
    """LOAD-1: A client that does not read, or reads slowly, does not stop the other clients.

    It reads 256 bytes every quarter of a second, while 4 MB are sent (or for three seconds).
    """
    (slow,) = await room.join_stalled()
    alice, bob = await room.join(2)

    async def read_slowly() -> None:
        while slow.closed is None:
            await slow.read_once(256)
            await anyio.sleep(0.25)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read_slowly)
        for _ in room.rounds(40, seconds=3):
            await room.pour(alice, 100_000, size=250, seconds=1)
            await room.barrier(bob, [alice, bob])
        tasks.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.case(68, "LOAD-4")
async def test_a_sender_that_never_reads_harms_nobody(room: Room) -> None:
    """LOAD-4: A sender that never reads harms no other client.

    It sends 8 MB, or as much as the server takes, and reads none of its own echo.
    """
    alice, bob = await room.join(2)
    (stalled,) = await room.join_stalled()
    # An echo in small messages fills the kernel's memory early: it takes no more from the sender, long before the
    # server has a backlog.
    size = min(room.spec.codec.max_body, 4000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(room.flood, stalled, STALLING, seconds=6, size=size))
        carol, dave = await room.join(2)
        for _ in room.rounds(20, seconds=4):
            await room.barrier(carol, [carol, dave])
    # Clients that received the flood may have been too slow for it, and disconnected.
    for client in (alice, bob):
        await room.barrier_or_closed(carol, client)


@pytest.mark.slow
@pytest.mark.case(69, "LOAD-5")
async def test_a_flood_does_not_starve_a_light_sender(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-5: A flood from one client does not starve a client that sends little.

    While one client floods, others wait for their own messages, twelve times by turns: one that has joined before it,
    one after it, and one that joins during the flood. They receive the flood as well, and may be disconnected because
    they do not keep up; then the next flood waits for one of them now and then.
    """
    waits, clock = list[float](), room.clock()

    async def measure(early: Client, late: Client, flooder: Client, *, flood_waits: bool) -> None:
        is_over = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_flood, room, flooder, early if flood_waits else None, is_over)
            await anyio.sleep(0.1)  # until the flood has begun
            for place in room.rounds(LIGHT - len(waits), seconds=FLOOD_S):
                begun = clock.read()
                newcomer = [] if place % 3 < 2 else [await room.connect()]
                (light,) = newcomer or [(early, late)[place % 3]]
                await room.barrier_or_closed(light, light)
                if not light.closed:
                    waits.append(clock.read() - begun)
                elif not newcomer:
                    break
                for client in newcomer:
                    await client.reset()
                await anyio.sleep(0.02)
            is_over.set()

    for turn in range(FLOODS):
        early, flooder, late = await room.join(3)
        await measure(early, late, flooder, flood_waits=turn > 0)
        if not early.closed and not late.closed:
            break
        for client in (early, late, flooder):
            await client.leave()
    if not waits:
        raise Inconclusive("the light sender did not keep up with the flood, and was disconnected")
    note(f"{len(waits)} messages during the flood, the slowest received after {max(waits) * 1000:.0f} ms")
    assert max(waits) < 5, f"during a flood a light sender waited {max(waits):.1f} s for its own message"


@pytest.mark.slow
@pytest.mark.case(98, "LOAD-3", "ORDER-5")
async def test_a_reader_that_always_lags_gets_whole_messages_in_order(room: Room) -> None:
    """LOAD-3: A client that was slow and reads again receives whole messages in order, or is disconnected.
    ORDER-5: The order holds whatever else happens: messages are dropped, clients join and leave, segments are split.

    It reads a little less than is sent, so that its buffers are full, and have room again, hundreds of times. The
    messages are short: often there is only room for the first byte of one.
    """
    alice = await room.join_one()
    (slow,) = await room.join_stalled()
    await room.pour(alice, 1_200_000, size=250, seconds=4)
    count = 250
    for _ in room.rounds(300, seconds=8):
        begun = time.monotonic()
        await alice.send(*(alice.next_body(9) for _ in range(count)))
        await room.barrier(alice, [alice])
        count = 1000 if time.monotonic() - begun < 1 else 250
        with anyio.move_on_after(0.02):
            for _ in range(6):
                await slow.read_once(1500)
        if slow.closed:
            break
    slow.start_reading()
    await room.barrier_or_closed(alice, slow)


@pytest.mark.slow
@pytest.mark.case(205, "DELIVER-8")
async def test_a_reader_that_has_lagged_for_long_is_served_when_it_keeps_up(room: Room) -> None:
    """DELIVER-8: A client that reads is served for as long as it stays.

    For a while it reads half of what is sent, in long messages, of which often only a part has room. When it reads
    everything, a long message arrives as well, or it is disconnected.
    """
    alice = await room.join_one()
    (slow,) = await room.join_stalled()
    await room.pour(alice, 1_200_000, size=250, seconds=4)
    for _ in room.rounds(6000, seconds=LAGGING_S):
        await alice.send(*(alice.next_body(LONG) for _ in range(24)))
        await room.barrier(alice, [alice])
        with anyio.move_on_after(0.02):
            for _ in range(2):
                await slow.read_once(1500)
        if slow.closed:
            return
    slow.start_reading()
    await room.barrier_or_closed(alice, slow)
    if not slow.closed:
        with _unless_closed(room, slow):
            await room.deliver(alice, [alice.next_body(LONG)], [slow])


async def _flood(room: Room, flooder: Client, reader: Client | None, is_over: anyio.Event) -> None:
    """Flood until it is over, or the server has had eight seconds; let a reader catch up after each part."""
    clock = room.clock()
    while not is_over.is_set() and clock.read() < FLOOD_S:
        wanted = reader.bytes_received + FLOOD_PART if reader else 0
        part = FLOOD_PART if reader else 1 << 40
        if not await room.flood(flooder, part, seconds=1, until=is_over.is_set):
            return  # the server takes no more
        if reader:  # the server may drop some of it
            await reader.wait_until(partial(_has_received, reader, wanted), 0.5)


def _has_received(client: Client, count: int) -> bool:
    return client.bytes_received >= count


@pytest.mark.case(70, "LOAD-6")
async def test_two_hundred_unfinished_messages_harm_nobody(room: Room) -> None:
    """LOAD-6: Unfinished messages, however many, harm no other client.

    Two hundred clients send a header, or a header and half a body, and nothing else. At the end the first of them send
    the rest: at least one of these messages must arrive.
    """
    alice, bob = await room.join(2)
    halves = list[tuple[Client, bytes, int]]()
    for turn in range(200):
        client = await room.connect()
        body, present = client.next_body(200), 1 + (turn % 2) * 100
        await client.send_raw(room.encode(body)[:present])
        halves.append((client, body, present))
    for _ in range(3):
        await room.barrier(alice)
        await room.deliver(bob, [bob.next_body()], [alice, bob])
    for client, body, present in halves[:FINISHED]:
        await client.send_raw(room.encode(body)[present:])
    bodies = [body for _, body, _ in halves[:FINISHED]]
    if not await alice.wait_while_receiving(lambda: any(room.times_received(alice, body) for body in bodies), 20):
        raise Violation(f"{FINISHED} messages that were unfinished for a while never arrive")


@pytest.mark.slow
@pytest.mark.case(221, "LOAD-6")
async def test_a_thousand_unfinished_messages_harm_nobody(room: Room) -> None:
    """LOAD-6: Unfinished messages, however many, harm no other client.

    A thousand clients send a header, or a header and half a body, and nothing else; fewer where the server accepts
    slowly.
    """
    require_descriptors(1200)
    alice, bob = await room.join(2)
    for _ in room.rounds(20, seconds=60):
        for turn, client in enumerate(await room.join(50)):
            await client.send_raw(room.encode(b"x" * 200)[: 1 + (turn % 2) * 100])
    for _ in range(3):
        await room.barrier(alice, [alice, bob])
        await room.deliver(bob, [bob.next_body()], [alice, bob])


@pytest.mark.slow
@pytest.mark.case(71, "LOAD-7", "ORDER-2")
async def test_a_thousand_clients_are_served(room: Room) -> None:
    """LOAD-7: A server serves more than a thousand clients if the descriptor limit allows it.
    ORDER-2: All clients see the same order: there is one sequence of all messages, and each client receives a part of
    it.

    1050 clients join, more than `select` can watch; all receive what the first one sends, and the last one. Then the
    server finds messages of several at once, and half of the clients leave, which are not the first.
    """
    require_descriptors(1200)
    clients = await room.join(1050)
    await room.deliver(clients[0], [b"good morning"], clients)
    await room.deliver(clients[-1], [b"and good night"], clients)
    for _ in room.rounds(4, seconds=8):
        with room.server_paused():
            for sender in (clients[0], clients[STAYING], clients[-1]):
                await sender.send_next()
        await room.barrier(clients[0], clients)
    for turn, client in enumerate(clients[STAYING:]):
        await (client.reset() if turn % 2 else client.hang_up())
    await room.barrier(clients[0], clients[:STAYING])
    await room.barrier(clients[STAYING - 1], clients[:STAYING])


@pytest.mark.case(73, "LOAD-9")
async def test_two_hundred_at_once_are_all_served(room: Room) -> None:
    """LOAD-9: Two hundred clients that connect at the same time are all served.

    All connect at the same moment.
    """
    if reason := few_may_wait(QUEUE):
        pytest.skip(reason)
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(room.connect)
    await room.barrier(room.clients[0])
    await room.barrier(room.clients[-1])
