"""Joining: names, who gets them, who is notified, and what guests receive."""

from __future__ import annotations

import unicodedata
from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.membership import (
    answers,
    connect_guest,
    join_as,
    join_frame,
    members_seen_by,
    must_receive_only,
    must_refuse,
    notices,
    request_name,
    send_and_get_answer,
    wait_for,
    wait_for_notice,
    wait_until_all_know,
)
from spec.groupchat.messages import Joined, Left, Refused, Welcome
from spec.groupchat.wire import encode_say

FULL = 505  # clients with names of 128 bytes, each 130 with its length: the next Welcome would have 65,653 bytes
LAST = 11  # characters of the name that makes the next Welcome 65,535 bytes long, with all but one of these
LONGEST = 65_531  # characters of a name, of one byte each, whose Join fills a frame
ROUNDS = 40  # of several clients that ask for one name at once


def _has_answer(client: Client) -> bool:
    return bool(answers(client))


@pytest.mark.smoke
@pytest.mark.case(121, "GC-JOIN-1", "GC-JOIN-2")
async def test_a_newcomer_is_welcomed_and_told_who_is_there(room: Room) -> None:
    """GC-JOIN-1: A client that joins with a valid name that nobody in the room has is welcomed, and is in the room from
    then on.
    GC-JOIN-2: Welcome has the names of those who are in the room, each once, and not the joining client's own.

    Five clients join one after the other; then one leaves, one is refused, one stays a guest, and the sixth Welcome
    must name none of these.
    """
    members: list[Client] = []
    for name in ("ann", "bo", "cyn", "dan", "eve"):
        before = sorted(client.name or "" for client in members)
        members.append(await join_as(room, name))
        (welcome,) = answers(members[-1])
        assert isinstance(welcome, Welcome)
        assert sorted(welcome.names) == before, f"{before} were in the room, but {name} received {welcome}"
        await room.deliver(members[0], [members[0].next_body()], members)
        await room.deliver(members[-1], [members[-1].next_body()], members)
    refused = await connect_guest(room)
    await request_name(refused, "ann")
    await connect_guest(room)
    await members.pop(1).leave()
    await wait_for_notice(members[0], Left("bo"))
    late = await join_as(room, "late")
    (welcome,) = answers(late)
    names = sorted(welcome.names) if isinstance(welcome, Welcome) else []
    assert names == ["ann", "cyn", "dan", "eve"], (
        f"ann, cyn, dan and eve were in the room, but the Welcome of late named {names}"
    )


@pytest.mark.smoke
@pytest.mark.case(122, "GC-JOIN-3")
async def test_all_others_are_told_once_that_somebody_joined(room: Room) -> None:
    """GC-JOIN-3: When a client is welcomed, all others in the room receive Joined, once, and the joining client does
    not.

    Four join in turn, and one client is refused; each must have received Joined for all that joined later, once, in
    their order, and for nobody else.
    """
    names = ("ann", "bo", "cyn", "dan")
    members = [await join_as(room, name) for name in names]
    await must_refuse(await connect_guest(room), join_frame("bo"), "a taken name")
    for client in members:
        await room.barrier(client, members)
    for place, client in enumerate(members):
        expected = [Joined(name) for name in names[place + 1 :]]
        assert notices(client) == expected, f"{client.name} received {notices(client)} instead of {expected}"


@pytest.mark.smoke
@pytest.mark.case(123, "GC-JOIN-4", "GC-JOIN-5")
async def test_a_taken_name_is_refused_and_another_may_be_tried(room: Room) -> None:
    """GC-JOIN-4: A name that somebody in the room has is refused, and if several clients ask for one name at once,
    exactly one gets it.
    GC-JOIN-5: A client that was refused may try again on the same connection.

    Refused ten times, and once for an invalid name; then welcomed under a name that is free.
    """
    ann = await join_as(room, "ann")
    late = await connect_guest(room)
    for _ in range(10):
        await must_refuse(late, join_frame("ann"), "a taken name")
    await must_refuse(late, join_frame(""), "an empty name")
    answer = await request_name(late, "bo")
    if not isinstance(answer, Welcome):
        raise Violation(
            f"after it had been refused, {late} asked for a free name and received {answer!r}",
            "GC-JOIN-5",
            clients=(late.number,),
        )
    await wait_until_all_know([ann, late], {"ann", "bo"})
    await room.deliver(late, [b"at last"], [ann, late])


