"""Channels: who hears what, and from when on."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.channels.replies import ATTEMPTS, replies_to, encode_lines, subscribe, wait_for_replies
from spec.channels.wire import Error, Send, Subscribe, Subscribed, body_of

NAMES = [
    "",
    " ",
    "rust",
    "Rust",
    "RUST",
    " rust",
    "rust ",
    "rust\n",
    "rust\0",
    "rus",
    "rusty",
    "ru*",
    "\u00e9",
    "e\u0301",
    "\u212b",
    "\u00c5",
    "stra\u00dfe",
    "strasse",
    "馬/\U0001f993",
    "x" * 5000,
]
MANY = 2000  # channels of one client


@pytest.mark.smoke
@pytest.mark.case(121, "CH-CHANNEL-1")
async def test_subscribe_is_answered_with_the_name(room: Room) -> None:
    """CH-CHANNEL-1: A Subscribe is answered by Subscribed with the name of the channel, before any message of that
    channel.

    Names of every kind, one by one and all at once; then the answer is the first thing that somebody hears who
    subscribes to a channel in which three others speak.
    """
    alice = await room.join_one()
    for name in NAMES:
        await subscribe(alice, name)
    await subscribe(alice, *NAMES)
    speakers = await room.join(3)
    for _ in room.rounds(20, seconds=4):
        newcomers = [await room.connect(joins=False) for _ in range(3)]
        with room.server_paused():  # they all speak at the same moment
            for speaker, newcomer in zip(speakers, newcomers, strict=True):
                await speaker.send(*(speaker.next_body() for _ in range(3)))
                await newcomer.send_raw(encode_lines(Subscribe("zoo")))
                await speaker.send_next()
        for one in newcomers:  # a fence of alice's proves nothing of others' requests
            await wait_for_replies(one, partial(bool, one.notes))
            assert one.notes[0].value == Subscribed("zoo"), f"{one} subscribed, and heard {one.notes}"
            assert one.notes[0].after == 0, f"{one} received {one.notes[0].after} messages before its Subscribed"
            await one.hang_up()


@pytest.mark.smoke
@pytest.mark.case(122, "CH-CHANNEL-2")
async def test_who_has_been_told_subscribed_hears(room: Room) -> None:
    """CH-CHANNEL-2: A client that has received Subscribed receives the messages sent to the channel from then on.

    As soon as one has its answer another sends, to thirty new channels; one message in several must be heard, and to
    none of them there is an Error.
    """
    alice, bob = await room.join(2)
    heard = 0
    for turn in range(30):
        name = f"just now {turn}"
        await subscribe(bob, name)
        replies = await replies_to(alice, encode_lines(Send(name, "hi")))
        assert not replies, f"a Send to a channel to which somebody had been told Subscribed was answered by {replies}"
        await room.barrier(alice)
        heard += room.times_received(bob, body_of(name, "hi"))
    assert heard, "of what was sent to 30 channels right after somebody had been told Subscribed nothing came"


@pytest.mark.smoke
@pytest.mark.case(123, "CH-CHANNEL-3")
async def test_who_subscribes_twice_gets_one_copy(room: Room) -> None:
    """CH-CHANNEL-3: A client that subscribes again is answered again, and still receives each message once.

    Twice in a row, and again after messages have come; others have subscribed once.
    """
    alice, bob, carol = await room.join(3)
    await subscribe(carol, "rust")
    await subscribe(bob, "rust", "rust", "zoo")
    for turn in range(3):
        bodies = [body_of(channel, f"{channel} {turn}.{number}") for channel in ("rust", "zoo") for number in range(20)]
        await alice.send(*bodies)
        await room.barrier(alice)
        twice = [body for body in bodies if room.times_received(bob, body) > 1]
        assert not twice, f"who had subscribed twice received {len(twice)} of {len(bodies)} messages more than once"
        await subscribe(bob, "rust", "zoo")
    await room.deliver(alice, [body_of("rust", "once")], [bob, carol])


@pytest.mark.case(124, "CH-CHANNEL-4")
async def test_a_client_hears_all_its_channels(room: Room) -> None:
    """CH-CHANNEL-4: A client may subscribe to any number of channels, and receives the messages of each.

    Two thousand; then a message to every tenth of them, and to the first and the last.
    """
    alice, bob = await room.join(2)
    names = [f"channel {number}" for number in range(MANY)]
    for first in range(0, MANY, 250):
        await subscribe(bob, *names[first : first + 250])
    await room.deliver(alice, [body_of(name, "hi") for name in (*names[::10], names[-1])], [bob])


@pytest.mark.smoke
@pytest.mark.case(125, "CH-CHANNEL-5")
async def test_only_subscribers_hear(room: Room) -> None:
    """CH-CHANNEL-5: A message goes only to clients that have subscribed to its channel.

    Five channels, some of whose names begin alike, and four clients who are in some of them.
    """
    alice, bob, carol, dave = await room.join(4)
    await subscribe(bob, "rust", "both")
    await subscribe(carol, "go", "both")
    await subscribe(dave, "ru", "gopher")
    members = {"rust": [bob], "go": [carol], "both": [bob, carol], "ru": [dave], "gopher": [dave]}
    for turn in range(10):
        await alice.send(*(body_of(name, f"{name} {turn}.{number}") for name in members for number in range(5)))
    await room.barrier(alice)
    for name, hearers in members.items():
        await room.deliver(alice, [body_of(name, f"to {name}")], hearers)
        for one in {alice, bob, carol, dave}.difference(hearers):
            strange = [room.messages.bodies[number] for number in one.received]
            strange = [body for body in strange if body.startswith(body_of(name, ""))]
            assert not strange, f"{one}, who is not in {name!r}, received {strange[0].decode()!r}"


@pytest.mark.case(126, "CH-CHANNEL-5")
async def test_a_newcomer_does_not_inherit_channels(room: Room) -> None:
    """CH-CHANNEL-5: A message goes only to clients that have subscribed to its channel.

    Clients that have subscribed leave in every way, and those who may get their descriptors hear nothing of it.
    """
    alice = await room.join_one()
    for turn in range(6):
        guests = await room.join(3)
        for guest in guests:
            await subscribe(guest, "rust")
        for guest in guests:
            await (guest.leave, guest.reset, guest.hang_up)[turn % 3]()
        newcomers = await room.join(3)
        await alice.send(*(body_of("rust", f"{turn}.{number}") for number in range(5)))
        await room.barrier(alice)
        for one in newcomers:
            strange = [room.messages.bodies[number] for number in one.received]
            strange = [body for body in strange if body.startswith(b"#rust ")]
            assert not strange, f"{one}, who has not subscribed to 'rust', received {strange[0].decode()!r}"


@pytest.mark.smoke
@pytest.mark.case(127, "CH-CHANNEL-6")
async def test_who_only_sends_does_not_hear(room: Room) -> None:
    """CH-CHANNEL-6: A sender need not have subscribed, and then does not receive what it sends.

    One sends to a channel with two subscribers, and has subscribed to none, or to another one.
    """
    alice, bob = await room.join(2)
    for other in ([], ["go"]):
        stranger = await room.connect(joins=False)
        if other:
            await subscribe(stranger, *other)
        for attempt in range(ATTEMPTS):
            body = stranger.next_body()
            replies = await replies_to(stranger, room.encode(body))
            assert not replies, f"somebody who has not subscribed sent a message, and was answered by {replies}"
            await room.barrier(alice, [alice, bob])
            if room.times_received(alice, body) and room.times_received(bob, body) and attempt > 3:
                break
        else:
            raise Violation(f"what somebody sends who has not subscribed never arrives, tried {ATTEMPTS} times")
        assert not stranger.received, f"{stranger} received messages of a channel to which it has not subscribed"


@pytest.mark.smoke
@pytest.mark.case(128, "CH-CHANNEL-7")
async def test_a_lawful_send_is_not_answered(room: Room) -> None:
    """CH-CHANNEL-7: A valid Send is not answered: its sender gets no reply to it.

    A hundred of them to two channels, one of which the sender is in.
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

    Each time, also the second time; then somebody subscribes, and there is none.
    """
    alice, bob = await room.join(2)
    for name in NAMES:
        replies = await replies_to(alice, encode_lines(Send(name, "anybody?"), Send(name, "nobody?")))
        assert [type(one) for one in replies] == [Error, Error], (
            f"two messages to {name[:20]!r}, to which nobody has ever subscribed, were answered by {replies}"
        )
    await subscribe(bob, *NAMES)
    replies = await replies_to(alice, encode_lines(*(Send(name, "hello") for name in NAMES)))
    assert not replies, f"messages to channels with a subscriber were answered by {replies}"


@pytest.mark.smoke
@pytest.mark.case(136, "CH-CHANNEL-14")
async def test_names_are_compared_code_point_by_code_point(room: Room) -> None:
    """CH-CHANNEL-14: A name may be any Unicode string, including the empty one, and names are compared code point by
    code point.

    Twenty names, alike in one way or another, each with one who has subscribed to it alone: the empty one, white space
    and case, composed and decomposed, prefixes and patterns, five thousand letters.
    """
    alice, *members = await room.join(len(NAMES) + 1)
    for name, one in zip(NAMES, members, strict=True):
        await subscribe(one, name)
    await alice.send(*(body_of(name, f"to {number}") for number, name in enumerate(NAMES)))
    await room.barrier(alice)
    for number, (name, one) in enumerate(zip(NAMES, members, strict=True)):
        await room.deliver(alice, [body_of(name, f"to {number}")], [one])
        _must_hear_only(room, one, name)


def _must_hear_only(room: Room, one: Client, name: str) -> None:
    for other in NAMES:
        strange = [room.messages.bodies[number] for number in one.received]
        strange = [body for body in strange if body.startswith(body_of(other, "")) and other != name]
        assert not strange, f"who has subscribed to {name[:20]!r} received what was sent to {other[:20]!r}"


@pytest.mark.case(137, "CH-ORDER-1", "CH-ORDER-2")
async def test_there_is_one_order_over_all_channels(room: Room) -> None:
    """CH-ORDER-1: The messages of one sender are delivered in the order in which it sent them.
    CH-ORDER-2: All clients see the same order: there is one sequence of all messages, and each client receives a part
    of it.

    Four who send to three channels by turns, and six who hear two of them or three; all at once, and at the same
    moment.
    """
    channels = ["zoo", "rust", "go"]
    everybody = await room.join(6)
    for number, one in enumerate(everybody):
        await subscribe(one, *(channels[1:] if number < 3 else channels[1 + number % 2 :][:1]))
    said = 0

    def words(one: Client, count: int) -> list[bytes]:
        nonlocal said
        said += 1
        return [body_of(channels[(at + one.number) % 3], f"{one.number}.{said}.{at}") for at in range(count)]

    async def speak(one: Client) -> None:
        for count in (1, 3, 20, 3, 1) * 5:
            await one.send(*words(one, count), as_step=False)

    async with anyio.create_task_group() as tasks:
        for one in everybody[:4]:
            tasks.start_soon(speak, one)
    for turn in room.rounds(40, seconds=3):
        with room.server_paused():
            for one in everybody[: 2 + turn % 3]:
                await one.send(*words(one, 1 + turn % 4))
        await room.barrier(everybody[0])
    for one in everybody:
        await room.barrier(one)
