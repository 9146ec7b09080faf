"""slow_readers: one client in a hundred does not read; measures the others' latency and the server's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import SCHEDULED, STALLED_CLIENTS
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm


class SlowReaders(Workload):
    """A fixed offered rate beside stalled clients: p99 of the clients that read, and how the server's memory grows.

    The messages are more than the kernel buffers, so that the server decides what to do with a client that does not
    read. Afterwards the stalled clients read again, and what they receive is verified like everything else; the server
    may have disconnected them.
    """

    name = "slow_readers"
    summary = "a fixed offered rate while one client in a hundred does not read"
    figures = (*SCHEDULED, *STALLED_CLIENTS)
    reported = ("latency_p99_ns",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "stalled_clients": 1,
            "senders": 4,
            "rate_per_s": 1500,
            "most_body_bytes": 1000,
            "warm_up_s": 0.1,
            "seconds": 1,
            "blocks": 1,
        },
        "full": {
            "clients": 100,
            "stalled_clients": 1,
            "senders": 4,
            "rate_per_s": 1500,
            "most_body_bytes": 1000,
            "warm_up_s": 1,
            "seconds": 10,
            "blocks": 3,
        },
    }

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Send on a schedule while some clients do not read."""
        stalled_clients = int(parameters["stalled_clients"])
        swarm.clients.connect(int(parameters["clients"]) - stalled_clients)
        senders = swarm.clients.senders(int(parameters["senders"]))
        swarm.clients.connect(stalled_clients, small_buffers=True)
        swarm.clients.join()
        swarm.paced_with_stalled_clients(
            senders,
            stalled_clients=stalled_clients,
            rate_per_s=parameters["rate_per_s"],
            text_bytes=min(int(parameters["most_body_bytes"]), swarm.clients.codec.max_body),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [SlowReaders()]
