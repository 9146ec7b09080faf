"""Pairwise comparisons of servers by one figure, after the planned blocks and after those that were added.

Blocks can be added to a run (`--for`) for neighbours in the ranking that do not differ significantly yet. That means
looking at the results more than once: after the planned blocks, at twice as many, at four times as many, and at the
end. Each look may spend half of the error that is left, so that all looks together keep the error, and a difference
found at one look stands. A run without added blocks has one look, which spends all of the error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.league.inference import ERROR, Floats, Truths, differences, rank_intervals
from harness.model import TrialResult

EQUIVALENCE_MARGIN = math.log(1.03)  # servers whose whole interval lies within it are equivalent


@dataclass(frozen=True)
class Entry:
    """A server in the comparisons, or the A/A control of one: the same server under a second entry."""

    name: str
    is_control: bool = False


@dataclass(frozen=True)
class Comparisons:
    """Comparisons of all pairs of entries. The matrices are entries × entries, in the order of `entries`.

    Attributes:
        entries: the servers, and the control if there is one.
        mean: [i, j] is the mean of ln(i) - ln(j) over the blocks that have both; NaN without such a block.
        low: [i, j] is the lower end of its simultaneous interval; NaN where there are too few blocks.
        high: the upper ends.
        better: [i, j] is whether i is significantly better than j.
        error: the error that the last look spent.
    """

    entries: Sequence[Entry]
    mean: Floats
    low: Floats
    high: Floats
    better: Truths
    error: float

    def index(self, entry: Entry) -> int:
        """Return the row and column of an entry."""
        return self.entries.index(entry)

    def differ(self, i: int, j: int) -> bool:
        """Return whether two entries differ significantly."""
        return bool(self.better[i, j] or self.better[j, i])

    def are_equivalent(self, i: int, j: int) -> bool:
        """Return whether the whole interval of two entries lies within 3 %."""
        return bool(max(abs(self.low[i, j]), abs(self.high[i, j])) <= EQUIVALENCE_MARGIN)

    def order(self, among: Sequence[int]) -> list[int]:
        """Return these entries from the best to the worst: by rank interval, and within equal ones by mean."""
        ranks = dict(zip(among, rank_intervals(self.better, among), strict=True))
        level = {entry: float(np.nan_to_num(self.mean[entry, among]).mean()) for entry in among}
        return sorted(among, key=lambda entry: (sum(ranks[entry]), -level[entry]))


def scores(trials: Sequence[TrialResult], entries: Sequence[Entry], workload: str, figure: str) -> Floats:
    """Return the logarithms of a figure.

    Args:
        trials: the results; those of other workloads and of other servers are ignored.
        entries: the servers and controls.
        workload: the name of the workload.
        figure: the name of the figure.

    Returns:
        An array, blocks × entries; NaN where there is no such trial or its figure is not positive.
    """
    columns = {entry: column for column, entry in enumerate(entries)}
    values = [
        (trial.plan.block, column, trial.figures[figure])
        for trial in trials
        if trial.plan.workload == workload and trial.figures.get(figure, 0) > 0
        if (column := columns.get(Entry(trial.plan.implementation, trial.plan.is_control))) is not None
    ]
    logarithms = np.full((max((block for block, _, _ in values), default=-1) + 1, len(entries)), np.nan)
    for block, column, value in values:
        logarithms[block, column] = math.log(value)
    return logarithms


def looks(planned: int, blocks: int) -> list[tuple[int, float]]:
    """Return after how many blocks the results are looked at, and the error that each look spends."""
    if blocks <= planned:
        return [(blocks, ERROR)]
    ends = [planned]
    while ends[-1] * 2 < blocks:
        ends.append(ends[-1] * 2)
    return [(end, ERROR / 2**look) for look, end in enumerate([*ends, blocks], 1)]


def compare(values: Floats, entries: Sequence[Entry], *, planned: int, seed: int, limited: Truths) -> Comparisons:
    """Return the comparisons of all pairs of entries.

    Args:
        values: scores, blocks × entries; a higher score is better.
        entries: the servers and controls, one for each column.
        planned: how many blocks were planned; the others were added.
        seed: the random seed of `differences`.
        limited: for each entry, whether the load generator limited it. Such a server can do more than was measured, so
            no other one counts as better.
    """
    count = len(entries)
    first, second = np.triu_indices(count, 1)
    better = np.zeros((count, count), np.bool_)
    pairs, error = differences(np.empty((0, len(first)))), ERROR
    for blocks, error in looks(planned, len(values)):
        pairs = differences(values[:blocks, first] - values[:blocks, second], error=error, seed=seed)
        up, down = pairs.significant & (pairs.mean > 0), pairs.significant & (pairs.mean < 0)
        now_better = np.zeros_like(better)
        now_better[first[up], second[up]] = now_better[second[down], first[down]] = True
        better |= now_better & ~better.T
    mean, low, high = (np.full((count, count), np.nan) for _ in range(3))
    mean[first, second], mean[second, first] = pairs.mean, -pairs.mean
    low[first, second], low[second, first] = pairs.low, -pairs.high
    high[first, second], high[second, first] = pairs.high, -pairs.low
    return Comparisons(entries, mean, low, high, better & ~limited[None, :], error)


def undecided(comparisons: Comparisons, limited: Truths) -> set[int]:
    """Return the entries that more blocks could distinguish from a neighbour in the ranking, without controls.

    Args:
        comparisons: all pairs.
        limited: for each entry, whether the load generator limited it.
    """
    order = comparisons.order([place for place, entry in enumerate(comparisons.entries) if not entry.is_control])
    open_pairs: set[int] = set()
    for i, j in pairwise(order):
        slower = j if not comparisons.mean[i, j] < 0 else i
        if not (comparisons.differ(i, j) or comparisons.are_equivalent(i, j) or limited[slower]):
            open_pairs |= {i, j}
    return open_pairs
