"""ceiling: what a flood would be if servers did nothing. Tells deliveries a second of a relay that passes bytes on.

It is made for the null server (see `harness.league.baseline_relay`) and for no other: one client says messages in the form
in which they arrive, so that what the relay makes of them is verified like everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class Ceiling:
    """A flood from one client, for the words of two could be cut into each other by a relay that reads nothing."""

    name = "ceiling"
    summary = "the flood, against a relay that only hands on bytes"
    is_splittable = True
    tells: tuple[str, ...] = ()
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {"clients": 100, "window": 1024, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.6, "blocks": 3},
        "full": {"clients": 100, "window": 1024, "body_bytes": 32, "warm_up_s": 1, "seconds": 5},
        "smoke": {"clients": 20, "window": 256, "body_bytes": 32, "warm_up_s": 0.1, "seconds": 0.3},
    }

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        swarm.as_arriving = True
        swarm.connect(int(parameters["clients"]))
        swarm.join()
        swarm.flat_out(
            swarm.voices(1),
            window=int(parameters["window"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Ceiling()]
