"""baseline: a flood against a relay that only passes bytes on; measures deliveries a second.

It shows what a flood would achieve if a server did nothing else. It suits the baseline relay (see
`harness.league.baseline_relay`) and no other server: one client sends messages in the form in which they arrive, so
that the verification of the deliveries is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import FLAT_OUT
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm


class Baseline(Workload):
    """A flood from one client: a relay that parses nothing could mix the bytes of two clients within a message."""

    name = "baseline"
    summary = "the flood, against a relay that only passes bytes on"
    is_splittable = True
    figures = FLAT_OUT
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {"clients": 100, "in_flight": 1024, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.6, "blocks": 3},
        "full": {"clients": 100, "in_flight": 1024, "body_bytes": 32, "warm_up_s": 1, "seconds": 5},
        "smoke": {"clients": 20, "in_flight": 256, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.3},
    }

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Flood the relay from one client."""
        swarm.clients.as_arriving = True
        swarm.clients.connect(int(parameters["clients"]))
        swarm.clients.join()
        swarm.flat_out(
            swarm.clients.senders(1),
            in_flight=int(parameters["in_flight"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [Baseline()]
