"""Random conversations: they find what is wrong, blame nobody else, and say the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import anyio

from harness import plugins
from harness.conformance.pool import Watcher, open_pool
from harness.model import CaseResult, Verdict
from tests.zoo import HONEST, MUTANTS, implementation

SPEC = plugins.specs()["broadcast"]


def fuzzed(server: Path, seconds: float) -> CaseResult:
    """Hold random conversations with a server, and return what comes of them."""

    async def check() -> list[CaseResult]:
        async with open_pool(SPEC, jobs=1, arguments=["--fuzz", str(seconds), "-m", "fuzz"], seed=3) as pool:
            return await pool.check([implementation(server)], Watcher())

    (one,) = anyio.run(check)
    return one


def test_conversations_with_an_honest_server_find_nothing() -> None:
    found = fuzzed(HONEST, 3)
    assert found.verdict is Verdict.PASS, found.message
    assert "random conversations" in found.message


def test_a_conversation_that_ends_badly_is_told_with_its_seed_and_a_script() -> None:
    found = fuzzed(MUTANTS / "broken" / "dies_of_a_reset.py", 60)
    assert found.verdict is Verdict.FAIL
    assert "the server" in found.message
    assert found.evidence
    assert found.evidence.seed == 3
    assert "REPRODUCED" in found.evidence.script
