"""mass_idle: ten thousand idle clients, and a broadcast to all.

It measures how long the broadcast takes to reach the last client, and the server's memory per client.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.errors import Violation
from harness.figures import MASS_IDLE
from harness.load.workloads.idle import memory
from harness.plugins import Workload, hookimpl
from harness.servers.resources import descriptors_allowed

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm

SPARE_DESCRIPTORS = 100  # for everything that is not a client
STEP = 1000  # clients to connect before all of them must receive a message
MUST_ACCEPT = 1000  # clients that every server has to accept; it may refuse more
MOST_NAMED = 1000  # clients with names: each is notified of every other, so ten thousand make 50 million notices


class MassIdle(Workload):
    """Clients that connect in steps; in each step all clients receive a message before the next ones connect.

    There may be fewer clients than the profile says: "clients_unsupported" counts those that this machine's limit of
    descriptors does not allow, "clients_refused" those that the server did not accept.
    """

    name = "mass_idle"
    summary = "ten thousand idle clients, and one message to all"
    figures = MASS_IDLE
    reported = ("broadcast_ns",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {"clients": 1000, "broadcasts": 3, "blocks": 1},
        "full": {"clients": 10_000, "broadcasts": 5, "blocks": 1},
    }

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Connect all clients, then send messages to all, one after the other."""
        wanted = int(parameters["clients"])
        if swarm.clients.codec.name(0) is not None:
            wanted = min(wanted, MOST_NAMED)
        descriptors = min(descriptors_allowed(), descriptors_allowed(swarm.server_pid))
        allowed = min(wanted, descriptors - SPARE_DESCRIPTORS)
        empty_bytes = swarm.server_rss_bytes()
        connecting_ns = self._fill(swarm, allowed)
        clients = swarm.clients.count
        with swarm.record_usage():
            times = [swarm.clients.join(together=True) for _ in range(int(parameters["broadcasts"]))]
        swarm.figures |= memory(empty_bytes, swarm.server_rss_bytes(), clients)
        swarm.figures |= {
            "clients_unsupported": float(wanted - allowed),
            "clients_refused": float(allowed - clients),
            "all_connected_ns": float(connecting_ns),
            "broadcast_ns": float(statistics.median(times)),
            "broadcast_worst_ns": float(max(times)),
        }

    def _fill(self, swarm: Swarm, clients: int) -> int:
        """Connect so many clients, or as many as the server accepts; return how long the connecting took, in ns."""
        took_ns = 0
        while (before := swarm.clients.count) < clients:
            start_ns = time.monotonic_ns()
            try:
                swarm.clients.connect(min(STEP, clients - before))
                took_ns += time.monotonic_ns() - start_ns
                swarm.clients.join()
            except Violation:
                if before < MUST_ACCEPT:
                    raise
                swarm.clients.disconnect_from(before)
                break
        return took_ns


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [MassIdle()]
