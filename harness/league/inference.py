"""Who can be told apart: paired differences within blocks, flips of their signs, rank intervals, tie letters.

A score is the logarithm of a figure, so that a difference is a ratio. What a block has in common (a slow minute of
the machine) cancels in d, the difference of two servers within it. For each comparison T = mean(d) / se; two servers
differ where |T| > c, and c is so large that among all comparisons together not one false difference is told, but in
5 % of leagues. It is the larger of two quantiles of max |T| over the comparisons, signs of whole blocks flipped:

- d flipped about nought. Where the noise of two servers that are equal is as likely to be up as down, flipping changes
  nothing, so this quantile holds for any number of blocks and tails of any weight, whoever else differs (the largest
  of all comparisons is no less than the largest of the equal ones). n blocks have 2^(n-1) patterns of signs, so that
  5 % need six blocks. Differences that are told are left out and the rest is tried again (Romano, Wolf: step-down).
- d flipped about their means, as the wild bootstrap does, for servers that differ much hardly count in the first, and
  the intervals would be too narrow. With few blocks this one is too small: residuals are stretched by the root of
  n / (n - 1) for the mean that was taken from them, and the quantile by as much again, which simulation asks for.

se takes half of its variance from the comparison, half from the median of all: with six blocks the variance of one
comparison alone says so little that c would nearly double. All patterns are tried up to 12 blocks, 4999 beyond.
`benchmarks/league_statistics.py` holds the claim against simulated leagues.

Rank intervals are those of Mogstad, Romano, Shaikh and Wilhelm (2024, "Inference for Ranks"): one and the number of
those that are better, to all but the number of those that are worse. Tie letters are the compact letter display of
Piepho (2004): two servers share a letter where they cannot be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ERROR = 0.05  # of a false difference, over all comparisons of a league
ALL_PATTERNS = 12  # blocks; beyond that some patterns are drawn
DRAWN = 4999
OWN_SHARE = 0.5  # of a comparison's variance that is its own; the rest is the median of all

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class Differences:
    """What can be said of some differences at once.

    Attributes:
        mean: of each over the blocks; NaN where there is no block.
        low, high: the simultaneous interval; NaN where there are too few blocks for one.
        told: whether it differs from nought.
        blocks: how many have it.
    """

    mean: Floats
    low: Floats
    high: Floats
    significant: Truths
    blocks: NDArray[np.int64]


def fewest_blocks(error: float = ERROR) -> int:
    """Return how many blocks are needed to tell any difference with this error: 2^(1 - blocks) <= error."""
    return math.ceil(1 + math.log2(1 / error))


def differences(
    values: Floats, *, error: float = ERROR, seed: int = 0, groups: NDArray[np.int64] | None = None
) -> Differences:
    """Return what can be said of differences.

    Args:
        of: blocks × comparisons; NaN where a block lacks one. A comparison counts over the blocks that have it.
        error: of telling one falsely, over all comparisons.
        seed: of the patterns that are drawn.
        kinds: a number for each comparison; those with the same one are alike, so that each learns from the noise of
            all. Without it all are alike.
    """
    here = ~np.isnan(values)
    blocks = here.sum(axis=0)
    enough = blocks >= fewest_blocks(error)
    mean = np.full(values.shape[1], np.nan)
    mean[blocks > 0] = np.nansum(values[:, blocks > 0], axis=0) / blocks[blocks > 0]
    low, high, told = np.full_like(mean, np.nan), np.full_like(mean, np.nan), np.zeros(len(mean), np.bool_)
    if enough.any():
        alike = np.zeros(len(mean), np.int64) if groups is None else groups
        margin, told[enough] = _margins(values[:, enough], mean[enough], alike[enough], error, seed)
        low[enough], high[enough] = mean[enough] - margin, mean[enough] + margin
    return Differences(mean, low, high, told, blocks)


def _margins(of: Floats, mean: Floats, kinds: NDArray[np.int64], error: float, seed: int) -> tuple[Floats, Truths]:
    """Return half the width of each interval, and which comparisons are told to differ."""
    here = ~np.isnan(of)
    n = here.sum(axis=0)
    signs = _signs(len(of), seed)
    about_nought, about_mean = np.where(here, of, 0), np.where(here, of - mean, 0)
    own = (about_mean**2).sum(axis=0) / (n - 1)
    known, which = np.unique(kinds, return_inverse=True)
    typical = np.array([np.median(own[kinds == kind]) for kind in known])[which]

    def error_of_mean(variance: Floats) -> Floats:
        found: Floats = np.sqrt((OWN_SHARE * variance + (1 - OWN_SHARE) * typical) / n)
        return found

    def studentised(values: Floats) -> Floats:
        """Return |T| for each pattern and comparison; the sum of squares is that of no pattern, for all have it."""
        means = signs @ values / n
        variance = np.maximum((values**2).sum(axis=0) - n * means**2, 0) / (n - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = np.nan_to_num(np.abs(means) / error_of_mean(variance), nan=0, posinf=np.inf)
        return found

    flipped = studentised(about_nought)
    found = flipped[0]  # the pattern that flips nothing
    stretch = np.sqrt(n / (n - 1))
    c_means = _quantile((studentised(about_mean * stretch) * stretch).max(axis=1), error)
    told = np.zeros(len(n), np.bool_)
    while True:
        c_nought = _quantile(flipped[:, ~told].max(axis=1), error) if not told.all() else 0.0
        c = max(c_nought, c_means)
        more = found > c
        if (more == told).all():
            break
        told = more
    margin: Floats = c * error_of_mean(own)
    return margin, told


def _signs(blocks: int, seed: int) -> Floats:
    """Return patterns of signs, a row each; the first flips nothing, and none is the mirror of another."""
    if blocks <= ALL_PATTERNS:
        flipped = np.arange(2 ** (blocks - 1))[:, None] >> np.arange(blocks) & 1
    else:
        drawn = np.random.default_rng(seed).integers(0, 2, (DRAWN, blocks))
        flipped = np.vstack([np.zeros((1, blocks), np.int64), drawn])
    return np.where(flipped, -1.0, 1.0)


def _quantile(maxima: Floats, error: float) -> float:
    """Return what at most `error` of the maxima are above."""
    return float(np.sort(maxima)[len(maxima) - 1 - math.floor(error * len(maxima))])


def tie_letters(better: Truths) -> list[str]:
    """Return the tie letters of servers in their order: a letter in common where neither is better."""
    sets: list[frozenset[int]] = [frozenset(range(len(better)))]
    for i, j in zip(*np.nonzero(better), strict=True):
        for one in [one for one in sets if {int(i), int(j)} <= one]:
            sets.remove(one)
            for smaller in (one - {int(i)}, one - {int(j)}):
                if not any(smaller <= other for other in sets):
                    sets = [other for other in sets if not other <= smaller] + [smaller]
    sets.sort(key=lambda one: sorted(one))
    return ["".join(_letter(place) for place, one in enumerate(sets) if server in one) for server in range(len(better))]


def _letter(place: int) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return alphabet[place] if place < len(alphabet) else f"({place + 1})"


def rank_intervals(better: Truths, among: Sequence[int]) -> list[tuple[int, int]]:
    """Return the rank interval of each server of `among`, in their league.

    Args:
        better: [i, j] is whether i has been told to be better than j.
        among: the numbers of those that are ranked; the others do not count.
    """
    part = better[np.ix_(among, among)]
    return [(1 + int(part[:, one].sum()), len(among) - int(part[one, :].sum())) for one in range(len(among))]
