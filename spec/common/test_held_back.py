"""The last thing sent, and then silence: is a message delivered although nothing else happens?"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.common.held_back import SILENCE_S, Sent, must_not_hold_back

READS = (1024, 4096, 8192, 16384, 32768)  # bytes, as many as programs often ask for in one read
BURST, BURST_SIZE = 800, 250  # messages, and bytes of each: more than one read takes
SHORTEST = 3000  # messages without padding: more than a server may handle at a time, though one read takes them
WRITTEN = 60_000  # bytes of them at most: the kernel takes so many although the server is stopped
FEW, SHORTEST_S = 50, 10.0  # messages that show how slow a server is, and how long it may take for the shortest ones
BACKLOG = 1_200_000  # bytes for a client that does not read
STALLED_BURST = 250  # messages of a client that does not read: the kernel takes so many although the server reads none
LEAST_BURST = 150  # their number varies: a server that stops reading between two bursts has none to hold back
STALLED_BURSTS, STALLED_S = 40, 8.0  # whose echo is more than waits for one client, and for how long they are sent
STUCK_S = 1.0  # then a message is lost, or the server has stopped reading its sender
PAUSE_S = 3.0  # before a message that comes after a silence
ONE_BY_ONE, ONE_BY_ONE_S = 600, 4.0  # messages, each after the one before it has arrived, and how long at most


@pytest.mark.slow
@pytest.mark.case(87, "DELIVER-11")
async def test_the_last_message_arrives_though_nothing_else_happens(room: Room) -> None:
    """DELIVER-11: No message is held back until something else happens: another message, or a client that joins or
    leaves.

    One message, an empty one, one after a silence, one in two pieces; several in a segment; as many bytes as a server
    reads at a time; thousands of short ones; a burst; messages of several clients at once; the first words of a client,
    before it is accepted, and the last ones; a message together with a client that joins, and with one that dies. After
    each there is silence.
    """
    alice, bob, carol = await room.join(3)
    three = [alice, bob, carol]

    async def one() -> Sent:
        return Sent([await bob.send_next()], three, [bob])

    async def empty() -> Sent:
        fresh = await room.join_one()  # it has received no empty message yet: equal ones count as one
        return Sent(await bob.send(b""), [fresh], [bob])

    async def after_a_silence() -> Sent:
        await anyio.sleep(PAUSE_S)
        return await one()

    async def pieces() -> Sent:
        body = bob.next_body(60)
        await bob.send_raw(room.encode(body)[:20])
        await room.barrier(alice, [alice])
        await bob.send_raw(room.encode(body)[20:])
        return Sent([room.messages.numbers[body]], three, [bob])

    async def several() -> Sent:
        return Sent(await bob.send(*(bob.next_body() for _ in range(4))), three, [bob])

    async def at_once() -> Sent:
        with room.server_paused():
            numbers = [await client.send_next() for client in three]
        return Sent(numbers, three, three)

    async def burst() -> Sent:
        sender = await room.join_one()  # a burst is more than a client need keep up with
        return Sent(await sender.send(*(sender.next_body(BURST_SIZE) for _ in range(BURST))), [sender], [sender])

    async def shortest() -> Sent:
        sender = await room.join_one()
        count = await _count_in_time(room, sender)
        bodies = [sender.next_body() for _ in range(count)]
        with room.server_paused():
            numbers = await sender.send(*bodies)
        return Sent(numbers, [sender], [sender])

    async def first_words() -> Sent:
        with room.server_paused():
            joining = await room.connect()
            number = await joining.send_next()
        return Sent([number], three, [joining])

    async def last_words() -> Sent:
        leaving = await room.join_one()
        with room.server_paused():
            number = await leaving.send_next()
            await leaving.close_sending()
        return Sent([number], three)

    async def with_a_joining_client() -> Sent:
        with room.server_paused():
            number = await bob.send_next()
            await room.connect()
        return Sent([number], three, [bob])

    async def with_a_dying_client() -> Sent:
        dying = await room.join_one()
        with room.server_paused():
            await dying.send_raw(room.encode(b"unfinished")[:4])
            await dying.reset()
            number = await bob.send_next()
        return Sent([number], three, [bob])

    def read(size: int) -> Callable[[], Awaitable[Sent]]:
        async def fill() -> Sent:
            bodies = _bodies(room, bob, size)
            with room.server_paused():
                numbers = await bob.send(*bodies)
            return Sent(numbers, three, [bob])

        return fill

    occasions = {
        "one message": one,
        "an empty message": empty,
        "a message after a silence": after_a_silence,
        "a message in two pieces": pieces,
        "several messages in one segment": several,
        "messages of three clients at once": at_once,
        "the first words of a client": first_words,
        "the last words of a client": last_words,
        "a message at the moment in which another client joined": with_a_joining_client,
        "a message at the moment in which another client died": with_a_dying_client,
        **{f"messages of {size:,} bytes together": read(size) for size in READS},
        "thousands of short messages": shortest,
        "a burst": burst,
    }
    for what, occasion in occasions.items():
        await must_not_hold_back(room, alice, what, occasion)


async def _count_in_time(room: Room, sender: Client) -> int:
    """Return how many short messages to send at once, by a measurement: fewer to a slow server."""
    clock = room.clock()
    await sender.send(*(sender.next_body() for _ in range(FEW)))
    await room.barrier(sender, [sender])
    in_time = int(FEW * SHORTEST_S / max(0.01, clock.read()))
    return min(SHORTEST, WRITTEN // len(room.encode(sender.next_body(8))), in_time)


def _bodies(room: Room, sender: Client, size: int) -> list[bytes]:
    """Return bodies whose messages together have exactly this number of bytes, or a few less where that cannot be."""
    bodies = []
    while size > 0:
        body = sender.next_body(min(room.longest, size))
        while len(room.encode(body)) > size and body.endswith(b"~"):
            body = body[:-1]
        if 0 < size - len(room.encode(body)) < 40:  # too few for another message: this one takes half of the rest
            body = body[: max(len(body.rstrip(b"~")), len(body) // 2)]
        if len(room.encode(body)) > size:
            break
        bodies.append(body)
        size -= len(room.encode(body))
    return bodies


@pytest.mark.slow
@pytest.mark.case(88, "DELIVER-11")
async def test_a_backlog_arrives_though_nothing_else_happens(room: Room, rng: random.Random) -> None:
    """DELIVER-11: No message is held back until something else happens: another message, or a client that joins or
    leaves.

    A client does not read until the server has a backlog for it, and then reads again, in silence; the next one has
    sent bursts itself, until a message of them did not arrive, which the server may serve only now. Then one message is
    sent while another client does not read.
    """
    alice = await room.join_one()

    async def resume() -> Sent:
        (slow,) = await room.join_stalled()
        mark = len(room.messages.bodies)
        await room.pour(alice, BACKLOG, size=250, seconds=4)
        slow.start_reading()
        return Sent(range(mark, len(room.messages.bodies)), [slow], [alice])

    async def resume_after_bursts() -> Sent:
        (slow,) = await room.join_stalled()
        sent = Sent([], [alice])
        for _ in room.rounds(STALLED_BURSTS, STALLED_S):
            bodies = [slow.next_body(BURST_SIZE) for _ in range(rng.randint(LEAST_BURST, STALLED_BURST))]
            try:
                sent = Sent(await slow.send(*bodies), [alice], [slow, alice])
            except Violation:  # it has been disconnected, as it may be
                return Sent([], [alice])
            if not await alice.wait_until(lambda: not sent.missing(), STUCK_S):  # noqa: B023
                break
        slow.start_reading()
        return sent

    await must_not_hold_back(room, alice, "the backlog of a client that reads again", resume)
    await must_not_hold_back(room, alice, "a burst of a client that did not read", resume_after_bursts)
    await room.join_stalled()
    bob, carol = await room.join(2)
    await room.pour(alice, BACKLOG, size=250, seconds=4)

    async def beside_it() -> Sent:
        return Sent([await alice.send_next()], [alice, bob, carol], [alice])

    await must_not_hold_back(room, bob, "a message beside the backlog of another client", beside_it)


@pytest.mark.slow
@pytest.mark.case(220, "DELIVER-11")
async def test_none_of_many_single_messages_is_held_back(room: Room) -> None:
    """DELIVER-11: No message is held back until something else happens: another message, or a client that joins or
    leaves.

    Hundreds of messages, each sent when the one before it has arrived everywhere: a wake-up that is lost now and then
    is lost for one of them.
    """
    alice, bob, carol = await room.join(3)

    async def until_one_is_missing() -> Sent:
        for _ in room.rounds(ONE_BY_ONE, ONE_BY_ONE_S):
            sent = Sent([await bob.send_next()], [alice, bob, carol], [bob])
            for client in sent.receivers:
                await client.wait_until(lambda: not sent.missing(), SILENCE_S)  # noqa: B023
            if sent.missing():
                break
        return sent

    await must_not_hold_back(room, alice, "one of many single messages", until_one_is_missing)
