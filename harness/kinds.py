"""What plugins bring beside servers and specs: workloads, searches and reporters, as the harness sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.codec import Codec
from harness.model import Run, TrialResult


class Workload(Protocol):
    """What a swarm does: one file in `harness/load/workloads/`, or in a plugin.

    Attributes:
        name: e.g. "flood".
        summary: one line for people.
        profiles: profile name → parameters for one trial; "blocks" among them, where it shall not be in all blocks.
        tells: the names of those of its figures that stand in a table beside the league.

    One that has `is_splittable = True` as well may be run by several processes at once, each of which has its share of
    the clients; it does then nothing but connect, join, and load.
    """

    name: str
    summary: str
    profiles: Mapping[str, dict[str, float]]
    tells: tuple[str, ...]

    def suits(self, codec: Codec) -> bool:
        """Return whether servers of a protocol can be loaded like that."""
        ...

    def run(self, swarm: Any, parameters: Mapping[str, float]) -> None:
        """Load the server through `swarm` (a `harness.load.swarm.Swarm`) and note the figures."""
        ...


class Search(Workload, Protocol):
    """A workload that looks for something by steps, each a trial against a fresh server.

    The steps of all servers take turns: each makes its first, then each its second.
    """

    def next_probe(self, parameters: Mapping[str, float], done: Sequence[TrialResult]) -> dict[str, float] | None:
        """Return the parameters of one server's next step, after the steps done so far; None when it has found."""
        ...

    def found(self, done: Sequence[TrialResult]) -> dict[str, float]:
        """Return what one server's steps add up to: figures, as a trial has them.

        One whose name ends in `_at_least` is 1 where what was found is a lower bound.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """A way to show a run.

    Attributes:
        name: e.g. "markdown"; what `harness report --format` takes.
        summary: one line for people.
        render: a run and the width in columns in, text out.
    """

    name: str
    summary: str
    render: Callable[[Run, int], str]
