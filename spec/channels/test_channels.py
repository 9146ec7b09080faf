"""Channels: who hears what, from when on, and what is left when they have gone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio
import pytest

from harness.conformance import Client, CouldNotTell, Room, Violation, recurs, watch_growth
from spec.channels.talk import ATTEMPTS, answers, lines, subscribe
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
VISIT_BOUND, CHANNEL_BOUND = 200.0, 100.0  # bytes of memory: less than anybody needs to remember one
ENOUGH_VISITS = 500
LASTING = [f"lasting {number}" for number in range(10)]


@pytest.mark.smoke
@pytest.mark.case(121, "CH-CHANNEL-1")
async def test_subscribe_is_answered_with_the_name(room: Room) -> None:
    """CH-CHANNEL-1: Subscribe is answered by Subscribed with the name of the channel, before any message of that
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
        with room.frozen():  # they all speak at the same moment
            for speaker, newcomer in zip(speakers, newcomers, strict=True):
                await speaker.send(*(speaker.next_body() for _ in range(3)))
                await newcomer.send_raw(lines(Subscribe("zoo")))
                await speaker.tell()
        await room.fence(alice)
        for one in newcomers:
            assert one.notes and one.notes[0].value == Subscribed("zoo"), f"{one} subscribed, and heard {one.notes}"
            assert one.notes[0].after == 0, f"{one} received {one.notes[0].after} messages before its Subscribed"
            await one.hang_up()


@pytest.mark.smoke
@pytest.mark.case(122, "CH-CHANNEL-2")
async def test_who_has_been_told_subscribed_hears(room: Room) -> None:
    """CH-CHANNEL-2: Who has been told Subscribed hears what is sent to the channel from then on.

    As soon as one has its answer another sends, to thirty new channels; one message in several must be heard, and to
    none of them there is an Error.
    """
    alice, bob = await room.join(2)
    heard = 0
    for turn in range(30):
        name = f"just now {turn}"
        await subscribe(bob, name)
        replies = await answers(alice, lines(Send(name, "hi")))
        assert not replies, f"a Send to a channel to which somebody had been told Subscribed was answered by {replies}"
        await room.fence(alice)
        heard += room.heard(bob, body_of(name, "hi"))
    assert heard, "of what was sent to 30 channels right after somebody had been told Subscribed nothing came"


@pytest.mark.smoke
@pytest.mark.case(123, "CH-CHANNEL-3")
async def test_who_subscribes_twice_gets_one_copy(room: Room) -> None:
    """CH-CHANNEL-3: Who subscribes again is answered again, and gets each message once all the same.

    Twice in a row, and again after messages have come; others have subscribed once.
    """
    alice, bob, carol = await room.join(3)
    await subscribe(carol, "rust")
    await subscribe(bob, "rust", "rust", "zoo")
    for turn in range(3):
        bodies = [body_of(channel, f"{channel} {turn}.{number}") for channel in ("rust", "zoo") for number in range(20)]
        await alice.send(*bodies)
        await room.fence(alice)
        twice = [body for body in bodies if room.heard(bob, body) > 1]
        assert not twice, f"who had subscribed twice received {len(twice)} of {len(bodies)} messages more than once"
        await subscribe(bob, "rust", "zoo")
    await room.deliver(alice, [body_of("rust", "once")], [bob, carol])


