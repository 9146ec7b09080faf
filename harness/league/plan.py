"""Plans the trials of a run and their order: randomised complete blocks.

In each block every server gets every workload once. The order of the servers is random, and the next block takes it
backwards, so that a drift of the machine affects all servers alike. One server, the reference, is loaded a second time
in each block: this A/A control shows how much chance alone can do. The baseline relay gets one trial a block. What is
planned next can depend on the results so far, so plans are made while the trials run.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.kinds import Workload
from harness.league.comparisons import Entry, compare, scores, undecided
from harness.league.inference import fewest_blocks
from harness.league.profiles import Profile
from harness.league.valid_trials import limited_by_generator, valid_trials
from harness.model import Implementation, Spec, TrialPlan, TrialResult

RANKED, RANKED_BY = "flood", "deliveries_per_s"  # ranks depend on this figure of this workload
BASELINE = "baseline"  # the workload of the baseline relay, and of no server


@dataclass(frozen=True, kw_only=True)
class Design:
    """The design of a run.

    Attributes:
        implementations: the servers that are measured.
        controls: for each spec, the name of the reference, which is measured a second time as the A/A control.
        baselines: the baseline relay, once for each spec; empty where it cannot be built.
        specs: the specs, by name.
        workloads: the workloads, by name.
        profile: how much is measured.
        seed: the random seed of the order.
    """

    implementations: Sequence[Implementation]
    controls: Mapping[str, str]
    baselines: Sequence[Implementation]
    specs: Mapping[str, Spec]
    workloads: Mapping[str, Workload]
    profile: Profile
    seed: int


def references(implementations: Sequence[Implementation], profile: Profile, name: str = "") -> dict[str, str]:
    """Return the reference of each spec: the server of that name, or else the first idiomatic one, or the first.

    Args:
        implementations: the servers of the run.
        profile: with too few blocks for any significant difference there is no reference.
        name: the server that the user wants as reference, or "".

    Returns:
        Names of servers by spec.
    """
    if profile.blocks < fewest_blocks():
        return {}
    ordered = sorted(implementations, key=lambda server: (server.name != name, server.category != "idiomatic"))
    return {server.spec: server.name for server in reversed(ordered)}


def planned(design: Design, done: Sequence[TrialResult], *, ranked_first: bool = False) -> Iterator[TrialPlan]:
    """Yield the planned trials of a run in their order, including those that have a result already.

    Args:
        design: the design of the run.
        done: the results so far; the caller adds each new one before it takes the next plan.
        ranked_first: whether all blocks of the workload that ranks come first, then the other workloads of the league
            table, then those of the table beside it.
    """
    every = list(design.workloads.values())
    ranking = [workload for workload in every if workload.name == RANKED]
    beside = [workload for workload in every if workload.reported]
    others = [workload for workload in every if workload not in ranking and workload not in beside]
    for workloads in (ranking, others, beside) if ranked_first else (every,):
        yield from _blocks(design, workloads, done)


def _blocks(design: Design, workloads: Sequence[Workload], done: Sequence[TrialResult]) -> Iterator[TrialPlan]:
    entries = [(server, False) for server in design.implementations]
    entries += [(server, True) for server in design.implementations if design.controls.get(server.spec) == server.name]
    for block in range(design.profile.blocks):
        order = _shuffled(entries, block, design.seed)
        for workload in workloads:
            parameters = workload.profiles.get(design.profile.name)
            if parameters is None or block >= parameters.get("blocks", design.profile.blocks):
                continue
            suited = _suited(design, workload, order)
            if workload.search:
                yield from _rounds(block, workload, parameters, [server for server, _ in suited], done)
            else:
                for server, is_control in suited:
                    yield _plan(block, server, workload, parameters, is_control=is_control)


def added(design: Design, done: Sequence[TrialResult], is_over: Callable[[], bool]) -> Iterator[TrialPlan]:
    """Yield the trials of blocks beyond the planned ones, for neighbours in the ranking that do not differ yet.

    These neighbours are determined after the planned blocks, and again whenever there are twice as many blocks (see
    `harness.league.comparisons`): looking more often would be waiting for chance.

    Args:
        design: the design of the run.
        done: the results so far; the caller adds each new one before it takes the next plan.
        is_over: whether the time for added blocks is over; called before each block.
    """
    workload = design.workloads[RANKED]
    look = design.profile.blocks
    for block in itertools.count(look):
        if block == look:
            before_look = [trial for trial in done if trial.plan.block < look]
            entries = [(server, False) for server in _undecided(design, before_look)]
            look *= 2
        if is_over() or not entries:
            return
        for server, _ in _shuffled(entries, block, design.seed):
            yield _plan(block, server, workload, workload.profiles[design.profile.name])


def _undecided(design: Design, done: Sequence[TrialResult]) -> list[Implementation]:
    open_servers: list[Implementation] = []
    for spec in dict.fromkeys(server.spec for server in design.implementations):
        trials = [trial for trial in valid_trials(done) if (trial.plan.spec, trial.plan.workload) == (spec, RANKED)]
        unfinished = {trial.plan.implementation for trial in done if trial.plan.spec == spec and trial.did_not_finish}
        servers = [server for server in design.implementations if server.spec == spec and server.name not in unfinished]
        entries = [Entry(server.name) for server in servers]
        limited_names = {trial.plan.implementation for trial in trials if limited_by_generator(trial)}
        limited = np.array([entry.name in limited_names for entry in entries], np.bool_)
        values = scores(trials, entries, RANKED, RANKED_BY)
        comparisons = compare(values, entries, planned=design.profile.blocks, seed=design.seed, limited=limited)
        open_servers += [servers[place] for place in sorted(undecided(comparisons, limited))]
    return open_servers


def _shuffled(
    entries: Sequence[tuple[Implementation, bool]], block: int, seed: int
) -> list[tuple[Implementation, bool]]:
    """Return the order of a block: random in an even block, and backwards in the next."""
    order = list(entries)
    random.Random(f"{seed} {block // 2}").shuffle(order)
    return order[::-1] if block % 2 else order


def _suited(
    design: Design, workload: Workload, order: Sequence[tuple[Implementation, bool]]
) -> list[tuple[Implementation, bool]]:
    if workload.name == BASELINE:
        order = [(relay, False) for relay in design.baselines]
    return [
        (server, is_control)
        for server, is_control in order
        if workload.suits(design.specs[server.spec].codec) and (not is_control or workload.name == RANKED)
    ]


def _plan(
    block: int,
    implementation: Implementation,
    workload: Workload,
    parameters: Mapping[str, float],
    *,
    is_control: bool = False,
    probe: int = 0,
) -> TrialPlan:
    return TrialPlan(
        block=block,
        implementation=implementation.name,
        spec=implementation.spec,
        workload=workload.name,
        parameters=dict(parameters),
        is_control=is_control,
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
                yield _plan(block, server, workload, next_parameters, probe=probe)
        if not searching:
            return


def _steps(block: int, server: Implementation, workload: Workload, done: Sequence[TrialResult]) -> list[TrialResult]:
    wanted = (block, server.spec, server.name, workload.name)
    undisturbed = ((trial, trial.plan) for trial in done if not trial.disturbed)
    return [
        trial for trial, plan in undisturbed if (plan.block, plan.spec, plan.implementation, plan.workload) == wanted
    ]
