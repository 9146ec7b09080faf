"""Runs the cases of a spec on many servers with a few workers, and decides what may run when.

The cases of a slow server mostly wait, so that more of them run at once while the processors are idle.

For each server the gate cases run first, in their order; when one fails the rest is blocked, because one
cause should be reported once. When a worker does not answer, that is the harness's own error, never the server's.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import msgspec

from harness.conformance.idle import IdleMeter
from harness.conformance.messages import Collected, Request
from harness.errors import HarnessError, UsageError
from harness.model import Case, CaseResult, CheckResult, Evidence, Implementation, Level, Spec, Verdict
from harness.processes.disturbances import MachineWatch
from harness.processes.tasks import background_tasks
from harness.processes.workers import PYTHON, Worker, open_forks
from harness.records import from_json, to_json

COLLECT_S = 60.0
CASE_S = 600.0  # cases give up earlier, of the slowest server as well: only a hanging worker takes it
IDLE_SAMPLE_S = 0.25  # one more case begins after each idle one
UNDECIDED = {Verdict.UNKNOWN, Verdict.ERROR, Verdict.BLOCKED}
JOBS = 2 * (os.cpu_count() or 1)
NOT_JUDGED = {Verdict.INFO, Verdict.UNSUPPORTED}


class NothingSelected(UsageError):
    """No case of a spec matches the selection."""


@dataclass
class Watcher:
    """Functions that are called as a check goes on; by default they do nothing.

    Attributes:
        case_started: called before a case runs on an implementation.
        case_ended: called with each result, blocked cases included.
        planned: called with the number of cases by which the plan grows, or (negative) shrinks.
    """

    case_started: Callable[[Implementation, Case], None] = lambda implementation, case: None
    case_ended: Callable[[CaseResult], None] = lambda result: None
    planned: Callable[[int], None] = lambda count: None


Plan = Callable[[Implementation, Sequence[Case]], Sequence[Sequence[Case]]]


def one_case_per_job(implementation: Implementation, cases: Sequence[Case]) -> Sequence[Sequence[Case]]:
    """Plan every case as a job of its own, long cases first, then slow ones."""
    return [[case] for case in sorted(cases, key=lambda case: (not case.long, not case.slow))]


@dataclass
class Job:
    """Some cases to be run one after the other on one server, until a result is `enough`."""

    implementation: Implementation
    cases: Sequence[Case]
    enough: Callable[[CaseResult], bool]
    is_gate: bool = False


@dataclass
class Pool:
    """A spec's cases and the workers that run them; created by `open_pool()`."""

    spec: Spec
    jobs: int
    jobs_when_idle: int = 0
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
        plan: Plan = one_case_per_job,
        gated: Callable[[Implementation], bool] = lambda implementation: True,
        enough: Callable[[CaseResult], bool] = lambda result: False,
    ) -> list[CaseResult]:
        """Run the cases on all servers; return the results, including those of `done`.

        Args:
            implementations: the servers.
            watcher: is called as the check goes on.
            done: results of an earlier run, whose cases do not run again.
            stop_at_failure: start nothing new once a MUST has failed.
            plan: which cases run on a server after its gates: lists of cases that run one after the other.
            gated: whether a server runs the gates first; if not, they are cases like any other.
            enough: whether a result makes the rest of its list needless.
        """
        results = list(done)
        known = {(result.implementation, result.id) for result in done}
        queue: deque[Job] = deque()
        gates = sorted((case for case in self.cases if case.gate), key=lambda case: case.gate)
        queue.extend(
            Job(server, gates if gated(server) else [], lambda result: result.verdict is not Verdict.PASS, True)
            for server in implementations
        )
        watcher.planned(len(implementations) * len(self.cases) - len(known))
        more = anyio.Event()
        busy = 0

        def record(result: CaseResult) -> None:
            results.append(result)
            watcher.case_ended(result)
            if stop_at_failure and result.verdict is Verdict.FAIL:
                queue.clear()

        async def work(stack: AsyncExitStack) -> None:
            nonlocal busy, more
            job = queue.popleft()
            busy += 1
            try:
                todo = [case for case in job.cases if (job.implementation.name, case.id) not in known]
                own_results = [result for result in results if result.implementation == job.implementation.name]
                waiting = sum(len(other.cases) for other in queue if other.implementation == job.implementation)
                needed = 1 + waiting // max(self.jobs, self.jobs_when_idle)
                own_results += await self._run_job(job, todo, watcher, record, stack, needed)
                if job.is_gate:
                    jobs = plan(job.implementation, [case for case in self.cases if case not in job.cases])
                    watcher.planned(sum(map(len, jobs)) + len(job.cases) - len(self.cases))
                    _queue_or_block(
                        [Job(job.implementation, cases, enough) for cases in jobs], job, own_results, queue, record
                    )
            finally:
                busy -= 1
                more.set()
                more = anyio.Event()

        async def serve() -> None:
            async with AsyncExitStack() as stack:
                while queue or busy:
                    if queue:
                        await work(stack)
                    else:
                        await more.wait()

        idle = anyio.Semaphore(0)

        async def serve_when_idle() -> None:
            async with AsyncExitStack() as stack:
                while True:
                    await idle.acquire()
                    if queue:
                        await work(stack)

        async def watch_processors() -> None:
            meter = IdleMeter()
            while True:
                await anyio.sleep(IDLE_SAMPLE_S)
                if meter.were_idle() and queue and idle.statistics().tasks_waiting:
                    idle.release()

        async with background_tasks() as additional, anyio.create_task_group() as tasks:
            for _ in range(self.jobs):
                tasks.start_soon(serve)
            for _ in range(self.jobs, self.jobs_when_idle):
                additional.start_soon(serve_when_idle)
            additional.start_soon(watch_processors)
        return results

    async def _run_job(
        self,
        job: Job,
        cases: Sequence[Case],
        watcher: Watcher,
        record: Callable[[CaseResult], None],
        stack: AsyncExitStack,
        needed: int,
    ) -> list[CaseResult]:
        results: list[CaseResult] = []
        for case in cases:
            watcher.case_started(job.implementation, case)
            results.append(await self._run_case(job.implementation, case, stack, needed))
            record(results[-1])
            if job.enough(results[-1]):
                if not job.is_gate:  # what a gate blocks is reported, so it stays planned
                    watcher.planned(len(results) - len(cases))
                break
        return results

    async def _run_case(
        self, implementation: Implementation, case: Case, stack: AsyncExitStack, needed: int
    ) -> CaseResult:
        watch = MachineWatch()
        try:
            worker = self._idle.pop() if self._idle else await self._start_worker(stack)
            request = Request(case.id, implementation, self.seed, needed)
            result = from_json(await worker.request(to_json(request), CASE_S), CaseResult)
        except HarnessError as error:  # it has ended, gave no answer, or could not be started
            if reason := watch.what_happened(str(error)):
                return _result(implementation, case, Verdict.UNKNOWN, reason)
            return _result(implementation, case, Verdict.ERROR, f"the harness's own fault: {error}")
        if self._should_shrink(result):
            request = Request(case.id, implementation, shrink=True)
            try:
                evidence = from_json(await worker.request(to_json(request), CASE_S), Evidence)
            except HarnessError:  # the failure stands, with the script that it has
                return result
            result = msgspec.structs.replace(result, evidence=evidence)
        self._idle.append(worker)
        return result

    async def _start_worker(self, stack: AsyncExitStack) -> Worker:
        """Start a worker for one that has died."""
        (worker,) = await stack.enter_async_context(open_forks(self.command, 1))
        stack.callback(lambda: self._idle.remove(worker) if worker in self._idle else None)
        await worker.receive(COLLECT_S)
        return worker

    def _should_shrink(self, result: CaseResult) -> bool:
        """Return whether it is the first failure of its requirement, which is shown in full."""
        failure = result.implementation, result.requirements[-1]
        if not self.shrink or not result.evidence or not result.evidence.script or failure in self._shrunk:
            return False
        self._shrunk.add(failure)
        return True