@pytest.mark.case(124, "CH-CHANNEL-4")
async def test_a_client_hears_all_its_channels(room: Room) -> None:
    """CH-CHANNEL-4: A client may subscribe to any number of channels, and hears each of them.

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
    """CH-CHANNEL-5: A message goes to nobody who has not subscribed to its channel.

    Three channels, and four clients who are in some of them.
    """
    alice, bob, carol, dave = await room.join(4)
    await subscribe(bob, "rust", "both")
    await subscribe(carol, "go", "both")
    members = {"rust": [bob], "go": [carol], "both": [bob, carol]}
    for turn in range(10):
        await alice.send(*(body_of(name, f"{name} {turn}.{number}") for name in members for number in range(5)))
    await room.fence(alice)
    for name, hearers in members.items():
        await room.deliver(alice, [body_of(name, f"to {name}")], hearers)
        for one in {alice, bob, carol, dave}.difference(hearers):
            strange = [room.ledger.bodies[number] for number in one.received]
            strange = [body for body in strange if body.startswith(body_of(name, ""))]
            assert not strange, f"{one}, who is not in {name!r}, received {strange[0].decode()!r}"


@pytest.mark.case(126, "CH-CHANNEL-5")
async def test_a_newcomer_does_not_inherit_channels(room: Room) -> None:
    """CH-CHANNEL-5: A message goes to nobody who has not subscribed to its channel.

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
        await room.fence(alice)
        for one in newcomers:
            strange = [room.ledger.bodies[number] for number in one.received]
            strange = [body for body in strange if body.startswith(b"#rust ")]
            assert not strange, f"{one}, who has not subscribed to 'rust', received {strange[0].decode()!r}"


@pytest.mark.smoke
@pytest.mark.case(127, "CH-CHANNEL-6")
async def test_who_only_sends_does_not_hear(room: Room) -> None:
    """CH-CHANNEL-6: Who sends need not have subscribed, and then does not hear what it sends.

    One sends to a channel with two subscribers, and has subscribed to none, or to another one.
    """
    alice, bob = await room.join(2)
    for other in ([], ["go"]):
        stranger = await room.connect(joins=False)
        if other:
            await subscribe(stranger, *other)
        for attempt in range(ATTEMPTS):
            body = stranger.next_body()
            replies = await answers(stranger, room.encode(body))
            assert not replies, f"somebody who has not subscribed sent a message, and was answered by {replies}"
            await room.fence(alice, [alice, bob])
            if room.heard(alice, body) and room.heard(bob, body) and attempt > 3:
                break
        else:
            raise Violation(f"what somebody sends who has not subscribed never arrives, tried {ATTEMPTS} times")
        assert not stranger.received, f"{stranger} received messages of a channel to which it has not subscribed"


@pytest.mark.smoke
@pytest.mark.case(128, "CH-CHANNEL-7")
async def test_a_lawful_send_is_not_answered(room: Room) -> None:
    """CH-CHANNEL-7: A lawful Send is not answered: its sender gets no reply to it.

    A hundred of them to two channels, one of which the sender is in.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, "rust")
    sends = [Send(name, f"{number}") for name in ("rust", "zoo") for number in range(50)]
    replies = await answers(alice, lines(*sends))
    assert not replies, f"{len(sends)} messages were answered by {len(replies)} replies, the first {replies[0]}"


@pytest.mark.smoke
@pytest.mark.case(129, "CH-CHANNEL-8")
async def test_a_message_to_no_channel_is_an_error(room: Room) -> None:
    """CH-CHANNEL-8: Send to a channel that nobody has ever subscribed to is answered by an Error.

    Each time, also the second time; then somebody subscribes, and there is none.
    """
    alice, bob = await room.join(2)
    for name in NAMES:
        replies = await answers(alice, lines(Send(name, "anybody?"), Send(name, "nobody?")))
        assert [type(one) for one in replies] == [Error, Error], (
            f"two messages to {name[:20]!r}, to which nobody has ever subscribed, were answered by {replies}"
        )
    await subscribe(bob, *NAMES)
    replies = await answers(alice, lines(*(Send(name, "hello") for name in NAMES)))
    assert not replies, f"messages to channels with a subscriber were answered by {replies}"


@pytest.mark.case(130, "CH-CHANNEL-9")
async def test_a_channel_outlives_one_of_its_subscribers(room: Room) -> None:
    """CH-CHANNEL-9: A channel lives on while one of its subscribers stays.

    The first, the second and the last to come leave, by FIN, by RST, and with unread messages.
    """
    alice = await room.join_one()
    for turn in range(9):
        name = f"turn {turn}"
        guests = await room.join(3)
        for guest in guests:
            await subscribe(guest, name)
        victim = guests.pop(turn // 3)
        await (victim.leave, victim.reset, victim.hang_up)[turn % 3]()
        for _ in range(3):
            replies = await answers(alice, lines(Send(name, "are you there?")))
            assert not replies, f"one of three has left the channel, and a message to it was answered by {replies}"
        await room.deliver(alice, [body_of(name, f"{name}?")], guests)
        for guest in guests:
            await guest.hang_up()


@pytest.mark.case(131, "CH-CHANNEL-10")
async def test_an_abandoned_channel_can_be_used_again(room: Room) -> None:
    """CH-CHANNEL-10: A channel whose subscribers have all left can be subscribed to again, and is heard again.

    Five times, after every way to leave; sometimes something is sent to it meanwhile.
    """
    alice = await room.join_one()
    for turn in range(6):
        guest, other = await room.join(2)
        await subscribe(guest, "phoenix")
        await subscribe(other, "phoenix")
        for one in (guest, other):
            await (one.leave, one.reset, one.hang_up)[turn % 3]()
        await room.fence(alice)
        if turn % 2:
            await answers(alice, lines(Send("phoenix", "nobody hears")))
        newcomer = await room.join_one()
        await subscribe(newcomer, "phoenix")
        replies = await answers(alice, lines(Send("phoenix", "welcome back")))
        assert not replies, f"a message to a channel that has a subscriber again was answered by {replies}"
        await room.deliver(alice, [body_of("phoenix", f"turn {turn}")], [newcomer])
        await newcomer.hang_up()


@pytest.mark.case(132, "CH-CHANNEL-11")
async def test_what_is_answered_in_an_abandoned_channel_is_told(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """CH-CHANNEL-11: A message to a channel whose subscribers have all left may be answered by an Error, or by nothing.

    The only subscriber leaves; messages are sent until one is answered, or for a second.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, "past")
    await bob.leave()
    for _ in room.rounds(50, seconds=1):
        if await answers(alice, lines(Send("past", "anybody?"))):
            word = "forgets"
            break
        await anyio.sleep(0.02)  # its end may not have been noticed
    else:
        word = "keeps"
    note(f"{word} a channel whose subscribers have all left")
    fact("empty channels", word)


