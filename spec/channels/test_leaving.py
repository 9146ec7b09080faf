"""Leaving: what becomes of the channels of subscribers that leave, and what must be released."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.channels.replies import encode_lines, replies_to, subscribe, wait_for_replies
from spec.channels.wire import Send, Subscribe, Subscribed, body_of
from spec.common.visits import must_stop_growing

VISIT_BOUND, CHANNEL_BOUND = 200.0, 100.0  # bytes of memory: less than any server needs to remember one
MISSPELT = 2  # names for each client that would visit
LASTING = [f"lasting {number}" for number in range(100)]
QUICK_S, FEW = 0.3, 10  # so many channels are enough for a server that needs longer than this for all of them


@pytest.mark.case(130, "CH-CHANNEL-9")
async def test_a_channel_outlives_one_of_its_subscribers(room: Room) -> None:
    """CH-CHANNEL-9: A channel continues to exist while one of its subscribers stays.

    The first, the second or the last of three subscribers leaves, by FIN, by RST, or with unread messages; every other
    time it has subscribed four times. It was alone in channels whose names are the beginning of that one's, or a
    pattern for it.
    """
    alice = await room.join_one()
    for turn in room.rounds(9, seconds=120):
        name = f"turn {turn}"
        subscribers = await room.join(3)
        for client in subscribers:
            await subscribe(client, name)
        victim = subscribers.pop(turn // 3)
        await subscribe(victim, name[:-1], f"{name[:-1]}*", "")
        if turn % 2:
            await subscribe(victim, name, name, name)  # more often than there are subscribers: it leaves only once
        await (victim.leave, victim.reset, victim.hang_up)[turn % 3]()
        for _ in range(3):
            replies = await replies_to(alice, encode_lines(Send(name, "are you there?")))
            assert not replies, f"one of three subscribers had left, and a message was answered by {replies}"
        await room.deliver(alice, [body_of(name, f"{name}?")], subscribers)
        for client in subscribers:
            await client.hang_up()


@pytest.mark.case(131, "CH-CHANNEL-10")
async def test_an_abandoned_channel_can_be_used_again(room: Room) -> None:
    """CH-CHANNEL-10: A channel whose subscribers have all left can be subscribed to again, and its messages are
    delivered again.

    Six times, after every way to leave; every other time a message is sent to the abandoned channel. Then the last
    subscriber leaves in the moment in which another one subscribes.
    """
    alice = await room.join_one()
    for turn in range(6):
        subscribers = await room.join(2)
        for client in subscribers:
            await subscribe(client, "phoenix")
        for client in subscribers:
            await (client.leave, client.reset, client.hang_up)[turn % 3]()
        await room.barrier(alice)
        if turn % 2:
            await replies_to(alice, encode_lines(Send("phoenix", "no subscribers")))
        bob = await room.join_one()
        await subscribe(bob, "phoenix")
        replies = await replies_to(alice, encode_lines(Send("phoenix", "welcome back")))
        assert not replies, f"a message to a channel that had a subscriber again was answered by {replies}"
        await room.deliver(alice, [body_of("phoenix", f"turn {turn}")], [bob])
        await bob.hang_up()
    for turn in room.rounds(20, seconds=20):
        name = f"race {turn}"
        bob, carol = await room.join(2)
        await subscribe(bob, name)
        since = len(carol.notes)
        with room.server_paused():
            if turn % 2:
                await bob.reset()
            await carol.send_raw(encode_lines(Subscribe(name)))
            await bob.reset()
        replies = await replies_to(carol, b"", since=since)
        assert replies == [Subscribed(name)], f"{carol} sent 1 Subscribe, and received the replies {replies}"
        replies = await replies_to(alice, encode_lines(Send(name, "welcome")))
        assert not replies, f"one subscriber left while another subscribed, and a message was answered by {replies}"
        await room.deliver(alice, [body_of(name, f"{name}?")], [carol])
        await carol.hang_up()


@pytest.mark.case(132, "CH-CHANNEL-11")
async def test_the_answer_in_an_abandoned_channel_is_reported(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """CH-CHANNEL-11: A message to a channel whose subscribers have all left may be answered by an Error, or not at all.

    The only subscriber leaves; then messages are sent until one is answered, or for a second.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, "past")
    await bob.leave()
    for _ in room.rounds(50, seconds=1):
        if await replies_to(alice, encode_lines(Send("past", "anybody?"))):
            word = "forgets"
            break
        await anyio.sleep(0.02)  # the server may not have noticed yet that the subscriber has left
    else:
        word = "keeps"
    note(f"{word} a channel whose subscribers have all left")
    fact("empty channels", word)