def _queue_or_block(
    jobs: Sequence[Job],
    gate: Job,
    results: Sequence[CaseResult],
    queue: deque[Job],
    record: Callable[[CaseResult], None],
) -> None:
    """Queue the jobs when the gates have passed, or record their cases as blocked."""
    gates = {case.id for case in gate.cases}
    failed = next((result for result in results if result.id in gates and result.verdict is not Verdict.PASS), None)
    if failed is None:
        queue.extend(jobs)
        return
    answered = {result.id for result in results}
    for case in (*gate.cases, *(case for job in jobs for case in job.cases)):
        if case.id not in answered:
            record(_result(gate.implementation, case, Verdict.BLOCKED, f"blocked: {failed.id} did not pass"))


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
    spec: Spec,
    *,
    jobs: int,
    jobs_when_idle: int = 0,
    arguments: Sequence[str] = (),
    seed: int = 0,
    shrink: bool = False,
) -> AsyncIterator[Pool]:
    """Start the workers, let them collect the cases, end them with the context.

    Args:
        spec: whose cases run.
        jobs: how many cases run at once.
        jobs_when_idle: how many run at once while the processors are idle.
        arguments: for pytest, e.g. ["-k", "order", "-m", "smoke"].
        seed: the random seed of the cases.
        shrink: whether the script of each requirement's first failure is shortened.

    Raises:
        NothingSelected: no case matches the arguments.
        UsageError: a case is malformed.
    """
    folders = map(str, (spec.cases, *spec.shares))
    command = [*PYTHON, "harness.conformance.worker", "{channels}", *folders, "--spec", spec.name, *arguments]
    watch = MachineWatch()
    async with AsyncExitStack() as stack:
        pool = Pool(spec, jobs, jobs_when_idle, seed, shrink, command)
        pool._idle += await stack.enter_async_context(open_forks(command, max(jobs, jobs_when_idle)))
        for worker in pool._idle:
            try:
                collected = from_json(await worker.receive(COLLECT_S), Collected)
            except HarnessError as error:
                raise HarnessError(watch.what_happened(str(error)) or str(error)) from None
            if collected.problem:
                raise UsageError(collected.problem)
            if not collected.cases:
                raise NothingSelected(f"no case of {spec.name} matches")
            pool.cases = collected.cases
        yield pool


