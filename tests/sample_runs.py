"""Sample runs with known figures, for tests of curves and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.blocks import BlockResult, Entry, SliceResult
from harness.league.profiles import SLICES
from harness.load import latency
from harness.machines import Machine
from harness.model import Implementation, Run, RunInfo, TrialPlan, TrialResult
from harness.records import to_json
from harness.results import BLOCKS, CASES, INFO, TRIALS
from tests.simulated_runs import THROUGHPUTS, slice_of

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
    probe: int = 0,
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
            probe=probe,
        ),
        started="",
        seconds=0,
        figures=figures,
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


def paced_slice(entry: int, latencies_ns: NDArray[np.int64], *, wait_share: float = 0.0) -> SliceResult:
    """Return a slice at a fixed rate with these latencies, in which the load waited for a processor that long."""
    figures = {"sent": float(len(latencies_ns)), "missing": 0.0, "generator_wait_share": wait_share}
    return slice_of(entry, "paced", figures, histogram=latency.encode(latency.histogram_of(latencies_ns)))


def block_of(
    entries: Sequence[Entry],
    slices: Sequence[SliceResult],
    *,
    spec: str = "chatter",
    number: int = 0,
    failed: Mapping[str, str] | None = None,
) -> BlockResult:
    """Return the result of a block that was never made."""
    return BlockResult(
        number=number,
        spec=spec,
        entries=tuple(entries),
        slices=tuple(slices),
        failed=dict(failed or {}),
        seconds=1,
        clients=100,
        plan=SLICES,
    )


def timed(server: str, latencies_ns: NDArray[np.int64], **more: Any) -> BlockResult:
    """Return a block of one server with one slice at a fixed rate."""
    return block_of([Entry(server)], [paced_slice(0, latencies_ns)], **more)


def run_of(*made: TrialResult | BlockResult) -> Run:
    """Return the run of these trials and blocks."""
    trials = [result for result in made if isinstance(result, TrialResult)]
    blocks = [result for result in made if isinstance(result, BlockResult)]
    servers = {(result.plan.spec, result.plan.implementation) for result in trials}
    servers |= {(result.spec, entry.name) for result in blocks for entry in result.entries}
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
    return Run(info, [], trials, blocks)


def zoo(specs: tuple[str, ...] = ("chatter",), blocks: int = 3) -> Run:
    """Return a run of eight servers: blocks of slices, floods of 10 to 1000 clients, and a search by rate."""
    chance = np.random.default_rng(1)
    made: list[TrialResult | BlockResult] = []
    for spec in specs:
        slices: dict[int, list[SliceResult]] = {number: [] for number in range(blocks)}
        for place, (server, capacity) in enumerate(CAPACITY_PER_S.items()):
            for number in range(blocks):
                noise = float(chance.normal(1, 0.04))
                usual = chance.lognormal(np.log(2e5 * (1 + place / 3)), 0.5, 2500)
                usual[chance.random(2500) < 0.004 * (place + 1)] *= 8
                slices[number] += [
                    *(slice_of(place, kind, {"deliveries_per_s": capacity * noise}) for kind in THROUGHPUTS),
                    slice_of(place, "idle", {"rss_idle_bytes": 2e7 * (1 + place)}),
                    paced_slice(place, usual.astype(np.int64)),
                ]
                made += [
                    flooded(server, clients, capacity * noise * share, spec=spec, block=number, load_share=load)
                    for clients, share in ((10, 0.35 + place / 40), (100, 1.0), (1000, 0.95 - place / 12))
                    for load in [0.97 if capacity * share > 50e6 else 0.5]
                ]
            rates = [capacity / 100 * 2.0**step for step in (-4, -3.2, -2.4, -1.6, -0.8, 0, 0.7, 1.5)]
            made += [
                offered(server, rate, max(0.0, 1 - capacity / 100 / rate), spec=spec, probe=probe)
                for probe, rate in enumerate(rates)
            ]
        entries = [Entry(server) for server in CAPACITY_PER_S]
        made += [block_of(entries, slices[number], spec=spec, number=number) for number in range(blocks)]
    return run_of(*made)


def write_as_latest(run: Run, folder: Path) -> None:
    """Write a run into a folder as the latest one."""
    path = folder / "results" / "latest"
    path.mkdir(parents=True)
    (path / INFO).write_bytes(to_json(run.info))
    for name, records in ((CASES, run.cases), (TRIALS, run.trials), (BLOCKS, run.blocks)):
        (path / name).write_bytes(b"".join(to_json(record) + b"\n" for record in records))
