"""Simulated runs whose true levels are known, for tests of the league."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from harness import results
from harness.model import Implementation, Machine, Run, RunInfo, TrialPlan, TrialResult

MACHINE = Machine(processor="abacus", cores=2, memory_gib=1, kernel="Linux 6", python="CPython 3.11", packages={})
FLOOD = {"clients": 100.0, "in_flight": 1024.0}


def server(name: str, spec: str = "broadcast", category: str = "idiomatic") -> Implementation:
    """Return a server that is never started."""
    return Implementation(name=name, spec=spec, category=category, run=("none",))


def trial(
    name: str,
    block: int = 0,
    *,
    workload: str = "flood",
    is_control: bool = False,
    probe: int = 0,
    disturbed: str = "",
    did_not_finish: str = "",
    figures: Mapping[str, float] | None = None,
) -> TrialResult:
    """Return the result of a trial that was never made."""
    plan = TrialPlan(
        block=block,
        implementation=name,
        spec="broadcast",
        workload=workload,
        parameters=dict(FLOOD),
        is_control=is_control,
        probe=probe,
    )
    return TrialResult(
        plan=plan,
        started="",
        seconds=1,
        figures=dict(figures or {}),
        disturbed=disturbed,
        did_not_finish=did_not_finish,
    )


def run_of(
    levels: Mapping[str, float],
    *,
    blocks: int = 8,
    noise: float = 0.01,
    seed: int = 1,
    control: str = "",
    classes: Mapping[str, str] | None = None,
    more: Mapping[str, Mapping[str, float]] | None = None,
    name: str = "simulated",
) -> Run:
    """Return a run of servers with known deliveries a second, under noise.

    Args:
        levels: server → its true deliveries a second.
        blocks: how many blocks the run has.
        noise: the standard deviation of the logarithm of a figure.
        seed: the seed of the noise.
        control: the server that has an A/A control, or "".
        classes: server → class, where it is not idiomatic.
        more: server → other figures of each of its trials.
        name: the id of the run.
    """
    chance = np.random.default_rng(seed)
    entries = [*((server_name, False) for server_name in levels), *([(control, True)] if control else [])]
    trials = [
        trial(
            server_name,
            block,
            is_control=is_control,
            figures={
                "deliveries_per_s": levels[server_name] * math.exp(noise * chance.normal()),
                **(more or {}).get(server_name, {}),
            },
        )
        for block in range(blocks)
        for server_name, is_control in entries
    ]
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
    return Run(info, [], trials)


def write_run(run: Run, name: str, **changed: object) -> Path:
    """Write a run to results/ in the current folder, under another id and with these fields changed."""
    store = results.create(msgspec.structs.replace(run.info, id=name, **changed))
    for result in run.trials:
        store.add_trial(result)
    return store.path
