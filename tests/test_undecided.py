"""Cases that a slow machine left open once: they are decided by what a server does, however long it takes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness import plugins
from harness.conformance.api import traffic
from harness.conformance.pool import Watcher, open_pool
from harness.model import Verdict
from tests.zoo import MISFITS, implementation


async def test_a_light_sender_that_does_not_keep_up_with_a_flood_meets_a_gentler_one() -> None:
    """In the first flood, the server disconnects both clients."""
    async with open_pool(plugins.specs()["broadcast"], jobs=1, arguments=["-k", "flood_does_not_starve"]) as pool:
        (result,) = await pool.check([implementation(MISFITS / "disconnects_two.py")], Watcher())
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize(("at_least", "expected"), [(1, [0]), (17, list(range(17)))])
def test_a_slow_server_has_a_least_number_of_rounds(
    at_least: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 1000, 5))
    monkeypatch.setattr(traffic, "time", SimpleNamespace(monotonic=lambda: next(now)))
    assert list(traffic.rounds(100, seconds=6, at_least=at_least)) == expected
