"""idle: many clients join and send nothing; measures the server's memory for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import IDLE_MEMORY
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm

GB = 1e9


class Idle(Workload):
    """Resident memory of the server without clients, with all of them, and the difference per client."""

    name = "idle"
    summary = "idle clients, the server's resident memory"
    figures = IDLE_MEMORY
    reported = ("rss_per_client_bytes",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {"clients": 500},
        "full": {"clients": 2000, "blocks": 1},
        "smoke": {"clients": 50},
    }

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Connect and join, and measure the server's memory before and after."""
        empty_bytes = swarm.server_rss_bytes()
        swarm.clients.connect(int(parameters["clients"]))
        swarm.clients.join(together=False)
        swarm.figures |= memory(empty_bytes, swarm.server_rss_bytes(), swarm.clients.count)


def memory(empty_bytes: int, full_bytes: int, clients: int) -> dict[str, float]:
    """Return the memory figures of a server.

    Args:
        empty_bytes: its resident memory without clients.
        full_bytes: its resident memory with them.
        clients: how many there are.
    """
    each = (full_bytes - empty_bytes) / clients
    figures = {
        "clients": float(clients),
        "rss_empty_bytes": float(empty_bytes),
        "rss_idle_bytes": float(full_bytes),
        "rss_per_client_bytes": each,
    }
    if each > 0:  # a small server may serve them with the memory that it has already
        figures["connections_per_gb"] = GB / each
    return figures


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [Idle()]