@pytest.mark.case(124, "GC-JOIN-4")
async def test_of_several_who_ask_for_one_name_at_once_exactly_one_gets_it(room: Room) -> None:
    """GC-JOIN-4: A name that somebody in the room has is refused, and if several clients ask for one name at once,
    exactly one gets it.

    The server finds all their Joins at the same moment.
    """
    alice = await room.join_one()
    for turn in room.rounds(ROUNDS, seconds=5):
        rivals = [await connect_guest(room) for _ in range(2 + turn % 5)]
        name = f"zoe {turn}"
        with room.server_paused():
            for client in rivals:
                await client.send_raw(join_frame(name))
        for client in rivals:
            await wait_for(client, partial(_has_answer, client), "an answer to Join")
        winners = [client for client in rivals if isinstance(answers(client)[0], Welcome)]
        assert len(winners) == 1, (
            f"of {len(rivals)} clients that asked for {name!r} at once, {len(winners)} were welcomed"
        )
        winners[0].name = name
        await wait_for_notice(alice, Joined(name))
        for client in rivals:
            await client.hang_up()
        await wait_for_notice(alice, Left(name))
    members_seen_by(alice)


@pytest.mark.case(125, "GC-JOIN-6")
async def test_a_second_join_is_refused_and_the_name_stays(room: Room) -> None:
    """GC-JOIN-6: A Join from a client that is in the room is refused, and its name stays the same.

    For another name, for its own and for another member's, and in one write with the first Join; there is no notice,
    and the other name stays free.
    """
    ann, bo = await join_as(room, "ann"), await join_as(room, "bo")
    for name in ("amy", "ann", "bo"):
        await must_refuse(ann, join_frame(name), f"a Join as {name!r} from ann, who is in the room,")
    cyn = await connect_guest(room)
    await send_and_get_answer(cyn, join_frame("cyn") + join_frame("amy"), count=2)
    cyn.name = "cyn"
    await must_refuse(cyn, join_frame("amy"), "a Join as 'amy' from cyn, who is in the room,")
    assert [type(answer) for answer in answers(cyn)] == [Welcome, Refused, Refused], (
        f"Joins as cyn and as amy, in one write, and then as amy were answered by {answers(cyn)}"
    )
    await wait_for_notice(bo, Joined("cyn"))
    await room.deliver(ann, [b"it is still me"], [ann, bo])  # the judge checks the sender's name
    assert notices(bo) == [Joined("cyn")], f"only cyn joined, but bo received {notices(bo)}"
    await join_as(room, "amy")


