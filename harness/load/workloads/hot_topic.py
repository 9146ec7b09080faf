"""hot_topic: one channel is flooded, others say something now and then. Tells what the others feel of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class HotTopic:
    """A flood in one topic, and latencies in quiet ones beside it, whose clients hear nothing of the flood."""

    name = "hot_topic"
    summary = "a flood in one topic, latencies in the quiet ones"
    tells: tuple[str, ...] = ("deliveries_per_s", "latency_p99_ns")
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 90,
            "senders": 4,
            "window": 1024,
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
            "window": 1024,
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
            "window": 128,
            "quiet_topics": 3,
            "rate_per_s": 100,
            "body_bytes": 32,
            "warm_up_s": 0.1,
            "seconds": 0.3,
        },
    }

    def suits(self, codec: Codec) -> bool:
        return codec.has_topics

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        quiet = range(2, 2 + int(parameters["quiet_topics"]))
        swarm.connect(int(parameters["clients"]), [1])
        for topic in quiet:
            swarm.connect(1, [topic])
        swarm.join()
        swarm.paced_beside_flood(
            swarm.voices(int(parameters["senders"]), topic=1),
            [voice for topic in quiet for voice in swarm.voices(1, topic)],
            window=int(parameters["window"]),
            rate_per_s=parameters["rate_per_s"],
            text_bytes=int(parameters["body_bytes"]),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    return [HotTopic()]
