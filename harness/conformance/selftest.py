"""Tests the cases themselves: every mutant must be caught, nobody lawful be blamed, and no MUST be without a mutant.

A mutant names in its source the requirement whose cases should catch it, `CAUGHT_BY = "..."`; whatever stands in the
folder `lawful` breaks no MUST. A mutant meets the cases of its requirement until one has caught it. Who is let through
meets them again, which is told; who always is meets all other cases as well, and so does everybody when the whole
matrix is asked for. Lawful servers meet all cases; those that are odd in nearly the way of another say
`ONLY_IN_FULL = True`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.conformance.pool import Plan, Watcher, each_by_itself, open_pool
from harness.errors import UsageError
from harness.model import Case, CaseResult, Implementation, Level, Spec, Verdict
from harness.requirements import text as requirements

ONLY_IN_FULL = re.compile(r"^ONLY_IN_FULL = True$", re.MULTILINE)
ATTEMPTS = 3  # to catch a mutant: whether a fault of concurrency shows is a matter of chance, and it is told
CAUGHT_BY = re.compile(r'^CAUGHT_BY = "([A-Z0-9-]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Known:
    """A server of which it is known what it is.

    Attributes:
        breaks: the requirement that a mutant breaks; "" for a lawful server.
        level: of that requirement.
    """

    implementation: Implementation
    breaks: str = ""
    level: Level | None = None

    def is_caught_by(self, result: CaseResult) -> bool:
        """Return whether a result catches this mutant: a warning is enough where it breaks a SHOULD only."""
        if result.verdict is Verdict.FAIL:
            return bool(self.breaks)
        return result.verdict is Verdict.WARN and self.level is not Level.MUST and self.breaks in result.requirements

    @property
    def name(self) -> str:
        return self.implementation.name


@dataclass
class Matrix:
    """What the cases said of each of them: the kill matrix.

    Attributes:
        cases: in the order of their numbers.
        results: by server and case, the latest; a case that did not run is not there.
        late: mutants that the first attempt let through.
    """

    servers: Sequence[Known]
    cases: Sequence[Case]
    musts: Sequence[str]
    results: dict[tuple[str, str], CaseResult] = field(default_factory=dict)
    late: Sequence[Known] = ()

    def add(self, results: Sequence[CaseResult]) -> None:
        """Note what the cases said; it takes the place of what the same cases said before of the same servers."""
        self.results.update({(one.implementation, one.id): one for one in results})

    def of(self, one: Known) -> list[CaseResult]:
        """Return the results of one server."""
        return [result for (name, _), result in self.results.items() if name == one.name]

    def killers(self, one: Known) -> list[CaseResult]:
        """Return the results that caught a mutant."""
        return [result for result in self.of(one) if one.is_caught_by(result)]

    @property
    def survivors(self) -> list[Known]:
        """Mutants that nothing has caught."""
        return [one for one in self.servers if one.breaks and not self.killers(one)]

    @property
    def blamed(self) -> list[tuple[Known, CaseResult]]:
        """Lawful servers with the cases that say they break a MUST."""
        innocent = [one for one in self.servers if not one.breaks]
        return [(one, result) for one in innocent for result in self.of(one) if result.verdict is Verdict.FAIL]

    @property
    def errors(self) -> list[CaseResult]:
        """The harness's own faults."""
        return [result for result in self.results.values() if result.verdict is Verdict.ERROR]

    @property
    def idle(self) -> list[str]:
        """The MUSTs that have caught nobody."""
        busy = {
            requirement
            for one in self.servers
            for result in self.killers(one)
            if result.verdict is Verdict.FAIL
            for requirement in result.requirements
        }
        return [one for one in self.musts if one not in busy]

    @property
    def passed(self) -> bool:
        return not (self.survivors or self.blamed or self.errors or self.idle)


def known_servers(spec: Spec, *, full: bool = True) -> list[Known]:
    """Return the lawful servers and the mutants of a spec; without `full`, not those that say ONLY_IN_FULL.

    Raises:
        UsageError: it has none, or one of them does not say what it breaks.
    """
    if spec.mutants is None or not spec.mutants.is_dir():
        raise UsageError(f"{spec.name} has no servers to test its cases with; looked in {spec.mutants or 'no folder'}")
    lawful, broken = (_programs(spec.mutants / folder) for folder in ("conforming", "broken"))
    lawful = [path for path in lawful if full or not ONLY_IN_FULL.search(path.read_text("utf-8"))]
    clauses = requirements.of(spec)
    found = [Known(_implementation(path, spec)) for path in lawful]
    for path in broken:
        says = CAUGHT_BY.search(path.read_text("utf-8", errors="replace"))
        if says is None or says[1] not in clauses:
            raise UsageError(f'{path} must say which requirement of {spec.name} it breaks: CAUGHT_BY = "..."')
        found.append(Known(_implementation(path, spec), says[1], clauses[says[1]].level))
    return found


def _programs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.stat().st_mode & 0o100)


def _implementation(path: Path, spec: Spec) -> Implementation:
    # Not whatever Python the path finds first: that may be an older one, or a script that looks for one.
    interpreter = (sys.executable,) if path.suffix == ".py" else ()
    return Implementation(name=path.stem, spec=spec.name, run=(*interpreter, str(path)))


async def selftest(
    spec: Spec,
    servers: Sequence[Known],
    watcher: Watcher,
    *,
    jobs: int,
    seed: int,
    full: bool,
    attempts: int = ATTEMPTS,
) -> Matrix:
    """Run the cases on servers of which it is known what they are.

    Args:
        jobs: how many cases run at once.
        full: run all cases on every mutant, also when it has been caught.
        attempts: how often a mutant meets the cases of its requirement, if it must be.
    """
    known = {one.name: one for one in servers}

    def own_cases(implementation: Implementation, cases: Sequence[Case]) -> Sequence[Sequence[Case]]:
        broken = known[implementation.name].breaks
        if full or not broken:
            return each_by_itself(implementation, cases)
        return [sorted((one for one in cases if broken in one.requirements), key=lambda one: (not one.gate, one.slow))]

    async with open_pool(spec, jobs=jobs, seed=seed) as pool:

        async def check(some: Sequence[Known], plan: Plan = own_cases) -> list[CaseResult]:
            return await pool.check(
                [one.implementation for one in some],
                watcher,
                plan=plan,
                gated=lambda implementation: full or not known[implementation.name].breaks,
                enough=lambda result: not full and known[result.implementation].is_caught_by(result),
            )

        musts = [one.id for one in requirements.of(spec).values() if one.level is Level.MUST]
        cases = sorted(pool.cases, key=lambda one: one.number)
        found = Matrix(servers, cases, musts)
        found.add(await check(servers))
        found.late = found.survivors
        for _ in range(attempts - 1):
            if found.survivors:
                found.add(await check(found.survivors))
        if found.survivors and not full:  # is it that requirement alone which overlooks them?
            found.add(await check(found.survivors, each_by_itself))
    return found
