"""Joining: who is welcomed, who gets a name, and who is notified."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.membership import (
    ANSWER_S,
    answers,
    connect_guest,
    has_answer,
    join_as,
    join_frame,
    members_seen_by,
    must_refuse,
    notices,
    request_name,
    send_and_get_answer,
    wait_for,
    wait_for_notice,
    wait_until_all_know,
)
from spec.groupchat.messages import Joined, Left, Refused, Welcome

FULL = 505  # clients with names of 128 bytes, each 130 with its length: the next Welcome would have 65,653 bytes
LAST = 11  # characters of the name that makes the next Welcome 65,535 bytes long, with all but one of these
CROWD = 300  # clients
ROUNDS = 40  # of several clients that ask for one name at once


@pytest.mark.smoke
@pytest.mark.case(121, "GC-JOIN-1", "GC-JOIN-2")
async def test_a_joining_client_is_welcomed_with_all_names(room: Room) -> None:
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
async def test_all_others_receive_joined_once(room: Room) -> None:
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

    Refused ten times, and once for an invalid name; then welcomed under a name that is free, which is that of its Left.
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
    await late.hang_up()
    await wait_for_notice(ann, Left("bo"))
    await join_as(room, "bo")


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
            await wait_for(client, partial(has_answer, client), "an answer to Join")
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
    the other name stays free and its own is taken, until it leaves under it.
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
    for name in ("ann", "bo", "cyn"):
        await must_refuse(await connect_guest(room), join_frame(name), f"the taken name {name!r}")
    amy = await join_as(room, "amy")
    await ann.hang_up()
    await cyn.reset()
    for name in ("ann", "cyn"):
        await wait_for_notice(bo, Left(name))
    await wait_until_all_know([bo, amy], {"bo", "amy"})


@pytest.mark.smoke
@pytest.mark.case(133, "GC-JOIN-1", "GC-JOIN-2")
async def test_who_comes_into_an_empty_room_finds_it_empty(room: Room) -> None:
    """GC-JOIN-1: A client that joins with a valid name that nobody in the room has is welcomed, and is in the room from
    then on.
    GC-JOIN-2: Welcome has the names of those who are in the room, each once, and not the joining client's own.

    Somebody is alone and leaves, in every way; the next client gets the name, and an empty Welcome.
    """
    for turn in range(8):
        zoe, clock = await connect_guest(room), room.clock()
        while isinstance(answer := await request_name(zoe, "zoe"), Refused):  # it may be late to notice who has left
            if clock.read() > ANSWER_S:
                raise Violation(
                    f"nobody is in the room, but {ANSWER_S:.0f} s after 'zoe' left the answer was {answer!r}",
                    clients=(zoe.number,),
                )
            await anyio.sleep(0.05)
        assert answer == Welcome([]), f"nobody else was in the room, but zoe received {answer!r}"
        await room.deliver(zoe, [zoe.next_body()], [zoe])
        await (zoe.leave, zoe.reset, zoe.hang_up, zoe.close_sending)[turn % 4]()


@pytest.mark.slow
@pytest.mark.case(134, "GC-JOIN-1", "GC-JOIN-2")
async def test_a_client_that_joins_a_crowd_receives_all_names(room: Room) -> None:
    """GC-JOIN-1: A client that joins with a valid name that nobody in the room has is welcomed, and is in the room from
    then on.
    GC-JOIN-2: Welcome has the names of those who are in the room, each once, and not the joining client's own.

    Three hundred with names of 128 bytes: more than 256 names, and more than 32,767 bytes.
    """
    clients = [await room.connect(joins=False, reads=False) for _ in range(CROWD)]
    for number, client in enumerate(clients):
        client.name = _long_name(number)
        await client.send_raw(join_frame(client.name))
    for client in clients:
        client.start_reading()
    names = {client.name or "" for client in clients}
    await wait_until_all_know(clients, names)
    late = await join_as(room, "late")
    await wait_until_all_know([late], {*names, "late"})


def _long_name(number: int) -> str:
    """Return a name of 128 bytes, another one for each number below 1024."""
    return chr(0x1F400 + number % 32) + chr(0x1F400 + number // 32) + "🦓" * 30


@pytest.mark.slow
@pytest.mark.case(126, "GC-JOIN-7")
async def test_a_client_whose_welcome_does_not_fit_is_refused(room: Room) -> None:
    """GC-JOIN-7: A joining client whose Welcome would not fit into a frame is refused.

    505 clients with names of 128 bytes; then no client can join until one has left. After that one joins with a short
    name, and the next one, whose Welcome has one byte too many, is refused. When the name is shorter by a byte, the
    next one, whose Welcome fills a frame to the last byte, is welcomed, and another one is not.
    """
    clients = [await room.connect(joins=False, reads=False) for _ in range(FULL)]
    for number, client in enumerate(clients):
        client.name = _long_name(number)
        await client.send_raw(join_frame(client.name))
    for client in clients:
        client.start_reading()
    for client in clients:
        await wait_for(client, partial(has_answer, client), "an answer to Join")
        assert isinstance(answers(client)[0], Welcome), f"{client}, of {FULL}, received {answers(client)[0]!r}"
    late = await connect_guest(room)
    answer = await request_name(late, "late")
    assert isinstance(answer, Refused), (
        f"{len(clients)} were in the room, and a joining client received {str(answer)[:40]}…"
    )
    assert Joined("late") not in notices(clients[0])
    await clients.pop().leave()
    await wait_for(clients[0], lambda: any(isinstance(notice, Left) for notice in notices(clients[0])), "a Left")
    longer = await join_as(room, "y" * (LAST + 1))
    await must_refuse(late, join_frame("late"), "a Join whose Welcome has 65,536 bytes")
    await longer.leave()
    await wait_for_notice(clients[0], Left(longer.name or ""))
    await join_as(room, "y" * LAST)
    answer = await request_name(late, "late")
    assert isinstance(answer, Welcome), (
        f"{FULL} were in the room, one of them with a name of {LAST} bytes, and a joining client whose Welcome has "
        f"65,535 bytes received {answer!r}"
    )
    await wait_for_notice(clients[0], Joined("late"))
    await must_refuse(await connect_guest(room), join_frame("later"), "a Join whose Welcome would not fit")


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
