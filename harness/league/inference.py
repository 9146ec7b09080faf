"""Which servers differ: paired differences within blocks, tests by sign flips, rank intervals.

A score is the logarithm of a figure, so that a difference is a ratio. What a block has in common (a slow minute of the
machine) cancels in d, the difference of two servers within it. For each comparison T = mean(d) / se; two servers differ
where |T| > c, and c is so large that the family-wise error is 5 %: in at most 5 % of leagues is any difference reported
between equal servers. c is the larger of two quantiles of max |T| over the comparisons, with the signs of whole blocks
flipped:

- d flipped about zero. Where the noise of two equal servers is as likely to be up as down, flipping changes nothing. So
  where all servers are equal, this quantile is exact for any number of blocks and tails of any weight; where others
  differ it is nearly so (the largest of all comparisons is no less than the largest of the equal ones). n blocks have
  2^(n-1) patterns of signs, so 5 % need six blocks. Comparisons that are significant are left out and the rest is
  tested again (Romano and Wolf 2005, "Exact and approximate stepdown methods for multiple hypothesis testing").
- d flipped about their means, as the wild bootstrap does: servers that differ much hardly count in the first quantile,
  and the intervals would be too narrow. With few blocks this quantile is too small: residuals are stretched by the root
  of n / (n - 1) for the mean that was taken from them, and the quantile by as much again, as simulations show.

se takes its variance from the comparison and from the median of all, as if the median were that of eight further blocks
(as in the moderated t of Smyth 2004, "Linear Models and Empirical Bayes Methods"): with six blocks the variance of one
comparison alone is so uncertain that c would nearly double, and with the median alone c would be that of the noisiest
comparison. The median is of the variances of |d|, which no flip changes; it is smaller than that of d for equal
servers, and c is larger accordingly. All patterns of signs are tried up to 12 blocks, 4999 random ones beyond.
`benchmarks/league_statistics.py` checks the error against simulated leagues.

Blocks may have weights, because some have more rounds. Each d counts by its weight in the mean, in se and in what is
flipped, and n / (n - 1) is that of the effective number of blocks, (sum of weights)² / sum of their squares (Kish 1965,
"Survey Sampling"). Weights do not depend on results, so flipping is as exact as with equal ones.

Rank intervals are those of Mogstad, Romano, Shaikh and Wilhelm (2024, "Inference for Ranks"): from one plus the number
of servers that are better, to the number of all minus the number of those that are worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ERROR = 0.05  # family-wise, over all comparisons of a league
ALL_PATTERNS = 12  # blocks; with more of them the patterns of signs are random ones
DRAWN = 4999  # random patterns
PATTERNS_AT_ONCE = 32
PRIOR_BLOCKS = 8  # how many blocks the median of all variances counts for in that of a comparison

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class Differences:
    """Simultaneous inference about several comparisons; each array has one element per comparison.

    Attributes:
        mean: the mean over the blocks; NaN where there is no block.
        low: the lower end of the simultaneous interval; NaN where there are too few blocks for one.
        high: its upper end.
        significant: whether it differs significantly from zero.
        blocks: how many blocks have it.
    """

    mean: Floats
    low: Floats
    high: Floats
    significant: Truths
    blocks: NDArray[np.int64]


def fewest_blocks(error: float = ERROR) -> int:
    """Return with how many blocks a difference can be significant at this error: 2^(1 - blocks) <= error."""
    return math.ceil(1 + math.log2(1 / error))


def differences(
    values: Floats,
    *,
    weights: Floats | None = None,
    error: float = ERROR,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> Differences:
    """Return which mean differences are significant, with simultaneous intervals.

    Args:
        values: differences of scores, blocks × comparisons; NaN where a block lacks one. The mean of a comparison is
            over the blocks that have it.
        weights: how much each block counts, blocks × comparisons or blocks × 1; by default all count alike.
        error: the family-wise error.
        seed: the seed of the random sign patterns.
        groups: a number for each comparison; those of one group share the median of their variances. By default all
            are one group.
    """
    present = ~np.isnan(values)
    blocks = present.sum(axis=0)
    enough = blocks >= fewest_blocks(error)
    counted = np.where(present, 1.0 if weights is None else weights, 0.0)
    total = np.where(blocks > 0, counted.sum(axis=0), np.nan)
    mean, share = np.nansum(values * counted, axis=0) / total, counted / total
    low, high, significant = np.full_like(mean, np.nan), np.full_like(mean, np.nan), np.zeros(len(mean), np.bool_)
    if enough.any():
        group_of = np.zeros(len(mean), np.int64) if groups is None else groups
        margin, significant[enough] = _margins(
            values[:, enough], share[:, enough], mean[enough], group_of[enough], error, seed
        )
        low[enough], high[enough] = mean[enough] - margin, mean[enough] + margin
    return Differences(mean, low, high, significant, blocks)


def _margins(
    values: Floats, share: Floats, mean: Floats, groups: NDArray[np.int64], error: float, seed: int
) -> tuple[Floats, Truths]:
    """Return half the width of each interval, and which comparisons are significant.

    Args:
        values: differences, blocks × comparisons; NaN where a block lacks one.
        share: of each block in the mean, blocks × comparisons.
        mean: of each comparison.
        groups: of each comparison.
        error: the family-wise error.
        seed: the seed of the random sign patterns.
    """
    present = ~np.isnan(values)
    n = present.sum(axis=0)
    signs = _signs(len(values), seed)
    scale = n * share  # so that the plain mean of what is flipped is the weighted mean
    about_zero, about_mean = (np.where(present, scale * each, 0) for each in (values, values - mean))
    effective = 1 / (share**2).sum(axis=0)
    stretch, own_part = effective / (effective - 1), effective / (effective + PRIOR_BLOCKS)
    own = (about_mean**2).sum(axis=0) / n * stretch
    sizes = np.abs(np.where(present, values, 0))
    of_size = ((scale * np.where(present, sizes - (share * sizes).sum(axis=0), 0)) ** 2).sum(axis=0) / n * stretch
    names, which = np.unique(groups, return_inverse=True)
    typical = np.array([np.median(of_size[groups == name]) for name in names])[which]

    def squares(residuals: Floats) -> Floats:
        """Return T², patterns × comparisons, of residuals, blocks × comparisons.

        The sum of squares is the same in every pattern. A league of sixty servers has millions of elements: a few
        patterns at a time stay in the processor's cache.
        """
        statistic: Floats = signs @ residuals
        of_blocks = (residuals**2).sum(axis=0)
        for first in range(0, len(signs), PATTERNS_AT_ONCE):
            part = statistic[first : first + PATTERNS_AT_ONCE]
            of_mean = part * part / n
            variance = np.maximum(of_blocks - of_mean, 0) / n * stretch
            with np.errstate(divide="ignore", invalid="ignore"):
                np.divide(of_mean, own_part * variance + (1 - own_part) * typical, out=part)
            part[np.isnan(part)] = 0
        return statistic

    flipped = squares(about_zero)
    observed = flipped[0]  # the pattern that flips nothing
    of_means = squares(about_mean * np.sqrt(stretch))
    c_means = _quantile(np.max(np.multiply(of_means, stretch, out=of_means), axis=1), error)
    significant = np.zeros(len(n), np.bool_)
    while True:
        c_zero = _quantile(np.max(flipped, axis=1, where=~significant, initial=0), error)
        c = max(c_zero, c_means)
        more = observed > c
        if (more == significant).all():
            break
        significant = more
    margin: Floats = np.sqrt(c * (own_part * own + (1 - own_part) * typical) / n)
    return margin, significant


def _signs(blocks: int, seed: int) -> Floats:
    """Return patterns of signs, patterns × blocks; the first flips nothing, and none is the mirror of another."""
    if blocks <= ALL_PATTERNS:
        flipped = np.arange(2 ** (blocks - 1))[:, None] >> np.arange(blocks) & 1
    else:
        drawn = np.random.default_rng(seed).integers(0, 2, (DRAWN, blocks))
        flipped = np.vstack([np.zeros((1, blocks), np.int64), drawn])
    return np.where(flipped, -1.0, 1.0)


def _quantile(maxima: Floats, error: float) -> float:
    """Return the value that at most this share of the maxima, one for each pattern, exceeds."""
    return float(np.sort(maxima)[len(maxima) - 1 - math.floor(error * len(maxima))])


def rank_intervals(better: Truths, among: Sequence[int]) -> list[tuple[int, int]]:
    """Return the rank interval of each server in `among`, in their order.

    Args:
        better: servers × servers; [i, j] is whether i is significantly better than j.
        among: the servers that are ranked among themselves; the others do not count.
    """
    part = better[np.ix_(among, among)]
    return [(1 + int(part[:, place].sum()), len(among) - int(part[place, :].sum())) for place in range(len(among))]
