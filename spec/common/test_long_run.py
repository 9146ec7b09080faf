"""A long run: what must not accumulate with the messages that are forwarded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from harness.conformance.api import Room, watch_growth
from spec.common.leftovers import must_not_grow_on, watch_repeatedly

BOUND = 16.0  # bytes a message: less than it takes to remember one
SUSPICIOUS = 400_000  # messages that are forwarded before long ones are sent as well
ENOUGH = 20_000  # messages that are enough for a verdict
FEW, MANY, BURST = 20, 500, 250  # messages of a sender between two looks at memory, and in one write
STEP_S = 0.5  # of the server's time between two looks; more for a server that delivers late


@pytest.mark.slow
@pytest.mark.case(80, "LOAD-11")
async def test_memory_does_not_grow_with_the_messages_that_have_passed(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """LOAD-11: Memory does not grow with the number of messages that have been forwarded.

    Two clients send and three receive some hundred thousand small messages. While memory grows it goes on for some
    million, with the longest messages among them, which make a runtime with a garbage collector run it. The server is
    blamed only when its memory grows three times.
    """
    senders = (await room.join(3))[:2]
    longest = [b"~" * room.longest] * 90  # in flight at a time

    each, clock = FEW, room.clock()  # a slow server gets few, so that there are points enough for a regression
    await room.barrier(senders[0])
    step_s = max(STEP_S, 2 * clock.read())

    async def send(done: int) -> int:
        nonlocal each
        begun = clock.read()
        count = 2 * await room.chatter(senders, each, burst=min(each, BURST))
        if clock.read() - begun < step_s:
            each = min(2 * each, MANY)
        if done < SUSPICIOUS:
            return count
        for _ in range(20):
            await senders[0].send(*longest)
            await room.barrier(senders[0])
        return count + 20 * len(longest)

    def size() -> int:
        return room.usage().rss_bytes

    watch = partial(
        watch_growth,
        send,
        size,
        bound=BOUND,
        enough=200_000,
        most=2_000_000,
        seconds=30,
        least=ENOUGH,
        now_s=clock.read,
    )
    turns = await watch_repeatedly(room, senders[0], watch, BOUND)
    fact("bytes a message", turns[-1].summary(BOUND))
    note(must_not_grow_on(turns, BOUND, ENOUGH, "a message"))
