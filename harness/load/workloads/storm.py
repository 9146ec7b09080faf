"""storm: all clients connect at once; measures the time until all are connected and all have received a message."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import MASS_CONNECT
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm


class Storm(Workload):
    """Connections as fast as the server's queue takes them, and then a message to all."""

    name = "storm"
    summary = "all clients connect at once: time until all have received a message"
    figures = MASS_CONNECT
    reported = ("all_joined_ns",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {"clients": 1000, "blocks": 1},
        "full": {"clients": 1000, "blocks": 5},
    }

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Connect all clients at once, and send one message to all."""
        clients = int(parameters["clients"])
        with swarm.record_usage():
            start_ns = time.monotonic_ns()
            swarm.clients.connect(clients)
            connected_ns = time.monotonic_ns() - start_ns
            swarm.clients.join(together=False)
            joined_ns = time.monotonic_ns() - start_ns
        swarm.figures |= {
            "clients": float(clients),
            "all_connected_ns": float(connected_ns),
            "all_joined_ns": float(joined_ns),
            "connections_per_s": clients / connected_ns * 1e9,
        }


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [Storm()]
