"""flood: a few clients send as fast as a limit of messages in flight allows, and all clients receive every message.

It measures deliveries a second with 10, 100 and 1000 clients: how throughput depends on their number.
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
    reported = ("deliveries_per_s",)

    def __init__(self, name: str, profiles: Mapping[str, dict[str, float]]) -> None:
        self.name, self.profiles = name, profiles

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


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workloads."""
    profiles = {profile: {"clients": 100, **parameters} for profile, parameters in PROFILES.items()}
    profiles["smoke"]["clients"] = 20
    return [
        Flood("flood", profiles),
        *(Flood(f"flood_{clients}", {"full": {"clients": clients, **PROFILES["full"]}}) for clients in (10, 1000)),
    ]
