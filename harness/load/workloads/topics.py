"""topics: subscribers spread over some channels, all of which are busy. Tells deliveries a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class Topics:
    """Flat out in every topic at once: what it costs that a message goes to some and not to all."""

    name = "topics"
    summary = "flat out in several topics at once, the clients spread over them"
    tells: tuple[str, ...] = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "topics": 10,
            "topics_each": 1,
            "window": 1024,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.7,
            "blocks": 1,
        },
        "full": {
            "clients": 100,
            "topics": 10,
            "topics_each": 3,
            "window": 1024,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
            "blocks": 3,
        },
        "smoke": {
            "clients": 12,
            "topics": 3,
            "topics_each": 2,
            "window": 128,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.3,
        },
    }

    def suits(self, codec: Codec) -> bool:
        return codec.has_topics

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        topics, each = int(parameters["topics"]), int(parameters["topics_each"])
        for client in range(int(parameters["clients"])):
            swarm.connect(1, [1 + (client + place) % topics for place in range(each)])
        swarm.join()
        swarm.flat_out(
            [voice for topic in range(1, topics + 1) for voice in swarm.voices(1, topic)],
            window=int(parameters["window"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    return [Topics()]
