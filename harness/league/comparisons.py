"""How servers stand to each other in one figure, after the planned blocks and after those that were added.

Blocks can be added to a run (`--for`) for neighbours that are not told apart yet, which is looking more than once:
after the planned blocks, when there are twice as many, four times, and at the end. Each look may spend half of the
error that is left, so that all of them together keep to it, and what a look has told stays told. A run without added
blocks has one look, with all of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.league.inference import ERROR, Floats, Truths, differences, rank_intervals
from harness.model import TrialResult

EQUIVALENCE_MARGIN = math.log(1.03)  # two servers whose whole interval is within it are as good as equal


@dataclass(frozen=True)
class Entry:
    """Who stands in the league: a server, or the ghost of one."""

    name: str
    is_control: bool = False


@dataclass(frozen=True)
class Comparisons:
    """How some entries stand to each other; rows and columns of the matrices are the entries.

    Attributes:
        mean: [i, j] is the mean of ln(i) - ln(j) over the blocks that both have; NaN without one.
        low, high: its simultaneous interval, NaN where there are too few blocks.
        better: [i, j] is whether i is told to be better than j.
        error: of the last look.
    """

    entries: Sequence[Entry]
    mean: Floats
    low: Floats
    high: Floats
    better: Truths
    error: float

    def index(self, entry: Entry) -> int:
        """Return the number of an entry."""
        return self.entries.index(entry)

    def are_equivalent(self, i: int, j: int) -> bool:
        """Return whether the interval of two lies within 3 %, which is as good as equal."""
        return bool(max(abs(self.low[i, j]), abs(self.high[i, j])) <= EQUIVALENCE_MARGIN)

    def order(self, among: Sequence[int]) -> list[int]:
        """Return entries from the best to the worst: by their ranks, and within these by their means."""
        ranks = dict(zip(among, rank_intervals(self.better, among), strict=True))
        level = {one: float(np.nan_to_num(self.mean[one, among]).mean()) for one in among}
        return sorted(among, key=lambda one: (sum(ranks[one]), -level[one]))


def scores(trials: Sequence[TrialResult], entries: Sequence[Entry], workload: str, figure: str) -> Floats:
    """Return the logarithm of a figure, blocks × entries; NaN where there is no such trial or it is not positive."""
    places = {entry: place for place, entry in enumerate(entries)}
    found = [
        (one.plan.block, place, one.figures[figure])
        for one in trials
        if one.plan.workload == workload and one.figures.get(figure, 0) > 0
        if (place := places.get(Entry(one.plan.implementation, one.plan.is_control))) is not None
    ]
    made = np.full((max((block for block, _, _ in found), default=-1) + 1, len(entries)), np.nan)
    for block, place, value in found:
        made[block, place] = math.log(value)
    return made


def looks(planned: int, blocks: int) -> list[tuple[int, float]]:
    """Return after how many blocks a run is looked at, and the error of each look."""
    if blocks <= planned:
        return [(blocks, ERROR)]
    ends = [planned]
    while ends[-1] * 2 < blocks:
        ends.append(ends[-1] * 2)
    return [(end, ERROR / 2**look) for look, end in enumerate([*ends, blocks], 1)]


def compare(values: Floats, entries: Sequence[Entry], *, planned: int, seed: int, limited: Truths) -> Comparisons:
    """Return how entries stand to each other.

    Args:
        of: scores, blocks × entries, a higher one is better.
        planned: how many blocks were planned; what is beyond was added.
        limited: which entries the load generator limited. They can do more, so nobody is better than they.
    """
    count = len(entries)
    first, second = np.triu_indices(count, 1)
    better = np.zeros((count, count), np.bool_)
    pairs, error = differences(np.empty((0, len(first)))), ERROR
    for blocks, error in looks(planned, len(values)):
        pairs = differences(values[:blocks, first] - values[:blocks, second], error=error, seed=seed)
        up, down = pairs.significant & (pairs.mean > 0), pairs.significant & (pairs.mean < 0)
        told = np.zeros_like(better)
        told[first[up], second[up]] = told[second[down], first[down]] = True
        better |= told & ~better.T
    mean, low, high = (np.full((count, count), np.nan) for _ in range(3))
    mean[first, second], mean[second, first] = pairs.mean, -pairs.mean
    low[first, second], low[second, first] = pairs.low, -pairs.high
    high[first, second], high[second, first] = pairs.high, -pairs.low
    return Comparisons(entries, mean, low, high, better & ~limited[None, :], error)


def undecided(comparisons: Comparisons, limited: Truths) -> set[int]:
    """Return the entries that more blocks could tell from a neighbour, ghosts left out."""
    order = comparisons.order([place for place, entry in enumerate(comparisons.entries) if not entry.is_control])
    found: set[int] = set()
    for i, j in pairwise(order):
        slower = j if not comparisons.mean[i, j] < 0 else i
        if not (
            comparisons.better[i, j] or comparisons.better[j, i] or comparisons.are_equivalent(i, j) or limited[slower]
        ):
            found |= {i, j}
    return found
