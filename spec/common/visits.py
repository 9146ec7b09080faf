"""Whether memory grows with the clients that come and go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from harness.conformance.api import Client, Room, watch_growth
from spec.common.leftovers import must_not_grow_on, steps, watch_repeatedly

ENOUGH = 500  # visits that are enough for a verdict
STEP = 10  # visitors between two samples: few enough that ENOUGH visits give points enough for a regression


async def must_stop_growing(
    room: Room,
    alice: Client,
    visit: Callable[[int], Awaitable[int]],
    bound: float,
    what: str,
    note: Callable[[str], None],
) -> None:
    """Let clients visit, step after step, until memory no longer grows with them.

    Args:
        room: where this happens.
        alice: a client that stays, and receives what she sends.
        visit: is given how many clients come and go, and returns how often something was done by that; it waits for
            three messages in turn at most.
        bound: bytes each time.
        what: was done each time, with an article.
        note: adds a remark to the result.

    Raises:
        Violation: memory has grown in each of several turns.
        Inconclusive: it was done too rarely to tell.
    """
    measured_steps = await steps(room, alice, STEP)

    async def visits(done: int) -> int:
        return await measured_steps.take(visit, waits=3)

    def size() -> int:
        return room.usage().rss_bytes

    watch = partial(
        watch_growth,
        visits,
        size,
        bound=bound,
        enough=ENOUGH,
        most=5000,
        seconds=25,
        least=ENOUGH,
        now_s=room.clock().read,
    )
    turns = await watch_repeatedly(room, alice, watch, bound)
    note(must_not_grow_on(turns, bound, ENOUGH, what))
