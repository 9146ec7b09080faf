"""The cases on servers of which it is known what they are: liars, lawful oddballs, and the zoo's own.

This is what `harness selftest` runs, but for most of the servers: here one liar for each requirement, and one lawful
server for each way of being odd.
"""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from harness import plugins
from harness.conformance.pool import Watcher, checked, open_pool
from harness.conformance.selftest import Known, Matrix, known_servers, selftest
from harness.model import CaseResult, Level, Spec, Verdict
from tests.zoo import HONEST, LIARS, implementation

JOBS = 8  # most of these wait for something that never comes, or comes late
SPECS = {name: spec for name, spec in plugins.specs().items() if spec.liars}
BROADCAST = SPECS["broadcast"]
ODD = {
    *("loses_one_in_fifty", "late", "dribbles", "batches", "writes_to_stderr_without_end", "disconnects_the_slow"),
    *("spaces_and_another_order", "escapes_everything", "welcomes_in_another_order", "drops_half"),
}


def chosen(spec: Spec) -> list[Known]:
    """Return one liar for each requirement that has one, and the lawful servers of different kinds."""
    known = known_servers(spec)
    liars = {one.breaks: one for one in reversed(known) if one.breaks}
    lawful = [one for one in known if one.name in ODD]
    return [*lawful[: 6 if spec.default else 4], *liars.values()]


CHOSEN = {name: chosen(spec) for name, spec in SPECS.items()}
BROKEN = [pytest.param(name, one, id=f"{name}-{one.name}") for name in SPECS for one in CHOSEN[name] if one.breaks]
LAWFUL = [pytest.param(name, one, id=f"{name}-{one.name}") for name in SPECS for one in CHOSEN[name] if not one.breaks]


@pytest.fixture(scope="module")
def matrices() -> dict[str, Matrix]:
    """What the cases say of all of them."""

    async def run(name: str) -> Matrix:
        return await selftest(SPECS[name], CHOSEN[name], Watcher(), jobs=JOBS, seed=1, full=False)

    return {name: anyio.run(partial(run, name)) for name in SPECS}


@pytest.mark.parametrize(("spec", "liar"), BROKEN)
def test_a_liar_is_caught(spec: str, liar: Known, matrices: dict[str, Matrix]) -> None:
    matrix = matrices[spec]
    assert matrix.killers(liar), [(one.id, one.verdict, one.message) for one in matrix.of(liar)]


@pytest.mark.parametrize("spec", SPECS)
def test_every_must_catches_somebody(spec: str, matrices: dict[str, Matrix]) -> None:
    assert matrices[spec].idle == []


@pytest.mark.parametrize("spec", SPECS)
def test_nothing_was_the_harnesss_own_fault(spec: str, matrices: dict[str, Matrix]) -> None:
    assert matrices[spec].errors == []


@pytest.mark.parametrize(("spec", "server"), LAWFUL)
def test_a_lawful_server_breaks_no_must(spec: str, server: Known, matrices: dict[str, Matrix]) -> None:
    found = checked(server.implementation, matrices[spec].of(server))
    assert [one for one in found.cases if one.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.BLOCKED)] == []
    # What is only recommended it may lack. What could not be told, on a busy machine, is no blame.
    assert found.count(Verdict.UNKNOWN) <= 2
    assert len(found.cases) > 80


def test_a_survivor_is_told() -> None:
    innocent = Known(implementation(HONEST), "BC-FRAME-6", Level.MUST)

    async def run() -> Matrix:
        return await selftest(BROADCAST, [innocent], Watcher(), jobs=2, seed=1, full=False, attempts=1)

    found = anyio.run(run)
    assert found.survivors == [innocent]
    assert not found.passed


def test_a_liar_called_lawful_is_blamed() -> None:
    guilty = Known(implementation(LIARS / "broken" / "greets.py"))

    async def run() -> Matrix:
        return await selftest(BROADCAST, [guilty], Watcher(), jobs=2, seed=1, full=False)

    found = anyio.run(run)
    assert {one.name for one, _ in found.blamed} == {guilty.name}


@pytest.mark.parametrize("spec", SPECS)
def test_every_server_of_the_zoo_passes_every_case(spec: str) -> None:
    here = [one for one in plugins.implementations() if one.spec == spec]

    async def run() -> list[CaseResult]:
        async with open_pool(SPECS[spec], jobs=4) as pool:
            return await pool.check(here, Watcher())

    results = anyio.run(run)
    doubted = [one for one in results if one.verdict not in (Verdict.PASS, Verdict.INFO)]
    assert doubted == []
    assert {checked(one, results).verdict for one in here} == {Verdict.PASS}
