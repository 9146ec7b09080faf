"""Which results count: those that nothing disturbed, and of a search what its steps add up to.

Where all trials of a server in a workload were disturbed, in each attempt, the last attempts count, so that there is
something to see on a busy machine; whoever shows them says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeGuard

import msgspec

from harness import plugins
from harness.kinds import Search, Workload
from harness.load import accounting
from harness.model import TrialResult


def searches(workload: Workload) -> TypeGuard[Search]:
    """Return whether a workload looks for something by steps."""
    return hasattr(workload, "next_probe")


def valid_trials(trials: Sequence[TrialResult]) -> list[TrialResult]:
    """Return the results that count, in their order; the steps of each search as one result."""
    known = {name for name, one in plugins.workloads().items() if searches(one)}
    steps: dict[tuple[object, ...], list[TrialResult]] = defaultdict(list)
    made: list[TrialResult] = []
    for one in _standing(trials):
        if one.plan.workload in known and not one.did_not_finish:
            steps[one.plan.block, one.plan.implementation, one.plan.spec, one.plan.workload].append(one)
        else:
            made.append(one)
    return made + [_found(some) for some in steps.values()]


def _standing(trials: Sequence[TrialResult]) -> list[TrialResult]:
    undisturbed = {_what(one) for one in trials if not one.disturbed}
    last = {one.plan.key: one for one in trials}
    return [one for one in trials if not one.disturbed or (_what(one) not in undisturbed and last[one.plan.key] is one)]


def _what(one: TrialResult) -> tuple[str, str, str, bool]:
    return one.plan.spec, one.plan.implementation, one.plan.workload, one.plan.is_control


def _found(steps: Sequence[TrialResult]) -> TrialResult:
    search = plugins.workloads()[steps[0].plan.workload]
    assert searches(search)
    done = sorted(steps, key=lambda one: one.plan.probe)
    found = search.found(done)
    bounds = [value for name, value in found.items() if name.endswith("_at_least")]
    figures = {**found, "generator_limited": max(bounds, default=0)}
    return msgspec.structs.replace(done[-1], figures=figures, histogram="")


def limited_by_generator(one: TrialResult) -> bool:
    """Return whether the load generator was the limit of a trial."""
    return bool(one.figures.get("generator_limited", accounting.generator_limited(one.figures)))
