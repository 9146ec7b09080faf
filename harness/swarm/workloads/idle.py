"""idle: many clients join and say nothing. Tells what they cost the server in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.swarm.swarm import Swarm


class Idle:
    """Resident memory of an empty server, of a full one, and the difference per client."""

    name = "idle"
    summary = "idle clients, the server's resident memory"
    tells: tuple[str, ...] = ()
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {"clients": 500},
        "full": {"clients": 2000},
        "smoke": {"clients": 50},
    }

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        swarm.idle(clients=int(parameters["clients"]))


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Idle()]
