"""smallest and largest: flat out with the shortest messages a load can carry, and with the longest of the protocol.

Short ones tell what a message costs, long ones what a byte costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm

FULL = {"clients": 100, "senders": 4, "warm_up_s": 1, "seconds": 5, "blocks": 3}


class Smallest:
    """Texts of nothing but what tells them apart, within a window of messages."""

    name = "smallest"
    summary = "flat out, the smallest bodies"
    is_splittable = True
    tells: tuple[str, ...] = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {"full": {**FULL, "window": 1024}}

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        from harness.load.verify.frames import SMALLEST_TEXT

        flat_out(swarm, parameters, SMALLEST_TEXT, int(parameters["window"]))


class Largest:
    """Bodies of the greatest length that every server takes, within a window of bytes.

    The window is half of what servers usually keep for a client before they drop, so that none has to.
    """

    name = "largest"
    summary = "flat out, the largest bodies"
    is_splittable = True
    tells: tuple[str, ...] = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {"full": {**FULL, "window_bytes": 131072}}

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        body_bytes = swarm.codec.max_body
        window = max(int(parameters["senders"]), int(parameters["window_bytes"]) // body_bytes)
        flat_out(swarm, parameters, body_bytes - len(swarm.codec.body(b"")), window)


def flat_out(swarm: Swarm, parameters: Mapping[str, float], text_bytes: int, window: int) -> None:
    """Load a server with texts of this length; tell the length of the bodies as well."""
    swarm.connect(int(parameters["clients"]))
    swarm.join()
    swarm.flat_out(
        swarm.voices(int(parameters["senders"])),
        window=window,
        text_bytes=text_bytes,
        warm_up_s=parameters["warm_up_s"],
        seconds=parameters["seconds"],
    )
    body_bytes = len(swarm.codec.body(b"~" * text_bytes))
    swarm.figures |= {
        "body_bytes": float(body_bytes),
        "delivered_bytes_per_s": swarm.figures["deliveries_per_s"] * body_bytes,
    }


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Smallest(), Largest()]
