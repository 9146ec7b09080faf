"""A server is stopped for a while: messages that were due meanwhile have waited, and their latencies must show it.

The assertions are arithmetic about two moments between which the server surely did nothing. A slow machine makes
latencies longer, and so can break none of them.
"""

from __future__ import annotations

import anyio
import pytest

from benchmarks.latency import Stop, stopped
from tests.zoo import CONFORMING, implementation

RATE_PER_S = 400
STOP_S = 0.5


@pytest.fixture(scope="module")
def stop() -> Stop:
    """A load of three seconds on a schedule, in which the server was stopped as soon as it had begun."""

    async def run() -> Stop:
        return await stopped(implementation(CONFORMING), rate_per_s=RATE_PER_S, seconds=3, stop_s=STOP_S)

    return anyio.run(run)


def test_the_stop_was_within_the_load(stop: Stop) -> None:
    assert (stop.ended_ns - stop.began_ns) / 1e9 >= STOP_S
    assert stop.surely_waited(0) >= STOP_S / 2 * RATE_PER_S


@pytest.mark.parametrize("share", [0, 0.1, 0.25, 0.5, 0.75, 0.9])
def test_messages_due_in_the_stop_have_waited_for_the_rest_of_it(stop: Stop, share: float) -> None:
    at_least_ns = int(share * (stop.ended_ns - stop.began_ns))
    assert stop.waited(at_least_ns) >= stop.surely_waited(at_least_ns)
