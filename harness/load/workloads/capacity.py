"""capacity: searches the highest offered rate that a server sustains; measures messages a second.

A server sustains a rate when p99 of the latencies, counted from the intended times, stays below a limit and at least
99.9 % of the deliveries arrive. Each step of the search is a short load on a schedule against a fresh server.
`harness.load.search` decides which rate comes next, and tolerates a single wrong step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.figures import CAPACITY
from harness.load.search import Probe, bracket, next_rate
from harness.model import TrialResult
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm

DROPPED_AT_MOST = 0.001  # as a share of the deliveries
SENT_AT_LEAST = 0.99  # as a share of the schedule: a generator that falls behind has not offered that rate
PROFILE = {"clients": 100, "senders": 4, "body_bytes": 32, "p99_at_most_s": 0.05, "first_per_s": 32_000}


class CapacitySearch:
    """Searches the capacity of a server (a `harness.kinds.Search`)."""

    def next_probe(self, parameters: Mapping[str, float], done: Sequence[TrialResult]) -> dict[str, float] | None:
        """Return the parameters of a trial at the next rate; None when the capacity is known or a trial failed."""
        if any(step.did_not_finish for step in done):
            return None
        rate = next_rate(_probes(done), first=int(parameters["first_per_s"]), precision=parameters["precision"])
        return None if rate is None else {**parameters, "rate_per_s": float(rate)}

    def outcome(self, done: Sequence[TrialResult]) -> dict[str, float]:
        """Return the capacity and its bounds; it is a lower bound where the load generator was the limit."""
        known = bracket(_probes(done))
        figures = {
            "capacity_per_s": float(known.low or 0),
            "capacity_at_least": float(known.limited or known.high is None),
            "capacity_low_per_s": float(known.low or 0),
        }
        if known.high is not None:
            figures["capacity_high_per_s"] = float(known.high)
        return figures


class Capacity(Workload):
    """One step of the search: a load at one rate."""

    name = "capacity"
    summary = "the highest offered rate that holds a p99 and delivers 99.9 %"
    is_splittable = True
    figures = CAPACITY
    reported = ("capacity_per_s",)
    search = CapacitySearch()
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {**PROFILE, "precision": 1.5, "warm_up_s": 0.1, "seconds": 0.4, "blocks": 1},
        "full": {**PROFILE, "precision": 1.1, "warm_up_s": 0.5, "seconds": 2, "blocks": 1},
    }

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Send at the rate of this step; stop early when the server is overloaded."""
        swarm.clients.connect(int(parameters["clients"]))
        swarm.clients.join()
        swarm.paced(
            swarm.clients.senders(int(parameters["senders"])),
            rate_per_s=parameters.get("rate_per_s", parameters["first_per_s"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
            overloaded_after_s=2 * parameters["p99_at_most_s"],
        )


def _probes(done: Sequence[TrialResult]) -> list[Probe]:
    return [
        Probe(
            int(step.plan.parameters["rate_per_s"]),
            is_sustained(step.figures, step.plan.parameters),
            limited=bool(step.figures.get("generator_limited")),
        )
        for step in done
        if not step.did_not_finish
    ]


def is_sustained(figures: Mapping[str, float], parameters: Mapping[str, float]) -> bool:
    """Return whether a server sustained the rate of a trial with these figures and parameters."""
    return (
        not figures.get("overloaded")
        and figures["latency_p99_ns"] <= parameters["p99_at_most_s"] * 1e9
        and figures["dropped_share"] <= DROPPED_AT_MOST
        and figures["sent_share"] >= SENT_AT_LEAST
    )


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [Capacity()]
