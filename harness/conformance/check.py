"""Checks servers: runs all cases of their specs, a few at a time, and reports each server as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import anyio

from harness.addresses import require_loopback
from harness.conformance.pool import NothingSelected, Watcher, combine_results, open_pool
from harness.errors import first_of
from harness.extras import require
from harness.model import Case, CaseResult, CheckResult, Implementation, Spec, Verdict
from harness.processes.tasks import background_tasks
from harness.zoo import build
from harness.zoo.discover import why_unavailable

SMOKE_JOBS = 2  # smoke cases are over before more workers have started


@dataclass(frozen=True)
class CheckOptions:
    """Which cases run, and how.

    Attributes:
        keyword: an expression as for pytest's -k.
        smoke: whether to run only the few cases that quickly show whether a server works at all.
        full: whether to run the cases that take over a minute, too.
        stop_at_failure: start nothing new once a MUST has failed.
        jobs: how many cases run at once; up to twice as many while the processors are idle.
        seed: the random seed of the cases.
        fuzz_s: how long random conversations are held with each server.
        shrink: whether scripts that reproduce a failure are shortened.
    """

    keyword: str = ""
    smoke: bool = False
    full: bool = False
    stop_at_failure: bool = False
    jobs: int = 1
    seed: int = 0
    fuzz_s: float = 0
    shrink: bool = True

    @property
    def pytest_arguments(self) -> list[str]:
        """The arguments for pytest."""
        keyword = ["-k", self.keyword] if self.keyword else []
        fuzz = ["--fuzz", str(self.fuzz_s)] if self.fuzz_s else []
        full = ["--full"] if self.full else []
        return [*keyword, *fuzz, *full, *(["-m", "smoke or fuzz" if self.fuzz_s else "smoke"] if self.smoke else [])]


async def check(
    implementations: Sequence[Implementation],
    specs: Sequence[Spec],
    options: CheckOptions,
    watcher: Watcher,
    server_finished: Callable[[CheckResult], None],
    done: Collection[CaseResult] = (),
) -> list[CheckResult]:
    """Check servers, spec by spec; return their results, in the order given.

    Args:
        implementations: the servers.
        specs: the specs of the servers; servers of other specs are not checked.
        options: which cases run, and how.
        watcher: is called as the check goes on.
        server_finished: called with each server as soon as all its cases have ended.
        done: results of an earlier run, whose cases do not run again.

    Raises:
        UsageError: no case of any spec was chosen, or random conversations were chosen and hypothesis is not installed.
        HarnessError: this machine cannot connect to itself.
    """
    require_loopback()
    if options.fuzz_s:
        require("hypothesis", "fuzz")
    checks: dict[tuple[str, str], CheckResult] = {}
    unmatched: list[CheckResult] = []  # servers of specs of which no case was chosen

    def finish(check: CheckResult) -> None:
        checks[check.spec, check.implementation] = check
        server_finished(check)

    runnable = []
    for server in implementations:
        if server.spec in {spec.name for spec in specs}:
            if reason := why_unavailable(server):
                finish(_unchecked(server, Verdict.UNSUPPORTED, reason))
            else:
                runnable.append(server)
    builds = Builds([server for server in runnable if not build.is_built(server)])
    async with background_tasks() as tasks:
        tasks.start_soon(builds.run)
        for spec in specs:
            of_spec = [server for server in runnable if server.spec == spec.name]
            # Servers that take minutes to compile do not delay the others.
            for group in ([server for server in of_spec if server not in builds.servers], builds.of(spec.name)):
                ready = []
                for server in group:
                    if reason := await builds.failure(server):
                        finish(_unchecked(server, Verdict.UNKNOWN, reason))
                    else:
                        ready.append(server)
                if not ready:
                    continue
                names = {server.name for server in ready}
                known = [result for result in done if result.spec == spec.name and result.implementation in names]
                try:
                    await _check_spec(ready, spec, options, watcher, finish, known)
                except* NothingSelected as errors:
                    unmatched += [_unchecked(server, Verdict.UNSUPPORTED, str(first_of(errors))) for server in ready]
    if unmatched and not checks:
        raise NothingSelected(unmatched[0].message)
    for server_unmatched in unmatched:
        finish(server_unmatched)
    return [checks[server.spec, server.name] for server in implementations]


class Builds:
    """Builds servers one after the other, while those that need no build are checked.

    Args:
        servers: those to build.
    """

    def __init__(self, servers: Sequence[Implementation]) -> None:
        self.servers = servers
        self._ended = {(server.spec, server.name): anyio.Event() for server in servers}
        self._reasons: dict[tuple[str, str], str] = {}

    async def run(self) -> None:
        """Build all of them."""
        for server in self.servers:
            self._reasons[server.spec, server.name] = await build.try_build(server)
            self._ended[server.spec, server.name].set()

    def of(self, spec: str) -> list[Implementation]:
        """Return the servers of a spec."""
        return [server for server in self.servers if server.spec == spec]

    async def failure(self, server: Implementation) -> str:
        """Wait until a server is built, if it must be; return why that failed, or ""."""
        key = server.spec, server.name
        if key not in self._ended:
            return ""
        await self._ended[key].wait()
        return self._reasons[key]


async def _check_spec(
    implementations: Sequence[Implementation],
    spec: Spec,
    options: CheckOptions,
    watcher: Watcher,
    finish: Callable[[CheckResult], None],
    done: Collection[CaseResult],
) -> None:
    results = list(done)
    unfinished = {server.name: server for server in implementations}
    jobs = min(options.jobs, SMOKE_JOBS) if options.smoke else options.jobs
    may_run_more = jobs > 1 and not options.smoke
    async with open_pool(
        spec,
        jobs=jobs,
        jobs_when_idle=2 * jobs if may_run_more else jobs,
        arguments=options.pytest_arguments,
        seed=options.seed,
        shrink=options.shrink,
    ) as pool:

        def finish_complete(cases: Sequence[Case]) -> None:
            for name in list(unfinished):
                if sum(result.implementation == name for result in results) >= len(cases):
                    finish(combine_results(unfinished.pop(name), results))

        def ended(result: CaseResult) -> None:
            results.append(result)
            watcher.case_ended(result)
            finish_complete(pool.cases)

        finish_complete(pool.cases)
        watching = Watcher(case_started=watcher.case_started, case_ended=ended, planned=watcher.planned)
        await pool.check(implementations, watching, done=done, stop_at_failure=options.stop_at_failure)
    for server in unfinished.values():  # stopped at a failure
        finish(combine_results(server, results))


def _unchecked(server: Implementation, verdict: Verdict, reason: str) -> CheckResult:
    return CheckResult(implementation=server.name, spec=server.spec, verdict=verdict, message=reason)


def exit_status(results: Sequence[CheckResult]) -> int:
    """Return 0 when every MUST holds on all servers that ran, 1 when one fails, 3 when that remains unknown."""
    verdicts = {result.verdict for result in results}
    if Verdict.FAIL in verdicts:
        return 1
    if Verdict.UNKNOWN in verdicts or verdicts == {Verdict.UNSUPPORTED}:
        return 3
    return 0