def combine_results(implementation: Implementation, results: Sequence[CaseResult]) -> CheckResult:
    """Return the results of one server with the verdict that follows from them."""
    cases = tuple(result for result in results if result.implementation == implementation.name)
    verdicts = {result.verdict for result in cases}
    of_musts = {result.verdict for result in cases if result.level is Level.MUST}
    verdict = Verdict.PASS
    if Verdict.FAIL in verdicts:
        verdict = Verdict.FAIL
    elif not verdicts & {Verdict.PASS, Verdict.WARN} or of_musts & UNDECIDED:
        verdict = Verdict.UNKNOWN
    message = "" if verdicts - NOT_JUDGED else _why_nothing_was_judged(cases)
    return CheckResult(
        implementation=implementation.name, spec=implementation.spec, verdict=verdict, cases=cases, message=message
    )


def _why_nothing_was_judged(cases: Sequence[CaseResult]) -> str:
    if not cases:
        return "nothing was judged: no case ran"
    unsupported = [case for case in cases if case.verdict is Verdict.UNSUPPORTED]
    reasons = "; ".join(dict.fromkeys(case.message for case in unsupported if case.message))
    parts = [f"{len(unsupported)} of {len(cases)} cases cannot run here ({reasons})"] if unsupported else []
    if len(unsupported) < len(cases):
        parts.append(f"{len(cases) - len(unsupported)} of {len(cases)} cases only report")
    return f"nothing was judged: {', '.join(parts)}"
