"""Pairwise comparisons of servers by one score, looked at more than once while blocks are added.

A run goes on for servers whose neighbours in the ranking do not differ significantly yet. That means looking at the
results more than once: after LOOK blocks, twice as many, four times as many, and at the end. The first look may spend a
quarter of the error, each further one half as much as the one before, and the last one all that is left; so all looks
together keep the error, the last one has most of it, and a difference found at one look stands, unless the mean of all
blocks has the opposite sign. (A runtime that compiles while it runs is slower in the short blocks of the first pass.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.blocks import Entry, Role
from harness.league.inference import ERROR, Floats, Truths, differences

EQUIVALENCE_MARGIN = math.log(1.03)  # servers whose whole interval lies within it are equivalent
LOOK = 8  # blocks before the first look: 2^7 patterns of signs, which 1.25 % need
FIRST_SHARE = 0.25  # of the error, for the first look


@dataclass(frozen=True)
class Comparisons:
    """Comparisons of all pairs of entries. The matrices are entries × entries, in the order of `entries`.

    Attributes:
        entries: the servers and controls.
        mean: [i, j] is the mean of the score of i minus that of j over the blocks that have both; NaN without such a
            block.
        low: [i, j] is the lower end of its simultaneous interval; NaN where there are too few blocks.
        high: the upper ends.
        better: [i, j] is whether i is significantly better than j.
    """

    entries: Sequence[Entry]
    mean: Floats
    low: Floats
    high: Floats
    better: Truths

    def index(self, entry: Entry) -> int:
        """Return the row and column of an entry."""
        return self.entries.index(entry)

    def differ(self, i: int, j: int) -> bool:
        """Return whether two entries differ significantly."""
        return bool(self.better[i, j] or self.better[j, i])

    def are_equivalent(self, i: int, j: int) -> bool:
        """Return whether the whole interval of two entries lies within 3 %."""
        return bool(max(abs(self.low[i, j]), abs(self.high[i, j])) <= EQUIVALENCE_MARGIN)

    @property
    def servers(self) -> list[int]:
        """The places of the entries that are no controls."""
        return [place for place, entry in enumerate(self.entries) if entry.role is Role.SERVER]

    def levels(self) -> Floats:
        """Return by how much each entry is better than the average of all, over the blocks that each pair has."""
        means = np.where(np.eye(len(self.entries), dtype=np.bool_), 0.0, self.mean)
        present = ~np.isnan(means)
        levels: Floats = np.nan_to_num(means).sum(axis=1) / np.maximum(1, present.sum(axis=1))
        return levels

    def order(self, among: Sequence[int]) -> list[int]:
        """Return these entries from the best to the worst."""
        levels = self.levels()
        return sorted(among, key=lambda entry: -levels[entry])

    def half_widths(self) -> Floats:
        """Return half the width of the interval of each pair of servers that has one."""
        places = self.servers
        part = (self.high - self.low)[np.ix_(places, places)] / 2
        widths = part[np.triu_indices(len(places), 1)]
        return widths[~np.isnan(widths)]


def is_look(blocks: int) -> bool:
    """Return whether the results are looked at after so many blocks, though there may be more: 8, 16, 32 and so on."""
    times, rest = divmod(blocks, LOOK)
    return times > 0 and not rest and times.bit_count() == 1


def looks(blocks: int, *, is_over: bool = True) -> list[tuple[int, float]]:
    """Return after how many blocks the results are looked at, and the error that each look spends.

    Args:
        blocks: how many there are.
        is_over: whether there will be no more; else the last look spends no more than it may.
    """
    ends, left = list[tuple[int, float]](), ERROR
    end, error = LOOK, ERROR * FIRST_SHARE
    while end < blocks:
        ends.append((end, error))
        left -= error
        end, error = 2 * end, error / 2
    return [*ends, (blocks, left if is_over else error)]


def compare(
    values: Floats, entries: Sequence[Entry], *, seed: int, weights: Floats | None = None, is_over: bool = True
) -> Comparisons:
    """Return the comparisons of all pairs of entries.

    Args:
        values: scores, blocks × entries; a higher score is better. Blocks in which none has a score do not count: only
            some blocks measure memory.
        entries: the servers and controls, one for each column.
        seed: the random seed of `differences`.
        weights: how much each block counts; by default all count alike.
        is_over: whether there will be no more blocks.
    """
    count = len(entries)
    first, second = np.triu_indices(count, 1)
    better = np.zeros((count, count), np.bool_)
    pairs = differences(np.empty((0, len(first))))
    counts = ~np.isnan(values).all(axis=1)
    weights = (np.ones(len(values)) if weights is None else weights)[counts, None]
    values = values[counts]
    for blocks, error in looks(len(values), is_over=is_over):
        pairs = differences(
            values[:blocks, first] - values[:blocks, second], weights=weights[:blocks], error=error, seed=seed
        )
        up, down = pairs.significant & (pairs.mean > 0), pairs.significant & (pairs.mean < 0)
        now_better = np.zeros_like(better)
        now_better[first[up], second[up]] = now_better[second[down], first[down]] = True
        better |= now_better & ~better.T
    mean, low, high = (np.full((count, count), np.nan) for _ in range(3))
    mean[first, second], mean[second, first] = pairs.mean, -pairs.mean
    better &= mean > 0
    low[first, second], low[second, first] = pairs.low, -pairs.high
    high[first, second], high[second, first] = pairs.high, -pairs.low
    return Comparisons(entries, mean, low, high, better)


def undecided(comparisons: Comparisons) -> set[int]:
    """Return the servers that more blocks could distinguish from a neighbour in the ranking."""
    open_pairs: set[int] = set()
    for i, j in pairwise(comparisons.order(comparisons.servers)):
        if not (comparisons.differ(i, j) or comparisons.are_equivalent(i, j)):
            open_pairs |= {i, j}
    return open_pairs


def tiers(comparisons: Comparisons, among: Sequence[int]) -> dict[int, str]:
    """Return the tier of each entry: "A" does not differ from the best, "B" not from the best of the rest, and so on.

    Args:
        comparisons: all pairs.
        among: the entries that are ranked among themselves.
    """
    rest, letters = comparisons.order(among), dict[int, str]()
    for number in range(len(among)):
        if not rest:
            break
        members = [entry for entry in rest if not comparisons.better[rest[0], entry]]
        letters |= dict.fromkeys(members, chr(ord("A") + number) if number < 26 else "Z")
        rest = [entry for entry in rest if entry not in letters]
    return letters
