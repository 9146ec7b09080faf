"""flood: a few clients send as fast as a stated window lets, all hear everything. Tells deliveries a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.swarm.swarm import Swarm


class Flood:
    """Flat out: throughput, drops, and what a delivery costs the server's processor."""

    name = "flood"
    summary = "flat out, a stated number of messages on their way"
    tells: tuple[str, ...] = ()
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "senders": 4,
            "window": 1024,
            "body_bytes": 32,
            "warm_up_s": 0.3,
            "seconds": 1.2,
        },
        "full": {
            "clients": 100,
            "senders": 4,
            "window": 1024,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
        },
        "smoke": {"clients": 20, "senders": 4, "window": 256, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.3},
    }

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


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Flood()]
