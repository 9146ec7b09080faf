"""Who is beaten in everything: what remains is the front of Pareto, from which taste must choose."""

from __future__ import annotations

from collections.abc import Sequence

from harness.league.inference import Truths

CRITERIA = "throughput, p99, idle memory and lines of code"


def dominators(qualities: Sequence[Sequence[float] | None], better: Truths) -> list[list[int] | None]:
    """Return for each server who beats it: is not told to be slower, worse in nothing else, and better in something.

    Args:
        qualities: of each server, the smaller the better; None where something was not measured.
        better: [i, j] is whether i has been told to be faster than j.

    Returns:
        The numbers of those who beat it; None for a server without qualities.
    """

    def beats(i: int, j: int) -> bool:
        mine, others = qualities[i], qualities[j]
        if i == j or mine is None or others is None or better[j, i]:
            return False
        no_worse = all(one <= other for one, other in zip(mine, others, strict=True))
        return no_worse and bool(better[i, j] or tuple(mine) != tuple(others))

    count = len(qualities)
    return [None if qualities[j] is None else [i for i in range(count) if beats(i, j)] for j in range(count)]
