"""Tests the cases themselves: every mutant is caught, no conforming server is blamed, every MUST catches a mutant.

A mutant names in its source the requirement whose cases should catch it, `CAUGHT_BY = "..."`; the servers in the
folder `conforming` break no MUST. A mutant runs the cases of its requirement until one has caught it. If none does,
it runs them again, and is reported as caught late. If none ever does, it runs all other cases as well, and so do all
mutants when the full matrix is asked for. Conforming servers run all cases; those that are unusual in nearly the same
way as another one contain `ONLY_IN_FULL = True`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.addresses import require_loopback
from harness.conformance.pool import Plan, Watcher, one_case_per_job, open_pool
from harness.errors import UsageError
from harness.model import Case, CaseResult, Implementation, Level, Spec, Verdict
from harness.requirements import text as requirements

ONLY_IN_FULL = re.compile(r"^ONLY_IN_FULL = True$", re.MULTILINE)
ATTEMPTS = 3  # to catch a mutant: whether a fault of concurrency shows is a matter of chance
CAUGHT_BY = re.compile(r'^CAUGHT_BY = "([A-Z0-9-]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class KnownServer:
    """A server of which it is known whether it conforms.

    Attributes:
        breaks: the requirement that a mutant breaks; "" for a conforming server.
        level: the level of that requirement.
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
        """The server's name."""
        return self.implementation.name


@dataclass
class KillMatrix:
    """The latest result of each case on each server: the kill matrix of mutation testing.

    Attributes:
        servers: the mutants and the conforming servers.
        cases: in the order of their numbers.
        musts: the ids of the requirements of which each must catch a mutant.
        results: by the names of server and case; without cases that did not run.
        late: mutants that the first attempt did not catch.
    """

    servers: Sequence[KnownServer]
    cases: Sequence[Case]
    musts: Sequence[str]
    results: dict[tuple[str, str], CaseResult] = field(default_factory=dict)
    late: Sequence[KnownServer] = ()

    def add(self, results: Sequence[CaseResult]) -> None:
        """Add results; they replace earlier ones of the same cases on the same servers."""
        self.results.update({(result.implementation, result.id): result for result in results})

    def results_of(self, server: KnownServer) -> list[CaseResult]:
        """Return the results of one server."""
        return [result for (name, _), result in self.results.items() if name == server.name]

    def catches(self, server: KnownServer) -> list[CaseResult]:
        """Return the results that caught a mutant."""
        return [result for result in self.results_of(server) if server.is_caught_by(result)]

    @property
    def survivors(self) -> list[KnownServer]:
        """Mutants that no case has caught."""
        return [server for server in self.servers if server.breaks and not self.catches(server)]

    @property
    def blamed(self) -> list[tuple[KnownServer, CaseResult]]:
        """Conforming servers with the cases that failed on them."""
        conforming = [server for server in self.servers if not server.breaks]
        return [
            (server, result)
            for server in conforming
            for result in self.results_of(server)
            if result.verdict is Verdict.FAIL
        ]

    @property
    def errors(self) -> list[CaseResult]:
        """The harness's own faults."""
        return [result for result in self.results.values() if result.verdict is Verdict.ERROR]

    @property
    def idle_musts(self) -> list[str]:
        """The MUSTs that have caught no mutant."""
        busy = {
            requirement
            for server in self.servers
            for result in self.catches(server)
            if result.verdict is Verdict.FAIL
            for requirement in result.requirements
        }
        return [must for must in self.musts if must not in busy]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with the cases."""
        return not (self.survivors or self.blamed or self.errors or self.idle_musts)


def known_servers(spec: Spec, *, full: bool = True) -> list[KnownServer]:
    """Return the conforming servers and the mutants of a spec; without `full`, not those that say ONLY_IN_FULL.

    Raises:
        UsageError: it has none, or one of them is not executable or does not say which requirement it breaks.
    """
    if spec.mutants is None or not spec.mutants.is_dir():
        raise UsageError(f"{spec.name} has no servers to test its cases with; looked in {spec.mutants or 'no folder'}")
    conforming, broken = (_programs(spec.mutants / folder) for folder in ("conforming", "broken"))
    conforming = [path for path in conforming if full or not ONLY_IN_FULL.search(path.read_text("utf-8"))]
    known = requirements.of(spec)
    servers = [KnownServer(_implementation(path, spec)) for path in conforming]
    for path in broken:
        match = CAUGHT_BY.search(path.read_text("utf-8", errors="replace"))
        if match is None or match[1] not in known:
            raise UsageError(f'{path} must say which requirement of {spec.name} it breaks: CAUGHT_BY = "..."')
        servers.append(KnownServer(_implementation(path, spec), match[1], known[match[1]].level))
    return servers


def _programs(folder: Path) -> list[Path]:
    """Return the executable files; raise UsageError for a server that is none. Other files may lie beside them."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    programs = [path for path in files if path.stat().st_mode & 0o100]
    for path in files:
        if path not in programs:
            text = path.read_text("utf-8", errors="replace")
            if text.startswith("#!") or CAUGHT_BY.search(text):
                raise UsageError(f"{path} is not executable, so that no case would run on it: chmod +x {path.name}")
    return programs


def _implementation(path: Path, spec: Spec) -> Implementation:
    # Not the first Python in PATH: it may be an older one, or a script that searches for one.
    interpreter = (sys.executable,) if path.suffix == ".py" else ()
    return Implementation(name=path.stem, spec=spec.name, run=(*interpreter, str(path)))


async def selftest(
    spec: Spec,
    servers: Sequence[KnownServer],
    watcher: Watcher,
    *,
    jobs: int,
    seed: int,
    full: bool,
    long: bool = True,
    attempts: int = ATTEMPTS,
) -> KillMatrix:
    """Run the cases on mutants and conforming servers.

    Args:
        spec: whose cases run.
        servers: the mutants and the conforming servers.
        watcher: is called as the selftest goes on.
        jobs: how many cases run at once.
        seed: the random seed of the cases.
        full: run all cases on every mutant, also when it has been caught.
        long: run the cases that take over a minute, too.
        attempts: how often a mutant runs the cases of its requirement at most.
    """
    require_loopback()
    known = {server.name: server for server in servers}

    def own_cases(implementation: Implementation, cases: Sequence[Case]) -> Sequence[Sequence[Case]]:
        broken = known[implementation.name].breaks
        if full or not broken:
            return one_case_per_job(implementation, cases)
        own = (case for case in cases if broken in case.requirements)
        return [sorted(own, key=lambda case: (not case.gate, case.long, case.slow))]

    async with open_pool(spec, jobs=jobs, seed=seed, arguments=["--full"] if long else []) as pool:

        async def check(servers: Sequence[KnownServer], plan: Plan = own_cases) -> list[CaseResult]:
            return await pool.check(
                [server.implementation for server in servers],
                watcher,
                plan=plan,
                gated=lambda implementation: full or not known[implementation.name].breaks,
                enough=lambda result: not full and known[result.implementation].is_caught_by(result),
            )

        musts = [requirement.id for requirement in requirements.of(spec).values() if requirement.level is Level.MUST]
        cases = sorted(pool.cases, key=lambda case: case.number)
        matrix = KillMatrix(servers, cases, musts)
        matrix.add(await check(servers))
        matrix.late = matrix.survivors
        for _ in range(attempts - 1):
            if matrix.survivors:
                matrix.add(await check(matrix.survivors))
        if matrix.survivors and not full:  # perhaps only the cases of that requirement overlook them
            matrix.add(await check(matrix.survivors, one_case_per_job))
    return matrix
