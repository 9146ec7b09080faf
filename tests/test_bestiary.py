"""The cases on servers of which it is known what they are: mutants, lawful oddballs, and the zoo's own.

This is what `harness selftest` and `harness check --all` run, but for much of it: here one mutant for each requirement,
a few lawful servers, and on the zoo the smoke cases, and each other case on a few of its servers. All specs at once:
most cases wait for something that never comes, or comes late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio
import pytest

from harness import plugins
from harness.conformance.pool import Watcher, checked, each_by_itself, open_pool
from harness.conformance.selftest import Known, Matrix, known_servers, selftest
from harness.model import Case, CaseResult, Implementation, Level, Spec, Verdict
from harness.zoo import build
from harness.zoo.discover import why_not_here
from tests.zoo import HONEST, MUTANTS, implementation

JOBS = 4  # for each spec
TURNS = 2  # servers of the zoo that each case meets which is no smoke case
SPECS = {name: spec for name, spec in plugins.specs().items() if spec.mutants}
BROADCAST = SPECS["broadcast"]
ODD = {
    "broadcast": {"disconnects_the_slow", "dribbles", "drops_half"},
    "channels": {"escapes_everything"},
    "groupchat": {"welcomes_in_another_order"},
}


def chosen(spec: Spec) -> list[Known]:
    """Return one mutant for each requirement that has one, and lawful servers of different kinds."""
    known = known_servers(spec)
    mutants = {one.breaks: one for one in reversed(known) if one.breaks}
    return [*(one for one in known if not one.breaks and one.name in ODD.get(spec.name, ())), *mutants.values()]


CHOSEN = {name: chosen(spec) for name, spec in SPECS.items()}
BROKEN = [pytest.param(name, one, id=f"{name}-{one.name}") for name in SPECS for one in CHOSEN[name] if one.breaks]
LAWFUL = [pytest.param(name, one, id=f"{name}-{one.name}") for name in SPECS for one in CHOSEN[name] if not one.breaks]
ZOO = [pytest.param(one, id=f"{one.spec}-{one.name}") for one in plugins.implementations() if one.spec in SPECS]


@dataclass(frozen=True)
class Said:
    """What the cases of a spec say of its mutants and lawful oddballs, and of the servers of the zoo.

    Attributes:
        met: how many cases each server of the zoo was to meet.
    """

    matrix: Matrix
    zoo: Sequence[CaseResult]
    met: Mapping[str, int]


@pytest.fixture(scope="module")
def said() -> dict[str, Said]:
    """What the cases say of all of them, by the names of the specs."""
    found: dict[str, Said] = {}

    async def meet(spec: Spec) -> None:
        matrix = await selftest(spec, CHOSEN[spec.name], Watcher(), jobs=JOBS, seed=1, full=False)
        found[spec.name] = Said(matrix, *await zoo(spec))

    async def meet_all() -> None:
        async with anyio.create_task_group() as tasks:
            for spec in SPECS.values():
                tasks.start_soon(meet, spec)

    anyio.run(meet_all)
    return found


async def zoo(spec: Spec) -> tuple[list[CaseResult], dict[str, int]]:
    """Run the cases on the servers of the zoo that can run here; return also how many each was to meet."""
    met: dict[str, int] = {}
    here = [one for one in plugins.implementations() if one.spec == spec.name and not why_not_here(one)]
    for one in here:  # not in the time of a case
        await build.why_not_built(one)

    async with open_pool(spec, jobs=JOBS) as pool:

        def plan(implementation: Implementation, cases: Sequence[Case]) -> Sequence[Sequence[Case]]:
            # By turns: the first case on the first servers, the next on those after them. Gates have been run by now.
            place = here.index(implementation)
            mine = [one for at, one in enumerate(cases) if one.smoke or (TURNS * at - place) % len(here) < TURNS]
            met[implementation.name] = len(pool.cases) - len(cases) + len(mine)
            return each_by_itself(implementation, mine)

        return await pool.check(here, Watcher(), plan=plan), met


@pytest.mark.parametrize(("spec", "mutant"), BROKEN)
def test_a_liar_is_caught(spec: str, mutant: Known, said: dict[str, Said]) -> None:
    matrix = said[spec].matrix
    assert matrix.killers(mutant), [(one.id, one.verdict, one.message) for one in matrix.of(mutant)]


@pytest.mark.parametrize("spec", SPECS)
def test_every_must_catches_somebody(spec: str, said: dict[str, Said]) -> None:
    assert said[spec].matrix.idle == []


@pytest.mark.parametrize("spec", SPECS)
def test_nothing_was_the_harnesss_own_fault(spec: str, said: dict[str, Said]) -> None:
    assert said[spec].matrix.errors == []


@pytest.mark.parametrize(("spec", "server"), LAWFUL)
def test_a_lawful_server_breaks_no_must(spec: str, server: Known, said: dict[str, Said]) -> None:
    found = checked(server.implementation, said[spec].matrix.of(server))
    assert [one for one in found.cases if one.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.BLOCKED)] == []
    # What is only recommended it may lack. What could not be told, on a busy machine, is no blame.
    assert found.count(Verdict.UNKNOWN) < 10
    assert len(found.cases) > 80


@pytest.mark.parametrize("server", ZOO)
def test_a_server_of_the_zoo_passes_its_cases(server: Implementation, said: dict[str, Said]) -> None:
    if reason := why_not_here(server):
        pytest.skip(reason)
    found = checked(server, said[server.spec].zoo)
    missed = [one for one in found.cases if one.verdict not in (Verdict.PASS, Verdict.INFO)]
    assert [(one.id, one.verdict, one.message) for one in missed] == []
    assert len(found.cases) == said[server.spec].met[server.name] > 10
    assert found.verdict is Verdict.PASS


def test_a_survivor_is_told() -> None:
    innocent = Known(implementation(HONEST), "BC-FRAME-6", Level.MUST)

    async def run() -> Matrix:
        return await selftest(BROADCAST, [innocent], Watcher(), jobs=2 * JOBS, seed=1, full=False, attempts=1)

    found = anyio.run(run)
    assert found.survivors == [innocent]
    assert not found.passed


def test_a_liar_called_lawful_is_blamed() -> None:
    guilty = Known(implementation(MUTANTS / "broken" / "greets.py"))

    async def run() -> Matrix:
        return await selftest(BROADCAST, [guilty], Watcher(), jobs=2, seed=1, full=False)

    found = anyio.run(run)
    assert {one.name for one, _ in found.blamed} == {guilty.name}
