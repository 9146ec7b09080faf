"""Finds the highest rate that holds, by trials of which some are wrong.

The rate is raised fourfold until one fails, as tcpkali does, and then bisected on a logarithmic scale. One trial may
fail because of a moment's noise, and one may hold by luck. So no single trial decides anything that is not asked
again:

- a failure would rule out all rates above it: it is believed when the majority of up to three trials at its rate say
  the same;
- a rate that holds only leads upwards. The last one, which is the answer, must be confirmed by a majority as well; if
  it is not, it has failed, and the search goes on below it.

So one wrong trial, wherever it falls, costs some more trials and changes nothing. A failure at which the generator
had no time to spare needs no second one: it is the generator's limit, and will be so again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

RAMP = 4
LEAST_PER_S, MOST_PER_S = 1, 100_000_000
MAJORITY = 2  # of three
MOST_PROBES = 60  # something is wrong then


class Probe(NamedTuple):
    """What one trial said of a rate.

    Attributes:
        limited: the generator could not have done more.
    """

    rate_per_s: int
    holds: bool
    limited: bool = False


@dataclass
class Votes:
    """What the trials at one rate said."""

    holds: int = 0
    fails: int = 0
    limited: bool = False  # a failure that was the generator's

    @property
    def failing(self) -> bool:
        return self.fails > self.holds and (self.limited or self.fails >= MAJORITY)

    @property
    def open(self) -> bool:
        return self.fails > 0 and self.holds < MAJORITY and not self.failing


@dataclass(frozen=True)
class Bracket:
    """Where the answer lies: the highest rate that holds and the lowest one that fails; None where there is none yet.

    Attributes:
        limited: at the upper end it was the generator that failed.
    """

    low: int | None
    high: int | None
    limited: bool


def bracket(probes: Sequence[Probe]) -> Bracket:
    """Return what is known after these trials."""
    votes = _votes(probes)
    high = min((rate for rate, one in votes.items() if one.failing), default=None)
    low = max(
        (rate for rate, one in votes.items() if one.holds > one.fails and (high is None or rate < high)), default=None
    )
    return Bracket(low, high, limited=high is not None and votes[high].limited)


def next_rate(probes: Sequence[Probe], *, first: int, precision: float) -> int | None:
    """Return the rate to try next, a second; None when the answer is known.

    Args:
        first: what to begin with.
        precision: the search ends when the lowest rate that fails is at most so many times the highest that holds.
    """
    if len(probes) >= MOST_PROBES:
        return None
    votes, known = _votes(probes), bracket(probes)
    low, high = known.low, known.high
    undecided = [rate for rate, one in votes.items() if one.open and (high is None or rate < high)]
    if undecided:
        return max(undecided)
    if high is None:
        raised = first if low is None else low * RAMP
        return raised if raised <= MOST_PER_S else None
    if low is None:
        return max(LEAST_PER_S, high // RAMP) if high > LEAST_PER_S else None
    middle = round(math.sqrt(low * high))
    if high > precision * low and low < middle < high:
        return middle
    return low if votes[low].holds < MAJORITY else None


def _votes(probes: Sequence[Probe]) -> dict[int, Votes]:
    votes: dict[int, Votes] = defaultdict(Votes)
    for one in probes:
        said = votes[one.rate_per_s]
        said.holds += one.holds
        said.fails += not one.holds
        said.limited |= one.limited and not one.holds
    return votes
