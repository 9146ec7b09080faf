"""paced: messages on a schedule, whatever the server does (open loop); measures latency from the intended time.

The three workloads show how latency depends on the number of clients: the rates are chosen so that all make the same
number of deliveries a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import SCHEDULED
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm

DELIVERIES_PER_S = 50_000
PROFILES: Mapping[str, dict[str, float]] = {
    "quick": {"senders": 4, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 1},
    "full": {"senders": 4, "body_bytes": 32, "warm_up_s": 1, "seconds": 10, "blocks": 1},
    "smoke": {"senders": 4, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.5},
}


class Paced(Workload):
    """A fixed offered rate: p50 and p99 of the time from a sender through the server back to itself."""

    summary = "a fixed offered rate, latency from the intended time of sending"
    is_splittable = True
    figures = SCHEDULED
    reported = ("latency_p99_ns",)

    def __init__(self, name: str, profiles: Mapping[str, dict[str, float]]) -> None:
        self.name, self.profiles = name, profiles

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Connect, join, and send on a schedule."""
        swarm.clients.connect(int(parameters["clients"]))
        swarm.clients.join()
        swarm.paced(
            swarm.clients.senders(int(parameters["senders"])),
            rate_per_s=parameters["rate_per_s"],
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


def with_clients(clients: int) -> dict[str, dict[str, float]]:
    """Return the profiles with so many clients, at the rate that makes DELIVERIES_PER_S."""
    rate = DELIVERIES_PER_S / clients
    return {name: {"clients": clients, "rate_per_s": rate, **profile} for name, profile in PROFILES.items()}


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workloads."""
    profiles = with_clients(100)
    profiles["smoke"] |= {"clients": 20, "rate_per_s": 200}
    return [
        Paced("paced", profiles),
        *(Paced(f"paced_{clients}", {"full": with_clients(clients)["full"]}) for clients in (10, 1000)),
    ]
