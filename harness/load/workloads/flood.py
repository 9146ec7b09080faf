"""flood: a few clients send as fast as a limit of messages in flight allows, and all clients receive every message.

It measures deliveries a second. The league ranks by the flood with 100 clients; those with 10 and with 1000 show how
the result depends on the number of clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import FLAT_OUT
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm

PROFILES: Mapping[str, dict[str, float]] = {
    "quick": {"senders": 4, "in_flight": 1024, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.6},
    "full": {"senders": 4, "in_flight": 1024, "body_bytes": 32, "warm_up_s": 1, "seconds": 5},
    "smoke": {"senders": 4, "in_flight": 256, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.3},
}


class Flood(Workload):
    """Flat out: throughput, drops, and the server's processor time per delivery."""

    summary = "flat out, with a limit of messages in flight"
    is_splittable = True
    figures = FLAT_OUT

    def __init__(self, name: str, profiles: Mapping[str, dict[str, float]], reported: tuple[str, ...] = ()) -> None:
        self.name, self.profiles, self.reported = name, profiles, reported

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Connect, join, and flood the server."""
        swarm.clients.connect(int(parameters["clients"]))
        swarm.clients.join()
        swarm.flat_out(
            swarm.clients.senders(int(parameters["senders"])),
            in_flight=int(parameters["in_flight"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


def unranked(clients: int) -> Mapping[str, dict[str, float]]:
    """Return the profiles of a flood with another number of clients, which does not rank."""
    # With fewer blocks no difference between two servers is significant.
    return {"full": {"clients": clients, **PROFILES["full"], "blocks": 6}}


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workloads."""
    ranked = {profile: {"clients": 100, **parameters} for profile, parameters in PROFILES.items()}
    ranked["smoke"]["clients"] = 20
    return [
        Flood("flood", ranked),
        Flood("flood_10", unranked(10), ("deliveries_per_s",)),
        Flood("flood_1000", unranked(1000), ("deliveries_per_s",)),
    ]
