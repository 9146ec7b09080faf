"""The end: signals, children, and whether anything that clients do causes it."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
from collections.abc import Sequence
from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, LaunchError, Room, Start, Violation, descendants, wait_until_ready

END_S = 2.0
RELEASE_S = 5.0  # for a server to notice that its clients have left
FLOOD, FLOOD_S, FLOOD_BEGUN_S = 1 << 40, 10.0, 0.5  # bytes; seconds of it, and until the server is busy with it
TRACES = (  # of runtimes that report Ctrl-C as an error; `: Interrupt` alone is what psignal(3) prints
    r"Traceback \(most recent call last\):$",
    "KeyboardInterrupt$",
    r":\d+:in [`'].*': Interrupt$",
    "^stack traceback:",
    "^[Uu]ser break$",
    "^panic: ",
    r"^goroutine \d+ \[",
    r"^thread '.*' .*panicked at ",
    '^Exception in thread "',
    "^Unhandled .*([Ee]xception|INTERRUPT)",
    "^terminate called after throwing",
    "^Fatal error: exception ",
    r"^ +at .*:\d+:\d+\)?$",
    r"^\*\* \(",
    "^Segmentation fault",
)
CRASHES = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL)


async def occupied(room: Room) -> list[Client]:
    """Return clients in several states; the room has one more, stalled with a backlog."""
    alice, bob, unfinished = await room.join(3)
    await room.join_stalled()
    await unfinished.send_raw(room.encode(b"x" * 100)[:50])
    await room.pour(alice, 1_500_000, size=250, seconds=3)
    room.expect_end()
    return [alice, bob, unfinished]


@pytest.mark.case(75, "END-1")
async def test_sigterm_ends_it_within_two_seconds(room: Room) -> None:
    """END-1: SIGTERM ends the server within 2 seconds.

    With clients that read, one that does not, and one in the middle of a message.
    """
    await occupied(room)
    await _must_end(room, signal.SIGTERM)


@pytest.mark.case(94, "END-1")
async def test_sigterm_ends_it_in_the_middle_of_a_flood(room: Room) -> None:
    """END-1: SIGTERM ends the server within 2 seconds.

    While a client floods.
    """
    await _must_end_in_a_flood(room, signal.SIGTERM)


@pytest.mark.case(94, "END-1")
async def test_sigterm_ends_it_with_two_hundred_clients(room: Room) -> None:
    """END-1: SIGTERM ends the server within 2 seconds.

    With two hundred clients.
    """
    await room.join(200)
    room.expect_end()
    await _must_end(room, signal.SIGTERM)


@pytest.mark.parametrize("visited", [False, True])
@pytest.mark.case(200, "END-1")
async def test_sigterm_ends_it_in_an_empty_room(room: Room, visited: bool) -> None:
    """END-1: SIGTERM ends the server within 2 seconds.

    No client has come yet; or two have come, and have left by FIN and by RST.
    """
    if visited:
        await _visit(room)
    room.expect_end()
    await _must_end(room, signal.SIGTERM)


@pytest.mark.case(201, "END-2")
async def test_sigint_ends_it_in_an_empty_room(room: Room) -> None:
    """END-2: SIGINT ends the server without a traceback.

    Two clients have come, and have left by FIN and by RST.
    """
    await _visit(room)
    room.expect_end()
    printed_before = room.server.stderr.byte_count
    await _must_end(room, signal.SIGINT)
    await _must_have_printed_no_trace(room, printed_before)


async def _visit(room: Room) -> None:
    before = room.usage().descriptors
    alice, bob = await room.join(2)
    await alice.leave()
    await bob.reset()
    await room.wait_until(lambda: room.usage().descriptors <= before, RELEASE_S)


@pytest.mark.case(95, "END-2")
async def test_sigint_in_a_flood_prints_no_traceback(room: Room) -> None:
    """END-2: SIGINT ends the server without a traceback.

    While a client floods.
    """
    printed_before = room.server.stderr.byte_count
    await _must_end_in_a_flood(room, signal.SIGINT)
    await _must_have_printed_no_trace(room, printed_before)


async def _must_end_in_a_flood(room: Room, number: signal.Signals) -> None:
    flooder, _ = await room.join(2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(room.flood, flooder, FLOOD, seconds=FLOOD_S))
        await anyio.sleep(FLOOD_BEGUN_S)
        room.expect_end()
        await _must_end(room, number)
        tasks.cancel_scope.cancel()


async def _must_end(room: Room, number: signal.Signals) -> None:
    stopped = await room.server.stop(number, grace_s=END_S)
    assert not stopped.killed, f"{END_S:.0f} s after {number.name} it was still running"


@pytest.mark.case(76, "END-2")
async def test_sigint_ends_it_without_a_traceback(room: Room) -> None:
    """END-2: SIGINT ends the server without a traceback.

    Ctrl-C.
    """
    await occupied(room)
    printed_before = room.server.stderr.byte_count
    await _must_end(room, signal.SIGINT)
    await _must_have_printed_no_trace(room, printed_before)


@pytest.mark.case(202, "END-2")
async def test_ctrl_c_in_a_terminal_ends_it_without_a_traceback(room: Room) -> None:
    """END-2: SIGINT ends the server without a traceback.

    The signal reaches the server and those of its child processes that are in its process group, as it does when
    somebody presses Ctrl-C in a terminal.
    """
    await room.join(2)
    room.expect_end()
    printed_before = room.server.stderr.byte_count
    with room.server_paused():  # so that none of them can act before all have the signal
        for pid in _foreground(room):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGINT)
    clock = room.clock()
    while room.server.status is None and clock.read() < END_S:
        await anyio.sleep(0.01)
    assert room.server.status is not None, f"{END_S:.0f} s after Ctrl-C it was still running"
    await _must_have_printed_no_trace(room, printed_before)


def _foreground(room: Room) -> list[int]:
    """Return the server's process and those of its descendants that are in the same process group."""
    group, found = os.getpgid(room.server.pid), [room.server.pid]
    for pid in descendants(room.server.pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            found += [pid] * (os.getpgid(pid) == group)
    return found


async def _must_have_printed_no_trace(room: Room, printed_before: int) -> None:
    await room.wait_until(lambda: room.server.stderr.closed, 1)
    printed = room.server.stderr.byte_count - printed_before
    last_words = room.server.stderr.tail[-printed:].decode(errors="replace") if printed else ""
    for trace in TRACES:
        assert not re.search(trace, last_words, re.MULTILINE), (
            f"after SIGINT it printed: {room.server.stderr.last_words()}"
        )
    status = room.server.status
    assert status not in CRASHES, f"after SIGINT it crashed: {signal.Signals(-(status or 0)).name}"


@pytest.mark.case(77, "END-3")
async def test_no_child_is_left_behind(room: Room) -> None:
    """END-3: No child process outlives the server.

    Two seconds after the server's end, no process that it started is left, however detached.
    """
    await occupied(room)
    stopped = await room.server.stop(signal.SIGTERM, grace_s=END_S)
    _must_leave_nothing(stopped.left_behind)


@pytest.mark.case(77, "END-3")
async def test_no_child_is_left_behind_by_ctrl_c(room: Room) -> None:
    """END-3: No child process outlives the server.

    The same for SIGINT, sent to the server's process alone, as a supervisor does; a shell would send it to all.
    """
    await occupied(room)
    stopped = await room.server.stop(signal.SIGINT, grace_s=END_S)
    _must_leave_nothing(stopped.left_behind)


@pytest.mark.case(223, "END-3")
async def test_no_child_is_left_behind_by_a_server_that_is_killed(room: Room) -> None:
    """END-3: No child process outlives the server.

    SIGKILL, which no handler sees: as when the kernel ends a process for lack of memory, or the server crashes. There
    are clients in several states, one of which does not read.
    """
    await occupied(room)
    stopped = await room.server.stop(signal.SIGKILL, grace_s=END_S)
    _must_leave_nothing(stopped.left_behind)


@pytest.mark.case(77, "END-3")
async def test_no_child_is_left_behind_by_a_start_that_fails(start: Start) -> None:
    """END-3: No child process outlives the server.

    Another program listens on its address.
    """
    address = start.address()
    with socket.socket() as holder:
        holder.bind((address.host, address.port))
        holder.listen()
        program = await start.program(str(address))
        with contextlib.suppress(LaunchError):
            await wait_until_ready(program)
        stopped = await program.stop(grace_s=END_S)
    _must_leave_nothing(stopped.left_behind)


def _must_leave_nothing(left_behind: Sequence[str]) -> None:
    assert not left_behind, f"when the server had ended, this was left: {'; '.join(left_behind)}"


@pytest.mark.case(78, "END-4")
async def test_clients_see_the_end(room: Room) -> None:
    """END-4: Connected clients see the end of the stream when the server ends.

    FIN or RST, whichever.
    """
    alice, bob = await room.join(2)
    room.expect_end()
    room.server.send_signal(signal.SIGTERM)
    for client in (alice, bob):
        assert await client.wait_closed(5), f"5 s after SIGTERM, {client} is still connected"


@pytest.mark.slow
@pytest.mark.case(79, "END-5")
async def test_it_is_still_alive_after_all_of_this(room: Room, rng: random.Random) -> None:
    """END-5: Whatever its clients have done, a server is still alive and serves.

    Joins, unfinished messages, resets, stalls, bursts and leaves in random order; then the room must work.
    """
    alice, *clients = await room.join(7)
    await room.join_stalled()
    await room.pour(alice, 1_500_000, size=250, seconds=4)  # a backlog during all that follows
    for _ in room.rounds(400, seconds=10):
        action = rng.randrange(7)
        if action < 2 or not clients:
            clients.append(await room.connect())
            continue
        client = clients[rng.randrange(len(clients))]
        if action == 2:
            with contextlib.suppress(Violation):  # a stalled client may have been disconnected
                await client.send_raw(room.encode(b"x" * rng.randrange(1, 256))[: rng.randrange(1, 9)])
        elif action == 3:
            client.stall()
        elif action == 4:
            await room.pour(alice, 30_000, size=rng.randrange(10, 250), seconds=1)
        else:
            clients.remove(client)
            await (client.reset, client.hang_up, client.close_sending)[rng.randrange(3)]()
    await room.barrier(alice, [alice])
    for client in clients:
        await client.reset()
    await anyio.sleep(0.1)
    joining = await room.join(3)
    await room.deliver(alice, [b"and they all lived on"], [alice, *joining])
