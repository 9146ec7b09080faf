"""Makes the trials of a run, one after the other, and hands each result on before the next begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack

from harness.league.trial import TrialRequest, load_limit_s
from harness.model import Implementation, TrialPlan, TrialResult
from harness.processes.workers import PYTHON, Worker, WorkerDied, worker
from harness.records import from_json, to_json

COMMAND = (*PYTHON, "harness.league.trial")
LAUNCH_S = 60.0


async def bench(
    trials: Iterable[TrialPlan],
    implementations: Sequence[Implementation],
    done: list[TrialResult],
    starting: Callable[[TrialPlan], None],
    ended: Callable[[TrialResult], None],
    attempts: int,
) -> None:
    """Make trials in their order, but those that are made already.

    One that something disturbed is made again at once, some times; the results of all attempts are kept. A server
    that did not finish a trial is not tried again with the same workload: it would only wait for the same once more,
    and its row says already why it is not ranked.

    Args:
        trials: asked for the next one when the results of those before are in `done`.
        attempts: how often a trial is made at most, while something disturbs it.
        done: all results so far, those of an earlier part of the run too; new ones are added.

    Raises:
        HarnessError: a result cannot be kept.
    """
    by_name = {(one.spec, one.name): one for one in implementations}
    made = {one.plan.key for one in done if not one.disturbed}
    disturbed = Counter(one.plan.key for one in done if one.disturbed)
    given_up = {_what(one.plan) for one in done if one.did_not_finish}
    async with AsyncExitStack() as stack:
        one: Worker | None = None
        for plan in trials:
            while plan.key not in made and disturbed[plan.key] < attempts and _what(plan) not in given_up:
                starting(plan)
                if one is None:
                    one = await stack.enter_async_context(worker(COMMAND))
                request = TrialRequest(plan, by_name[plan.spec, plan.implementation])
                try:
                    answer = await one.request(to_json(request), load_limit_s(plan) + LAUNCH_S)
                    result = from_json(answer, TrialResult)
                except WorkerDied as error:
                    one = None
                    result = TrialResult(
                        plan=plan, started="", seconds=0, did_not_finish=f"the harness's own fault: {error}"
                    )
                if result.did_not_finish:
                    given_up.add(_what(plan))
                if result.disturbed:
                    disturbed[plan.key] += 1
                else:
                    made.add(plan.key)
                done.append(result)
                ended(result)


def _what(plan: TrialPlan) -> tuple[str, str, str]:
    return plan.spec, plan.implementation, plan.workload
