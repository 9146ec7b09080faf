"""capacity: the highest offered rate that a server keeps up with. Tells messages a second.

A rate holds when p99 of the latencies, which count from the intended times, stays under a bound, and 99.9 % of the
deliveries are made. Each step of the search is a short load on a schedule against a fresh server; which rate comes
next, and what one bad step does, is in `harness.load.search`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.load.search import Probe, bracket, next_rate
from harness.model import TrialResult
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm

DROPPED_AT_MOST = 0.001
SENT_AT_LEAST = 0.99  # of the schedule: a generator that falls behind has not offered that rate
PROFILE = {"clients": 100, "senders": 4, "body_bytes": 32, "p99_at_most_s": 0.05, "first_per_s": 32_000}


class Capacity:
    """A search of the offered rate; its figures are those of `found`."""

    name = "capacity"
    summary = "the highest offered rate that holds a p99 and delivers 99.9 %"
    is_splittable = True
    tells: tuple[str, ...] = ("capacity_per_s",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {**PROFILE, "precision": 1.5, "warm_up_s": 0.1, "seconds": 0.4, "blocks": 1},
        "full": {**PROFILE, "precision": 1.1, "warm_up_s": 0.5, "seconds": 2, "blocks": 1},
    }

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        swarm.connect(int(parameters["clients"]))
        swarm.join()
        swarm.paced(
            swarm.voices(int(parameters["senders"])),
            rate_per_s=parameters.get("rate_per_s", parameters["first_per_s"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
            hopeless_s=2 * parameters["p99_at_most_s"],
        )

    def next_probe(self, parameters: Mapping[str, float], done: Sequence[TrialResult]) -> dict[str, float] | None:
        if any(one.did_not_finish for one in done):
            return None
        rate = next_rate(_probes(done), first=int(parameters["first_per_s"]), precision=parameters["precision"])
        return None if rate is None else {**parameters, "rate_per_s": float(rate)}

    def found(self, done: Sequence[TrialResult]) -> dict[str, float]:
        """Return the capacity, and between which rates it lies; "at least" where the generator was the limit."""
        known = bracket(_probes(done))
        figures = {
            "capacity_per_s": float(known.low or 0),
            "capacity_at_least": float(known.limited or known.high is None),
            "capacity_low_per_s": float(known.low or 0),
        }
        if known.high is not None:
            figures["capacity_high_per_s"] = float(known.high)
        return figures


def _probes(done: Sequence[TrialResult]) -> list[Probe]:
    return [
        Probe(
            int(one.plan.parameters["rate_per_s"]),
            holds(one.figures, one.plan.parameters),
            limited=bool(one.figures.get("generator_limited")),
        )
        for one in done
        if not one.did_not_finish
    ]


def holds(figures: Mapping[str, float], parameters: Mapping[str, float]) -> bool:
    """Return whether a server kept up with the rate of a step."""
    return (
        not figures.get("hopeless")
        and figures["latency_p99_ns"] <= parameters["p99_at_most_s"] * 1e9
        and figures["dropped_share"] <= DROPPED_AT_MOST
        and figures["sent_share"] >= SENT_AT_LEAST
    )


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Capacity()]
