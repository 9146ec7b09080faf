"""Makes the trials of a run one after the other, and passes each result on before the next trial begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType

from harness.league.messages import TrialRequest
from harness.league.trial import load_limit_s
from harness.model import Implementation, TrialPlan, TrialResult
from harness.processes.workers import PYTHON, Worker, WorkerDied, open_worker
from harness.records import from_json, to_json

COMMAND = (*PYTHON, "harness.league.trial")
LAUNCH_S = 60.0
TrialRunner = Callable[[TrialRequest], Awaitable[TrialResult]]


class LocalTrials:
    """Runs trials on this machine, in a worker process that lasts as long as this context."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._worker: Worker | None = None

    async def __aenter__(self) -> LocalTrials:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def run(self, request: TrialRequest) -> TrialResult:
        """Run a trial; a worker that dies is replaced."""
        if self._worker is None:
            self._worker = await self._stack.enter_async_context(open_worker(COMMAND))
        try:
            answer = await self._worker.request(to_json(request), load_limit_s(request.plan) + LAUNCH_S)
            return from_json(answer, TrialResult)
        except WorkerDied as error:
            self._worker = None
            fault = f"the harness's own fault: {str(error).splitlines()[-1]}"  # of a traceback
            return TrialResult(plan=request.plan, started="", seconds=0, did_not_finish=fault, disturbed=fault)


async def bench(
    trials: Iterable[TrialPlan],
    implementations: Sequence[Implementation],
    done: list[TrialResult],
    starting: Callable[[TrialPlan], None],
    ended: Callable[[TrialResult], None],
    attempts: int,
    runner: TrialRunner | None = None,
) -> None:
    """Make trials in their order, except those that have a valid result already.

    A disturbed trial is made again at once, a few times; the results of all attempts are kept. A server that did not
    finish a trial does not get that workload again: it would only take as long to fail once more, and its row says
    already why it is not ranked.

    Args:
        trials: the plans; the next one is taken when the results of those before are in `done`.
        implementations: the servers and baselines that the plans name.
        done: all results so far, those of an earlier part of the run too; new ones are added.
        starting: called before each attempt.
        ended: called with each result.
        attempts: how often a disturbed trial is made at most.
        runner: runs a trial; None for a worker process on this machine.

    Raises:
        HarnessError: a result cannot be kept.
    """
    by_name = {(server.spec, server.name): server for server in implementations}
    valid = {trial.plan.key for trial in done if not trial.disturbed}
    disturbed = Counter(trial.plan.key for trial in done if trial.disturbed)
    given_up = {_workload_of(trial.plan) for trial in done if trial.did_not_finish}
    async with LocalTrials() as local:
        for plan in trials:
            while plan.key not in valid and disturbed[plan.key] < attempts and _workload_of(plan) not in given_up:
                starting(plan)
                result = await (runner or local.run)(TrialRequest(plan, by_name[plan.spec, plan.implementation]))
                if result.did_not_finish:
                    given_up.add(_workload_of(plan))
                if result.disturbed:
                    disturbed[plan.key] += 1
                else:
                    valid.add(plan.key)
                done.append(result)
                ended(result)


def _workload_of(plan: TrialPlan) -> tuple[str, str, str]:
    return plan.spec, plan.implementation, plan.workload
