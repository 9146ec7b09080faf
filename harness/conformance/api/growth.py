"""Does a server's memory grow with a count of something? A regression, and when to stop measuring.

Memory is taken in pages, arenas and pools, and a runtime that collects garbage grows by hundreds of
megabytes before it does so: growth alone proves nothing. So a measurement goes on while memory grows, and
ends as soon as its latter half is flat; only a server that grows steadily to the end is suspected.
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

from harness.processes.limits import read_limits

CONFIDENCE = 0.99
POINTS = 60  # for a regression: the cost grows with their square, and more give no better result
LEAST_POINTS = 8  # before the first look at the slope
PATIENCE_S = 4.0  # then a slow server has done enough
SLOW = 3  # times as long for a server that has not done enough for a verdict
TURNS, MOST_TURNS = 3, 5  # in which a server must grow alike to be blamed, and how many there are for that
ALIKE = 2.0  # the largest ratio between slopes of several turns that count as the same
GIVEN_BACK = 1 / 4  # a server that frees this share of its growth collects garbage
TOO_MUCH = 1 / 8  # of the memory that is allowed here; a runtime may well use as much before it collects


@dataclass(frozen=True)
class Slope:
    """Bytes for each counted action, with the limits of a 99 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"

    @property
    def short(self) -> str:
        """The value and the distance of the limits from it, e.g. "51 ±20", for a table."""
        away = max(self.high - self.value, self.value - self.low)
        return f"{self.value:.0f} ±{away:.0f}" if away >= 0.5 else f"{self.value:.0f}"


def theil_sen(counts: Sequence[float], sizes: Sequence[float]) -> Slope:
    """Return the slope of sizes over increasing counts, by the estimator of Theil and Sen.

    It is the median of the slopes of all pairs of points, so that a step here and there does not move it. The
    limits are those of P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", Journal of
    the American Statistical Association 63 (1968), by the normal approximation without ties (ties make the true
    interval narrower); they are infinite for very few points.

    Args:
        counts: how often something had been done, one for each point.
        sizes: the bytes in use then.
    """
    points = len(counts)
    if points < 2:
        return Slope(0.0, -math.inf, math.inf)
    first, second = np.triu_indices(points, 1)
    x, y = np.asarray(counts, float), np.asarray(sizes, float)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    width = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(points * (points - 1) * (2 * points + 5) / 18)
    below, above = math.floor((slopes.size - width) / 2), math.ceil((slopes.size + width) / 2)
    return Slope(
        float(np.median(slopes)),
        float(slopes[below]) if below >= 0 else -math.inf,
        float(slopes[above]) if above < slopes.size else math.inf,
    )


@dataclass
class Growth:
    """A measurement: how often something had been done, and the bytes in use then.

    Attributes:
        counts: how often, one for each point.
        sizes: the bytes in use then.
    """

    counts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def total_count(self) -> int:
        """How often it was done during the measurement."""
        return self.counts[-1] - self.counts[0]

    @property
    def total_bytes(self) -> int:
        """The bytes by which memory has grown."""
        return self.sizes[-1] - self.sizes[0]

    def slope(self, begin: float = 0.5, end: float = 1.0) -> Slope:
        """Return the slope between two shares of the count, by default over its latter half."""
        first, last = (self.counts[0] + self.total_count * share for share in (begin, end))
        part = [place for place, count in enumerate(self.counts) if first <= count <= last]
        chosen = sorted({part[round(at)] for at in np.linspace(0, len(part) - 1, POINTS)}) if part else []
        return theil_sen([self.counts[place] for place in chosen], [self.sizes[place] for place in chosen])

    def continues(self, bound: float) -> bool:
        """Return whether memory grows by more than `bound` bytes each in both quarters of the latter half.

        One quarter alone may contain a step: a larger heap, a second arena. And a server that gives much back
        collects garbage, however rarely it does so.
        """
        steadily = min(self.slope(0.5, 0.75).low, self.slope(0.75, 1.0).low) > bound
        given_back = max(map(operator.sub, itertools.accumulate(self.sizes, max), self.sizes))
        return steadily and given_back < GIVEN_BACK * self.total_bytes

    def is_settled(self, bound: float) -> bool:
        """Return whether memory became flat, or grows steadily by more than `bound` bytes each."""
        return self.slope().high < bound or self.continues(bound)

    def summary(self, bound: float) -> str:
        """Return the slope for a table; "varies" when memory neither is flat nor grows steadily."""
        return self.slope().short if self.is_settled(bound) else "varies"


def is_leak(turns: Sequence[Growth], bound: float) -> bool:
    """Return whether memory kept growing in every turn, by much the same in the last ones, and stayed in use.

    A leak keeps the same for each action; the garbage that a collector has not freed yet differs between turns, or is
    freed between them. Of a leak, too, the first turn may show more than the others, which fill the holes in the heap
    that a flood between the turns has left.
    """
    slopes = [growth.slope().value for growth in turns[-TURNS:]]
    return len(slopes) == TURNS and _grows_in_each(turns, bound) and max(slopes) < ALIKE * min(slopes)


def may_be_leak(turns: Sequence[Growth], bound: float) -> bool:
    """Return whether another turn is needed to tell."""
    return len(turns) < MOST_TURNS and _grows_in_each(turns, bound) and not is_leak(turns, bound)


def _grows_in_each(turns: Sequence[Growth], bound: float) -> bool:
    """Return whether memory kept growing in every turn, and stayed in use between them."""
    is_kept = all(
        before.sizes[-1] - after.sizes[0] < GIVEN_BACK * before.total_bytes
        for before, after in itertools.pairwise(turns)
    )
    return is_kept and all(growth.continues(bound) for growth in turns)


async def watch_growth(
    step: Callable[[int], Awaitable[int]],
    size: Callable[[], int],
    *,
    bound: float,
    enough: int,
    most: int,
    seconds: float,
    least: int = 0,
    now_s: Callable[[], float] = time.monotonic,
) -> Growth:
    """Do step after step and measure after each, until memory is flat or the measurement ends.

    It ends in any case when memory has grown by TOO_MUCH of what is allowed here.

    Args:
        step: given how often something was done, does it some more times; returns how many.
        size: returns the bytes in use.
        bound: bytes for each action; memory is flat when its slope over the latter half is surely below.
        enough: how many actions must be done before memory can be called flat, unless PATIENCE_S have passed.
        most: how many actions end the measurement.
        seconds: how long until the measurement ends.
        least: how many actions a slow server gets more time for, at most SLOW times as long.
        now_s: the clock for this, e.g. the server's (`Room.clock`).
    """
    growth, begun, next_look = Growth([0], [size()]), now_s(), LEAST_POINTS
    too_much = TOO_MUCH * min(psutil.virtual_memory().total, read_limits().memory_bytes or math.inf)
    while growth.total_count < most and growth.total_bytes < too_much:
        took = now_s() - begun
        if took > (SLOW * seconds if growth.total_count < least else seconds):
            break
        if done := await step(growth.total_count):  # none, when no client could connect
            growth.counts.append(growth.total_count + done)
            growth.sizes.append(size())
        if len(growth.counts) >= next_look and (growth.total_count >= enough or took > PATIENCE_S):
            if growth.slope().high < bound:
                break
            next_look = math.ceil(1.1 * len(growth.counts))
    return growth
