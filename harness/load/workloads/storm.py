"""storm: all clients come at once. Tells how long it takes until all are connected, and until all have heard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class Storm:
    """Connections as fast as the server's queue takes them, and a message for everybody behind them."""

    name = "storm"
    summary = "all clients connect at once: time until all have heard something"
    tells: tuple[str, ...] = ("all_heard_ns",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {"clients": 1000, "blocks": 1},
        "full": {"clients": 1000, "blocks": 5},
    }

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        clients = int(parameters["clients"])
        with swarm.accounted():
            start_ns = time.monotonic_ns()
            swarm.connect(clients)
            connected_ns = time.monotonic_ns() - start_ns
            swarm.join(together=False)
            heard_ns = time.monotonic_ns() - start_ns
        swarm.figures |= {
            "clients": float(clients),
            "all_connected_ns": float(connected_ns),
            "all_heard_ns": float(heard_ns),
            "connections_per_s": clients / connected_ns * 1e9,
        }


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Storm()]
