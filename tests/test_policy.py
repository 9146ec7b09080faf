"""The reported policy of a server for a slow client is what the server does."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from harness import plugins
from harness.conformance.pool import Watcher, open_pool
from harness.model import Case, CaseResult, Implementation, Verdict
from spec.common.test_slow_client import policy
from tests.zoo import MUTANTS, implementation

NUMBER = 81
WORDS = {
    "conforming/drops_after_five": "drops new",
    "conforming/drops_the_oldest": "drops old",
    "conforming/disconnects_the_slow": "disconnects",
    "conforming/loses_one_in_fifty": "drops some",
    "broken/unbounded_backlog": "buffers",
    "broken/blocking_send": "stalls everyone",
}


@pytest.fixture(scope="module")
def results() -> dict[str, CaseResult]:
    """The result of the case on each of these servers."""
    servers = [implementation(MUTANTS / f"{path}.py") for path in WORDS]

    def plan(server: Implementation, cases: Sequence[Case]) -> Sequence[Sequence[Case]]:
        return [[case] for case in cases if case.number == NUMBER]

    async def run() -> list[CaseResult]:
        async with open_pool(plugins.specs()["broadcast"], jobs=4) as pool:
            return await pool.check(servers, Watcher(), plan=plan)

    return {result.implementation: result for result in anyio.run(run) if "slow client" in result.facts}


@pytest.mark.parametrize(("path", "word"), WORDS.items(), ids=lambda path: path.rpartition("/")[2])
def test_the_policy_is_reported(path: str, word: str, results: dict[str, CaseResult]) -> None:
    result = results[path.rpartition("/")[2]]
    reported, amount = result.facts["slow client"].split(", ")
    assert reported == word
    assert result.verdict is Verdict.INFO
    assert result.message == f"{word} after {amount}, the kernel's buffers included"


@pytest.mark.parametrize(
    ("arrived", "word"),
    [
        ("1111111111", "buffers"),
        ("1111000000", "drops new"),
        ("0000000000", "drops new"),
        ("1110000111", "drops old"),
        ("0000000111", "drops old"),
        ("1110100000", "drops new"),  # the kernel's buffers grow in a few steps
        ("1110100111", "drops old"),
        ("10" * 10, "drops some"),
        ("01" * 10, "drops some"),
        ("1111111111111111111111000100000000", "drops new"),
    ],
)
def test_the_policy_follows_from_what_arrived(arrived: str, word: str) -> None:
    assert policy([digit == "1" for digit in arrived]) == word
