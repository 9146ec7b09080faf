"""Overload: how much memory a server takes for clients that do not read."""

from __future__ import annotations

import resource
from collections.abc import Callable

import anyio
import psutil
import pytest

from harness.conformance.api import Client, Inconclusive, Room, Violation
from spec.common.backlog_memory import BOUND, MEMORY_SHARE, MIB, RUNAWAY, BacklogMemory

OFFERED = 128 * MIB
OFFERED_AT_MOST = 4 * OFFERED  # a heap whose garbage is collected late has reached its size by then
STEP, STEP_S = 2 * MIB, 1.0  # between two looks at its memory
STUCK_S = 10.0  # without a byte being taken from a client that reads
SLOW_S = 15.0  # then fewer clients stall, because a server may do something for each of them with every message
FEWER = 10  # times
OFFERING_S = 90.0  # of the server's time
TOO_BUSY = 0.5  # the share of the time in which the server waited for a processor


@pytest.mark.slow
@pytest.mark.case(64, "LOAD-2")
async def test_memory_is_bounded_with_one_stalled_reader(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB are offered while one client reads nothing, fewer to a server that has stopped growing.
    """
    await _must_be_bounded(room, 1, note)


@pytest.mark.slow
@pytest.mark.case(65, "LOAD-2")
async def test_memory_is_bounded_with_fifty_stalled_readers(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB are offered while fifty clients read nothing, fewer to a server that has stopped growing. To a server
    that takes them slowly the rest is offered while five of them, and at last one, read nothing.
    """
    await _must_be_bounded(room, 50, note)


@pytest.mark.slow
@pytest.mark.case(84, "LOAD-2")
async def test_memory_is_bounded_with_a_thousand_stalled_readers(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    The same with a thousand clients: what is allowed for each must be there for all, and the server lives on.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < 1200:
        pytest.skip(f"only {limit} descriptors are allowed here")
    await _must_be_bounded(room, 1000, note)


@pytest.mark.slow
@pytest.mark.case(83, "LOAD-2")
async def test_memory_is_bounded_with_a_sender_that_never_reads(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB of short messages are offered by a client that reads none of them; another one reads nothing either.
    """
    await _must_be_bounded(room, 1, note, sender_reads=False, size=24)


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
        await _must_be_bounded(room, 1, note, meanwhile=lambda client: tasks.start_soon(trickle, client))
        tasks.cancel_scope.cancel()


async def _must_be_bounded(
    room: Room,
    count: int,
    note: Callable[[str], None],
    *,
    sender_reads: bool = True,
    size: int = 0,
    meanwhile: Callable[[Client], object] = lambda client: None,
) -> None:
    """Offer messages while some clients do not read, until memory has stopped growing or has exceeded the bound.

    Args:
        room: the server, without clients.
        count: how many clients do not read; fewer later on, if the server is slow.
        note: adds a remark to the result.
        sender_reads: whether the client that sends the messages reads them.
        size: bytes of a message; 0 for a long one.
        meanwhile: is called with each of these clients at the beginning.
    """
    stalled = await room.join_stalled(count)
    for client in stalled:
        meanwhile(client)
    clock = room.clock()
    while True:
        growth = BacklogMemory(room.usage().rss_bytes, BOUND + len(stalled) * MIB)
        limit_s = min(clock.read() + SLOW_S, OFFERING_S) if len(stalled) > 1 else OFFERING_S
        sender = await _offer(room, growth, lambda: limit_s - clock.read(), sender_reads=sender_reads, size=size)  # noqa: B023
        note(f"{growth.most / 1e6:.1f} MB for {growth.taken / 1e6:.0f} MB offered to {len(stalled)}")
        # What has not taken enough in its time is decided with fewer clients, and its heap may not be full yet.
        is_undecided = sender is not None and (len(stalled) > 1 or clock.waited_s > TOO_BUSY * clock.elapsed_s)
        if growth.is_unbounded() and (not is_undecided or growth.most > growth.bound + RUNAWAY):
            raise Violation(
                f"after {growth.taken / 1e6:.0f} MB were offered to {len(stalled)} clients that read nothing, memory "
                f"has grown by {growth.most / 1e6:.0f} MB and still grows; the bound is {growth.bound / 1e6:.0f} MB",
                kind="used",
            )
        if sender is None or len(stalled) == 1:
            break
        for client in stalled[max(1, len(stalled) // FEWER) :]:
            await client.reset()
        del stalled[max(1, len(stalled) // FEWER) :]
        await sender.reset()
        await (await room.join_one()).reset()  # it has caught up
    if sender is not None and clock.waited_s > TOO_BUSY * clock.elapsed_s:
        raise Inconclusive(
            f"the machine was busy: the server waited {clock.waited_s:.0f} s for a processor, and has taken only "
            f"{growth.taken / 1e6:.0f} MB"
        )
    for client in room.clients:
        if client.is_reading:
            await client.reset()
    await room.join(2)


async def _offer(
    room: Room, growth: BacklogMemory, seconds_left: Callable[[], float], *, sender_reads: bool, size: int
) -> Client | None:
    """Offer messages until it is decided how memory grows; return the sender if it is not decided in time.

    Args:
        room: the server, with clients that do not read.
        growth: is filled with samples.
        seconds_left: returns how long this may take.
        sender_reads: whether the sender reads what it sends.
        size: bytes of a message; 0 for a long one.
    """
    allowed = MEMORY_SHARE * psutil.virtual_memory().available
    begun_s = seconds_left()

    def grown() -> int:
        return room.usage().rss_bytes - growth.before

    def runs_away() -> bool:
        return grown() > growth.bound + RUNAWAY

    (sender,) = await (room.join() if sender_reads else room.join_stalled())
    while (left := seconds_left()) > 0:
        took = await room.flood(
            sender,
            STEP,
            seconds=min(left, STEP_S),
            until=runs_away,
            size=size or None,
            stuck_s=STUCK_S if sender_reads else None,
        )
        growth.samples.append((growth.taken + took, grown()))
        offered = OFFERED_AT_MOST if growth.most > growth.bound else OFFERED
        if growth.taken >= offered or runs_away() or growth.is_flat(begun_s - left):
            return None
        if grown() > allowed:
            raise Inconclusive(f"memory has grown by {grown() / 1e6:.0f} MB, and this machine has no more")
        if not took and not sender.closed:  # it takes nothing more from a client that does not read: allowed
            return None
        if sender.closed:  # a server may disconnect a client that does not keep up with its own echo
            (sender,) = await (room.join() if sender_reads else room.join_stalled())
    return sender
