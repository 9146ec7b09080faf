"""The Pareto front: the servers that no other one dominates, of which none is best by these criteria alone."""

from __future__ import annotations

from collections.abc import Sequence

from harness.league.inference import Truths

CRITERIA = "throughput, p99, idle memory and lines of code"


def dominators(costs: Sequence[Sequence[float] | None], better: Truths) -> list[list[int] | None]:
    """Return for each server those that dominate it: not significantly slower, no worse in any cost, better in one.

    Args:
        costs: by server, its costs beside its speed; a lower one is better. None where one was not measured.
        better: servers × servers; [i, j] is whether i is significantly faster than j.

    Returns:
        By server, the numbers of those that dominate it; None for a server without costs.
    """

    def dominates(i: int, j: int) -> bool:
        first, second = costs[i], costs[j]
        if i == j or first is None or second is None or better[j, i]:
            return False
        no_worse = all(cost <= other for cost, other in zip(first, second, strict=True))
        return no_worse and bool(better[i, j] or tuple(first) != tuple(second))

    count = len(costs)
    return [None if costs[j] is None else [i for i in range(count) if dominates(i, j)] for j in range(count)]
