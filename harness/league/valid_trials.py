"""Selects the valid trials: the undisturbed ones, with the steps of each search put together as one result.

Where every trial of a server in a workload was disturbed, in each attempt, the last attempts count, so that a busy
machine shows something at all. The findings under the table name these trials.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from harness import plugins
from harness.figures import Figures
from harness.load import accounting
from harness.model import TrialResult


def valid_trials(trials: Sequence[TrialResult]) -> list[TrialResult]:
    """Return the results that count, in their order; behind them one result for the steps of each search."""
    searching = {name for name, workload in plugins.workloads().items() if workload.search}
    steps: dict[tuple[object, ...], list[TrialResult]] = defaultdict(list)
    valid: list[TrialResult] = []
    for trial in _without_disturbed(trials):
        plan = trial.plan
        if plan.workload in searching and not trial.did_not_finish:
            steps[plan.block, plan.implementation, plan.spec, plan.workload].append(trial)
        else:
            valid.append(trial)
    return valid + [_outcome(some) for some in steps.values()]


def _without_disturbed(trials: Sequence[TrialResult]) -> list[TrialResult]:
    undisturbed = {_entry(trial) for trial in trials if not trial.disturbed}
    last = {trial.plan.key: trial for trial in trials}
    return [
        trial
        for trial in trials
        if not trial.disturbed or (_entry(trial) not in undisturbed and last[trial.plan.key] is trial)
    ]


def _entry(trial: TrialResult) -> tuple[str, str, str]:
    return trial.plan.spec, trial.plan.implementation, trial.plan.workload


def _outcome(steps: Sequence[TrialResult]) -> TrialResult:
    """Return the steps of one search as one result."""
    workload = plugins.workloads()[steps[0].plan.workload]
    assert workload.search
    in_order = sorted(steps, key=lambda trial: trial.plan.probe)
    figures = Figures(workload.figures)
    figures |= workload.search.outcome(in_order)
    bounds = [value for name, value in figures.items() if name.endswith("_at_least")]
    figures["generator_limited"] = max(bounds, default=0)
    return msgspec.structs.replace(in_order[-1], figures=dict(figures), histogram="")


def limited_by_generator(trial: TrialResult) -> bool:
    """Return whether the load generator was the limit of a trial, so that the server can do more."""
    return bool(trial.figures.get("generator_limited", accounting.generator_limited(trial.figures)))
