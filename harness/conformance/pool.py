"""Runs the cases of a spec on many servers with a few workers, and decides what may run when.

For each server the gate cases run first, in their order; when one fails the rest is blocked, because one
cause should be told once. What a worker cannot answer is the harness's own error, never the server's.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import msgspec

from harness.conformance.worker import Collected, Request
from harness.errors import UsageError
from harness.model import Case, CaseResult, CheckResult, Evidence, Implementation, Level, Spec, Verdict
from harness.processes.workers import PYTHON, Worker, WorkerDied, worker
from harness.records import from_json, to_json

COLLECT_S = 60.0
CASE_S = 300.0  # no case waits that long for anything: only a hanging worker gets here
JOBS = 2 * (os.cpu_count() or 1)


@dataclass
class Watcher:
    """Whoever wants to know how it goes; by default nobody."""

    case_started: Callable[[Implementation, Case], None] = lambda implementation, case: None
    case_ended: Callable[[CaseResult], None] = lambda result: None
    planned: Callable[[int], None] = lambda count: None


Plan = Callable[[Implementation, Sequence[Case]], Sequence[Sequence[Case]]]


def each_by_itself(implementation: Implementation, cases: Sequence[Case]) -> Sequence[Sequence[Case]]:
    """Plan every case as a job of its own, those that take long first."""
    return [[case] for case in sorted(cases, key=lambda one: not one.slow)]


@dataclass
class Job:
    """Some cases to be run one after the other on one server, until one says `enough`."""

    implementation: Implementation
    cases: Sequence[Case]
    enough: Callable[[CaseResult], bool]
    is_gate: bool = False


@dataclass
class Pool:
    """A spec's cases and the workers that run them; made by `open_pool()`."""

    spec: Spec
    jobs: int
    seed: int = 0
    shrink: bool = False
    command: Sequence[str] = ()
    cases: tuple[Case, ...] = ()
    _idle: list[Worker] = field(default_factory=list)
    _shrunk: set[tuple[str, str]] = field(default_factory=set)  # server, requirement

    async def check(
        self,
        implementations: Sequence[Implementation],
        watcher: Watcher,
        *,
        done: Collection[CaseResult] = (),
        stop_at_failure: bool = False,
        plan: Plan = each_by_itself,
        gated: Callable[[Implementation], bool] = lambda implementation: True,
        enough: Callable[[CaseResult], bool] = lambda result: False,
    ) -> list[CaseResult]:
        """Run the cases on all servers; return the results, those of `done` among them.

        Args:
            plan: which cases run on a server, its gates aside: lists of cases that run one after the other.
            gated: whether a server meets the gates first; if not they are cases like any other.
            enough: whether a result makes the rest of its list needless.
            done: results of an earlier run, which are taken as they are.
            stop_at_failure: start nothing new once a MUST has failed.
        """
        results = list(done)
        known = {(result.implementation, result.id) for result in done}
        queue: deque[Job] = deque()
        gates = sorted((case for case in self.cases if case.gate), key=lambda case: case.gate)
        queue.extend(
            Job(one, gates if gated(one) else [], lambda result: result.verdict is not Verdict.PASS, True)
            for one in implementations
        )
        watcher.planned(len(implementations) * len(self.cases) - len(known))
        more = anyio.Event()
        busy = 0

        def note(result: CaseResult) -> None:
            results.append(result)
            watcher.case_ended(result)
            if stop_at_failure and result.verdict is Verdict.FAIL:
                queue.clear()

        async def serve() -> None:
            async with AsyncExitStack() as stack:
                await work(stack)

        async def work(stack: AsyncExitStack) -> None:
            nonlocal busy, more
            while queue or busy:
                if not queue:
                    await more.wait()
                    continue
                job = queue.popleft()
                busy += 1
                try:
                    todo = [case for case in job.cases if (job.implementation.name, case.id) not in known]
                    mine = [one for one in results if one.implementation == job.implementation.name]
                    mine += await self._run(job, todo, watcher, note, stack)
                    if job.is_gate:
                        jobs = plan(job.implementation, [case for case in self.cases if case not in job.cases])
                        watcher.planned(sum(map(len, jobs)) + len(job.cases) - len(self.cases))
                        _open([Job(job.implementation, cases, enough) for cases in jobs], job, mine, queue, note)
                finally:
                    busy -= 1
                    more.set()
                    more = anyio.Event()

        async with anyio.create_task_group() as tasks:
            for _ in range(self.jobs):
                tasks.start_soon(serve)
        return results

    async def _run(
        self,
        job: Job,
        cases: Sequence[Case],
        watcher: Watcher,
        note: Callable[[CaseResult], None],
        stack: AsyncExitStack,
    ) -> list[CaseResult]:
        results: list[CaseResult] = []
        for case in cases:
            watcher.case_started(job.implementation, case)
            results.append(await self._ask(job.implementation, case, stack))
            note(results[-1])
            if job.enough(results[-1]):
                if not job.is_gate:  # what a gate blocks is told of
                    watcher.planned(len(results) - len(cases))
                break
        return results

    async def _ask(self, implementation: Implementation, case: Case, stack: AsyncExitStack) -> CaseResult:
        try:
            one = self._idle.pop() if self._idle else await self._another(stack)
            result = from_json(
                await one.request(to_json(Request(case.id, implementation, self.seed)), CASE_S), CaseResult
            )
            if self._is_to_be_shrunk(result):
                request = Request(case.id, implementation, shrink=True)
                evidence = from_json(await one.request(to_json(request), CASE_S), Evidence)
                result = msgspec.structs.replace(result, evidence=evidence)
        except WorkerDied as error:
            return _result(implementation, case, Verdict.ERROR, f"the harness's own fault: {error}")
        self._idle.append(one)
        return result

    async def _another(self, stack: AsyncExitStack) -> Worker:
        """Start a worker for one that has died."""
        one = await stack.enter_async_context(worker(self.command))
        stack.callback(lambda: self._idle.remove(one) if one in self._idle else None)
        await one.receive(COLLECT_S)
        return one

    def _is_to_be_shrunk(self, result: CaseResult) -> bool:
        """Return whether it is the first failure of its requirement, the one that is told in full."""
        what = result.implementation, result.requirements[-1]
        if not self.shrink or not result.evidence or not result.evidence.script or what in self._shrunk:
            return False
        self._shrunk.add(what)
        return True