@pytest.mark.slow
@pytest.mark.case(133, "CH-CHANNEL-12")
async def test_subscribers_that_have_left_are_in_no_list(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """CH-CHANNEL-12: A subscriber that has left is in no list any more: nothing is kept of it, and nothing is written
    to it.

    Thousands subscribe to eleven channels, in which somebody stays, and leave in every way. Blamed is only whose
    memory grows three times by the same.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, *LASTING)

    async def visits(done: int) -> int:
        await _come_and_go(room, 50, lambda turn: lines(*map(Subscribe, LASTING)))
        replies = await answers(alice, lines(*(Send(name, "next") for name in LASTING)))
        assert not replies, f"after some subscribers had left, messages were answered by {replies[:3]}"
        await room.fence(alice, [alice, bob])
        return 50

    await _must_stop_growing(room, visits, VISIT_BOUND, "a subscriber that has left", note)


@pytest.mark.slow
@pytest.mark.case(134, "CH-CHANNEL-13")
async def test_channels_that_have_come_and_gone_leave_nothing_behind(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """CH-CHANNEL-13: Nor is anything kept of channels that have come and gone.

    Each of some thousand clients subscribes to ten channels of its own, and leaves.
    """
    alice = await room.join_one()
    made = 0

    async def visits(done: int) -> int:
        nonlocal made
        made += 50
        await _come_and_go(
            room, 50, lambda turn: lines(*(Subscribe(f"passing {made} {turn} {one}") for one in range(10)))
        )
        await room.fence(alice)
        return 500

    try:
        await _must_stop_growing(room, visits, CHANNEL_BOUND, "a channel that has come and gone", note)
    except Violation as kept:
        raise AssertionError(str(kept)) from None


async def _must_stop_growing(
    room: Room, visits: Callable[[int], object], bound: float, what: str, note: Callable[[str], None]
) -> None:
    def size() -> int:
        return room.usage().rss_bytes

    watch = partial(watch_growth, visits, size, bound=bound, enough=ENOUGH_VISITS, most=5000, seconds=6)  # type: ignore[arg-type]
    turns = [await watch()]
    while recurs(turns, bound) and len(turns) < 3:
        turns.append(await watch())
    growth = turns[-1]
    told = f"{growth.slope()} bytes for {what}, after {growth.count:,}"
    if growth.count < ENOUGH_VISITS and growth.slope().high > bound:
        raise CouldNotTell(f"{told}; so few do not prove that it goes on, or ends")
    if recurs(turns, bound):
        raise Violation(f"memory still grows by {told}: something of each is kept", kind="used")
    note(told)


async def _come_and_go(room: Room, count: int, requests: Callable[[int], bytes]) -> None:
    """Let clients subscribe and leave, ten at a time, by FIN, by RST, and at once."""

    async def guests(first: int) -> None:
        for turn in range(first, count, 10):
            guest = await room.connect(joins=False)
            await guest.send_raw(requests(turn))
            if turn % 3:
                await answers(guest, b"")
            await (guest.reset() if turn % 2 else guest.hang_up())

    async with anyio.create_task_group() as tasks:
        for first in range(10):
            tasks.start_soon(guests, first)


@pytest.mark.smoke
@pytest.mark.case(135, "CH-CHANNEL-12")
async def test_a_dead_subscriber_harms_no_message(room: Room) -> None:
    """CH-CHANNEL-12: A subscriber that has left is in no list any more: nothing is kept of it, and nothing is written
    to it.

    Several die by RST, some before and some while messages go to their channel: nobody is told an Error, and the
    living hear.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, "rust")
    for turn in range(10):
        guests = [await room.connect(joins=False) for _ in range(4)]
        for guest in guests:
            await subscribe(guest, "rust")
        since = len(alice.notes)
        with room.frozen():
            await alice.send(*(body_of("rust", f"{turn}.{number}") for number in range(10)))
            for guest in guests:
                await (guest.hang_up() if turn % 3 else guest.reset())
            await alice.send(*(body_of("rust", f"{turn}:{number}") for number in range(10)))
        replies = await answers(alice, lines(Send("rust", "still there?")), since=since)
        assert not replies, f"messages to a channel some of whose subscribers had died were answered by {replies}"
        await room.deliver(alice, [body_of("rust", f"turn {turn}")], [bob])


