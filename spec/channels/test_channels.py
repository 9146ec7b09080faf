"""Channels: which client receives which messages, and from when on."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.channels.names import NAMES
from spec.channels.replies import (
    ATTEMPTS,
    encode_lines,
    must_get_an_error,
    replies_to,
    subscribe,
    wait_for_replies,
)
from spec.channels.wire import Error, Send, Subscribe, Subscribed, body_of
from spec.common.unread_replies import PATIENCE_S

ONE_BY_ONE_S = 120.0  # then a slow server has been asked for names enough
MANY = 2000  # channels that one client subscribes to


@pytest.mark.smoke
@pytest.mark.case(121, "CH-CHANNEL-1")
async def test_subscribe_is_answered_with_the_name(room: Room) -> None:
    """CH-CHANNEL-1: A Subscribe is answered by Subscribed with the name of the channel, before any message of that
    channel.

    Names of every kind, one by one and all at once; then three clients send while others subscribe, and each new
    subscriber must receive the answer before anything else. At last one client more subscribes, and the others receive
    nothing for that.
    """
    alice = await room.join_one()
    for place in room.rounds(len(NAMES), ONE_BY_ONE_S):
        await subscribe(alice, NAMES[place])
    await subscribe(alice, *NAMES)
    senders = await room.join(3)
    for _ in room.rounds(20, seconds=4):
        subscribers = [await room.connect(joins=False) for _ in range(3)]
        with room.server_paused():  # they all send at the same moment
            for sender, subscriber in zip(senders, subscribers, strict=True):
                await sender.send(*(sender.next_body() for _ in range(3)))
                await subscriber.send_raw(encode_lines(Subscribe("zoo")))
                await sender.send_next()
        for client in subscribers:  # a barrier of alice's proves nothing about the requests of others
            await wait_for_replies(client, partial(bool, client.notes))
            first = client.notes[0]
            assert first.value == Subscribed("zoo"), f"{client} subscribed and received {client.notes}"
            assert first.after == 0, f"{client} received {first.after} messages before its Subscribed"
            await client.hang_up()
    members = [alice, *senders]
    for client in members:
        await replies_to(client, b"")  # the answers to its own requests have arrived
    before = [len(client.notes) for client in members]
    newcomer = await room.join_one()
    await subscribe(newcomer, "zoo", *NAMES)
    await room.barrier(newcomer)
    for client, count in zip(members, before, strict=True):
        replies = await replies_to(client, b"", since=count)
        assert not replies, f"another client subscribed, and {client} received {replies[0]}"


@pytest.mark.smoke
@pytest.mark.case(122, "CH-CHANNEL-2")
async def test_a_confirmed_subscription_delivers(room: Room) -> None:
    """CH-CHANNEL-2: A client that has received Subscribed receives the messages sent to the channel from then on.

    As soon as one client has its answer, another sends; this for thirty channels, or for a minute, every other one of
    which has a subscriber already, and has had a message. At least one message to channels of either kind must arrive,
    and none may be answered by an Error.
    """
    alice, bob, carol = await room.join(3)
    received = [0, 0]
    for turn in room.rounds(30, seconds=60, at_least=16):
        name, is_old = f"just now {turn}", turn % 2
        if is_old:
            await subscribe(carol, name)
            await alice.send(body_of(name, "before"))
            await room.barrier(alice)
        await subscribe(bob, name)
        # Twice: a server that loses every second copy for bob would otherwise lose this one each time.
        replies = await replies_to(alice, encode_lines(Send(name, "hi"), Send(name, "ho")))
        assert not replies, (
            f"a Send to a channel with a subscriber that had received Subscribed was answered by {replies}"
        )
        await room.barrier(alice)
        received[is_old] += sum(room.times_received(bob, body_of(name, word)) for word in ("hi", "ho"))
    for count, what in zip(received, ("new channels", "channels with another subscriber"), strict=True):
        assert count, f"of the messages sent to {what} right after a client had received Subscribed, none arrived"


@pytest.mark.smoke
@pytest.mark.case(123, "CH-CHANNEL-3")
async def test_who_subscribes_twice_gets_one_copy(room: Room) -> None:
    """CH-CHANNEL-3: A client that subscribes again is answered again, and still receives each message once.

    Twice in a row, and again after messages have arrived; another client has subscribed once.
    """
    alice, bob, carol = await room.join(3)
    await subscribe(carol, "rust")
    await subscribe(bob, "rust", "rust", "zoo")
    for turn in range(3):
        bodies = [body_of(channel, f"{channel} {turn}.{number}") for channel in ("rust", "zoo") for number in range(20)]
        await alice.send(*bodies)
        await room.barrier(alice)
        twice = [body for body in bodies if room.times_received(bob, body) > 1]
        assert not twice, (
            f"a client that had subscribed twice received {len(twice)} of {len(bodies)} messages more than once"
        )
        await subscribe(bob, "rust", "zoo")
    await room.deliver(alice, [body_of("rust", "once")], [bob, carol])


@pytest.mark.case(124, "CH-CHANNEL-4", "CH-CHANNEL-8")
async def test_a_client_receives_the_messages_of_all_its_channels(room: Room) -> None:
    """CH-CHANNEL-4: A client may subscribe to any number of channels, and receives the messages of each.
    CH-CHANNEL-8: A Send to a channel to which no client has ever subscribed is answered by an Error.

    Two thousand channels; then a message to every tenth of them, and to the first and the last; and messages to two
    thousand other names, which only a hash of the name may take for one of them.
    """
    alice, bob = await room.join(2)
    names = [f"channel {number}" for number in range(MANY)]
    for first in range(0, MANY, 250):
        await subscribe(bob, *names[first : first + 250])
    await room.deliver(alice, [body_of(name, "hi") for name in (*names[::10], names[-1])], [bob])
    for first in range(0, MANY, 250):
        sends = [Send(f"canal {number}", "hi") for number in range(first, first + 250)]
        replies = await replies_to(alice, encode_lines(*sends))
        assert [type(reply) for reply in replies] == [Error] * len(sends), (
            f"{len(sends)} messages to channels to which nobody has subscribed were answered by {len(replies)} replies"
        )


@pytest.mark.smoke
@pytest.mark.case(125, "CH-CHANNEL-5")
async def test_only_subscribers_receive(room: Room) -> None:
    """CH-CHANNEL-5: A message goes only to clients that have subscribed to its channel.

    Five channels, some of whose names begin alike, and four clients, each subscribed to some of them.
    """
    alice, bob, carol, dave = await room.join(4)
    await subscribe(bob, "rust", "both")
    await subscribe(carol, "go", "both")
    await subscribe(dave, "ru", "gopher")
    members = {"rust": [bob], "go": [carol], "both": [bob, carol], "ru": [dave], "gopher": [dave]}
    for turn in range(10):
        await alice.send(*(body_of(name, f"{name} {turn}.{number}") for name in members for number in range(5)))
    await room.barrier(alice)
    for name, subscribers in members.items():
        await room.deliver(alice, [body_of(name, f"to {name}")], subscribers)
        for client in {alice, bob, carol, dave}.difference(subscribers):
            bodies = [room.messages.bodies[number] for number in client.received]
            wrong = [body for body in bodies if body.startswith(body_of(name, ""))]
            assert not wrong, f"{client}, which has not subscribed to {name!r}, received {wrong[0].decode()!r}"


@pytest.mark.case(126, "CH-CHANNEL-5")
async def test_a_new_client_does_not_inherit_channels(room: Room) -> None:
    """CH-CHANNEL-5: A message goes only to clients that have subscribed to its channel.

    Subscribers leave in every way; new clients, which may get their descriptors, must receive nothing of the channel.
    """
    alice = await room.join_one()
    for turn in range(6):
        subscribers = await room.join(3)
        for client in subscribers:
            await subscribe(client, "rust")
        for client in subscribers:
            await (client.leave, client.reset, client.hang_up)[turn % 3]()
        new_clients = await room.join(3)
        await alice.send(*(body_of("rust", f"{turn}.{number}") for number in range(5)))
        await room.barrier(alice)
        for client in new_clients:
            bodies = [room.messages.bodies[number] for number in client.received]
            wrong = [body for body in bodies if body.startswith(b"#rust ")]
            assert not wrong, f"{client}, which has not subscribed to 'rust', received {wrong[0].decode()!r}"


@pytest.mark.smoke
@pytest.mark.case(127, "CH-CHANNEL-6")
async def test_a_client_that_only_sends_receives_nothing(room: Room) -> None:
    """CH-CHANNEL-6: A sender need not have subscribed, and then does not receive what it sends.

    A client sends to a channel with two subscribers; it has subscribed to no channel, or to another one.
    """
    alice, bob = await room.join(2)
    for other in ([], ["go"]):
        stranger = await room.connect(joins=False)
        if other:
            await subscribe(stranger, *other)
        since, sent = len(stranger.notes), set[int]()

        def arrives(client: Client, sent: set[int] = sent) -> bool:
            return not sent.isdisjoint(client.received)

        for attempt in range(ATTEMPTS):
            sent.add(await stranger.send_next())  # without `replies_to`, which would subscribe it to a channel
            await room.barrier(alice, [alice, bob])
            if arrives(alice) and arrives(bob) and attempt > 3:
                break
        for client in (alice, bob):  # a server may take longer for some senders
            if not await client.wait_until(partial(arrives, client), PATIENCE_S):
                raise Violation(f"no message of a client that has not subscribed arrives ({ATTEMPTS} attempts)")
        replies = await replies_to(stranger, b"", since=since)
        assert not replies, f"a client that has not subscribed sent messages and was answered by {replies}"
        assert not stranger.received, f"{stranger} received messages of a channel to which it has not subscribed"


@pytest.mark.smoke
@pytest.mark.case(128, "CH-CHANNEL-7")
async def test_a_valid_send_is_not_answered(room: Room) -> None:
    """CH-CHANNEL-7: A valid Send is not answered: its sender gets no reply to it.

    A hundred Sends to two channels; the sender has subscribed to one of them.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, "rust")
    sends = [Send(name, f"{number}") for name in ("rust", "zoo") for number in range(50)]
    replies = await replies_to(alice, encode_lines(*sends))
    assert not replies, f"{len(sends)} messages were answered by {len(replies)} replies, the first {replies[0]}"


