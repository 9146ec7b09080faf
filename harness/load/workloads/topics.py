"""topics: subscribers spread over some topics, all of which are busy; measures deliveries a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import FLAT_OUT
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class Topics(Workload):
    """Flat out in every topic at once: what it costs that a message goes to some clients and not to all."""

    name = "topics"
    summary = "flat out in several topics at once, the clients spread over them"
    figures = FLAT_OUT
    reported = ("deliveries_per_s",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "topics": 10,
            "topics_each": 1,
            "in_flight": 1024,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.7,
            "blocks": 1,
        },
        "full": {
            "clients": 100,
            "topics": 10,
            "topics_each": 3,
            "in_flight": 1024,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
            "blocks": 3,
        },
        "smoke": {
            "clients": 12,
            "topics": 3,
            "topics_each": 2,
            "in_flight": 128,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.3,
        },
    }

    def suits(self, codec: Codec) -> bool:
        """Return whether the protocol has topics."""
        return codec.has_topics

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Spread the clients over the topics, and flood all topics."""
        topics, each = int(parameters["topics"]), int(parameters["topics_each"])
        for client in range(int(parameters["clients"])):
            swarm.clients.connect(1, [1 + (client + place) % topics for place in range(each)])
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
    return [Topics()]
