"""A long run: what must not add up with the messages that pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.conformance.api import Inconclusive, Room, Violation, watch_growth

BOUND = 16.0  # bytes a message: less than anybody needs to remember one
SUSPICIOUS = 400_000  # messages that pass before there are longer ones
ENOUGH = 20_000  # messages that tell, one way or the other


@pytest.mark.slow
@pytest.mark.case(80, "LOAD-11")
async def test_memory_does_not_grow_with_the_messages_that_have_passed(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """LOAD-11: Memory does not grow with the number of messages that have been forwarded.

    Two talk and three hear, some hundred thousand small messages; while memory grows it goes on for some
    million, and the longest messages are among them, which make a runtime that collects garbage collect it.
    """
    talkers = (await room.join(3))[:2]
    longest = [b"~" * room.longest] * 90  # on their way at a time

    async def talk(done: int) -> int:
        await room.chatter(talkers, 500, burst=250)
        if done < SUSPICIOUS:
            return 1000
        for _ in range(20):
            await talkers[0].send(*longest)
            await room.barrier(talkers[0])
        return 1000 + 20 * len(longest)

    growth = await watch_growth(
        talk, lambda: room.usage().rss_bytes, bound=BOUND, enough=200_000, most=2_000_000, seconds=30
    )
    slope = growth.slope()
    fact("bytes a message", growth.summary(BOUND))
    told = f"{slope} bytes a message, after {growth.total_count:,} messages"
    if growth.total_count < ENOUGH and slope.high > BOUND:
        raise Inconclusive(f"{told}; so few do not prove that it goes on, or ends")
    if growth.continues(BOUND):
        raise Violation(
            f"memory still grows by {told} ({growth.total_bytes / 1e6:.1f} MB): something of each is kept", kind="used"
        )
    note(told)
