"""What plugins add beside servers and specs: references, workloads, searches, reporters, as the harness sees them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from harness.codec import Codec, LoadCodec
from harness.figures import Figure
from harness.model import Implementation, Run, TrialResult

if TYPE_CHECKING:  # for annotations only: at run time no root module imports a room
    from harness.load.swarm import Swarm


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A product that stands beside the servers of a spec in a league, and is not ranked: it has a protocol of its own.

    Attributes:
        implementation: how it is started, like a server: with an address, and one line when it is ready.
        codec: its protocol.
        orders_senders: whether all clients receive the messages of several senders in one order. Otherwise it is loaded
            by one sender only.
    """

    implementation: Implementation
    codec: LoadCodec
    orders_senders: bool = True

    @property
    def name(self) -> str:
        """Its name, as that of a server."""
        return self.implementation.name


class Search(Protocol):
    """How a workload searches: in steps, each of which is a trial against a fresh server.

    The servers take turns: each makes its first step, then each its second.
    """

    def next_probe(self, parameters: Mapping[str, float], done: Sequence[TrialResult]) -> dict[str, float] | None:
        """Return the parameters of one server's next step, or None when its search has ended.

        Args:
            parameters: the workload's, in the profile of the run.
            done: the results of the steps so far, in their order.
        """
        ...

    def outcome(self, done: Sequence[TrialResult]) -> dict[str, float]:
        """Return the figures of one server's search: what its steps add up to.

        A figure whose name ends in `_at_least` is 1 where the result is a lower bound.
        """
        ...


class Workload(ABC):
    """A way to load a server: one class in `harness/load/workloads/`, or in a plugin.

    Attributes:
        name: e.g. "flood".
        summary: one line for people.
        profiles: profile name → parameters for one trial; "blocks" among them says in how many blocks it is, where it
            is not in all.
        figures: what its trials measure: groups from `harness.figures`, and figures of its own. A trial that writes
            any other is an error.
        reported: the names of those that stand in the table of other workloads, which no rank depends on.
        is_splittable: whether several processes may run it at once, each with its share of the clients. It must then do
            nothing but connect, join, and start one load.
        search: how it searches, where a result takes several trials; None where each trial is a result.
    """

    name: str
    summary: str
    profiles: Mapping[str, dict[str, float]]
    figures: tuple[Figure, ...]
    reported: tuple[str, ...] = ()
    is_splittable: bool = False
    search: Search | None = None

    def suits(self, codec: Codec) -> bool:
        """Return whether servers of a protocol can be loaded like this; unless overridden, all can."""
        return True

    @abstractmethod
    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Load a server and leave the results in `swarm.figures`.

        Args:
            swarm: connects clients to the server and starts the load.
            parameters: those of a profile.

        Raises:
            Violation: the server does what no conforming server does.
        """


@dataclass(frozen=True, kw_only=True)
class ReportView:
    """How a run is shown.

    Attributes:
        width: in columns.
        by: the measure that orders the league, or "score" for the default mixture.
        weights: the weight of each measure in the order; empty for those that `by` implies.
        is_wide: whether everything is shown, whatever the width.
    """

    width: int = 80
    by: str = "score"
    weights: Mapping[str, float] = field(default_factory=dict)
    is_wide: bool = False


DEFAULT_VIEW = ReportView()


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """A way to show a run.

    Attributes:
        name: e.g. "markdown"; what `harness report --format` takes.
        summary: one line for people.
        render: a run and how to show it in, text out.
    """

    name: str
    summary: str
    render: Callable[[Run, ReportView], str]
