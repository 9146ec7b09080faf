"""What a server still uses after clients have left."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio

from harness.conformance.api import Client, Room, Usage, Violation

RELEASE_S = 12.0
SPARE_DESCRIPTORS, SPARE_THREADS, SPARE_PROCESSES = 8, 32, 8  # a pool may keep a few
TURNS = 3  # in which a server must grow to be blamed


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
        surplus = max(
            now.descriptors - before.descriptors, now.threads - before.threads, now.processes - before.processes
        )
        if surplus > count / 2 or turn == TURNS - 1:
            raise not_released(before, now, count, what)


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
    deadline = time.monotonic() + RELEASE_S
    while True:
        await room.barrier(alice, [alice])
        now = room.usage()
        if (
            now.descriptors <= before.descriptors + SPARE_DESCRIPTORS
            and now.threads <= before.threads + threads
            and now.processes <= before.processes + SPARE_PROCESSES
        ):
            return None
        if time.monotonic() > deadline:
            return now
        await anyio.sleep(0.05)


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
