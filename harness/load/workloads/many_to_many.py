"""many_to_many: every client sends, and receives what all others send; measures deliveries a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import FLAT_OUT
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm


class ManyToMany(Workload):
    """Flat out from all clients at once: the server reads from as many clients as it writes to."""

    name = "many_to_many"
    summary = "flat out, every client sends"
    is_splittable = True
    figures = FLAT_OUT
    reported = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "in_flight": 1000,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.5,
            "blocks": 1,
        },
        "full": {
            "clients": 100,
            "in_flight": 1000,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
            "blocks": 3,
        },
    }

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Flood the server from all clients."""
        clients = int(parameters["clients"])
        swarm.clients.connect(clients)
        swarm.clients.join()
        swarm.flat_out(
            swarm.clients.senders(clients),
            in_flight=int(parameters["in_flight"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [ManyToMany()]
