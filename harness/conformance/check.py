"""Checks servers: all cases of their specs, a few at a time, and tells each server's verdict when it is known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from harness.conformance.pool import Watcher, checked, open_pool
from harness.model import Case, CaseResult, CheckResult, Implementation, Spec, Verdict
from harness.zoo import build
from harness.zoo.discover import why_unavailable

SMOKE_JOBS = 2  # before more workers were up, it would be over


@dataclass(frozen=True)
class Choice:
    """Which cases run, and how.

    Attributes:
        keyword: pytest's -k.
        smoke: only those that tell quickly whether a server works at all.
        stop_at_failure: start nothing new once a MUST has failed.
        jobs: how many cases run at once.
        seed: of what is random in the cases.
        fuzz_s: how long each server is asked for random conversations.
        shrink: whether scripts that show a failure again are made as short as they can be.
    """

    keyword: str = ""
    smoke: bool = False
    stop_at_failure: bool = False
    jobs: int = 1
    seed: int = 0
    fuzz_s: float = 0
    shrink: bool = True

    @property
    def arguments(self) -> list[str]:
        """What pytest is told."""
        keyword = ["-k", self.keyword] if self.keyword else []
        fuzz = ["--fuzz", str(self.fuzz_s)] if self.fuzz_s else []
        return [*keyword, *fuzz, *(["-m", "smoke or fuzz" if self.fuzz_s else "smoke"] if self.smoke else [])]


async def check(
    implementations: Sequence[Implementation],
    specs: Sequence[Spec],
    choice: Choice,
    watcher: Watcher,
    finished: Callable[[CheckResult], None],
    done: Collection[CaseResult] = (),
) -> list[CheckResult]:
    """Check servers, spec by spec; return what came of each, in the order given.

    Args:
        finished: called with each server as soon as all its cases have ended.
        done: results of an earlier run, which are taken as they are.

    Raises:
        UsageError: no case was chosen.
    """
    found: dict[tuple[str, str], CheckResult] = {}

    def finish(one: CheckResult) -> None:
        found[one.spec, one.implementation] = one
        finished(one)

    for spec in specs:
        mine = [one for one in implementations if one.spec == spec.name]
        here = []
        for one in mine:
            if reason := why_unavailable(one):
                finish(_unchecked(one, Verdict.UNSUPPORTED, reason))
            else:
                here.append(one)
        # Whose compilers take minutes shall not keep the others waiting.
        built = [one for one in here if build.is_built(one)]
        for some in (built, [one for one in here if one not in built]):
            able = []
            for one in some:
                if reason := await build.try_build(one):
                    finish(_unchecked(one, Verdict.UNKNOWN, reason))
                else:
                    able.append(one)
            if able:
                names = {one.name for one in able}
                known = [one for one in done if one.spec == spec.name and one.implementation in names]
                await _check_spec(able, spec, choice, watcher, finish, known)
    return [found[one.spec, one.name] for one in implementations]


async def _check_spec(
    implementations: Sequence[Implementation],
    spec: Spec,
    choice: Choice,
    watcher: Watcher,
    finish: Callable[[CheckResult], None],
    done: Collection[CaseResult],
) -> None:
    results = list(done)
    unfinished = {one.name: one for one in implementations}
    jobs = min(choice.jobs, SMOKE_JOBS) if choice.smoke else choice.jobs
    async with open_pool(spec, jobs=jobs, arguments=choice.arguments, seed=choice.seed, shrink=choice.shrink) as pool:

        def look(cases: Sequence[Case]) -> None:
            for name in list(unfinished):
                if sum(result.implementation == name for result in results) >= len(cases):
                    finish(checked(unfinished.pop(name), results))

        def ended(result: CaseResult) -> None:
            results.append(result)
            watcher.case_ended(result)
            look(pool.cases)

        look(pool.cases)
        watching = Watcher(case_started=watcher.case_started, case_ended=ended, planned=watcher.planned)
        await pool.check(implementations, watching, done=done, stop_at_failure=choice.stop_at_failure)
    for one in unfinished.values():  # stopped at a failure
        finish(checked(one, results))


def _unchecked(one: Implementation, verdict: Verdict, reason: str) -> CheckResult:
    return CheckResult(implementation=one.name, spec=one.spec, verdict=verdict, message=reason)


def exit_status(results: Sequence[CheckResult]) -> int:
    """Return 0 when every MUST holds wherever one could look, 1 when one fails, 3 when it could not be told."""
    verdicts = {one.verdict for one in results}
    if Verdict.FAIL in verdicts:
        return 1
    if Verdict.UNKNOWN in verdicts or verdicts == {Verdict.UNSUPPORTED}:
        return 3
    return 0
