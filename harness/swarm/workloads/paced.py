"""paced: messages on a schedule, whatever the server does (open loop). Tells latency from the intended time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.swarm.swarm import Swarm


class Paced:
    """A fixed offered rate: p50 and p99 of a sender's way to itself through the room."""

    name = "paced"
    summary = "a fixed offered rate, latency from the intended time of sending"
    tells: tuple[str, ...] = ()
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "senders": 4,
            "rate_per_s": 500,
            "body_bytes": 32,
            "warm_up_s": 0.3,
            "seconds": 1.2,
        },
        "full": {
            "clients": 100,
            "senders": 4,
            "rate_per_s": 500,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 10,
        },
        "smoke": {"clients": 20, "senders": 4, "rate_per_s": 200, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.5},
    }

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


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Paced()]
