"""hot_topic: one topic is flooded, others have few messages; measures the latency in the quiet topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.figures import FLAT_OUT, SCHEDULED
from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # showing a run needs the workloads, but no swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class HotTopic(Workload):
    """A flood in one topic, and latencies in quiet topics, whose subscribers receive nothing of the flood."""

    name = "hot_topic"
    summary = "a flood in one topic, latencies in the quiet ones"
    figures = (*FLAT_OUT, *SCHEDULED)
    reported = ("deliveries_per_s", "latency_p99_ns")
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 90,
            "senders": 4,
            "in_flight": 1024,
            "quiet_topics": 10,
            "rate_per_s": 200,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.7,
            "blocks": 1,
        },
        "full": {
            "clients": 90,
            "senders": 4,
            "in_flight": 1024,
            "quiet_topics": 10,
            "rate_per_s": 200,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 5,
            "blocks": 3,
        },
        "smoke": {
            "clients": 10,
            "senders": 2,
            "in_flight": 128,
            "quiet_topics": 3,
            "rate_per_s": 100,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.3,
        },
    }

    def suits(self, codec: Codec) -> bool:
        """Return whether the protocol has topics."""
        return codec.has_topics

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        """Flood the first topic, and send on a schedule in the quiet ones."""
        quiet = range(2, 2 + int(parameters["quiet_topics"]))
        swarm.clients.connect(int(parameters["clients"]), [1])
        for topic in quiet:
            swarm.clients.connect(1, [topic])
        swarm.clients.join()
        swarm.paced_with_flood(
            swarm.clients.senders(int(parameters["senders"]), topic=1),
            [sender for topic in quiet for sender in swarm.clients.senders(1, topic)],
            in_flight=int(parameters["in_flight"]),
            rate_per_s=parameters["rate_per_s"],
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    """Add the workload."""
    return [HotTopic()]