@pytest.mark.smoke
@pytest.mark.case(129, "CH-CHANNEL-8")
async def test_a_message_to_no_channel_is_an_error(room: Room) -> None:
    """CH-CHANNEL-8: A Send to a channel to which no client has ever subscribed is answered by an Error.

    Every time, not only the first; once a client has subscribed, there is no Error.
    """
    alice, bob = await room.join(2)
    await must_get_an_error(alice, encode_lines(Send("nobody", "alone")), "a Send to no channel, alone,")
    for place in room.rounds(len(NAMES), ONE_BY_ONE_S):
        name = NAMES[place]
        replies = await replies_to(alice, encode_lines(Send(name, "anybody?"), Send(name, "nobody?")))
        assert [type(reply) for reply in replies] == [Error, Error], (
            f"two messages to {name[:20]!r}, to which no client has ever subscribed, were answered by "
            f"{repr(replies)[:300]}"
        )
    await subscribe(bob, *NAMES)
    replies = await replies_to(alice, encode_lines(*(Send(name, "hello") for name in NAMES)))
    assert not replies, f"messages to channels with a subscriber were answered by {repr(replies)[:300]}"


@pytest.mark.smoke
@pytest.mark.case(136, "CH-CHANNEL-14")
async def test_names_are_compared_code_point_by_code_point(room: Room) -> None:
    """CH-CHANNEL-14: A name may be any Unicode string, including the empty one, and names are compared code point by
    code point.

    Each name has one subscriber of its own: the empty name, differences in white space and case, composed and
    decomposed characters, prefixes, patterns and lists, as many letters as a Send has room for, names that mean
    something to some languages, equal numbers, equal hashes.
    """
    alice, *subscribers = await room.join(len(NAMES) + 1)
    async with anyio.create_task_group() as tasks:
        for name, client in zip(NAMES, subscribers, strict=True):
            tasks.start_soon(subscribe, client, name)
    await alice.send(*(body_of(name, f"to {number}") for number, name in enumerate(NAMES)))
    await room.barrier(alice)
    for number in room.rounds(len(NAMES), ONE_BY_ONE_S):
        name, client = NAMES[number], subscribers[number]
        await room.deliver(alice, [body_of(name, f"to {number}")], [client])
        _must_receive_only(room, client, name)


