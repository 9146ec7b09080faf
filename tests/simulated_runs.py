"""Simulated runs whose true levels are known, for tests of the league."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from harness import results
from harness.blocks import BlockResult, Entry, Role, SliceResult
from harness.league.profiles import SLICES
from harness.machines import Machine
from harness.model import Implementation, Run, RunInfo, TrialPlan, TrialResult

MACHINE = Machine(processor="abacus", cores=2, memory_gib=1, kernel="Linux 6", python="CPython 3.11", packages={})
THROUGHPUTS = ("few", "all", "single")
FLOOD = {"clients": 100.0, "in_flight": 1024.0}


def server(name: str, spec: str = "broadcast", category: str = "idiomatic") -> Implementation:
    """Return a server that is never started."""
    return Implementation(name=name, spec=spec, category=category, run=("none",))


def trial(
    name: str,
    block: int = 0,
    *,
    workload: str = "flood",
    probe: int = 0,
    disturbed: str = "",
    did_not_finish: str = "",
    figures: Mapping[str, float] | None = None,
) -> TrialResult:
    """Return the result of a trial that was never made."""
    plan = TrialPlan(
        block=block, implementation=name, spec="broadcast", workload=workload, parameters=dict(FLOOD), probe=probe
    )
    return TrialResult(
        plan=plan,
        started="",
        seconds=1,
        figures=dict(figures or {}),
        disturbed=disturbed,
        did_not_finish=did_not_finish,
    )


def slice_of(
    entry: int, kind: str, figures: Mapping[str, float], *, place: int = 0, histogram: str = ""
) -> SliceResult:
    """Return the result of a slice that was never made.

    Args:
        entry: the number of the entry.
        kind: of the slice.
        figures: of the slice.
        place: the number of the round.
        histogram: of its latencies.
    """
    return SliceResult(round=place, entry=entry, kind=kind, at_s=0, figures=dict(figures), histogram=histogram)


def block_of(
    names: Sequence[str | Entry],
    slices: Sequence[SliceResult],
    *,
    number: int = 0,
    failed: Mapping[str, str] | None = None,
) -> BlockResult:
    """Return the result of a block that was never made."""
    return BlockResult(
        number=number,
        spec="broadcast",
        entries=tuple(Entry(name) if isinstance(name, str) else name for name in names),
        slices=tuple(slices),
        failed=dict(failed or {}),
        seconds=1,
        clients=100,
        plan=SLICES,
    )


def run_of(
    levels: Mapping[str, float],
    *,
    blocks: int = 8,
    noise: float = 0.01,
    seed: int = 1,
    control: str = "",
    classes: Mapping[str, str] | None = None,
    more: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    name: str = "simulated",
) -> Run:
    """Return a run of servers with known deliveries a second, under noise.

    Args:
        levels: server → its true deliveries a second, in each of the three throughputs.
        blocks: how many blocks the run has.
        noise: the standard deviation of the logarithm of a figure.
        seed: the seed of the noise.
        control: the server that has an A/A control, or "".
        classes: server → class, where it is not idiomatic.
        more: server → kind of slice → other figures of each of its slices.
        name: the id of the run.
    """
    chance = np.random.default_rng(seed)
    entries = [*map(Entry, levels), *([Entry(control, Role.CONTROL)] if control else [])]
    made = []
    for number in range(blocks):
        slices = []
        for place, entry in enumerate(entries):
            others = (more or {}).get(entry.name, {})
            for kind in THROUGHPUTS:
                rate = levels[entry.name] * math.exp(noise * chance.normal())
                slices.append(slice_of(place, kind, {"deliveries_per_s": rate, **others.get(kind, {})}))
            slices += [slice_of(place, kind, others[kind]) for kind in others if kind not in THROUGHPUTS]
        made.append(block_of(entries, slices, number=number))
    info = RunInfo(
        id=name,
        started="2026-11-25T00:00:00+00:00",
        command="harness bench",
        version="1",
        commit="",
        machine=MACHINE,
        profile="quick",
        seed=seed,
        implementations=tuple(server(each, category=(classes or {}).get(each, "idiomatic")) for each in levels),
        unavailable={},
        code_lines={},
        toolchains={},
    )
    return Run(info, cases=[], blocks=made)


def write_run(run: Run, name: str, **changed: object) -> Path:
    """Write a run to results/ in the current folder, under another id and with these fields changed."""
    store = results.create(msgspec.structs.replace(run.info, id=name, **changed))
    for result in run.trials:
        store.add_trial(result)
    for block in run.blocks:
        store.add_block(block)
    return store.path