@pytest.mark.smoke
@pytest.mark.case(136, "CH-CHANNEL-14")
async def test_names_are_compared_code_point_by_code_point(room: Room) -> None:
    """CH-CHANNEL-14: A name is any Unicode string, the empty one too, and names are compared code point by code point.

    Twenty names, alike in one way or another, each with one who has subscribed to it alone: the empty one, white space
    and case, composed and decomposed, prefixes and patterns, five thousand letters.
    """
    alice, *members = await room.join(len(NAMES) + 1)
    for name, one in zip(NAMES, members, strict=True):
        await subscribe(one, name)
    await alice.send(*(body_of(name, f"to {number}") for number, name in enumerate(NAMES)))
    await room.fence(alice)
    for number, (name, one) in enumerate(zip(NAMES, members, strict=True)):
        await room.deliver(alice, [body_of(name, f"to {number}")], [one])
        _must_hear_only(room, one, name)


def _must_hear_only(room: Room, one: Client, name: str) -> None:
    for other in NAMES:
        strange = [room.ledger.bodies[number] for number in one.received]
        strange = [body for body in strange if body.startswith(body_of(other, "")) and other != name]
        assert not strange, f"who has subscribed to {name[:20]!r} received what was sent to {other[:20]!r}"


@pytest.mark.case(137, "CH-ORDER-1", "CH-ORDER-2")
async def test_there_is_one_order_over_all_channels(room: Room) -> None:
    """CH-ORDER-1: The messages of one sender are delivered in the order in which it sent them.
    CH-ORDER-2: All clients see one order: there is one sequence of all messages of which everybody receives a part.

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
        with room.frozen():
            for one in everybody[: 2 + turn % 3]:
                await one.send(*words(one, 1 + turn % 4))
        await room.fence(everybody[0])
    for one in everybody:
        await room.fence(one)