def _must_receive_only(room: Room, client: Client, name: str) -> None:
    bodies = [room.messages.bodies[number] for number in client.received]
    for other in NAMES:
        wrong = [body for body in bodies if body.startswith(body_of(other, "")) and other != name]
        assert not wrong, f"a subscriber of {name[:20]!r} received a message that was sent to {other[:20]!r}"


@pytest.mark.case(137, "CH-ORDER-1", "CH-ORDER-2")
async def test_there_is_one_order_over_all_channels(room: Room) -> None:
    """CH-ORDER-1: The messages of one sender are delivered in the order in which it sent them.
    CH-ORDER-2: All clients see the same order: there is one sequence of all messages, and each client receives a part
    of it.

    Four clients send to three channels in turn, and six receive two or three of them; first concurrently, then with
    messages that the server finds all at the same moment. Eighteen more have subscribed to one channel in the opposite
    order as to the other. A fifth sender has subscribed to none.
    """
    channels = ["zoo", "rust", "go"]
    everybody = await room.join(6)
    more = await room.join(18)
    members = [*everybody, *more]
    stranger = await room.connect(joins=False)
    for channel, clients in (("rust", more), ("go", more[::-1])):
        for client in clients:
            await subscribe(client, channel)
    for number, client in enumerate(everybody):
        await subscribe(client, *(channels[1:] if number < 3 else channels[1 + number % 2 :][:1]))
    batches = 0

    def next_bodies(client: Client, count: int) -> list[bytes]:
        nonlocal batches
        batches += 1
        return [body_of(channels[(i + client.number) % 3], f"{client.number}.{batches}.{i}") for i in range(count)]

    async def send(client: Client) -> None:
        for count in (1, 3, 20, 3, 1) * 5:
            await client.send(*next_bodies(client, count), as_step=False)

    async with anyio.create_task_group() as tasks:
        for client in [*everybody[:4], stranger]:
            tasks.start_soon(send, client)
    for turn in room.rounds(40, seconds=3):
        with room.server_paused():
            for client in [*everybody[: 2 + turn % 3], stranger]:
                await client.send(*next_bodies(client, 1 + turn % 4))
        await room.barrier(everybody[0], members)
    for client in [*everybody, stranger]:
        await room.barrier(client, members)
