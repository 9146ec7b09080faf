"""Turns the slices of blocks into scores: one number per block and server, whose differences are compared.

The unit is the block: its processes are fresh, and its rounds are averaged. Slices that something disturbed are left
out one by one, unless most are disturbed; a block lacks the score of a server that failed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from harness.league.inference import Floats
from harness.league.messages import BlockResult, SliceResult
from harness.load import latency

MAX_WAIT_SHARE = 0.1  # of a slice, in which the load waited for a processor that another process used


def is_disturbed(result: SliceResult) -> bool:
    """Return whether a slice is left out, because another process took the load's processor."""
    return result.figures.get("generator_wait_share", 0.0) > MAX_WAIT_SHARE


def scores(blocks: Sequence[BlockResult], entries: int, measure: Callable[[Sequence[SliceResult]], float]) -> Floats:
    """Return the score of each server in each block.

    Args:
        blocks: the results.
        entries: how many servers each block has.
        measure: returns the score of a server from its slices in a block, NaN if there is none.

    Returns:
        An array, blocks × servers; NaN where a server failed, or has no undisturbed slice.
    """
    table = np.full((len(blocks), entries), np.nan)
    for row, block in enumerate(blocks):
        for entry in range(entries):
            if str(entry) not in block.failed:
                table[row, entry] = measure(_usable([result for result in block.slices if result.entry == entry]))
    return table


def _usable(slices: Sequence[SliceResult]) -> Sequence[SliceResult]:
    """Return the undisturbed slices; all of a kind, if most are disturbed: a busy machine is busy for every server."""
    usable: list[SliceResult] = []
    for kind in dict.fromkeys(result.kind for result in slices):
        of_kind = [result for result in slices if result.kind == kind]
        undisturbed = [result for result in of_kind if not is_disturbed(result)]
        usable += undisturbed if 2 * len(undisturbed) >= len(of_kind) else of_kind
    return usable


def mean_logarithm(kind: str, figure: str) -> Callable[[Sequence[SliceResult]], float]:
    """Return a measure: the mean of the logarithm of a figure over the slices of a kind."""

    def measure(slices: Sequence[SliceResult]) -> float:
        values = [result.figures.get(figure, 0.0) for result in slices if result.kind == kind]
        return math.fsum(map(math.log, values)) / len(values) if values and min(values) > 0 else math.nan

    return measure


def log_percentile(kind: str, percent: float) -> Callable[[Sequence[SliceResult]], float]:
    """Return a measure: the logarithm of a latency percentile, over all slices of a kind together.

    A message that never came counts as later than any other.
    """

    def measure(slices: Sequence[SliceResult]) -> float:
        own = [result for result in slices if result.kind == kind and result.histogram]
        if not own:
            return math.nan
        merged = latency.merge(result.histogram for result in own)
        if missing := int(sum(result.figures.get("missing", 0.0) for result in own)):
            merged.record_value(latency.HIGHEST_NS, missing)
        value_ns = latency.percentile_ns(merged, percent)
        return math.log(value_ns) if value_ns > 0 else math.nan

    return measure
