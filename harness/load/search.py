"""Searches the highest sustainable rate, with trials of which some give a wrong result.

The search multiplies the rate by four until a trial fails, as tcpkali does, and then bisects on a logarithmic scale. A
trial may fail because of a moment's noise, or succeed by luck. So no single trial decides alone:

- A failure would exclude all higher rates. It counts when a majority of up to three trials at its rate fail.
- A success only leads to higher rates. The last one, which is the result, must be confirmed by a majority as well; if
  it is not, it counts as a failure, and the search goes on below it.

So one wrong trial, wherever it occurs, costs some more trials and does not change the result. A failure where the load
generator was the limit needs no confirmation: the generator would be the limit again.
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
MOST_PROBES = 60  # a search that takes more has gone wrong


class Probe(NamedTuple):
    """The result of one trial.

    Attributes:
        rate_per_s: the offered rate.
        holds: whether the server sustained it.
        limited: whether the load generator was the limit.
    """

    rate_per_s: int
    holds: bool
    limited: bool = False


@dataclass
class Votes:
    """The results of all trials at one rate.

    Attributes:
        holds: trials in which the server sustained the rate.
        fails: trials in which it did not.
        limited: whether the load generator was the limit in one of the latter.
    """

    holds: int = 0
    fails: int = 0
    limited: bool = False

    @property
    def is_failing(self) -> bool:
        """Whether the rate counts as too high."""
        return self.fails > self.holds and (self.limited or self.fails >= MAJORITY)

    @property
    def is_undecided(self) -> bool:
        """Whether the trials contradict each other, or a failure is not confirmed."""
        return self.fails > 0 and self.holds < MAJORITY and not self.is_failing


@dataclass(frozen=True)
class Bracket:
    """The rates between which the result lies.

    Attributes:
        low: the highest rate that was sustained; None before any was.
        high: the lowest rate that counts as too high; None before any does.
        limited: whether the load generator was the limit at `high`.
    """

    low: int | None
    high: int | None
    limited: bool


def bracket(probes: Sequence[Probe]) -> Bracket:
    """Return the bracket after these trials."""
    votes = _votes(probes)
    high = min((rate for rate, vote in votes.items() if vote.is_failing), default=None)
    low = max(
        (rate for rate, vote in votes.items() if vote.holds > vote.fails and (high is None or rate < high)),
        default=None,
    )
    return Bracket(low, high, limited=high is not None and votes[high].limited)


def next_rate(probes: Sequence[Probe], *, first: int, precision: float) -> int | None:
    """Return the rate to try next, in messages a second; None when the result is known.

    Args:
        probes: the trials so far.
        first: the rate to begin with.
        precision: the search ends when the lowest rate that fails is at most so many times the highest sustained rate.
    """
    if len(probes) >= MOST_PROBES:
        return None
    votes, known = _votes(probes), bracket(probes)
    low, high = known.low, known.high
    undecided = [rate for rate, vote in votes.items() if vote.is_undecided and (high is None or rate < high)]
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
    for probe in probes:
        vote = votes[probe.rate_per_s]
        vote.holds += probe.holds
        vote.fails += not probe.holds
        vote.limited |= probe.limited and not probe.holds
    return votes