@pytest.mark.slow
@pytest.mark.case(126, "GC-JOIN-7")
async def test_a_newcomer_whose_welcome_does_not_fit_is_refused(room: Room) -> None:
    """GC-JOIN-7: A joining client whose Welcome would not fit into a frame is refused.

    505 clients with names of 128 bytes; then no client can join until one has left. After that one joins with a short
    name, the next one, whose Welcome fills a frame to the last byte, is welcomed, and another one is not.
    """
    clients = [await room.connect(joins=False, reads=False) for _ in range(FULL)]
    for number, client in enumerate(clients):
        client.name = chr(0x1F400 + number % 32) + chr(0x1F400 + number // 32) + "🦓" * 30
        await client.send_raw(join_frame(client.name))
    for client in clients:
        client.start_reading()
    for client in clients:
        await wait_for(client, partial(_has_answer, client), "an answer to Join")
        assert isinstance(answers(client)[0], Welcome), f"{client}, of {FULL}, received {answers(client)[0]!r}"
    late = await connect_guest(room)
    answer = await request_name(late, "late")
    assert isinstance(answer, Refused), (
        f"{len(clients)} were in the room, and a joining client received {str(answer)[:40]}…"
    )
    assert Joined("late") not in notices(clients[0])
    await clients.pop().leave()
    await wait_for(clients[0], lambda: any(isinstance(notice, Left) for notice in notices(clients[0])), "a Left")
    await join_as(room, "y" * LAST)
    answer = await request_name(late, "late")
    assert isinstance(answer, Welcome), (
        f"{FULL} were in the room, one of them with a name of {LAST} bytes, and a joining client whose Welcome has "
        f"65,535 bytes received {answer!r}"
    )
    await wait_for_notice(clients[0], Joined("late"))
    await must_refuse(await connect_guest(room), join_frame("later"), "a Join whose Welcome would not fit")


@pytest.mark.smoke
@pytest.mark.case(127, "GC-NAME-1")
async def test_any_lawful_name_is_taken_and_told_as_it_is(room: Room) -> None:
    """GC-NAME-1: Every name of 1 to 32 code points without control characters (Unicode's category Cc) is valid, and is
    passed on unchanged.

    One code point and 32, of one byte and of four; white space, separators, format characters, a combining character
    alone.
    """
    alice, bob = await room.join(2)
    names = ["x", "y" * 32, "é" * 32, "🦓" * 32, "🦓", " ", "  a  ", "\u00a0", "\u2028", "\u200d", "\u202e", "\u0301"]
    names += ["\ufeff", "\ufffe", "\ue000", "\U0010ffff", "%s%n", "'\"\\", "ａｎｎ", "null", "server"]
    names += ["__proto__", "constructor", "toString", "hasOwnProperty"]  # properties of every object in some languages
    for name in names:
        client = await join_as(room, name)
        await wait_for_notice(alice, Joined(name))
        await room.deliver(client, [client.next_body()], [alice, bob, client])
        await client.hang_up()
        await wait_for_notice(alice, Left(name))
    members_seen_by(alice)


@pytest.mark.case(128, "GC-NAME-2")
async def test_any_other_name_is_refused(room: Room) -> None:
    """GC-NAME-2: Any other name is refused.

    The empty name, 33 code points and more, and each of the 65 control characters, alone and within a name.
    """
    alice = await room.join_one()
    stranger = await connect_guest(room)
    controls = [chr(point) for point in range(0x100) if unicodedata.category(chr(point)) == "Cc"]
    names = ["", "x" * 33, "é" * 33, "🦓" * 33, "x" * 5000, "x" * LONGEST]
    names += [*controls, *(f"a{control}b" for control in controls)]
    for name in names:  # one after the other, without waiting: a late server answers all of them as late as one
        await stranger.send_raw(join_frame(name))
    await wait_for(stranger, lambda: len(answers(stranger)) >= len(names), f"answers to {len(names)} Joins")
    for name, answer in zip(names, answers(stranger), strict=True):
        if not isinstance(answer, Refused):
            raise Violation(
                f"the name {name[:40]!r} of {len(name)} code points was not refused: {stranger} received {answer!r}",
                clients=(stranger.number,),
            )
    await room.barrier(alice, [alice])
    assert notices(alice) == [], f"{alice} received {notices(alice)}"


@pytest.mark.case(129, "GC-NAME-3")
async def test_names_are_compared_code_point_by_code_point(room: Room) -> None:
    """GC-NAME-3: Names are equal exactly when their code points are, one by one.

    Similar names, and equal numbers, are all welcomed side by side, and each of them is taken afterwards.
    """
    alike = ["ann", "Ann", "ANN", " ann", "ann ", "an\u00adn", "ann\u200b", "аnn", "ａｎｎ", "a\u00f1n", "an\u0303n"]
    alike += ["\u212b", "\u00c5", "A\u030a", "straße", "strasse"]
    alike += ["0", "00", "1", "01", "1e0", "-0", "x" * 31 + "y", "x" * 31 + "z"]
    members = [await join_as(room, name) for name in alike]
    await wait_until_all_know(members, set(alike))
    stranger = await connect_guest(room)
    for name in alike:
        await must_refuse(stranger, join_frame(name), f"the taken name {name!r}")


@pytest.mark.smoke
@pytest.mark.case(130, "GC-GUEST-1")
async def test_guests_hear_nothing(room: Room) -> None:
    """GC-GUEST-1: A client that is not in the room receives nothing but the answers to its own requests.

    One guest has only connected, one was refused, and one has sent half a Join, while others send, come and go.
    """
    alice, bob = await room.join(2)
    silent, refused, half = [await connect_guest(room) for _ in range(3)]
    answer = await must_refuse(refused, room.spec.codec.encode_join(alice.number), "a taken name")
    await half.send_raw(join_frame("half")[:4])
    for turn in range(5):
        visitor = await join_as(room, f"visitor {turn}")
        await room.deliver(alice, [alice.next_body() for _ in range(20)], [alice, bob, visitor])
        await (visitor.leave() if turn % 2 else visitor.reset())
        await wait_for_notice(bob, Left(f"visitor {turn}"))
    await must_receive_only(silent, [], "has only connected")
    await must_receive_only(refused, [answer], "was refused once")
    welcome = await send_and_get_answer(half, join_frame("half")[4:])
    assert half.notes[0].value == welcome, f"{half}, which had sent half a Join, received {half.notes[0].value}"
    late = await request_name(silent, "late")
    assert isinstance(late, Welcome)
    assert silent.received == [], "a client that joined received what was sent while it was a guest"


@pytest.mark.smoke
@pytest.mark.case(131, "GC-GUEST-2")
async def test_what_a_guest_says_is_refused_and_never_heard(room: Room) -> None:
    """GC-GUEST-2: A Say from a client that is not in the room is refused, and no client receives it.

    Before the first Join, after one that was refused, and in one write with the Join that follows.
    """
    alice, bob = await room.join(2)
    stranger = await connect_guest(room)
    early = [stranger.next_body() for _ in range(3)]
    await must_refuse(stranger, encode_say(early[0]), "a Say from a client that has not joined")
    await must_refuse(stranger, room.spec.codec.encode_join(alice.number), "a taken name")
    await must_refuse(stranger, encode_say(early[1]), "a Say from a client whose Join was refused")
    answer = await send_and_get_answer(
        stranger, encode_say(early[2]) + room.spec.codec.encode_join(stranger.number), count=2
    )
    assert isinstance(answer, Welcome), f"a Join right after a refused Say was answered by {answer!r}"
    for sender in (stranger, alice):
        await room.barrier(sender, [alice, bob, stranger])
    for client in (alice, bob, stranger):
        received = [body for body in early if room.times_received(client, body)]
        assert not received, f"{client} received {received}, sent by a client that had not joined"


@pytest.mark.case(132, "GC-JOIN-1")
async def test_a_crowd_that_joins_at_once_is_welcomed(room: Room) -> None:
    """GC-JOIN-1: A client that joins with a valid name that nobody in the room has is welcomed, and is in the room from
    then on.

    Sixty clients, whose Joins the server finds all at the same moment; each must learn of each other, by Welcome or by
    Joined.
    """
    clients = [await room.connect(joins=False, reads=False) for _ in range(60)]
    with room.server_paused():
        async with anyio.create_task_group() as tasks:
            for client in clients:
                tasks.start_soon(client.send_raw, room.spec.codec.encode_join(client.number))
    for client in clients:
        client.start_reading()
    await wait_until_all_know(clients, {client.name or "" for client in clients})
    await room.barrier(clients[7], clients)
