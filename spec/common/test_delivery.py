"""Delivery: to all clients, once, unaltered, for as long as they stay."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable

import anyio
import pytest

from harness.codec import random_body
from harness.conformance.api import Client, Room, Violation

ATTEMPTS = 100  # a server that loses half of all deliveries gets both through in every fourth
ROUNDS, LEAST_ROUNDS, SHARE = 1667, 17, 0.999  # of three messages each, and the share of them that must arrive
IN_A_ROW = 5  # equal messages
ENOUGH = 5  # something may come between two messages by chance once or twice, and hide that one is dropped
IN_FULL_S = 100.0  # then once is enough, of a late server


@pytest.mark.gate(4)
@pytest.mark.smoke
@pytest.mark.case(31, "DELIVER-1")
async def test_a_lone_client_receives_its_own_messages(room: Room) -> None:
    """DELIVER-1: Every message is forwarded to all clients, including the sender.

    One client, alone in the room.
    """
    alice = await room.join_one()
    await room.deliver(alice, [b"anybody here?"], [alice])


@pytest.mark.parametrize("count", [3, 50, 200])
@pytest.mark.case(32, "DELIVER-1", "ORDER-2")
async def test_all_clients_receive_from_all_senders(room: Room, count: int) -> None:
    """DELIVER-1: Every message is forwarded to all clients, including the sender.
    ORDER-2: All clients see the same order: there is one sequence of all messages, and each client receives a part of
    it.

    Some of them send in turn, all of them receive it. Then the server finds messages of several all at once.
    """
    clients = await room.join(count)
    for sender in (clients[0], clients[count // 2], clients[-1]):
        await room.deliver(sender, [sender.next_body() for _ in range(5)], clients)
    for _ in room.rounds(10, seconds=4):
        with room.server_paused():
            for sender in clients[:: max(1, count // 10)]:
                await sender.send_next()
        await room.barrier(clients[0], clients)


@pytest.mark.smoke
@pytest.mark.case(33, "DELIVER-2")
async def test_the_sender_gets_one_copy(room: Room) -> None:
    """DELIVER-2: No client receives a message twice.

    Not one copy as the sender and another as a client.
    """
    alice, bob = await room.join(2)
    bodies = [alice.next_body() for _ in range(100)]
    await alice.send(*bodies)
    await room.barriers([alice, bob])
    twice = [body for body in bodies if room.times_received(alice, body) > 1]
    assert not twice, f"the sender received {len(twice)} of its {len(bodies)} messages more than once"


@pytest.mark.case(34, "DELIVER-2")
async def test_no_duplicates_in_ten_thousand_messages(room: Room) -> None:
    """DELIVER-2: No client receives a message twice.

    Also none that come late: the streams are checked again after a second of silence. A slow server gets as many as it
    forwards in a minute.
    """
    clients = await room.join(4)
    for turn in room.rounds(40, seconds=60, at_least=4):
        sender = clients[turn % 4]
        await sender.send(*(sender.next_body() for _ in range(250)))
        await room.barrier(sender)
    await anyio.sleep(1)
    await room.barriers(clients)


@pytest.mark.case(35, "DELIVER-3")
async def test_nothing_is_invented_or_altered(room: Room, rng: random.Random) -> None:
    """DELIVER-3: Only messages that a client has sent are delivered, and they are delivered unchanged.

    Random bodies of every length from three clients; every received body must have been sent, to the byte.
    """
    clients = await room.join(3)
    for _ in room.rounds(60, seconds=15):
        for sender in clients:
            await sender.send(*(random_body(room.spec.codec, rng, rng.randrange(256)) for _ in range(20)))
        await room.barrier(sender)
    await room.barriers(clients)


@pytest.mark.smoke
@pytest.mark.case(36, "DELIVER-1")
async def test_a_client_that_never_sends_receives(room: Room) -> None:
    """DELIVER-1: Every message is forwarded to all clients, including the sender.

    It only connects and reads.
    """
    alice = await room.join_one()
    silent = await room.connect()
    await room.deliver(alice, [b"to the quiet ones"], [alice, silent])


@pytest.mark.case(37, "DELIVER-4")
async def test_a_joining_client_receives_no_earlier_messages(room: Room) -> None:
    """DELIVER-4: A client receives no message that was sent before it joined.

    Fifty messages are sent and received, then a client joins, three times over. Then clients join that may get the
    place of clients that left with a large backlog.
    """
    alice = await room.join_one()
    for _ in range(3):
        await alice.send(*(alice.next_body() for _ in range(50)))
        await room.barrier(alice, [alice])
        await _must_not_receive_the_past(room, alice)
    for _ in range(2):
        stalled = await room.join_stalled(3)
        await room.pour(alice, 1_200_000, size=250, seconds=4)
        for client in stalled:
            await client.reset()
        await room.barrier(alice, [alice])
        for _ in stalled:
            await _must_not_receive_the_past(room, alice)


async def _must_not_receive_the_past(room: Room, witness: Client) -> None:
    """Let a client join; it must not receive what the witness has received before."""
    past = set(witness.received)
    joining = await room.join_one()
    old = past.intersection(joining.received)
    assert not old, f"a joining client received {len(old)} messages that others had received before it connected"


@pytest.mark.case(38, "DELIVER-5")
async def test_equal_bodies_are_different_messages(room: Room) -> None:
    """DELIVER-5: Messages with equal bodies are different messages.

    The same body twice in a row, from one client and from two, until both copies have arrived five times (of a late
    server once); short bodies and long ones. Then five times in a row, each when the one before it has been forwarded,
    until three of them have arrived.
    """
    alice, bob = await room.join(2)
    begun = time.monotonic()
    for body in (b"yes", b"", b"a whole sentence", b"=" * 100, b"#" * 255):
        for other in (alice, bob):
            twice = Counter({alice: 0, bob: 0})
            for _ in range(ATTEMPTS):
                before = {client: room.times_received(client, body) for client in twice}
                with room.server_paused():  # so that nothing comes between them
                    await alice.send(*[body] * (2 if other is alice else 1))
                    if other is bob:
                        await bob.send(body)
                await room.barrier(other)  # not from alice: it would come between her message and the other's
                if other is bob:
                    await room.barrier(alice)
                twice.update(
                    client for client, count in before.items() if room.times_received(client, body) - count > 1
                )
                if min(twice.values()) >= (ENOUGH if time.monotonic() - begun < IN_FULL_S else 1):
                    break
            else:
                missing = min(twice, key=lambda client: twice[client])
                raise Violation(
                    f"of two equal messages of {len(body)} bytes, from {alice} and {other}, both arrived at {missing} "
                    f"{twice[missing]} times in {ATTEMPTS}",
                    clients=(other.number, missing.number),
                )

    for turn in range(ATTEMPTS):
        body = f"again and again {turn}".encode()
        for _ in range(IN_A_ROW):
            await alice.send(body)
            await room.barrier(bob)
        if min(room.times_received(client, body) for client in (alice, bob)) > IN_A_ROW / 2:
            return
    raise Violation(
        f"of {IN_A_ROW} equal messages in a row from {alice} at most {IN_A_ROW // 2} arrive, tried {ATTEMPTS} times",
        clients=(alice.number, bob.number),
    )


@pytest.mark.slow
@pytest.mark.case(39, "DELIVER-6")
async def test_the_room_works_after_five_seconds_of_silence(room: Room) -> None:
    """DELIVER-6: A room still works after a period of silence.

    No client sends anything, one in the middle of a message, and one has just connected; then all send.
    """
    alice, bob, carol = await room.join(3)
    half = room.encode(carol.next_body(30))
    await carol.send_raw(half[:9])
    new = await room.connect()  # nothing has ever been delivered to it
    await anyio.sleep(5)
    await carol.send_raw(half[9:])
    await room.barrier(new)
    await room.deliver(alice, [b"still there?"])
    await room.deliver(bob, [b"yes"])
    await room.barrier(carol)  # her stream is still in step


@pytest.mark.case(40, "DELIVER-7")
async def test_a_client_may_send_at_once(room: Room) -> None:
    """DELIVER-7: A client may send as soon as it is connected.

    Connect, send: the client's first bytes; the same before the server has accepted the connection, and nothing more;
    and the first part of a message before that, and the rest later. Of several clients at least one message must
    arrive.
    """
    alice = await room.join_one()
    for _ in range(20):
        joining = await room.connect()
        (number,) = await joining.send(b"first words of " + joining.next_body())
        await room.barrier(joining, [alice, joining])  # its first message has been delivered by now, or lost
        if number in alice.received:
            break
    else:
        raise Violation("what a client sends at once after connecting never arrives, tried with 20 clients")
    sent = set[int]()
    for turn in range(20):
        with room.server_paused():
            joining = await room.connect()
            sent.update(await joining.send(b"first words of " + joining.next_body()))
        if await alice.wait_until(lambda: not sent.isdisjoint(alice.received), 20 if turn == 19 else 1):
            break
    else:
        raise Violation("what a client sends before it is accepted never arrives, tried with 20 clients")
    for _ in range(20):
        with room.server_paused():
            pair = [await room.connect() for _ in range(2)]  # a server may lose every second message
            bodies = [client.next_body(60) for client in pair]
            for client, body in zip(pair, bodies, strict=True):
                await client.send_raw(room.encode(body)[:9])
        await room.barrier(alice)
        for client, body in zip(pair, bodies, strict=True):
            await client.send_raw(room.encode(body)[9:])
        for client in pair:
            await room.barrier(client, [alice])
        if any(room.times_received(alice, body) for body in bodies):
            return
    raise Violation("what a client sends in part before it is accepted never arrives, tried with 20 clients")


@pytest.mark.case(41, "DELIVER-8")
async def test_everybody_is_served_over_ten_thousand_messages(room: Room) -> None:
    """DELIVER-8: A client that reads is served for as long as it stays.

    Eight clients, two of which never send; after each 250 messages all of them must still receive. A slow server gets
    as many as it forwards in a minute.
    """
    clients = await room.join(8)
    for turn in room.rounds(40, seconds=60, at_least=6):
        sender = clients[turn % 6]
        await sender.send(*(sender.next_body() for _ in range(250)))
        await room.barrier(sender, clients)


@pytest.mark.slow
@pytest.mark.case(41, "DELIVER-8")
async def test_everybody_is_served_for_twelve_seconds(room: Room) -> None:
    """DELIVER-8: A client that reads is served for as long as it stays.

    Two send now and then, one has sent one message at first, and one never sends: after twelve seconds all still
    receive.
    """
    alice, bob, quiet = await room.join(3)
    silent = await room.connect()
    await quiet.send_next()
    for turn in range(24):
        await room.barrier((alice, bob)[turn % 2], [alice, bob])
        await anyio.sleep(0.5)
    await room.barrier(alice, [alice, bob, quiet, silent])
    await room.barrier(quiet, [alice, bob, quiet, silent])


@pytest.mark.case(42, "DELIVER-9")
async def test_clients_that_keep_up_receive_nearly_everything(room: Room, note: Callable[[str], None]) -> None:
    """DELIVER-9: Clients that keep up receive at least 99.9 % of the messages.

    Five thousand messages (or six seconds of them, but at least fifty), never more than four in flight.
    """
    clients = await room.join(4)
    sent = lost = 0
    for turn in room.rounds(ROUNDS, seconds=6, at_least=LEAST_ROUNDS):
        sender = clients[turn % 4]
        marks = [len(client.received) for client in clients]
        numbers = await sender.send(*(sender.next_body() for _ in range(3)))
        await room.barrier(sender)
        sent += len(numbers) * len(clients)
        for client, mark in zip(clients, marks, strict=True):
            lost += len(numbers) - len(set(numbers).intersection(client.received[mark:]))
        if lost > (1 - SHARE) * 3 * ROUNDS * len(clients):  # the verdict is certain
            break
    share = 1 - lost / sent
    note(f"{share:.2%} of {sent} deliveries arrived")
    # With few deliveries a server that loses no more than it may can lose some more by chance.
    assert share >= SHARE or lost <= _by_chance((1 - SHARE) * sent), (
        f"of {sent} deliveries to clients that kept up {lost} were lost ({1 - share:.1%})"
    )


def _by_chance(expected: float) -> float:
    """Return how many may be lost where so many are expected: three standard deviations (Poisson) more, and one."""
    return expected + 3 * math.sqrt(expected) + 1


@pytest.mark.case(43, "DELIVER-10")
async def test_everybody_is_in_one_room(room: Room) -> None:
    """DELIVER-10: All clients are in one room, whichever part of the server accepted them.

    Twenty-four clients connect at the same moment, and eighty more; all clients receive from every third.
    """
    clients: list[Client] = []

    async def connect() -> None:
        clients.append(await room.connect())

    for count in (24, 80):
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(connect)
        await room.barriers(clients[::3], clients)
