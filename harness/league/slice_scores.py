"""Turns the slices of blocks into scores: one number per block and entry, whose differences are compared.

The unit is the block: its processes are fresh, and of its rounds the median counts, because now and then the machine
takes half of a slice away from any server. Slices during which another process took the load's processor, or a quota
stopped it, are left out one by one, unless most are; a block lacks the score of a server that failed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
from hdrh.histogram import HdrHistogram

from harness.blocks import BlockResult, Entry, SliceResult
from harness.league.inference import Floats
from harness.load import latency
from harness.load.accounting import GENERATOR_LIMIT

MAX_WAIT_SHARE = 0.1  # of a slice, in which the load waited for a processor that another process used
MAX_THROTTLED_SHARE = 0.1  # of a slice, in which a processor quota stopped server or load

Score = Callable[[Sequence[SliceResult]], float]


def is_disturbed(result: SliceResult) -> bool:
    """Return whether a slice is left out, because another process took the load's processor, or a quota stopped it."""
    figures = result.figures
    return (
        figures.get("generator_wait_share", 0.0) > MAX_WAIT_SHARE
        or figures.get("throttled_share", 0.0) > MAX_THROTTLED_SHARE
    )


def disturbed_share(blocks: Sequence[BlockResult]) -> float:
    """Return the share of slices that another process disturbed."""
    every = [result for block in blocks for result in block.slices]
    return sum(map(is_disturbed, every)) / max(1, len(every))


def scores(blocks: Sequence[BlockResult], entries: Sequence[Entry], score: Score) -> Floats:
    """Return the score of each entry in each block.

    Args:
        blocks: the results.
        entries: the servers and controls.
        score: returns the score of an entry from its slices in a block, NaN if there is none.

    Returns:
        An array, blocks × entries; NaN where a server is not in the block, failed, or has no slice of that kind.
    """
    table = np.full((len(blocks), len(entries)), np.nan)
    for row, block in enumerate(blocks):
        for column, entry in enumerate(entries):
            if own := block.slices_of(entry):
                table[row, column] = score(usable(own))
    return table


def usable(slices: Sequence[SliceResult]) -> list[SliceResult]:
    """Return the undisturbed slices; all of a kind, if most are disturbed: a busy machine is busy for every server."""
    chosen: list[SliceResult] = []
    for kind in dict.fromkeys(result.kind for result in slices):
        of_kind = [result for result in slices if result.kind == kind]
        undisturbed = [result for result in of_kind if not is_disturbed(result)]
        chosen += undisturbed if 2 * len(undisturbed) >= len(of_kind) else of_kind
    return chosen


def median_logarithm(kind: str, figure: str) -> Score:
    """Return a score: the median of the logarithm of a figure over the slices of a kind."""

    def score(slices: Sequence[SliceResult]) -> float:
        values = [result.figures.get(figure, 0.0) for result in slices if result.kind == kind]
        return statistics.median(map(math.log, values)) if values and min(values) > 0 else math.nan

    return score


def log_rate_per_cpu(kind: str) -> Score:
    """Return a score: the logarithm of the deliveries a second of the server's processor time."""
    cpu_ns = median_logarithm(kind, "server_cpu_ns_per_delivery")
    return lambda slices: math.log(1e9) - cpu_ns(slices)


def log_percentile(kind: str, percent: float) -> Score:
    """Return a score: the logarithm of a latency percentile, over all slices of a kind together."""

    def score(slices: Sequence[SliceResult]) -> float:
        timed = [result for result in slices if result.kind == kind and result.histogram]
        value_ns = latency.percentile_ns(merged_latencies(timed), percent) if timed else 0.0
        return math.log(value_ns) if value_ns > 0 else math.nan

    return score


def merged_latencies(timed: Sequence[SliceResult]) -> HdrHistogram:
    """Return the latencies of slices as one histogram; messages that never came count as later than any other."""
    merged = latency.merge(result.histogram for result in timed)
    if missing := missing_messages(timed):
        merged.record_value(latency.HIGHEST_NS, missing)
    return merged


def missing_messages(slices: Sequence[SliceResult]) -> int:
    """Return how many messages of slices on a schedule never came back."""
    return int(sum(result.figures.get("missing", 0.0) for result in slices))


def is_generator_limited(blocks: Sequence[BlockResult], entry: Entry, kind: str) -> bool:
    """Return whether the load was the limit of an entry: it was busy all the time, and the server was not.

    Args:
        blocks: the results.
        entry: the server.
        kind: of the slices.
    """
    own = [result.figures for block in blocks for result in usable(block.slices_of(entry)) if result.kind == kind]
    both = ("generator_cpu_share", "server_cpu_share")
    shares = [[each[name] for name in both] for each in own if each.keys() >= set(both)]
    if not shares:
        return False
    load, server = (statistics.median(values) for values in zip(*shares, strict=True))
    return bool(load >= GENERATOR_LIMIT and server < GENERATOR_LIMIT)
