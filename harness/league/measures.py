"""The six measures of the report card, each with ranks and tiers of its own, and their mixtures.

A measure is a figure of one kind of slice. Its score is a logarithm, so that a difference of two scores is a ratio, and
a higher score is better. The order of a league is that of a weighted mean of scores, by default of the three
throughputs: the geometric mean of the ratios, so that no server leads by one load alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.blocks import BlockResult, Entry, SlicePlan
from harness.errors import UsageError, nearest
from harness.figures import BUILT_IN, Better, Figure
from harness.league.inference import Floats
from harness.league.slice_scores import (
    Score,
    is_generator_limited,
    log_figure,
    log_percentile,
    log_rate_per_cpu,
    scores,
)

BY_SCORE = "score"  # what `--by` takes for the default order
THROUGHPUT = "deliveries_per_s"


@dataclass(frozen=True)
class Measure:
    """A figure of one kind of slice, by which servers are ranked.

    Attributes:
        name: what `--by` and `--weight` take.
        title: what it is, in words.
        kind: of the slices.
        figure: the figure.
        score: returns the logarithm of the figure for each entry of a block.
    """

    name: str
    title: str
    kind: str
    figure: Figure
    score: Score

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.figure.better is Better.MORE else -1

    @property
    def is_throughput(self) -> bool:
        """Whether it is the rate of a flood, which the load generator may limit."""
        return self.figure.name == THROUGHPUT

    def scores(self, blocks: Sequence[BlockResult], entries: Sequence[Entry], limited: frozenset[Entry]) -> Floats:
        """Return the score of each entry in each block, blocks × entries; NaN where there is none.

        Args:
            blocks: the results.
            entries: the servers and controls.
            limited: the entries that the load generator limited (see `limited_entries`). They count by deliveries per
                second of their processor time: what they would make if they could use all of their core.
        """
        values = self.sign * scores(blocks, entries, self.score)
        if limited:
            per_cpu = scores(blocks, entries, log_rate_per_cpu(self.kind))
            columns = [column for column, entry in enumerate(entries) if entry in limited]
            values[:, columns] = per_cpu[:, columns]
        return values

    def limited_entries(self, blocks: Sequence[BlockResult], entries: Sequence[Entry]) -> frozenset[Entry]:
        """Return the entries of which the load generator was the limit."""
        if not self.is_throughput:
            return frozenset()
        return frozenset(entry for entry in entries if is_generator_limited(blocks, entry, self.kind))


def _measure(name: str, title: str, kind: str, figure: str) -> Measure:
    return Measure(name, title, kind, BUILT_IN[figure], log_figure(kind, figure))


MEASURES = {
    measure.name: measure
    for measure in (
        _measure("few", "few senders", "few", THROUGHPUT),
        _measure("all", "all send", "all", THROUGHPUT),
        _measure("single", "one in flight", "single", THROUGHPUT),
        Measure("p99", "fixed rate", "paced", BUILT_IN["latency_p99_ns"], log_percentile("paced", 99)),
        _measure("cpu", "fixed rate", "paced", "server_cpu_ns_per_delivery"),
        _measure("memory", "idle clients", "idle", "rss_idle_bytes"),
    )
}
DEFAULT_WEIGHTS: Mapping[str, float] = {name: 1.0 for name, measure in MEASURES.items() if measure.is_throughput}


def floods(plans: Iterable[SlicePlan]) -> tuple[SlicePlan, ...]:
    """Return the kinds of slices by which a league is ordered, unless the user wants otherwise."""
    kinds = {MEASURES[name].kind for name in DEFAULT_WEIGHTS}
    return tuple(plan for plan in plans if plan.kind in kinds)


def weights_of(by: str, weights: Mapping[str, float]) -> Mapping[str, float]:
    """Return the weight of each measure in the order of a league.

    Args:
        by: the name of a measure, or BY_SCORE.
        weights: those that the user wants; empty for none.

    Raises:
        UsageError: there is no such measure, or both are given.
    """
    for name in [*weights, *([by] if by != BY_SCORE else [])]:
        if name not in MEASURES:
            hint = nearest(name, MEASURES) or f"; known: {', '.join(MEASURES)}"
            raise UsageError(f'there is no measure "{name}"{hint}')
    if weights:
        if by != BY_SCORE:
            raise UsageError("--by and --weight exclude each other")
        return weights
    return DEFAULT_WEIGHTS if by == BY_SCORE else {by: 1.0}


def mixture(values: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """Return the weighted mean of the scores in several measures; NaN where one is missing.

    Args:
        values: by measure, the scores, blocks × entries.
        weights: by measure, its weight.
    """
    total = math.fsum(weights.values())
    mean: Floats = np.sum([weight / total * values[name] for name, weight in weights.items()], axis=0)
    return mean
