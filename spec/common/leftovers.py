"""What a server still uses after clients have left."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import anyio

from harness.conformance.api import (
    Client,
    Growth,
    Inconclusive,
    Room,
    Usage,
    Violation,
    is_leak,
    may_be_leak,
    watch_growth,
)

RELEASE_S = 60.0
DISCONNECT_S = 60.0
ACCEPT_S = 60.0
SPARE_DESCRIPTORS, SPARE_THREADS, SPARE_PROCESSES = 8, 32, 8  # a pool may keep a few
REST_S = 1.0  # between two messages while a server may release what it holds
LOOK_S = 0.05  # between two looks at what is in use
LOOKS = 20  # at least, however long they take
TURNS = 3  # in which more must stay in use
FLOOD_BOUND = 16.0  # bytes a message
STEP_S, MOST_GROWTH = 1.0, 16  # a step that takes longer may be mostly waiting; as many times more visit at most


class Steps:
    """Steps of a measurement, in each of which some clients visit: more of them, where a step is mostly waiting.

    A server that delivers late needs for a step as long as it is late, however many visit; so with few visitors there
    would be too few steps or visits for a verdict.

    Args:
        first: how many visit in the first step.
        late_s: how late a message is received, in s.
    """

    def __init__(self, first: int, late_s: float) -> None:
        self._count, self._most, self._late_s = first, MOST_GROWTH * first, late_s

    async def take(self, visit: Callable[[int], Awaitable[int]], waits: int) -> int:
        """Let the clients of a step visit.

        Args:
            visit: is given how many; what it returns is returned.
            waits: for how many messages in turn it waits.
        """
        begun = time.monotonic()
        done = await visit(self._count)
        if STEP_S < time.monotonic() - begun < (waits + 1) * self._late_s:
            self._count = min(2 * self._count, self._most)
        return done


async def steps(room: Room, alice: Client, first: int) -> Steps:
    """Return the steps of a measurement.

    Args:
        room: where it happens.
        alice: a client that receives what it sends.
        first: how many visit in the first step.
    """
    begun = time.monotonic()
    await room.barrier(alice)
    return Steps(first, time.monotonic() - begun)


async def must_not_accumulate(
    room: Room, alice: Client, visit: Callable[[], Awaitable[int]], what: str, *, threads: int = SPARE_THREADS
) -> None:
    """Let clients visit until no more is in use afterwards than before, or blame the server after the third time.

    A pool of threads may grow far beyond what it needs and keep them for a minute, as Mono's does on a busy machine;
    but it ends growing, and what is kept of each connection does not.

    Args:
        room: where this happens.
        alice: a client that stays, and sends while the server releases what it held.
        visit: lets clients come and go, and returns how many.
        what: what these clients have done, for the message.
        threads: how many more threads than before a pool may keep.
    """
    for turn in range(TURNS):
        before = room.usage()
        count = await visit()
        now = await released(room, alice, before, threads)
        if not now:
            return
        # A pool may add some threads for each of them on a busy machine.
        kept = max(now.descriptors - before.descriptors, now.processes - before.processes)
        if kept > count / 2 or now.threads - before.threads >= count or turn == TURNS - 1:
            raise not_released(before, now, count, what)


async def flood(room: Room, alice: Client) -> None:
    """Let a client send until memory is flat, or for a while: a runtime with a garbage collector runs it meanwhile.

    Args:
        room: where this happens.
        alice: a client that receives what it sends.
    """

    async def send(done: int) -> int:
        for _ in range(20):
            await alice.send(*[b"~" * room.longest] * 90)
            await room.barrier(alice)
        return 1800

    await watch_growth(
        send,
        lambda: room.usage().rss_bytes,
        bound=FLOOD_BOUND,
        enough=200_000,
        most=1_000_000,
        seconds=8,
        now_s=room.clock().read,
    )


async def watch_repeatedly(
    room: Room, alice: Client, watch: Callable[[], Awaitable[Growth]], bound: float
) -> list[Growth]:
    """Measure growth, and again while it may be a leak, with floods in between.

    What looks like a leak is measured once more when everything must have been released: a server may hold something of
    a client for a while after it has left, such as a timer.

    Args:
        room: where this happens.
        alice: a client that is heard by herself.
        watch: does something repeatedly, and measures the growth of memory.
        bound: bytes for each time.
    """
    turns = [await watch()]
    while may_be_leak(turns, bound):
        await flood(room, alice)
        turns.append(await watch())
    if is_leak(turns, bound):
        ends_at = time.monotonic() + RELEASE_S
        while time.monotonic() < ends_at:
            await room.barrier(alice, [alice], as_step=False)
            await anyio.sleep(REST_S)
        await flood(room, alice)
        turns.append(await watch())
    return turns


def must_not_grow_on(turns: Sequence[Growth], bound: float, enough: int, what: str) -> str:
    """Return in words how memory has grown, if that has ended.

    Args:
        turns: what `watch_repeatedly` has measured.
        bound: bytes for each time.
        enough: how often it must be done for a verdict, unless memory is below the bound before.
        what: was done each time, with an article.

    Raises:
        Violation: memory has grown in each turn.
        Inconclusive: it was done too rarely to tell.
    """
    growth = turns[-1]
    slope = growth.slope()
    measured = f"{slope} bytes for {what}, after {growth.total_count:,}"
    if growth.total_count < enough and slope.high > bound:
        raise Inconclusive(f"{measured}; so few do not prove that it goes on, or ends")
    if is_leak(turns, bound):
        grown = f"{growth.total_bytes / 1e6:.1f} MB"
        raise Violation(f"memory still grows by {measured} ({grown}): something of each is kept", kind="used")
    return measured


async def released(room: Room, alice: Client, before: Usage, threads: int) -> Usage | None:
    """Wait until nearly as many descriptors and threads are in use as before (a pool may keep a few).

    Messages are sent meanwhile: a server that lets a half-closed client go on receiving learns only from writing
    to it, more than once, that it is gone.

    Args:
        room: where this happens.
        alice: a client that stays.
        before: what was in use before the others came.
        threads: how many more threads a pool may keep.

    Returns:
        None, or what is in use when the time is up.
    """
    clock, looks = room.clock(), 0
    while True:
        await room.barrier(alice, [alice])
        now = room.usage()
        if (
            now.descriptors <= before.descriptors + SPARE_DESCRIPTORS
            and now.threads <= before.threads + threads
            and now.processes <= before.processes + SPARE_PROCESSES
        ):
            return None
        looks += 1
        if clock.read() > RELEASE_S and looks >= LOOKS:
            return now
        await anyio.sleep(LOOK_S)


async def must_release_descriptors(room: Room, alice: Client, before: Usage, what: str) -> None:
    """Wait until nearly as many descriptors are in use as before, while messages are sent; a pool may keep its threads.

    Args:
        room: where this happens.
        alice: a client that stays.
        before: what was in use before.
        what: has happened since, for the message.

    Raises:
        Violation: more are in use after RELEASE_S.
    """
    await _must_free_descriptors(room, alice, before, what, RELEASE_S, as_steps=True)


async def must_disconnect(room: Room, alice: Client, before: Usage, who: str) -> None:
    """Wait until the descriptors of clients that have closed their sending side are released.

    Args:
        room: where this happens.
        alice: a client that stays, and goes on sending.
        before: what was in use before the others came.
        who: they are, for the message.

    Raises:
        Violation: the descriptors are in use after DISCONNECT_S.
    """
    what = f"{who} had closed their sending side"
    await _must_free_descriptors(room, alice, before, what, DISCONNECT_S, as_steps=False)


async def _must_free_descriptors(
    room: Room, alice: Client, before: Usage, what: str, seconds: float, *, as_steps: bool
) -> None:
    """Wait until nearly as many descriptors are in use as before, while messages are sent.

    Args:
        room: where this happens.
        alice: a client that stays, and goes on sending.
        before: what was in use before.
        what: has happened since, for the message.
        seconds: of the server's time, until the descriptors must be free.
        as_steps: whether what alice sends is in the script that reproduces a failure.

    Raises:
        Violation: more are in use after that time.
    """
    clock = room.clock()
    while (now := room.usage().descriptors) > before.descriptors + SPARE_DESCRIPTORS:
        if clock.read() > seconds:
            raise Violation(
                f"{seconds:.0f} s after {what}, the server has {now} descriptors; before it had {before.descriptors}",
                kind="used",
            )
        await room.barrier(alice, [alice], as_step=as_steps)
        await anyio.sleep(LOOK_S)


async def served_or_closed(room: Room, alice: Client, waiting: Sequence[Client]) -> list[Client]:
    """Wait until clients that had to wait for a descriptor are served, or disconnected; return the first of them.

    Args:
        room: where this happens.
        alice: a client that stays, and sends meanwhile.
        waiting: these clients.

    Raises:
        Violation: nothing happens to any of them in ACCEPT_S.
    """
    clock = room.clock()
    while True:
        await room.barrier(alice, [alice])
        await anyio.sleep(LOOK_S)  # what was sent to the others may still be on the way
        if found := [client for client in waiting if client.received or client.closed]:
            return found
        if clock.read() > ACCEPT_S:
            raise Violation(
                f"{len(waiting)} clients that had to wait for a descriptor were neither served nor disconnected "
                f"{ACCEPT_S:.0f} s after the others had left",
                kind="silent",
                clients=(alice.number, waiting[0].number),
            )


def not_released(before: Usage, now: Usage, count: int, what: str) -> Violation:
    """Return the violation: what is still in use when it should be released.

    Args:
        before: what was in use before the clients came.
        now: what is in use.
        count: how many clients came and went.
        what: what they have done.
    """
    return Violation(
        f"{RELEASE_S:.0f} s after {count} {what}, the server has {now.descriptors} descriptors, {now.threads} threads "
        f"and {now.processes} processes; before it had {before.descriptors}, {before.threads} and {before.processes}",
        kind="used",
    )
