"""idle: many clients join and say nothing. Tells what they cost the server in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm

GB = 1e9


class Idle:
    """Resident memory of an empty server, of a full one, and the difference per client."""

    name = "idle"
    summary = "idle clients, the server's resident memory"
    tells: tuple[str, ...] = ()
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {"clients": 500, "blocks": 1},
        "full": {"clients": 2000},
        "smoke": {"clients": 50},
    }

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        empty_bytes = swarm.server_rss_bytes()
        swarm.connect(int(parameters["clients"]))
        swarm.join(together=False)
        swarm.figures |= memory(empty_bytes, swarm.server_rss_bytes(), len(swarm.sockets))


def memory(empty_bytes: int, full_bytes: int, clients: int) -> dict[str, float]:
    """Return the figures of a server's resident memory without clients and with so many."""
    each = (full_bytes - empty_bytes) / clients
    figures = {
        "clients": float(clients),
        "rss_empty_bytes": float(empty_bytes),
        "rss_idle_bytes": float(full_bytes),
        "rss_per_client_bytes": each,
    }
    if each > 0:  # a small server may take them in what it has already
        figures["connections_per_gb"] = GB / each
    return figures


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Idle()]
