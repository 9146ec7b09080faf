"""The last thing sent, and then silence: is a message delivered although nothing else happens?

A barrier cannot ask that, because it is itself something else that happens. So a case sends, waits in silence, and
only then sends something else. A message that arrives in the silence is delivered; one that never arrives was lost,
which is allowed; one that arrives with what is sent afterwards is suspicious. Then the case asks again, with a
silence so long that no server is that slow.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation

SILENCE_S = 0.7  # after which it is worth while to find out whether a message was lost or is held back
LONG_SILENCE_S = 20.0  # without any event; no conforming server is that slow
ATTEMPTS = 2  # of each occasion
READS = (1024, 4096, 8192, 16384, 32768)  # bytes, as many as programs often ask for in one read
BURST, BURST_SIZE = 800, 250  # messages, and bytes of each: more than one read takes
BACKLOG = 1_200_000  # bytes for a client that does not read
PAUSE_S = 3.0  # before a message that comes after a silence


@dataclass(frozen=True)
class Sent:
    """What was sent on an occasion.

    Attributes:
        numbers: the messages.
        receivers: the clients that should receive them.
        senders: the clients that sent them.
    """

    numbers: Sequence[int]
    receivers: Sequence[Client]
    senders: Sequence[Client] = ()

    def missing(self) -> list[tuple[Client, int]]:
        """Return which receivers, of those that are connected, have not received which messages."""
        return [
            (client, number)
            for client in self.receivers
            if not client.closed
            for number in set(self.numbers).difference(client.received)
        ]


@pytest.mark.slow
@pytest.mark.case(87, "DELIVER-11")
async def test_the_last_message_arrives_though_nothing_else_happens(room: Room) -> None:
    """DELIVER-11: No message is held back until something else happens: another message, or a client that joins or
    leaves.

    One message, an empty one, one after a silence, one in two pieces; several in a segment; as many bytes as a server
    reads at a time; a burst; messages of several clients at once; the first words of a client, before it is accepted,
    and the last ones; a message together with a client that joins, and with one that dies. After each there is silence.
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
        "a burst": burst,
    }
    for what, occasion in occasions.items():
        await must_not_hold_back(room, alice, what, occasion)


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
async def test_a_backlog_arrives_though_nothing_else_happens(room: Room) -> None:
    """DELIVER-11: No message is held back until something else happens: another message, or a client that joins or
    leaves.

    A client does not read until the server has a backlog for it, and then reads again, in silence. Then one message is
    sent while another client does not read.
    """
    alice = await room.join_one()

    async def resume() -> Sent:
        (slow,) = await room.join_stalled()
        mark = len(room.messages.bodies)
        await room.pour(alice, BACKLOG, size=250, seconds=4)
        slow.start_reading()
        return Sent(range(mark, len(room.messages.bodies)), [slow], [alice])

    await must_not_hold_back(room, alice, "the backlog of a client that reads again", resume)
    await room.join_stalled()
    bob, carol = await room.join(2)
    await room.pour(alice, BACKLOG, size=250, seconds=4)

    async def beside_it() -> Sent:
        return Sent([await alice.send_next()], [alice, bob, carol], [alice])

    await must_not_hold_back(room, bob, "a message beside the backlog of another client", beside_it)


async def must_not_hold_back(room: Room, witness: Client, what: str, occasion: Callable[[], Awaitable[Sent]]) -> None:
    """Raise Violation when messages of an occasion arrive only after something else was sent.

    Args:
        room: the server and its clients.
        witness: sends something else after the silence.
        what: the occasion, for people.
        occasion: sends messages.
    """
    for _ in range(ATTEMPTS):
        for silence_s in (SILENCE_S, LONG_SILENCE_S):
            sent = await occasion()
            missing = await _missing_after_silence(sent, silence_s)
            if not missing:
                return
            for client in (witness, *sent.senders):
                if client.closed or client.left:
                    continue
                for receiver in {client, *sent.receivers}:  # one that had stalled may still be disconnected for that
                    await room.barrier_or_closed(client, receiver)
            if not (late := [each for each in missing if each[1] in each[0].received and not each[0].closed]):
                return  # lost
            client, number = late[0]
    raise Violation(
        f"{what}: {client} received {len(late)} of {len(sent.numbers)} messages only after another one was sent, "
        f"{LONG_SILENCE_S:.0f} s later",
        kind="silent",
        clients=(room.messages.senders[number], client.number),
    )


async def _missing_after_silence(sent: Sent, silence_s: float) -> list[tuple[Client, int]]:
    """Wait until all has arrived, or nothing has arrived for so long; return which receivers miss which messages."""
    while True:
        arrived = sum(client.bytes_received for client in sent.receivers)
        deadline = time.monotonic() + silence_s
        for client in sent.receivers:
            left_s = max(0.05, deadline - time.monotonic())
            await client.wait_until(lambda: not sent.missing(), left_s)
        missing = sent.missing()
        if not missing or sum(client.bytes_received for client in sent.receivers) == arrived:
            return missing
