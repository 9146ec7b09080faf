"""Compares two servers by loading them in turns, now: blocks of short slices until the time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.figures import BUILT_IN
from harness.league.compare_runs import Change
from harness.league.inference import differences, fewest_blocks
from harness.league.messages import BlockRequest, BlockResult, SliceResult
from harness.league.slice_scores import is_disturbed, log_percentile, mean_logarithm, scores
from harness.model import Implementation
from harness.processes.workers import PYTHON, open_worker
from harness.records import from_json, to_json

COMMAND = (*PYTHON, "harness.league.block")
SLICE_S = {"few": 0.03, "all": 0.03, "single": 0.03, "paced": 0.15}
ROUNDS = 10
BLOCK_LIMIT_S = 300.0
IDLE_CLIENTS = 1000


@dataclass(frozen=True)
class Measure:
    """What is compared: a figure of one kind of slice.

    Attributes:
        title: what it is, in words.
        kind: of the slices.
        figure: its name in `harness.figures`.
        score: returns its logarithm, from the slices of a server in a block.
    """

    title: str
    kind: str
    figure: str
    score: Callable[[Sequence[SliceResult]], float]


def _mean(title: str, kind: str, figure: str) -> Measure:
    return Measure(title, kind, figure, mean_logarithm(kind, figure))


MEASURES = (
    _mean("throughput, few senders", "few", "deliveries_per_s"),
    _mean("throughput, all send", "all", "deliveries_per_s"),
    _mean("throughput, one in flight", "single", "deliveries_per_s"),
    Measure("fixed rate", "paced", "latency_p50_ns", log_percentile("paced", 50)),
    Measure("fixed rate", "paced", "latency_p99_ns", log_percentile("paced", 99)),
    _mean("fixed rate", "paced", "server_cpu_ns_per_delivery"),
    _mean("1000 idle clients", "idle", "rss_idle_bytes"),
)


async def run_blocks(
    servers: tuple[Implementation, Implementation],
    seconds: float,
    *,
    seed: int,
    ended: Callable[[BlockResult], None],
    rounds: int = ROUNDS,
) -> list[BlockResult]:
    """Run blocks of two servers until the time is up, and at least as many as a comparison needs.

    Args:
        servers: the two.
        seconds: how long.
        seed: of the orders within the blocks.
        ended: called with each result.
        rounds: of a block.
    """
    until, blocks = time.monotonic() + seconds, list[BlockResult]()
    async with open_worker(COMMAND) as worker:
        while len(blocks) < fewest_blocks() or time.monotonic() < until:
            request = BlockRequest(
                number=len(blocks),
                implementations=servers,
                slice_s=SLICE_S,
                rounds=rounds,
                idle_clients=IDLE_CLIENTS,
                seed=seed,
            )
            result = from_json(await worker.request(to_json(request), BLOCK_LIMIT_S), BlockResult)
            blocks.append(result)
            ended(result)
            if result.failed:
                break
    return blocks


def changes(blocks: Sequence[BlockResult], names: tuple[str, str], spec: str, seed: int) -> list[Change]:
    """Return how the second server differs from the first, in each measure, with simultaneous intervals.

    Args:
        blocks: the results.
        names: of the two servers.
        spec: the spec that both serve.
        seed: of the sign patterns.
    """
    tables = [scores(blocks, 2, measure.score) for measure in MEASURES]
    values = np.column_stack([table[:, 1] - table[:, 0] for table in tables])
    result = differences(values, seed=seed, groups=np.arange(len(MEASURES)))
    return [
        Change(
            spec=spec,
            server=f"{names[0]} → {names[1]}",
            workload=measure.title,
            figure=BUILT_IN[measure.figure],
            first=math.exp(float(np.nanmedian(table[:, 0]))),
            second=math.exp(float(np.nanmedian(table[:, 1]))),
            blocks=int(result.blocks[column]),
            mean=float(result.mean[column]),
            low=float(result.low[column]),
            high=float(result.high[column]),
            is_significant=bool(result.significant[column]),
        )
        for column, (measure, table) in enumerate(zip(MEASURES, tables, strict=True))
        if not np.isnan(values[:, column]).all()
    ]


def disturbed_share(blocks: Sequence[BlockResult]) -> float:
    """Return the share of slices that were left out, because other processes disturbed them."""
    every = [result for block in blocks for result in block.slices]
    return sum(map(is_disturbed, every)) / max(1, len(every))
