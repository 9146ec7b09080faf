"""Runs of which the truth is known, as they stand on disk, for tests of the league."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from harness import results
from harness.model import Implementation, Machine, Run, RunInfo, TrialPlan, TrialResult

MACHINE = Machine(processor="abacus", cores=2, memory_gib=1, kernel="Linux 6", python="CPython 3.11", packages={})
FLOOD = {"clients": 100.0, "window": 1024.0}


def server(name: str, spec: str = "broadcast", category: str = "idiomatic") -> Implementation:
    """Return a server that nobody will start."""
    return Implementation(name=name, spec=spec, category=category, run=("none",))


def trial(
    name: str,
    block: int = 0,
    *,
    workload: str = "flood",
    ghost: bool = False,
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
        is_control=ghost,
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
    ghost: str = "",
    classes: Mapping[str, str] | None = None,
    more: Mapping[str, Mapping[str, float]] | None = None,
    name: str = "made-up",
) -> Run:
    """Return a run of servers whose deliveries a second are known but for the noise, a share of them.

    Args:
        ghost: the server that has one.
        classes: server → class, where it is not idiomatic.
        more: server → figures that every trial of it tells beside.
    """
    chance = np.random.default_rng(seed)
    entries = [*((one, False) for one in levels), *([(ghost, True)] if ghost else [])]
    trials = [
        trial(
            one,
            block,
            ghost=is_ghost,
            figures={"deliveries_per_s": levels[one] * math.exp(noise * chance.normal()), **(more or {}).get(one, {})},
        )
        for block in range(blocks)
        for one, is_ghost in entries
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
        implementations=tuple(server(one, category=(classes or {}).get(one, "idiomatic")) for one in levels),
        unavailable={},
        code_lines={},
        toolchains={},
    )
    return Run(info, [], trials)


def kept(run: Run, name: str, **changed: object) -> Path:
    """Write a run to results/ of the current folder, under another id and with what else has changed."""
    store = results.create(msgspec.structs.replace(run.info, id=name, **changed))
    for one in run.trials:
        store.add_trial(one)
    return store.path
