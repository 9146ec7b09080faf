"""Turns the slices of blocks into scores: one number per block and entry, whose differences are compared.

The unit is the block, because its processes are fresh. A score is made of the rounds of a block in three steps:

- Slices during which another process took the load's processor, or a quota stopped it, are left out one by one, unless
  most are.
- The speed of the machine in each round is taken off. It is the median over all entries of how much they are above
  their own median in the block, so what a round has in common cancels, however many rounds an entry lacks.
- The Hodges-Lehmann estimator is taken over the rounds (Hodges and Lehmann 1963, "Estimates of Location Based on Rank
  Tests"): the median of the means of all pairs. A slice of which the machine took half away hardly moves it, and where
  there is no such slice it is nearly as good as the mean.

A block lacks the score of a server that failed. docs/benchmarks.md has what each step is worth.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from hdrh.histogram import HdrHistogram

from harness.blocks import BlockResult, Entry, SliceResult
from harness.league.inference import Floats
from harness.load import latency
from harness.load.accounting import GENERATOR_LIMIT

MAX_WAIT_SHARE = 0.1  # of a slice, in which the load waited for a processor that another process used
MAX_THROTTLED_SHARE = 0.1  # of a slice, in which a processor quota stopped server or load

# From a block to the score of each entry in it; entries without a score are missing.
Score = Callable[[BlockResult], Mapping[Entry, float]]


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
        score: returns the scores of a block.

    Returns:
        An array, blocks × entries; NaN where a server is not in the block, failed, or has no slice of that kind.
    """
    table = np.full((len(blocks), len(entries)), math.nan)
    for row, block in enumerate(blocks):
        own = score(block)
        table[row] = [own.get(entry, math.nan) for entry in entries]
    return table


def block_weights(blocks: Sequence[BlockResult]) -> Floats:
    """Return how much each block counts, by its rounds: most of the noise is that of slices, not that of blocks."""
    return np.array([max(1, block.rounds) for block in blocks], np.float64)


def usable(slices: Sequence[SliceResult]) -> list[SliceResult]:
    """Return the undisturbed slices; all of a kind, if most are disturbed: a busy machine is busy for every server."""
    chosen: list[SliceResult] = []
    for kind in dict.fromkeys(result.kind for result in slices):
        of_kind = [result for result in slices if result.kind == kind]
        undisturbed = [result for result in of_kind if not is_disturbed(result)]
        chosen += undisturbed if 2 * len(undisturbed) >= len(of_kind) else of_kind
    return chosen


def log_figure(kind: str, figure: str) -> Score:
    """Return a score: the logarithm of a figure over the slices of a kind, without the speed of the machine."""

    def score(block: BlockResult) -> Mapping[Entry, float]:
        by_round = {entry: _by_round(block, entry, kind, figure) for entry in block.entries}
        measured = [entry for entry, values in by_round.items() if values]
        if not measured:
            return {}
        rounds = sorted({number for values in by_round.values() for number in values})
        table = np.array([[by_round[entry].get(number, math.nan) for number in rounds] for entry in measured])
        return dict(zip(measured, map(float, levels_in_block(table)), strict=True))

    return score


def levels_in_block(table: Floats) -> Floats:
    """Return the level of each entry over the rounds of a block, without the speed of the machine in each round.

    Args:
        table: logarithms, entries × rounds; NaN where an entry lacks a round.
    """
    speed = np.nanmedian(table - np.nanmedian(table, axis=1, keepdims=True), axis=0)
    own = table - speed
    first, second = np.triu_indices(table.shape[1])
    level: Floats = np.nanmedian((own[:, first] + own[:, second]) / 2, axis=1)
    return level


def _by_round(block: BlockResult, entry: Entry, kind: str, figure: str) -> dict[int, float]:
    """Return the logarithms of a figure by round; none if one of them has no logarithm."""
    own = [result for result in usable(block.slices_of(entry)) if result.kind == kind]
    values = {result.round: result.figures.get(figure, 0.0) for result in own}
    return {number: math.log(value) for number, value in values.items()} if min(values.values(), default=0) > 0 else {}


def log_rate_per_cpu(kind: str) -> Score:
    """Return a score: the logarithm of the deliveries a second of the server's processor time."""
    cpu_ns = log_figure(kind, "server_cpu_ns_per_delivery")
    return lambda block: {entry: math.log(1e9) - value for entry, value in cpu_ns(block).items()}


def log_percentile(kind: str, percent: float) -> Score:
    """Return a score: the logarithm of a latency percentile, over all slices of a kind together."""

    def score(block: BlockResult) -> Mapping[Entry, float]:
        values = {}
        for entry in block.entries:
            own = usable(block.slices_of(entry))
            timed = [result for result in own if result.kind == kind and result.histogram]
            value_ns = latency.percentile_ns(merged_latencies(timed), percent) if timed else 0.0
            if value_ns > 0:
                values[entry] = math.log(value_ns)
        return values

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
