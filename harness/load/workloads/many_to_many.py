"""many_to_many: every client speaks, and hears all the others. Tells deliveries a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class ManyToMany:
    """Flat out from everybody at once: a server reads from as many as it writes to."""

    name = "many_to_many"
    summary = "flat out, every client speaks"
    is_splittable = True
    tells: tuple[str, ...] = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "window": 1000,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.5,
            "blocks": 1,
        },
        "full": {
            "clients": 100,
            "window": 1000,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
            "blocks": 3,
        },
    }

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        clients = int(parameters["clients"])
        swarm.connect(clients)
        swarm.join()
        swarm.flat_out(
            swarm.voices(clients),
            window=int(parameters["window"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    return [ManyToMany()]
