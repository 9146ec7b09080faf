"""churn: transient clients join and leave while others send.

It measures latencies of the clients that stay, and how long transient clients wait for their first message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import SCHEDULED, TRANSIENT_CLIENTS
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm


class Churn(Workload):
    """A fixed offered rate, and transient clients at a fixed rate: p50 and p99 of both."""

    name = "churn"
    summary = "a fixed offered rate while clients join and leave"
    figures = (*SCHEDULED, *TRANSIENT_CLIENTS)
    reported = ("latency_p99_ns", "transient_first_message_p99_ns")
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 50,
            "senders": 4,
            "rate_per_s": 500,
            "transient_clients_per_s": 100,
            "stay_s": 0.2,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.7,
            "blocks": 1,
        },
        "full": {
            "clients": 50,
            "senders": 4,
            "rate_per_s": 500,
            "transient_clients_per_s": 100,
            "stay_s": 0.2,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
            "blocks": 3,
        },
        "smoke": {
            "clients": 10,
            "senders": 2,
            "rate_per_s": 200,
            "transient_clients_per_s": 50,
            "stay_s": 0.1,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.4,
        },
    }

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Send on a schedule while transient clients join and leave."""
        swarm.clients.connect(int(parameters["clients"]))
        swarm.clients.join()
        swarm.paced_with_transient_clients(
            swarm.clients.senders(int(parameters["senders"])),
            rate_per_s=parameters["rate_per_s"],
            transient_per_s=parameters["transient_clients_per_s"],
            stay_s=parameters["stay_s"],
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [Churn()]
