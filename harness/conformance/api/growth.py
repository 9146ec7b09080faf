"""Does a server's memory grow with a count of something? A regression, and when to stop measuring.

Memory is taken in pages, arenas and pools, and a runtime that collects garbage grows by hundreds of
megabytes before it does so: growth alone proves nothing. So a measurement goes on while memory grows, and
ends as soon as the latter half of it is flat; only who grows steadily to its end is suspected.
"""

from __future__ import annotations

import itertools
import math
import operator
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
import psutil

CONFIDENCE = 0.99
POINTS = 60  # of a regression: more of them cost a square and tell no more
LEAST_POINTS = 8
PATIENCE_S = 4.0  # a slow server need not do enough of anything
ALIKE = 2.0  # times: the slopes of several turns
GIVEN_BACK = 1 / 4  # of what memory has grown by
TOO_MUCH = 1 / 8  # of the machine's memory; a runtime may well take as much before it collects


@dataclass(frozen=True)
class Slope:
    """Bytes for each of what is counted, and the limits between which they lie with a confidence of 99 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"

    @property
    def short(self) -> str:
        """The value and how far the limits are from it, e.g. "51 ±20", for a table."""
        away = max(self.high - self.value, self.value - self.low)
        return f"{self.value:.0f} ±{away:.0f}" if away >= 0.5 else f"{self.value:.0f}"


def slope(counts: Sequence[float], sizes: Sequence[float]) -> Slope:
    """Return the slope of sizes over counts that increase, by the estimator of Theil and Sen.

    It is the median of the slopes of all pairs of points, so that a step here and there does not move it. The
    limits are those of P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", Journal of
    the American Statistical Association 63 (1968), by the normal approximation without ties (ties make the true
    interval narrower); they are infinite for very few points.
    """
    many = len(counts)
    if many < 2:
        return Slope(0.0, -math.inf, math.inf)
    first, second = np.triu_indices(many, 1)
    x, y = np.asarray(counts, float), np.asarray(sizes, float)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    width = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(many * (many - 1) * (2 * many + 5) / 18)
    below, above = math.floor((slopes.size - width) / 2), math.ceil((slopes.size + width) / 2)
    return Slope(
        float(np.median(slopes)),
        float(slopes[below]) if below >= 0 else -math.inf,
        float(slopes[above]) if above < slopes.size else math.inf,
    )


@dataclass
class Growth:
    """What was measured: how often something had been done, and the bytes in use then."""

    counts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.counts[-1] - self.counts[0]

    @property
    def size(self) -> int:
        """By how many bytes memory has grown."""
        return self.sizes[-1] - self.sizes[0]

    def slope(self, begin: float = 0.5, end: float = 1.0) -> Slope:
        """Return the slope over a part of the count, by default its latter half."""
        first, last = (self.counts[0] + self.count * share for share in (begin, end))
        part = [place for place, count in enumerate(self.counts) if first <= count <= last]
        chosen = sorted({part[round(at)] for at in np.linspace(0, len(part) - 1, POINTS)}) if part else []
        return slope([self.counts[one] for one in chosen], [self.sizes[one] for one in chosen])

    def goes_on(self, bound: float) -> bool:
        """Return whether memory grows by more than `bound` bytes each in both parts of the latter half.

        One of them alone may have met a step: a larger heap, a second arena. And whoever gives much back
        collects garbage, however long it takes to come to that.
        """
        steadily = min(self.slope(0.5, 0.75).low, self.slope(0.75, 1.0).low) > bound
        given_back = max(map(operator.sub, itertools.accumulate(self.sizes, max), self.sizes))
        return steadily and given_back < GIVEN_BACK * self.size

    def settled(self, bound: float) -> bool:
        """Return whether memory became flat, or grows steadily."""
        return self.slope().high < bound or self.goes_on(bound)

    def in_short(self, bound: float) -> str:
        """Return the slope for a table; "varies" when it is not settled."""
        return self.slope().short if self.settled(bound) else "varies"


def recurs(turns: Sequence[Growth], bound: float) -> bool:
    """Return whether memory goes on growing in every turn, and by much the same in each.

    Whoever keeps something of each keeps the same of each; what a collector has not come to yet differs.
    """
    slopes = [one.slope().value for one in turns]
    return all(one.goes_on(bound) for one in turns) and max(slopes) < ALIKE * min(slopes)


async def watch_growth(
    step: Callable[[int], Awaitable[int]],
    size: Callable[[], int],
    *,
    bound: float,
    enough: int,
    most: int,
    seconds: float,
) -> Growth:
    """Do step after step, and measure after each, until memory is flat, or to the end.

    Args:
        step: given how often something was done, does it some times more; returns how often.
        size: returns the bytes in use.
        bound: bytes for each of them; flat is what is surely below it over the latter half.
        enough: of them before memory can be called flat, unless PATIENCE_S have gone by.
        most: of them before the measurement ends anyway; so it does after `seconds`, and when memory has grown by
            TOO_MUCH of the machine's.
    """
    growth, begun, look = Growth([0], [size()]), time.monotonic(), LEAST_POINTS
    too_much = TOO_MUCH * psutil.virtual_memory().total
    while growth.count < most and growth.size < too_much and (took := time.monotonic() - begun) < seconds:
        growth.counts.append(growth.count + await step(growth.count))
        growth.sizes.append(size())
        if len(growth.counts) >= look and (growth.count >= enough or took > PATIENCE_S):
            if growth.slope().high < bound:
                break
            look = math.ceil(1.1 * len(growth.counts))
    return growth
