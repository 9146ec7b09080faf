"""Random conversations: they find a fault, blame no conforming server, and report their seed."""

from __future__ import annotations

from pathlib import Path

import anyio

from harness import plugins
from harness.conformance.pool import Watcher, open_pool
from harness.model import CaseResult, Verdict
from tests.zoo import CONFORMING, MUTANTS, implementation

SPEC = plugins.specs()["broadcast"]


def fuzzed(server: Path, seconds: float) -> CaseResult:
    """Hold random conversations with a server, and return the result."""

    async def check() -> list[CaseResult]:
        async with open_pool(SPEC, jobs=1, arguments=["--fuzz", str(seconds), "-m", "fuzz"], seed=3) as pool:
            return await pool.check([implementation(server)], Watcher())

    (result,) = anyio.run(check)
    return result


def test_conversations_with_a_conforming_server_find_nothing() -> None:
    result = fuzzed(CONFORMING, 3)
    assert result.verdict is Verdict.PASS, result.message
    assert "random conversations" in result.message


def test_a_conversation_that_fails_is_reported_with_its_seed_and_a_script() -> None:
    result = fuzzed(MUTANTS / "broken" / "dies_of_a_reset.py", 60)
    assert result.verdict is Verdict.FAIL
    assert "the server" in result.message
    assert result.evidence
    assert result.evidence.seed == 3
    assert "REPRODUCED" in result.evidence.script
