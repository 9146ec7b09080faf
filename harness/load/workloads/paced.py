"""paced: messages on a schedule, whatever the server does (open loop). Tells latency from the intended time.

With 100 clients it is what the league's latencies come from; with 10 and with 1000 it tells how they depend on the
clients. There the rates are such that a message that goes to many is no more work than one that goes to few.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm

DELIVERIES_PER_S = 50_000
PROFILES: Mapping[str, dict[str, float]] = {
    "quick": {"senders": 4, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 1, "blocks": 2},
    "full": {"senders": 4, "body_bytes": 32, "warm_up_s": 1, "seconds": 10},
    "smoke": {"senders": 4, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.5},
}


class Paced:
    """A fixed offered rate: p50 and p99 of a sender's way to itself through the room."""

    summary = "a fixed offered rate, latency from the intended time of sending"
    is_splittable = True

    def __init__(self, name: str, profiles: Mapping[str, dict[str, float]], tells: tuple[str, ...] = ()) -> None:
        self.name, self.profiles, self.tells = name, profiles, tells

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        swarm.connect(int(parameters["clients"]))
        swarm.join()
        swarm.paced(
            swarm.voices(int(parameters["senders"])),
            rate_per_s=parameters["rate_per_s"],
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


def with_clients(clients: int) -> dict[str, dict[str, float]]:
    """Return the profiles with so many clients and the rate that makes the same number of deliveries."""
    rate = DELIVERIES_PER_S / clients
    return {name: {"clients": clients, "rate_per_s": rate, **one} for name, one in PROFILES.items()}


def beside(clients: int) -> Mapping[str, dict[str, float]]:
    """Return the profiles of the same with another number of clients, told beside the league."""
    return {"full": {**with_clients(clients)["full"], "blocks": 1}}


@hookimpl
def harness_workloads() -> list[Workload]:
    ranked = with_clients(100)
    ranked["smoke"] |= {"clients": 20, "rate_per_s": 200}
    return [
        Paced("paced", ranked),
        Paced("paced_10", beside(10), ("latency_p99_ns",)),
        Paced("paced_1000", beside(1000), ("latency_p99_ns",)),
    ]
