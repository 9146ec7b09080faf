"""churn: clients come and go while others talk. Tells latencies of those who stay, and the wait of those who come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class Churn:
    """A fixed offered rate, and guests at a fixed rate beside it: p50 and p99 of both."""

    name = "churn"
    summary = "a fixed offered rate while guests come and go"
    tells: tuple[str, ...] = ("latency_p99_ns", "guest_p99_ns")
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 50,
            "senders": 4,
            "rate_per_s": 500,
            "guests_per_s": 100,
            "stay_s": 0.2,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.7,
            "blocks": 1,
        },
        "full": {
            "clients": 50,
            "senders": 4,
            "rate_per_s": 500,
            "guests_per_s": 100,
            "stay_s": 0.2,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
            "blocks": 3,
        },
        "smoke": {
            "clients": 10,
            "senders": 2,
            "rate_per_s": 200,
            "guests_per_s": 50,
            "stay_s": 0.1,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.4,
        },
    }

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        swarm.connect(int(parameters["clients"]))
        swarm.join()
        swarm.paced_beside_guests(
            swarm.voices(int(parameters["senders"])),
            rate_per_s=parameters["rate_per_s"],
            guests_per_s=parameters["guests_per_s"],
            stay_s=parameters["stay_s"],
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Churn()]
