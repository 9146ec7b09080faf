"""Starting: what is printed to standard output, and standard streams that are closed or not read."""

from __future__ import annotations

import signal

import pytest

from harness.conformance.api import Room, Start
from spec.common.standard_output import must_end_without_a_word

BACKLOG = 1_500_000  # bytes: more than waits for a client that does not read


@pytest.mark.case(4, "START-4")
async def test_nothing_else_is_printed_to_standard_output(room: Room) -> None:
    """START-4: Standard output carries nothing but the ready line.

    Clients join, send and leave, some in the middle of a message and by RST, one does not read, the server ends, and
    its standard output has had one line.
    """
    alice, bob, half, dying = await room.join(4)
    await room.chatter([alice, bob], 50)
    await bob.leave()
    await half.send_raw(room.encode(b"x" * 100)[:50])
    await half.leave()
    await dying.reset()
    (stalled,) = await room.join_stalled()
    await room.pour(alice, BACKLOG, size=250, seconds=4)
    await stalled.reset()
    await room.barrier(alice)
    await must_end_without_a_word(room)


@pytest.mark.case(222, "START-4")
async def test_nothing_is_printed_to_standard_output_at_ctrl_c(room: Room) -> None:
    """START-4: Standard output carries nothing but the ready line.

    Clients talk, and then SIGINT ends the server.
    """
    alice, bob = await room.join(2)
    await room.chatter([alice, bob], 10)
    await must_end_without_a_word(room, signal.SIGINT)


@pytest.mark.case(12, "START-13")
async def test_it_serves_with_standard_input_closed(start: Start) -> None:
    """START-13: A server works with its standard input closed.

    Closed, not empty: descriptor 0 is free and may become a socket.
    """
    server = await start.server(wrap=["/bin/sh", "-c", 'exec "$@" <&-', "sh"])
    room = start.room(server)
    alice, bob = await room.join(2)
    await room.deliver(alice, [b"hello"], [alice, bob])


@pytest.mark.case(13, "START-14")
async def test_it_serves_while_nobody_reads_its_standard_error(start: Start) -> None:
    """START-14: A server keeps serving when nothing reads its standard error.

    The pipe holds one page; four hundred clients and two thousand messages would fill it with a line each, and so
    would those that one client misses.
    """
    room = start.room(await start.server(drain_stderr=False))
    alice, bob = await room.join(2)
    for turn in range(4):
        for _ in range(100):
            client = await room.connect()
            # Few by RST: where that makes accept fail, a server may pause each time as if it had no descriptor.
            await (client.hang_up() if turn else client.reset())
        await room.barrier(alice, [alice])  # so that not all of them wait to be accepted
    for _ in range(20):
        await room.chatter([alice, bob], 50)
    await room.join_stalled()
    await room.pour(alice, BACKLOG, size=250, seconds=4)
    await room.barrier(alice, [alice, bob])
