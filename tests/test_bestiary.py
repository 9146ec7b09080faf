"""The cases on servers of which it is known what they are: liars, lawful oddballs, and the zoo's own.

This is what `harness selftest` runs, but for the lawful servers: here one of each way of being odd.
"""

from __future__ import annotations

import anyio
import pytest

from harness import plugins
from harness.conformance.pool import Watcher, checked, open_pool
from harness.conformance.selftest import Known, Matrix, known_servers, selftest
from harness.model import CaseResult, Level, Verdict
from tests.zoo import HONEST, LIARS, implementation

JOBS = 6  # most of these wait for something that never comes, or comes late
SPEC = plugins.specs()["broadcast"]
KNOWN = known_servers(SPEC)
BROKEN = [one for one in KNOWN if one.breaks]
ODD = ("loses_one_in_fifty", "late", "dribbles", "batches", "writes_to_stderr_without_end", "disconnects_the_slow")
LAWFUL = [one for one in KNOWN if one.name in ODD]


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """What the cases say of all of them."""

    async def run() -> Matrix:
        return await selftest(SPEC, [*LAWFUL, *BROKEN], Watcher(), jobs=JOBS, seed=1, full=False)

    return anyio.run(run)


@pytest.mark.parametrize("liar", BROKEN, ids=lambda one: one.name)
def test_a_liar_is_caught(liar: Known, matrix: Matrix) -> None:
    assert matrix.killers(liar), [(one.id, one.verdict, one.message) for one in matrix.of(liar)]


def test_every_must_catches_somebody(matrix: Matrix) -> None:
    assert matrix.idle == []


def test_nothing_was_the_harnesss_own_fault(matrix: Matrix) -> None:
    assert matrix.errors == []


@pytest.mark.parametrize("server", LAWFUL, ids=lambda one: one.name)
def test_a_lawful_server_breaks_no_must(server: Known, matrix: Matrix) -> None:
    found = checked(server.implementation, matrix.of(server))
    assert [one for one in found.cases if one.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.BLOCKED)] == []
    # What is only recommended it may lack. What could not be told, on a busy machine, is no blame.
    assert found.count(Verdict.UNKNOWN) <= 2
    assert len(found.cases) > 80


def test_a_survivor_is_told() -> None:
    innocent = Known(implementation(HONEST), "BC-FRAME-6", Level.MUST)

    async def run() -> Matrix:
        return await selftest(SPEC, [innocent], Watcher(), jobs=2, seed=1, full=False, attempts=1)

    found = anyio.run(run)
    assert found.survivors == [innocent]
    assert not found.passed


def test_a_liar_called_lawful_is_blamed() -> None:
    guilty = Known(implementation(LIARS / "broken" / "greets.py"))

    async def run() -> Matrix:
        return await selftest(SPEC, [guilty], Watcher(), jobs=2, seed=1, full=False)

    found = anyio.run(run)
    assert {one.name for one, _ in found.blamed} == {guilty.name}


def test_every_server_of_the_zoo_passes_every_case() -> None:
    here = plugins.implementations()

    async def run() -> list[CaseResult]:
        async with open_pool(SPEC, jobs=4) as pool:
            return await pool.check(here, Watcher())

    results = anyio.run(run)
    doubted = [one for one in results if one.verdict not in (Verdict.PASS, Verdict.INFO)]
    assert doubted == []
    assert {checked(one, results).verdict for one in here} == {Verdict.PASS}
