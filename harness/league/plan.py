"""Plans the trials of the workloads that no rank depends on: a fresh server for each, in randomised blocks.

In each block every server gets every workload once. The order of the servers is random, and the next block takes it
backwards, so that a drift of the machine affects all servers alike. What is planned next can depend on the results so
far, so plans are made while the trials run.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

from harness.kinds import Workload
from harness.league.profiles import Profile
from harness.model import Implementation, Spec, TrialPlan, TrialResult

RATES = ("rate_per_s", "first_per_s")  # parameters in messages a second, each of which all clients receive


def planned(
    servers: Sequence[Implementation],
    workloads: Sequence[Workload],
    profile: Profile,
    specs: Mapping[str, Spec],
    done: Sequence[TrialResult],
    *,
    seed: int,
    changes: Mapping[str, float] | None = None,
) -> Iterator[TrialPlan]:
    """Yield the trials in their order, including those that have a result already.

    Args:
        servers: those that are measured.
        workloads: those that run.
        profile: how much is measured.
        specs: the specs, by name.
        done: the results so far; the caller adds each new one before it takes the next plan.
        seed: the random seed of the order.
        changes: parameters in the place of those of the profile (see `changed`).
    """
    blocks = max((int(_blocks(workload, profile)) for workload in workloads), default=0)
    for block in range(blocks):
        order = list(servers)
        random.Random(f"{seed} {block // 2}").shuffle(order)
        for workload in workloads:
            if block >= _blocks(workload, profile):
                continue
            parameters = changed(workload.profiles[profile.name], changes or {})
            ordered = reversed(order) if block % 2 else order
            suited = [server for server in ordered if workload.suits(specs[server.spec].codec)]
            if workload.search:
                yield from _rounds(block, workload, parameters, suited, done)
            else:
                for server in suited:
                    yield _plan(block, server, workload, parameters)


def changed(parameters: Mapping[str, float], changes: Mapping[str, float]) -> dict[str, float]:
    """Return parameters of a workload with changes.

    With another number of clients rates change as well, unless they are among the changes: there are as many deliveries
    a second as before.

    Args:
        parameters: those of a profile.
        changes: by name, new values; those that the workload does not have are ignored.
    """
    share = parameters.get("clients", 1) / (changes.get("clients") or parameters.get("clients", 1))
    scaled = {name: value * share if name in RATES else value for name, value in parameters.items()}
    return {name: changes.get(name, value) for name, value in scaled.items()}


def _blocks(workload: Workload, profile: Profile) -> float:
    """Return in how many blocks a workload runs."""
    parameters = workload.profiles.get(profile.name)
    return 0 if parameters is None else parameters.get("blocks", profile.trial_blocks)


def _plan(
    block: int, server: Implementation, workload: Workload, parameters: Mapping[str, float], probe: int = 0
) -> TrialPlan:
    return TrialPlan(
        block=block,
        implementation=server.name,
        spec=server.spec,
        workload=workload.name,
        parameters=dict(parameters),
        probe=probe,
    )


def _rounds(
    block: int,
    workload: Workload,
    parameters: Mapping[str, float],
    servers: Sequence[Implementation],
    done: Sequence[TrialResult],
) -> Iterator[TrialPlan]:
    """Yield the first step of every server, then the second of every server, until no server has another step."""
    assert workload.search
    searching = list(servers)
    for probe in itertools.count():
        for server in list(searching):
            steps = sorted(_steps(block, server, workload, done), key=lambda step: step.plan.probe)[:probe]
            next_parameters = None
            if len(steps) == probe and not any(step.did_not_finish for step in steps):
                next_parameters = workload.search.next_probe(parameters, steps)
            if next_parameters is None:
                searching.remove(server)
            else:
                yield _plan(block, server, workload, next_parameters, probe)
        if not searching:
            return


def _steps(block: int, server: Implementation, workload: Workload, done: Sequence[TrialResult]) -> list[TrialResult]:
    wanted = (block, server.spec, server.name, workload.name)
    undisturbed = ((trial, trial.plan) for trial in done if not trial.disturbed)
    return [
        trial for trial, plan in undisturbed if (plan.block, plan.spec, plan.implementation, plan.workload) == wanted
    ]
