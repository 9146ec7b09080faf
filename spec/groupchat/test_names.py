"""Names: which are valid, and which are equal."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Sequence

import anyio
import pytest

from harness.conformance.api import Client, Growth, Room, Violation, watch_growth
from spec.common.leftovers import Steps, must_not_grow_on, watch_repeatedly
from spec.groupchat.membership import (
    answers,
    connect_guest,
    join_as,
    join_frame,
    members_seen_by,
    notices,
    send_and_get_answer,
    wait_for,
    wait_for_notice,
    wait_until_all_know,
)
from spec.groupchat.messages import Joined, Left, Refused, Welcome

BOUND = 120.0  # bytes of memory a visit: less than it takes to remember one name of 128 bytes
ENOUGH, MANY = 1000, 3000  # visits that are enough for a verdict, and for one that is sure
NAMES = 3  # of each visitor
VISITS = 10  # visitors between two looks at the server's memory: each is notified of all others
FIRST, FIRST_S = 1500, 6.0  # visits before the first look: they fill what a heap has had free
LONGEST = 65_531  # characters of a name, of one byte each, whose Join fills a frame


@pytest.mark.smoke
@pytest.mark.case(127, "GC-NAME-1")
async def test_any_valid_name_is_accepted_and_forwarded_unchanged(room: Room) -> None:
    """GC-NAME-1: Every name of 1 to 32 code points without control characters (Unicode's category Cc) is valid, and is
    passed on unchanged.

    One code point and 32, of one byte and of four; white space, separators, format characters, a combining character
    alone, digits, and what stands between names elsewhere. Each comes in Joined, Said and Left, and in the Welcome of
    all that join later.
    """
    alice, bob = await room.join(2)
    names = ["x", "y" * 32, "é" * 32, "🦓" * 32, "🦓", " ", "  a  ", "\u00a0", "\u2028", "\u200d", "\u202e", "\u0301"]
    names += ["힣", "\ud7ff", "ก", "\ufeff", "\ufffe", "\ue000", "\U0010ffff"]
    names += ["%s%n", "'\"\\", "ａｎｎ", "null", "server"]
    names += ["__proto__", "constructor", "toString", "hasOwnProperty"]  # properties of every object in some languages
    names += ["\ufffd", "\u0378", "\U000e0001", "admin", "root", "all", "undefined", "NaN", "/quit", "@ann", "#room"]
    names += [",", "ann,bo", "ann, bo", "ann;bo", "ann|bo", "ann/bo", "ann bo", "ann\u2028bo", "ann\u2029", "[]"]
    names += ["0", "007", "1e3", "false", "\u0661", "an\u00adn", "\u200b", "<b>", "&amp;"]
    names += ["e\u0301", "\u00e9", "E\u0301"]  # in either normal form, side by side
    clients: list[Client] = []
    for place in room.rounds(len(names), seconds=120):
        name = names[place]
        client = await join_as(room, name)
        here, welcome = [member.name or "" for member in (alice, bob, *clients)], answers(client)[0]
        listed = welcome.names if isinstance(welcome, Welcome) else []
        assert sorted(listed) == sorted(here), (
            f"the Welcome of {name!r} named {len(listed)} where {len(here)} were in the room: "
            f"not {sorted({*here}.difference(listed))}, but {sorted({*listed}.difference(here))}"
        )
        await wait_for_notice(alice, Joined(name))
        await room.deliver(client, [client.next_body()], [alice, bob, client])
        clients.append(client)
    for client in clients:
        await client.hang_up()
    for client in clients:  # a server may be late to notice
        await wait_for_notice(alice, Left(client.name or ""))
    members_seen_by(alice)


@pytest.mark.case(128, "GC-NAME-2")
async def test_any_other_name_is_refused(room: Room) -> None:
    """GC-NAME-2: Any other name is refused.

    The empty name, 33 code points and more (fewer characters, as people see them), and each of the 65 control
    characters, alone, within a name, and at both ends.
    """
    alice = await room.join_one()
    stranger = await connect_guest(room)
    controls = [chr(point) for point in range(0x100) if unicodedata.category(chr(point)) == "Cc"]
    names = ["", "x" * 33, "é" * 33, "🦓" * 33, "x" * 5000, "x" * LONGEST]
    names += ["e\u0301" * 17, "\u0301" * 33, "👨\u200d👩\u200d👧" * 7, "🇫🇷" * 17, " " * 33, "x" * 32 + " "]
    names += [f"{before}{control}{after}" for before in ("", "a") for after in ("", "b") for control in controls]
    await _each_must_be_refused(stranger, names, "name")
    await room.barrier(alice, [alice])
    assert notices(alice) == [], f"{alice} received {notices(alice)}"


async def _each_must_be_refused(guest: Client, names: Sequence[str], what: str) -> None:
    """Let a guest ask for each of these names, which are all that it asks for; each must be refused.

    Args:
        guest: the guest.
        names: the names.
        what: they are, in the singular, for the failure's message.
    """
    for name in names:  # one after the other, without waiting: a late server answers all of them as late as one
        await guest.send_raw(join_frame(name))
    await wait_for(guest, lambda: len(answers(guest)) >= len(names), f"answers to {len(names)} Joins")
    for name, answer in zip(names, answers(guest), strict=True):
        if not isinstance(answer, Refused):
            raise Violation(
                f"the {what} {name[:40]!r} of {len(name)} code points was not refused: {guest} received {answer!r}",
                clients=(guest.number,),
            )


@pytest.mark.case(129, "GC-NAME-3")
async def test_names_are_compared_code_point_by_code_point(room: Room) -> None:
    """GC-NAME-3: Names are equal exactly when their code points are, one by one.

    Similar names, and equal numbers, are all welcomed side by side, and each of them is taken afterwards.
    """
    alike = ["ann", "Ann", "ANN", " ann", "ann ", "an\u00adn", "ann\u200b", "аnn", "ａｎｎ", "a\u00f1n", "an\u0303n"]
    alike += ["s", "\u017f", "\u1e9e", "i", "I", "\u0131", "\u0130", "I\u0307", "K", "\u212a", "fi", "\ufb01"]
    alike += ["\ud7a3", "\u1112\u1175\u11c2", "ann\ufe0f", "ann\u2060", "ann\u00a0", "ann\u3000", "\ufeffann"]
    alike += ["\uff11", "\u2460", "\u0661", "1.0", "+1", " 1", "0x1"]
    alike += ["\u212b", "\u00c5", "A\u030a", "straße", "strasse"]
    alike += ["0", "00", "1", "01", "1e0", "-0", "x" * 31 + "y", "x" * 31 + "z", "x" * 32]
    alike += ["🦓" * 31 + "🦒", "🦓" * 31 + "🦔", "Aa", "BB", "Ab", "BA"]  # the last are equal for simple hashes
    members = [await join_as(room, name) for name in alike]
    await wait_until_all_know(members, set(alike))
    stranger = await connect_guest(room)
    await _each_must_be_refused(stranger, alike, "taken name")


@pytest.mark.slow
@pytest.mark.case(187, "GC-COME-6")
async def test_names_that_nobody_has_any_more_leave_nothing_behind(room: Room, note: Callable[[str], None]) -> None:
    """GC-COME-6: When clients have left, everything the server held for them is released: descriptors, threads,
    processes and memory.

    Thousands join, each under a new name of 128 bytes, and leave. Each is refused another such name, because it is in
    the room already, and a name that is too long. The server is blamed only when its memory grows three times, with
    floods in between, which make a runtime with a garbage collector run it.
    """
    alice = await room.join_one()
    used = 0

    async def come_and_go(first: int) -> None:
        name, second, invalid = (chr(0x10000 + first + place) for place in range(NAMES))
        visitor = await connect_guest(room)
        joins = map(join_frame, (invalid + "🦓" * 32, name + "🦓" * 31, second + "🦓" * 31))
        await send_and_get_answer(visitor, b"".join(joins), count=NAMES)
        await (visitor.reset() if first % 2 else visitor.hang_up())

    async def visit(count: int) -> int:
        nonlocal used
        async with anyio.create_task_group() as tasks:  # all at once: a late server answers them as late as one
            for _ in range(count):
                used += NAMES
                tasks.start_soon(come_and_go, used)
        await room.barrier(alice, [alice])
        return count

    def size() -> int:
        return room.usage().rss_bytes

    async def watch() -> Growth:
        clock, first = room.clock(), used
        while used - first < FIRST * NAMES and clock.read() < FIRST_S:
            await visits(0)
        return await watch_growth(
            visits, size, bound=BOUND, enough=MANY, most=2 * MANY, seconds=20, least=MANY, now_s=clock.read
        )

    begun = time.monotonic()
    await visit(1)
    measured_steps = Steps(VISITS, time.monotonic() - begun)

    async def visits(done: int) -> int:
        return await measured_steps.take(visit, waits=1)

    turns = await watch_repeatedly(room, alice, watch, BOUND)
    note(must_not_grow_on(turns, BOUND, ENOUGH, "a name"))
