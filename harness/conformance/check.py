"""Checks servers: runs all cases of their specs, a few at a time, and reports each server as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from harness.conformance.pool import Watcher, combine_results, open_pool
from harness.extras import require
from harness.model import Case, CaseResult, CheckResult, Implementation, Spec, Verdict
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
        jobs: how many cases run at once.
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
        UsageError: no case was chosen, or random conversations were chosen and hypothesis is not installed.
    """
    if options.fuzz_s:
        require("hypothesis", "fuzz")
    checks: dict[tuple[str, str], CheckResult] = {}

    def finish(check: CheckResult) -> None:
        checks[check.spec, check.implementation] = check
        server_finished(check)

    for spec in specs:
        available = []
        for server in implementations:
            if server.spec != spec.name:
                continue
            if reason := why_unavailable(server):
                finish(_unchecked(server, Verdict.UNSUPPORTED, reason))
            else:
                available.append(server)
        # Servers that take minutes to compile do not delay the others.
        built = [server for server in available if build.is_built(server)]
        for group in (built, [server for server in available if server not in built]):
            runnable = []
            for server in group:
                if reason := await build.try_build(server):
                    finish(_unchecked(server, Verdict.UNKNOWN, reason))
                else:
                    runnable.append(server)
            if runnable:
                names = {server.name for server in runnable}
                known = [result for result in done if result.spec == spec.name and result.implementation in names]
                await _check_spec(runnable, spec, options, watcher, finish, known)
    return [checks[server.spec, server.name] for server in implementations]


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
    async with open_pool(
        spec, jobs=jobs, arguments=options.pytest_arguments, seed=options.seed, shrink=options.shrink
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
