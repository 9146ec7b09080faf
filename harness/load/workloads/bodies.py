"""smallest and largest: flat out with the shortest messages that a load can verify, and with the protocol's longest.

Short messages show the cost of a message, long ones the cost of a byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import BODIES, FLAT_OUT
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.load.swarm import Swarm

FULL = {"clients": 100, "senders": 4, "warm_up_s": 1, "seconds": 5, "blocks": 3}


class Smallest(Workload):
    """Texts that consist of nothing but the number of the message; the limit in flight is in messages."""

    name = "smallest"
    summary = "flat out, the smallest bodies"
    is_splittable = True
    figures = (*FLAT_OUT, *BODIES)
    reported = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {"full": {**FULL, "in_flight": 1024}}

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Flood the server with the shortest texts."""
        from harness.load.verify.frames import MIN_TEXT_BYTES

        flat_out(swarm, parameters, MIN_TEXT_BYTES, int(parameters["in_flight"]))


class Largest(Workload):
    """Bodies of the greatest length that every server takes; the limit in flight is in bytes.

    The limit is half of what servers usually keep for a client before they drop messages, so that none has to.
    """

    name = "largest"
    summary = "flat out, the largest bodies"
    is_splittable = True
    figures = (*FLAT_OUT, *BODIES)
    reported = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {"full": {**FULL, "in_flight_bytes": 131072}}

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Flood the server with the longest bodies."""
        body_bytes = swarm.clients.codec.max_body
        in_flight = max(int(parameters["senders"]), int(parameters["in_flight_bytes"]) // body_bytes)
        flat_out(swarm, parameters, body_bytes - len(swarm.clients.codec.make_body(b"")), in_flight)


def flat_out(swarm: Swarm, parameters: Mapping[str, float], text_bytes: int, in_flight: int) -> None:
    """Flood a server, and record the length of the bodies as well.

    Args:
        swarm: loads the server.
        parameters: of the workload.
        text_bytes: the length of every text.
        in_flight: the limit of messages in flight.
    """
    swarm.clients.connect(int(parameters["clients"]))
    swarm.clients.join()
    swarm.flat_out(
        swarm.clients.senders(int(parameters["senders"])),
        in_flight=in_flight,
        text_bytes=text_bytes,
        warm_up_s=parameters["warm_up_s"],
        seconds=parameters["seconds"],
    )
    body_bytes = len(swarm.clients.codec.make_body(b"~" * text_bytes))
    swarm.figures |= {
        "body_bytes": float(body_bytes),
        "delivered_bytes_per_s": swarm.figures["deliveries_per_s"] * body_bytes,
    }


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workloads."""
    return [Smallest(), Largest()]