@pytest.mark.smoke
@pytest.mark.case(135, "CH-CHANNEL-12")
async def test_a_dead_subscriber_harms_no_message(room: Room) -> None:
    """CH-CHANNEL-12: A subscriber that has left is no longer in any list: nothing is kept of it, and nothing is written
    to it.

    Several subscribers die, by RST or by closing, while messages go to their channel: there is no Error, and the
    others receive the messages.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, "rust")
    for turn in range(10):
        victims = [await room.connect(joins=False) for _ in range(4)]
        for victim in victims:
            await subscribe(victim, "rust")
        since = len(alice.notes)
        with room.server_paused():
            await alice.send(*(body_of("rust", f"{turn}.{number}") for number in range(10)))
            for victim in victims:
                await (victim.hang_up() if turn % 3 else victim.reset())
            await alice.send(*(body_of("rust", f"{turn}:{number}") for number in range(10)))
        replies = await replies_to(alice, encode_lines(Send("rust", "still there?")), since=since)
        assert not replies, f"messages to a channel with some dead subscribers were answered by {replies}"
        await room.deliver(alice, [body_of("rust", f"turn {turn}")], [bob])


@pytest.mark.slow
@pytest.mark.case(133, "CH-CHANNEL-12")
async def test_subscribers_that_have_left_are_in_no_list(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """CH-CHANNEL-12: A subscriber that has left is no longer in any list: nothing is kept of it, and nothing is written
    to it.

    Thousands of clients subscribe to a hundred channels that keep one subscriber, or to ten if the server is not quick,
    to the first of them twice, and leave in every way. The server fails only if its memory grows by the same amount
    three times.
    """
    alice, bob = await room.join(2)
    clock = room.clock()
    await subscribe(bob, *LASTING)
    names = LASTING if clock.read() < QUICK_S else LASTING[:FEW]

    async def visit(count: int) -> int:
        await _come_and_go(room, count, lambda turn: encode_lines(*map(Subscribe, [*names, names[0]])))
        replies = await replies_to(alice, encode_lines(*(Send(name, "next") for name in names)))
        assert not replies, (
            f"after some subscribers had left, messages to their channels were answered by {replies[:3]}"
        )
        await room.barrier(alice, [alice, bob])
        return count

    await must_stop_growing(room, alice, visit, VISIT_BOUND, "a subscriber that has left", note)


@pytest.mark.slow
@pytest.mark.case(134, "CH-CHANNEL-13")
async def test_channels_that_have_come_and_gone_leave_nothing_behind(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """CH-CHANNEL-13: Likewise, nothing is kept of channels that have come and gone, or that only a Send has named.

    Thousands of clients each subscribe to ten channels of their own, and leave.
    """
    alice = await room.join_one()
    clients = 0

    async def visit(count: int) -> int:
        nonlocal clients
        clients += count
        await _come_and_go(
            room,
            count,
            lambda turn: encode_lines(*(Subscribe(f"passing {clients} {turn} {i}") for i in range(10))),
            leave=Client.reset,  # nothing is ever written to them: see below
        )
        await room.barrier(alice)
        return 10 * count

    try:
        await must_stop_growing(room, alice, visit, CHANNEL_BOUND, "a channel that has come and gone", note)
    except Violation as growth:
        raise AssertionError(str(growth)) from None


@pytest.mark.slow
@pytest.mark.case(139, "CH-CHANNEL-13")
async def test_channels_that_were_only_misspelt_leave_nothing_behind(room: Room, note: Callable[[str], None]) -> None:
    """CH-CHANNEL-13: Likewise, nothing is kept of channels that have come and gone, or that only a Send has named.

    Thousands of messages to channels to which nobody has ever subscribed, each with a name of its own.
    """
    alice = await room.join_one()
    names = 0

    async def misspell(count: int) -> int:
        nonlocal names
        names += 1
        expected = len(alice.notes) + MISSPELT * count
        await alice.send_raw(encode_lines(*(Send(f"misspelt {names} {i}", "") for i in range(MISSPELT * count))))
        await wait_for_replies(alice, partial(_has_replies, alice, expected), "messages to no channel")
        return MISSPELT * count

    try:
        await must_stop_growing(room, alice, misspell, CHANNEL_BOUND, "a channel that was only misspelt", note)
    except Violation as growth:
        raise AssertionError(str(growth)) from None


@pytest.mark.slow
@pytest.mark.case(155, "CH-COME-6")
async def test_clients_that_never_subscribed_leave_nothing_behind(room: Room, note: Callable[[str], None]) -> None:
    """CH-COME-6: When clients have left, everything the server held for them is released: descriptors, threads,
    processes and memory.

    Thousands of clients, each of which sends one line that is no request, and leaves.
    """
    alice = await room.join_one()

    async def visit(count: int) -> int:
        # By RST: nothing is ever written to them, so a server that serves half-closed clients need not notice a FIN.
        await _come_and_go(room, count, lambda turn: b"nonsense\n", leave=Client.reset)
        await room.barrier(alice)
        return count

    await must_stop_growing(room, alice, visit, VISIT_BOUND, "a client that never subscribed", note)


def _has_replies(client: Client, count: int) -> bool:
    return len(client.notes) >= count


async def _come_and_go(
    room: Room, count: int, requests: Callable[[int], bytes], leave: Callable[[Client], Awaitable[None]] | None = None
) -> None:
    """Let clients subscribe and leave, all at the same time.

    Args:
        room: the server.
        count: how many.
        requests: returns what a client sends, given its number.
        leave: how they leave; by default by FIN and by RST in turn.
    """

    async def visit(turn: int) -> None:
        client = await room.connect(joins=False)
        data = requests(turn)
        await client.send_raw(data)
        if turn % 3:  # not by `replies_to`, which subscribes to one more channel, and a server may keep that
            await wait_for_replies(client, partial(_has_replies, client, data.count(b"\n")))
        await (leave or (Client.reset if turn % 2 else Client.hang_up))(client)

    async with anyio.create_task_group() as tasks:
        for turn in range(count):
            tasks.start_soon(visit, turn)
