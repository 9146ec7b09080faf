"""cold_topics: very many topics with few subscribers each; measures deliveries a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import FLAT_OUT
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class ColdTopics(Workload):
    """Flat out over many topics of few subscribers each: the server looks up more than it sends."""

    name = "cold_topics"
    summary = "flat out over many topics of few subscribers each"
    figures = FLAT_OUT
    reported = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "topics": 500,
            "topics_each": 10,
            "in_flight": 1024,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.7,
            "blocks": 1,
        },
        "full": {
            "clients": 200,
            "topics": 2000,
            "topics_each": 20,
            "in_flight": 4096,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
            "blocks": 3,
        },
        "smoke": {
            "clients": 10,
            "topics": 20,
            "topics_each": 4,
            "in_flight": 64,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.3,
        },
    }

    def suits(self, codec: Codec) -> bool:
        """Return whether the protocol has topics."""
        return codec.has_topics

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Subscribe each client to some topics, and flood all topics."""
        clients, topics, each = (int(parameters[name]) for name in ("clients", "topics", "topics_each"))
        for client in range(clients):
            swarm.clients.connect(1, sorted({1 + (client * each + place) % topics for place in range(each)}))
        swarm.clients.join()
        swarm.flat_out(
            [sender for topic in range(1, topics + 1) for sender in swarm.clients.senders(1, topic)],
            in_flight=int(parameters["in_flight"]),
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [ColdTopics()]
