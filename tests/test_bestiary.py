"""The cases on mutants, on unusual but conforming servers, and on the servers of the zoo.

This is a part of what `harness selftest` and `harness check --all` run: one mutant for each requirement, a few
conforming servers, and on the zoo the smoke cases, and each other case on a few of its servers; no cases of over a
minute. All specs at once: most cases wait for messages that never come, or come late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio
import pytest

from harness import plugins
from harness.conformance.pool import Watcher, combine_results, one_case_per_job, open_pool
from harness.conformance.selftest import KillMatrix, KnownServer, known_servers, selftest
from harness.model import Case, CaseResult, Implementation, Level, Spec, Verdict
from harness.zoo import build
from harness.zoo.discover import why_unavailable
from tests.zoo import CONFORMING, MUTANTS, implementation

JOBS = 4  # for each spec
UNKNOWN_AT_MOST = 10  # cases of a server, because a busy machine may leave some open
TURNS = 2  # servers of the zoo on which each case runs that is no smoke case
SPECS = {name: spec for name, spec in plugins.specs().items() if spec.mutants}
BROADCAST = SPECS["broadcast"]
ONLY_IN_LONG_CASES = {f"{spec.prefix}-COME-9" for spec in SPECS.values()}  # they take over a minute
UNUSUAL = {
    "broadcast": {"disconnects_the_slow", "dribbles", "drops_half"},
    "channels": {"escapes_everything"},
    "groupchat": {"welcomes_in_another_order"},
}


def chosen(spec: Spec) -> list[KnownServer]:
    """Return one mutant for each requirement that has one, and conforming servers of different kinds."""
    known = known_servers(spec)
    mutants = {server.breaks: server for server in reversed(known) if server.breaks not in {"", *ONLY_IN_LONG_CASES}}
    unusual = (server for server in known if not server.breaks and server.name in UNUSUAL.get(spec.name, ()))
    return [*unusual, *mutants.values()]


CHOSEN = {name: chosen(spec) for name, spec in SPECS.items()}
KNOWN = [(name, server) for name in SPECS for server in CHOSEN[name]]
BROKEN = [pytest.param(name, server, id=f"{name}-{server.name}") for name, server in KNOWN if server.breaks]
UNBROKEN = [pytest.param(name, server, id=f"{name}-{server.name}") for name, server in KNOWN if not server.breaks]
ZOO = [
    pytest.param(server, id=f"{server.spec}-{server.name}")
    for server in plugins.implementations()
    if server.spec in SPECS
]


@dataclass(frozen=True)
class Results:
    """The results of a spec's cases on its mutants and unusual servers, and on the servers of the zoo.

    Attributes:
        planned: how many cases were to run on each server of the zoo.
    """

    matrix: KillMatrix
    zoo: Sequence[CaseResult]
    planned: Mapping[str, int]


@pytest.fixture(scope="module")
def results() -> dict[str, Results]:
    """The results by the names of the specs."""
    results: dict[str, Results] = {}

    async def run(spec: Spec) -> None:
        matrix = await selftest(spec, CHOSEN[spec.name], Watcher(), jobs=JOBS, seed=1, full=False, long=False)
        results[spec.name] = Results(matrix, *await zoo(spec))

    async def run_all() -> None:
        async with anyio.create_task_group() as tasks:
            for spec in SPECS.values():
                tasks.start_soon(run, spec)

    anyio.run(run_all)
    return results


async def zoo(spec: Spec) -> tuple[list[CaseResult], dict[str, int]]:
    """Run the cases on the servers of the zoo that can run here; return also how many were to run on each."""
    planned: dict[str, int] = {}
    available = [
        server for server in plugins.implementations() if server.spec == spec.name and not why_unavailable(server)
    ]
    for server in available:  # not in the time of a case
        await build.try_build(server)

    async with open_pool(spec, jobs=JOBS) as pool:

        def plan(implementation: Implementation, cases: Sequence[Case]) -> Sequence[Sequence[Case]]:
            # By turns: the first case on the first servers, the next on those after them. Gates have been run by now.
            place, count = available.index(implementation), len(available)
            own = [case for at, case in enumerate(cases) if case.smoke or (TURNS * at - place) % count < TURNS]
            planned[implementation.name] = len(pool.cases) - len(cases) + len(own)
            return one_case_per_job(implementation, own)

        return await pool.check(available, Watcher(), plan=plan), planned


@pytest.mark.parametrize(("spec", "mutant"), BROKEN)
def test_a_mutant_is_caught(spec: str, mutant: KnownServer, results: dict[str, Results]) -> None:
    matrix = results[spec].matrix
    assert matrix.catches(mutant), [(result.id, result.verdict, result.message) for result in matrix.results_of(mutant)]


@pytest.mark.parametrize("spec", SPECS)
def test_every_must_catches_a_mutant(spec: str, results: dict[str, Results]) -> None:
    assert results[spec].matrix.idle_musts == []


@pytest.mark.parametrize("spec", SPECS)
def test_there_is_no_error_of_the_harness(spec: str, results: dict[str, Results]) -> None:
    assert results[spec].matrix.errors == []


@pytest.mark.parametrize(("spec", "server"), UNBROKEN)
def test_a_conforming_server_breaks_no_must(spec: str, server: KnownServer, results: dict[str, Results]) -> None:
    check = combine_results(server.implementation, results[spec].matrix.results_of(server))
    assert [case for case in check.cases if case.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.BLOCKED)] == []
    # It may lack what is only recommended.
    assert check.count(Verdict.UNKNOWN) < UNKNOWN_AT_MOST
    assert len(check.cases) > 80


@pytest.mark.parametrize("server", ZOO)
def test_a_server_of_the_zoo_passes_its_cases(server: Implementation, results: dict[str, Results]) -> None:
    if reason := why_unavailable(server):
        pytest.skip(reason)
    check = combine_results(server, results[server.spec].zoo)
    missed = [case for case in check.cases if case.verdict not in (Verdict.PASS, Verdict.INFO, Verdict.UNKNOWN)]
    assert [(case.id, case.verdict, case.message) for case in missed] == []
    assert len(check.cases) == results[server.spec].planned[server.name] > 10
    assert check.count(Verdict.UNKNOWN) < UNKNOWN_AT_MOST


def test_a_survivor_is_reported() -> None:
    conforming = KnownServer(implementation(CONFORMING), "BC-FRAME-6", Level.MUST)

    async def run() -> KillMatrix:
        return await selftest(
            BROADCAST, [conforming], Watcher(), jobs=2 * JOBS, seed=1, full=False, long=False, attempts=1
        )

    matrix = anyio.run(run)
    assert matrix.survivors == [conforming]
    assert not matrix.passed


def test_a_mutant_among_the_conforming_servers_is_blamed() -> None:
    mutant = KnownServer(implementation(MUTANTS / "broken" / "greets.py"))

    async def run() -> KillMatrix:
        return await selftest(BROADCAST, [mutant], Watcher(), jobs=2, seed=1, full=False, long=False)

    matrix = anyio.run(run)
    assert {server.name for server, _ in matrix.blamed} == {mutant.name}
