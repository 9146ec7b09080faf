"""Sample runs with known figures, for tests of curves and reports."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.load import latency
from harness.model import Implementation, Machine, Run, RunInfo, TrialPlan, TrialResult

SENDERS, BODY_BYTES, IN_FLIGHT = 4, 32, 1024
# Deliveries a second of each server, from the fastest to the slowest; a real zoo has about the same range.
CAPACITY_PER_S = {
    "c_epoll": 80e6,
    "rust": 61e6,
    "asyncio": 55e6,
    "go": 44e6,
    "twisted": 29e6,
    "anyio": 28e6,
    "executor": 26e6,
    "threads": 21e6,
}
LOAD = {"senders": SENDERS, "body_bytes": BODY_BYTES, "warm_up_s": 1, "seconds": 5}


def trial(
    server: str,
    workload: str,
    parameters: dict[str, float],
    figures: dict[str, float],
    *,
    spec: str = "chatter",
    block: int = 0,
    is_control: bool = False,
    probe: int = 0,
    latencies_ns: NDArray[np.int64] | None = None,
    did_not_finish: str = "",
    disturbed: str = "",
) -> TrialResult:
    """Return the result of a trial that was never made."""
    return TrialResult(
        plan=TrialPlan(
            block=block,
            implementation=server,
            spec=spec,
            workload=workload,
            parameters=parameters,
            is_control=is_control,
            probe=probe,
        ),
        started="",
        seconds=0,
        figures=figures,
        histogram="" if latencies_ns is None else latency.encode(latency.histogram_of(latencies_ns)),
        did_not_finish=did_not_finish,
        disturbed=disturbed,
    )


def flooded(server: str, clients: int, per_s: float, *, load_share: float = 0.5, **more: Any) -> TrialResult:
    """Return a trial of a flood."""
    figures: dict[str, float] = {
        "deliveries_per_s": per_s,
        "clients": clients,
        "in_flight": IN_FLIGHT,
        "generator_cpu_share": load_share,
    }
    return trial(server, f"flood_{clients}", {"clients": clients, "in_flight": IN_FLIGHT, **LOAD}, figures, **more)


def offered(server: str, per_s: float, dropped: float, **more: Any) -> TrialResult:
    """Return a trial at a fixed rate, a step of a search."""
    figures = {"offered_per_s": per_s, "dropped_share": dropped, "clients": 100, "latency_p99_ns": 1e6, "sent_share": 1}
    parameters: dict[str, float] = {"clients": 100, "rate_per_s": per_s, "p99_at_most_s": 0.05, **LOAD}
    return trial(server, "capacity", parameters, figures, **more)


def timed(server: str, latencies_ns: NDArray[np.int64], **more: Any) -> TrialResult:
    """Return a trial at a fixed rate with these latencies."""
    parameters: dict[str, float] = {"clients": 100, "rate_per_s": 500, **LOAD}
    return trial(server, "paced", parameters, {"clients": 100}, latencies_ns=latencies_ns, **more)


def run_of(*trials: TrialResult) -> Run:
    """Return the run of these trials."""
    servers = dict.fromkeys((result.plan.spec, result.plan.implementation) for result in trials)
    machine = Machine(processor="none", cores=2, memory_gib=4, kernel="none", python="none", packages={})
    info = RunInfo(
        id="sample",
        started="2026-01-01T00:00:00+00:00",
        command="harness run",
        version="0",
        commit="",
        machine=machine,
        profile="full",
        seed=0,
        implementations=tuple(Implementation(name=name, spec=spec) for spec, name in sorted(servers)),
        unavailable={},
        code_lines={},
        toolchains={},
    )
    return Run(info, [], trials)


def zoo(specs: tuple[str, ...] = ("chatter",), blocks: int = 3) -> Run:
    """Return a run of eight servers: latencies, floods of 10 to 1000 clients, and a search by rate."""
    chance = np.random.default_rng(1)
    trials: list[TrialResult] = []
    for spec in specs:
        for place, (server, capacity) in enumerate(CAPACITY_PER_S.items()):
            for block in range(blocks):
                noise = float(chance.normal(1, 0.04))
                usual = chance.lognormal(np.log(2e5 * (1 + place / 3)), 0.5, 2500)
                usual[chance.random(2500) < 0.004 * (place + 1)] *= 8
                trials.append(timed(server, usual.astype(np.int64), spec=spec, block=block))
                trials += [
                    flooded(server, clients, capacity * noise * share, spec=spec, block=block, load_share=load)
                    for clients, share in ((10, 0.35 + place / 40), (100, 1.0), (1000, 0.95 - place / 12))
                    for load in [0.97 if capacity * share > 50e6 else 0.5]
                ]
            rates = [capacity / 100 * 2.0**step for step in (-4, -3.2, -2.4, -1.6, -0.8, 0, 0.7, 1.5)]
            trials += [
                offered(server, rate, max(0.0, 1 - capacity / 100 / rate), spec=spec, probe=probe)
                for probe, rate in enumerate(rates)
            ]
    return run_of(*trials)
