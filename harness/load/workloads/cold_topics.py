"""cold_topics: very many channels with few subscribers each. Tells deliveries a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class ColdTopics:
    """Flat out over many topics, each of which is heard by a few: the server looks up more than it sends."""

    name = "cold_topics"
    summary = "flat out over many topics of few subscribers each"
    tells: tuple[str, ...] = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "topics": 500,
            "topics_each": 10,
            "window": 1024,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.7,
            "blocks": 1,
        },
        "full": {
            "clients": 200,
            "topics": 2000,
            "topics_each": 20,
            "window": 4096,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
            "blocks": 3,
        },
        "smoke": {
            "clients": 10,
            "topics": 20,
            "topics_each": 4,
            "window": 64,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.3,
        },
    }

    def suits(self, codec: Codec) -> bool:
        return codec.has_topics

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        clients, topics, each = (int(parameters[name]) for name in ("clients", "topics", "topics_each"))
        for client in range(clients):
            swarm.connect(1, sorted({1 + (client * each + place) % topics for place in range(each)}))
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
    return [ColdTopics()]
