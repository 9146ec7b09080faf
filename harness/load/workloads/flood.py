"""flood: a few clients send as fast as a stated window lets, all hear everything. Tells deliveries a second.

With 100 clients it is what the league ranks by; with 10 and with 1000 it tells how that depends on the clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm

PROFILES: Mapping[str, dict[str, float]] = {
    "quick": {"senders": 4, "window": 1024, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.6},
    "full": {"senders": 4, "window": 1024, "body_bytes": 32, "warm_up_s": 1, "seconds": 5},
    "smoke": {"senders": 4, "window": 256, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.3},
}


class Flood:
    """Flat out: throughput, drops, and what a delivery costs the server's processor."""

    summary = "flat out, a stated number of messages on their way"
    is_splittable = True

    def __init__(self, name: str, profiles: Mapping[str, dict[str, float]], tells: tuple[str, ...] = ()) -> None:
        self.name, self.profiles, self.tells = name, profiles, tells

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        swarm.connect(int(parameters["clients"]))
        swarm.join()
        swarm.flat_out(
            swarm.voices(int(parameters["senders"])),
            window=int(parameters["window"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


def beside(clients: int) -> Mapping[str, dict[str, float]]:
    """Return the profiles of the same with another number of clients, told beside the league."""
    return {"full": {"clients": clients, **PROFILES["full"], "blocks": 6}}  # with fewer nobody is told apart


@hookimpl
def harness_workloads() -> list[Workload]:
    ranked = {profile: {"clients": 100, **parameters} for profile, parameters in PROFILES.items()}
    ranked["smoke"]["clients"] = 20
    return [
        Flood("flood", ranked),
        Flood("flood_10", beside(10), ("deliveries_per_s",)),
        Flood("flood_1000", beside(1000), ("deliveries_per_s",)),
    ]
