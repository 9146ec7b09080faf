"""crowd: ten thousand idle clients, and a broadcast to all. Tells when the last of them has it, and what they cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.errors import Violation
from harness.load.workloads.idle import memory
from harness.plugins import Workload, hookimpl
from harness.servers.resources import descriptors_allowed

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm

SPARE = 100  # descriptors, for all that is no client
STEP = 1000  # clients that come before all of them hear something
OWED = 1000  # clients that a server has to take; of more it may refuse some
NAMED = 1000  # where clients have names, each is told of all who come: ten thousand would be told fifty million times


class Crowd:
    """Clients in steps, each of which hears something before the next ones come.

    There may be fewer than were asked for: "clients_unsupported" tells how many the limit of descriptors of this
    machine did not allow, and "clients_refused" how many the server did not take.
    """

    name = "crowd"
    summary = "ten thousand idle clients, and one message to all"
    tells: tuple[str, ...] = ("broadcast_ns",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {"clients": 1000, "broadcasts": 3, "blocks": 1},
        "full": {"clients": 10_000, "broadcasts": 5, "blocks": 1},
    }

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        wanted = int(parameters["clients"])
        if swarm.codec.name(0) is not None:
            wanted = min(wanted, NAMED)
        allowed = min(wanted, descriptors_allowed() - SPARE, descriptors_allowed(swarm.server_pid) - SPARE)
        empty_bytes = swarm.server_rss_bytes()
        connecting_ns = self._fill(swarm, allowed)
        clients = len(swarm.sockets)
        with swarm.accounted():
            times = [swarm.join(together=True) for _ in range(int(parameters["broadcasts"]))]
        swarm.figures |= memory(empty_bytes, swarm.server_rss_bytes(), clients)
        swarm.figures |= {
            "clients_unsupported": float(wanted - allowed),
            "clients_refused": float(allowed - clients),
            "all_connected_ns": float(connecting_ns),
            "broadcast_ns": float(statistics.median(times)),
            "broadcast_worst_ns": float(max(times)),
        }

    def _fill(self, swarm: Swarm, clients: int) -> int:
        """Let clients come until there are as many, or until the server takes no more; return how long that took."""
        taken_ns = 0
        while (before := len(swarm.sockets)) < clients:
            start_ns = time.monotonic_ns()
            try:
                swarm.connect(min(STEP, clients - before))
                taken_ns += time.monotonic_ns() - start_ns
                swarm.join()
            except Violation:
                if before < OWED:
                    raise
                swarm.dismiss(before)
                break
        return taken_ns


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Crowd()]
