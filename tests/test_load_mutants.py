"""Verification is never off: a flood detects mutants whose fault a load can show, and accepts conforming servers.

Some mutants err once in a thousand messages. So a mutant gets one flood after the other until it is detected, whatever
the number of messages in one. For all mutants: `benchmarks/mutants_under_load.py`.
"""

from __future__ import annotations

import anyio
import pytest

from harness import plugins
from harness.conformance.selftest import known_servers
from harness.errors import Violation
from harness.load.clients.clients import Clients
from harness.load.swarm import Swarm
from harness.model import Implementation
from harness.servers.launch import launch

CLIENTS, SENDERS, IN_FLIGHT, TEXT_BYTES = 20, 4, 64, 32
FLOOD_S = 0.3
MOST_FLOODS = 30
SERVERS = {
    (spec.name, server.name): server
    for spec in plugins.specs().values()
    if spec.mutants
    for server in known_servers(spec)
}

MUTANTS = {
    ("broadcast", "greets"): "no client has sent",
    ("broadcast", "rare_last_byte"): "no client has sent",
    ("broadcast", "threads_without_a_lock"): "no client has sent|answer first|disagreement|sender order",
    ("broadcast", "rare_duplicates"): "duplicated",
    ("broadcast", "senders_order_broken"): "sender order",
    ("broadcast", "receivers_disagree"): "disagreement",
    ("broadcast", "own_message_first"): "own first|disagreement",
    ("broadcast", "answer_before_question"): "answer first|disagreement",
    ("channels", "greets"): "no client has sent",
    ("channels", "rare_duplicates"): "duplicated",
    ("channels", "own_message_first"): "own first|disagreement",
    ("channels", "answer_before_question"): "answer first|disagreement",
    ("groupchat", "sender_answered_as_well"): "duplicated",
    ("groupchat", "senders_order_broken"): "sender order",
    ("groupchat", "receivers_disagree"): "disagreement",
    ("groupchat", "name_looked_up_late"): "as sent by",
}
CONFORMING = [("broadcast", "loses_one_in_fifty"), ("channels", "late"), ("groupchat", "loses_one_in_fifty")]


def floods(implementation: Implementation, most: int) -> None:
    """Flood up to `most` fresh servers, as trials do; raise Violation as soon as one of them is detected."""
    codec = plugins.specs()[implementation.spec].codec

    async def run() -> None:
        async with launch(implementation) as server:
            await anyio.to_thread.run_sync(flood, Swarm(Clients(server.address, codec), server.pid))

    def flood(swarm: Swarm) -> None:
        try:
            swarm.clients.connect(CLIENTS)
            swarm.clients.join()
            swarm.flat_out(
                swarm.clients.senders(SENDERS), in_flight=IN_FLIGHT, text_bytes=TEXT_BYTES, warm_up_s=0, seconds=FLOOD_S
            )
        finally:
            swarm.clients.close()

    for _ in range(most):
        anyio.run(run)


@pytest.mark.parametrize("name", MUTANTS, ids="-".join)
def test_a_flood_detects_a_mutant(name: tuple[str, str]) -> None:
    with pytest.raises(Violation, match=MUTANTS[name]):
        floods(SERVERS[name].implementation, MOST_FLOODS)


@pytest.mark.parametrize("name", CONFORMING, ids="-".join)
def test_a_flood_accepts_a_conforming_server(name: tuple[str, str]) -> None:
    floods(SERVERS[name].implementation, 2)
