"""Overload: how much memory a server takes for clients that do not read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation
from spec.common.backlog_memory import must_be_bounded
from spec.common.limits import require_descriptors

BACKLOG = 1_200_000  # bytes for a client that does not read


@pytest.mark.slow
@pytest.mark.case(64, "LOAD-2")
async def test_memory_is_bounded_with_one_stalled_reader(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB are offered while one client reads nothing, fewer to a server that has stopped growing.
    """
    await must_be_bounded(room, await room.join_stalled(), note)


@pytest.mark.slow
@pytest.mark.case(65, "LOAD-2")
async def test_memory_is_bounded_with_fifty_stalled_readers(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB are offered while fifty clients read nothing, fewer to a server that has stopped growing. To a server
    that takes them slowly the rest is offered while five of them, and at last one, read nothing.
    """
    await must_be_bounded(room, await room.join_stalled(50), note)


@pytest.mark.slow
@pytest.mark.case(84, "LOAD-2")
async def test_memory_is_bounded_with_a_thousand_stalled_readers(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    The same with a thousand clients: what is allowed for each must be there for all, and the server lives on.
    """
    require_descriptors(1200)
    await must_be_bounded(room, await room.join_stalled(1000), note)


@pytest.mark.slow
@pytest.mark.case(83, "LOAD-2")
async def test_memory_is_bounded_with_a_sender_that_never_reads(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB of short messages are offered by a client that reads none of them; another one reads nothing either.
    """
    await must_be_bounded(room, await room.join_stalled(), note, sender_reads=False, size=24)


@pytest.mark.slow
@pytest.mark.case(99, "LOAD-2")
async def test_memory_is_bounded_with_a_reader_at_forty_kilobytes_a_second(
    room: Room, note: Callable[[str], None]
) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB are offered while one client reads 4 KB every tenth of a second.
    """

    async def trickle(client: Client) -> None:
        while client.closed is None:
            await client.read_once(4096)
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        stalled = await room.join_stalled()
        tasks.start_soon(trickle, stalled[0])
        await must_be_bounded(room, stalled, note)
        tasks.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.case(214, "LOAD-2")
async def test_memory_is_bounded_with_a_stalled_reader_that_has_half_closed(
    room: Room, note: Callable[[str], None]
) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB of the longest messages are offered while one client reads nothing, which has closed its sending side
    when there was a backlog for it.
    """
    stalled = await room.join_stalled()
    alice = await room.join_one()
    await room.pour(alice, BACKLOG, size=250, seconds=4)
    with suppress(Violation):  # it may have been disconnected
        await stalled[0].close_sending()
    await alice.leave()
    await must_be_bounded(room, stalled, note, size=room.spec.codec.max_body)
