"""slow_readers: one client in a hundred joins and does not read. Tells what the others feel of it, and memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugins import Workload, hookimpl

if TYPE_CHECKING:  # every command loads its plugins, and few need a swarm
    from harness.codec import Codec
    from harness.load.swarm import Swarm


class SlowReaders:
    """A fixed offered rate beside clients that are asleep: p99 of those who read, and how the server grows.

    There is more to hear than the kernel keeps, so that the server decides what it does with who does not read.
    Afterwards the sleepers read again, and what they get is verified like everything; a server may have disconnected
    them.
    """

    name = "slow_readers"
    summary = "a fixed offered rate while one client in a hundred does not read"
    tells: tuple[str, ...] = ("latency_p99_ns",)
    profiles: Mapping[str, dict[str, float]] = {
        "quick": {
            "clients": 100,
            "frozen_clients": 1,
            "senders": 4,
            "rate_per_s": 1500,
            "most_body_bytes": 1000,
            "warm_up_s": 0.1,
            "seconds": 1,
            "blocks": 1,
        },
        "full": {
            "clients": 100,
            "frozen_clients": 1,
            "senders": 4,
            "rate_per_s": 1500,
            "most_body_bytes": 1000,
            "warm_up_s": 1,
            "seconds": 10,
            "blocks": 3,
        },
    }

    def suits(self, codec: Codec) -> bool:
        return True

    def run(self, swarm: Swarm, parameters: Mapping[str, float]) -> None:
        frozen_clients = int(parameters["frozen_clients"])
        swarm.connect(int(parameters["clients"]) - frozen_clients)
        voices = swarm.voices(int(parameters["senders"]))
        swarm.connect(frozen_clients, small_buffers=True)
        swarm.join()
        swarm.paced_beside_frozen(
            voices,
            frozen_clients=frozen_clients,
            rate_per_s=parameters["rate_per_s"],
            text_bytes=min(int(parameters["most_body_bytes"]), swarm.codec.max_body),
            warm_up_s=parameters["warm_up_s"],
            seconds=parameters["seconds"],
        )


@hookimpl
def harness_workloads() -> list[Workload]:
    return [SlowReaders()]
