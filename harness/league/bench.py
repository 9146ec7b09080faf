"""Makes the trials of a run, one after the other, and hands each result on before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from harness.league.trial import TrialRequest, load_limit_s
from harness.model import Implementation, TrialPlan, TrialResult
from harness.records import from_json, to_json
from harness.workers import PYTHON, Worker, WorkerDied, worker

COMMAND = (*PYTHON, "harness.league.trial")
LAUNCH_S = 60.0


async def bench(
    trials: Sequence[TrialPlan],
    implementations: Sequence[Implementation],
    starting: Callable[[TrialPlan], None],
    ended: Callable[[TrialResult], None],
) -> None:
    """Make trials in their order.

    A server that did not finish a trial is not tried again with the same workload: it would only wait for the
    same once more, and its row says already why it is not ranked.

    Raises:
        HarnessError: a result cannot be kept.
    """
    by_name = {(one.spec, one.name): one for one in implementations}
    given_up: set[tuple[str, str, str]] = set()
    async with AsyncExitStack() as stack:
        one: Worker | None = None
        for plan in trials:
            what = (plan.spec, plan.implementation, plan.workload)
            if what in given_up:
                continue
            starting(plan)
            if one is None:
                one = await stack.enter_async_context(worker(COMMAND))
            request = TrialRequest(plan, by_name[plan.spec, plan.implementation])
            try:
                answer = await one.ask(to_json(request), load_limit_s(plan) + LAUNCH_S)
                result = from_json(answer, TrialResult)
            except WorkerDied as error:
                one = None
                result = TrialResult(
                    plan=plan, started="", seconds=0, did_not_finish=f"the harness's own fault: {error}"
                )
            if result.did_not_finish:
                given_up.add(what)
            ended(result)