def _open(
    jobs: Sequence[Job],
    gate: Job,
    results: Sequence[CaseResult],
    queue: deque[Job],
    note: Callable[[CaseResult], None],
) -> None:
    """Queue what the gates let through, or note it as blocked."""
    gates = {case.id for case in gate.cases}
    shut = next((one for one in results if one.id in gates and one.verdict is not Verdict.PASS), None)
    if shut is None:
        queue.extend(jobs)
        return
    answered = {one.id for one in results}
    for case in (*gate.cases, *(case for job in jobs for case in job.cases)):
        if case.id not in answered:
            note(_result(gate.implementation, case, Verdict.BLOCKED, f"blocked: {shut.id} did not pass"))


def _result(implementation: Implementation, case: Case, verdict: Verdict, message: str) -> CaseResult:
    return CaseResult(
        implementation=implementation.name,
        spec=implementation.spec,
        id=case.id,
        requirements=case.requirements,
        level=case.level,
        verdict=verdict,
        message=message,
    )


@asynccontextmanager
async def open_pool(
    spec: Spec, *, jobs: int, arguments: Sequence[str] = (), seed: int = 0, shrink: bool = False
) -> AsyncIterator[Pool]:
    """Start the workers, let them collect the cases, end them with the context.

    Args:
        jobs: how many cases run at once.
        arguments: for pytest, e.g. ["-k", "order", "-m", "smoke"].
        seed: of what is random in the cases.
        shrink: whether the script of each requirement's first failure is made as short as it can be.

    Raises:
        UsageError: nothing was collected, or a case is malformed.
    """
    folders = map(str, (spec.cases, *spec.shares))
    command = [*PYTHON, "harness.conformance.worker", *folders, "--spec", spec.name, *arguments]
    async with AsyncExitStack() as stack:
        pool = Pool(spec, jobs, seed, shrink, command)
        for _ in range(jobs):
            pool._idle.append(await stack.enter_async_context(worker(command)))
        for one in pool._idle:
            collected = from_json(await one.receive(COLLECT_S), Collected)
            if collected.problem or not collected.cases:
                raise UsageError(collected.problem or f"no case of {spec.name} is called that")
            pool.cases = collected.cases
        yield pool


def checked(implementation: Implementation, results: Sequence[CaseResult]) -> CheckResult:
    """Return the results of one server with the verdict they add up to."""
    mine = tuple(one for one in results if one.implementation == implementation.name)
    verdicts = {one.verdict for one in mine}
    doubts = {one.verdict for one in mine if one.level is Level.MUST}
    verdict = Verdict.PASS
    if Verdict.FAIL in verdicts:
        verdict = Verdict.FAIL
    elif not mine or doubts & {Verdict.UNKNOWN, Verdict.ERROR, Verdict.BLOCKED}:
        verdict = Verdict.UNKNOWN
    return CheckResult(implementation=implementation.name, spec=implementation.spec, verdict=verdict, cases=mine)
