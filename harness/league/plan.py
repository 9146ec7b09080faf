"""Which trials are made, and in which order: randomised complete blocks.

In each block every server meets every workload once; the order of the servers is random, and the next block
takes it backwards, so that whatever drifts on the machine falls on all alike. The reference, a server that is there
anyway, is loaded a second time in each block: its ghost shows what chance does. The kernel's ceiling is a trial a
block. What is planned next can depend on what came before, so plans are made while the trials are.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.kinds import Search, Workload
from harness.league.comparisons import Entry, compare, scores, undecided
from harness.league.inference import fewest_blocks
from harness.league.profiles import Profile
from harness.league.valid_trials import limited_by_generator, searches, valid_trials
from harness.model import Implementation, Spec, TrialPlan, TrialResult

RANKED, RANKED_BY = "flood", "deliveries_per_s"  # the workload, and its figure, that ranks depend on
BASELINE = "ceiling"  # the workload that only the null server meets


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a run is made of.

    Attributes:
        implementations: the servers that are measured.
        ghosts: for each spec, the name of the server that has one.
        ceilings: the null server, for each spec for which it can be had.
        seed: of the order.
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

    A profile with too few blocks to tell anybody apart has none.
    """
    if profile.blocks < fewest_blocks():
        return {}
    ordered = sorted(implementations, key=lambda one: (one.name != name, one.category != "idiomatic"))
    return {one.spec: one.name for one in reversed(ordered)}


def planned(design: Design, done: Sequence[TrialResult], *, ranked_first: bool = False) -> Iterator[TrialPlan]:
    """Yield the trials of a run in their order, those that are made already too.

    Args:
        done: the results so far; whoever makes the trials adds to it.
        ranked_first: all blocks of the load that ranks follow from before any of another, then what stands in the
            same table, then what is told beside it.
    """
    every = list(design.workloads.values())
    ranked = [one for one in every if one.name == RANKED]
    beside = [one for one in every if one.tells]
    others = [one for one in every if one not in ranked and one not in beside]
    for workloads in (ranked, others, beside) if ranked_first else (every,):
        yield from _blocks(design, workloads, done)


def _blocks(design: Design, workloads: Sequence[Workload], done: Sequence[TrialResult]) -> Iterator[TrialPlan]:
    entries = [(one, False) for one in design.implementations]
    entries += [(one, True) for one in design.implementations if design.controls.get(one.spec) == one.name]
    for block in range(design.profile.blocks):
        order = _shuffled(entries, block, design.seed)
        for workload in workloads:
            parameters = workload.profiles.get(design.profile.name)
            if parameters is None or block >= parameters.get("blocks", design.profile.blocks):
                continue
            who = _suited(design, workload, order)
            if searches(workload):
                yield from _rounds(block, workload, parameters, [one for one, _ in who], done)
            else:
                yield from (_plan(block, one, workload, parameters, is_control=ghost) for one, ghost in who)


def added(design: Design, done: Sequence[TrialResult], is_over: Callable[[], bool]) -> Iterator[TrialPlan]:
    """Yield the trials of blocks beyond the planned ones, for neighbours in the ranking that are not told apart yet.

    Which these are is asked after the planned blocks, and whenever there are twice as many (see
    `harness.league.comparisons`): asking more often would be to wait for chance.

    Args:
        is_over: asked before each block.
    """
    workload = design.workloads[RANKED]
    look = design.profile.blocks
    for block in itertools.count(look):
        if block == look:
            entries = [(one, False) for one in _undecided(design, [one for one in done if one.plan.block < look])]
            look *= 2
        if is_over() or not entries:
            return
        for one, _ in _shuffled(entries, block, design.seed):
            yield _plan(block, one, workload, workload.profiles[design.profile.name])


def _undecided(design: Design, done: Sequence[TrialResult]) -> list[Implementation]:
    found: list[Implementation] = []
    for spec in dict.fromkeys(one.spec for one in design.implementations):
        mine = [one for one in valid_trials(done) if (one.plan.spec, one.plan.workload) == (spec, RANKED)]
        out = {one.plan.implementation for one in done if one.plan.spec == spec and one.did_not_finish}
        servers = [one for one in design.implementations if one.spec == spec and one.name not in out]
        entries = [Entry(one.name) for one in servers]
        slowed = {one.plan.implementation for one in mine if limited_by_generator(one)}
        limited = np.array([entry.name in slowed for entry in entries], np.bool_)
        made = scores(mine, entries, RANKED, RANKED_BY)
        stand = compare(made, entries, planned=design.profile.blocks, seed=design.seed, limited=limited)
        found += [servers[place] for place in sorted(undecided(stand, limited))]
    return found


def _shuffled(
    entries: Sequence[tuple[Implementation, bool]], block: int, seed: int
) -> list[tuple[Implementation, bool]]:
    """Return the order of a block: random for an even one, the other way round for the next."""
    order = list(entries)
    random.Random(f"{seed} {block // 2}").shuffle(order)
    return order[::-1] if block % 2 else order


def _suited(
    design: Design, workload: Workload, order: Sequence[tuple[Implementation, bool]]
) -> list[tuple[Implementation, bool]]:
    if workload.name == BASELINE:
        order = [(one, False) for one in design.baselines]
    suited = [(one, ghost) for one, ghost in order if workload.suits(design.specs[one.spec].codec)]
    return [(one, ghost) for one, ghost in suited if not ghost or workload.name == RANKED]


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
    search: Search,
    parameters: Mapping[str, float],
    servers: Sequence[Implementation],
    done: Sequence[TrialResult],
) -> Iterator[TrialPlan]:
    """Yield every server's first step, then every server's second, until all have found or cannot go on."""
    searching = list(servers)
    for probe in itertools.count():
        for one in list(searching):
            steps = sorted(_steps(block, one, search, done), key=lambda step: step.plan.probe)[:probe]
            asked = None
            if len(steps) == probe and not any(step.did_not_finish for step in steps):
                asked = search.next_probe(parameters, steps)
            if asked is None:
                searching.remove(one)
            else:
                yield _plan(block, one, search, asked, probe=probe)
        if not searching:
            return


def _steps(block: int, one: Implementation, search: Search, done: Sequence[TrialResult]) -> list[TrialResult]:
    where = (block, one.spec, one.name, search.name)
    plans = ((each, each.plan) for each in done if not each.disturbed)
    return [each for each, plan in plans if (plan.block, plan.spec, plan.implementation, plan.workload) == where]
