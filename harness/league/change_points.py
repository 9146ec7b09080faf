"""Finds where a series of logarithms changed its level for good, with the change points of ruptures.

ruptures searches all ways to cut a series exactly (PELT: Killick, Fearnhead and Eckley, 2012), and takes the one with
the least absolute deviations plus a penalty for each cut. Absolute ones, because a run that stands alone is no change:
a level lasts two runs at least. The penalty is in units of the noise, which the differences of neighbouring runs show
whatever the level does; with it, about one in a hundred simulated flat series of 6 to 40 runs is cut, and a change
by five standard deviations in the middle of 6 runs is found in four of five.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.extras import require
from harness.league.inference import Floats

FEWEST_RUNS = 6
SHORTEST_LEVEL = 2  # runs
PENALTY = 3.0  # for each cut, in standard deviations of the noise; and the logarithm of the number of runs
LEAST_NOISE = 0.005  # of a logarithm: half a percent
TO_STANDARD_DEVIATION = 1.4826 / math.sqrt(2)  # from the median absolute difference of neighbours, for normal noise


@dataclass(frozen=True)
class Shift:
    """A change of level.

    Attributes:
        measure: the name of the measure, or "score".
        place: the place of the first run with the new level.
        before: the logarithm of the level before.
        after: the logarithm of the new level.
    """

    measure: str
    place: int
    before: float
    after: float


def noise_of(values: Floats) -> float:
    """Return the standard deviation of the noise in a series; NaN where it is too short."""
    steps = np.diff(values[~np.isnan(values)])
    if len(steps) + 1 < FEWEST_RUNS:
        return math.nan
    return TO_STANDARD_DEVIATION * float(np.median(np.abs(steps)))


def shifts_in(measure: str, values: Floats, noise: float) -> list[Shift]:
    """Return the changes of level in a series, from the oldest to the newest.

    Args:
        measure: its name.
        values: a logarithm for each run; NaN where there is none.
        noise: its standard deviation; less than that of the series itself is not believed.

    Raises:
        UsageError: ruptures is not installed.
    """
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < FEWEST_RUNS:
        return []
    ruptures = require("ruptures", "history")  # it imports scipy, for which few runs need not wait
    signal = values[known]
    sigma = float(np.nanmax([noise, noise_of(signal), LEAST_NOISE]))
    search = ruptures.Pelt(model="l1", min_size=SHORTEST_LEVEL, jump=1).fit(signal)
    ends = search.predict(pen=sigma * (PENALTY + math.log(len(signal))))
    levels = [float(np.median(part)) for part in np.split(signal, ends[:-1])]
    return [
        Shift(measure, int(known[end]), before, after)
        for end, before, after in zip(ends[:-1], levels[:-1], levels[1:], strict=True)
    ]
