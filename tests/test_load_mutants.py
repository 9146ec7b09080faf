"""Verification is never off: mutants whose fault a load can show are found out by a flood, and lawful servers are not.

Some lie once in a thousand messages. So a mutant gets one flood after the other until it is found out, and how many
messages pass in one is no matter. The whole bestiary: `benchmarks/mutants_under_load.py`.
"""

from __future__ import annotations

import anyio
import pytest

from harness import plugins
from harness.conformance.selftest import known_servers
from harness.errors import Violation
from harness.load.swarm import Swarm
from harness.model import Implementation
from harness.servers.launch import launch

CLIENTS, SENDERS, WINDOW, TEXT_BYTES = 20, 4, 64, 32
FLOOD_S = 0.3
MOST_FLOODS = 30
SERVERS = {
    (spec.name, one.name): one for spec in plugins.specs().values() if spec.mutants for one in known_servers(spec)
}

MUTANTS = {
    ("broadcast", "greets"): "nobody has sent",
    ("broadcast", "rare_last_byte"): "nobody has sent",
    ("broadcast", "threads_without_a_lock"): "nobody has sent|answer first|disagreement|sender order",
    ("broadcast", "rare_duplicates"): "duplicated",
    ("broadcast", "senders_order_broken"): "sender order",
    ("broadcast", "receivers_disagree"): "disagreement",
    ("broadcast", "hears_itself_at_once"): "own first|disagreement",
    ("broadcast", "answer_before_question"): "answer first|disagreement",
    ("channels", "greets"): "nobody has sent",
    ("channels", "rare_duplicates"): "duplicated",
    ("channels", "hears_itself_at_once"): "own first|disagreement",
    ("channels", "answer_before_question"): "answer first|disagreement",
    ("groupchat", "sender_answered_as_well"): "duplicated",
    ("groupchat", "senders_order_broken"): "sender order",
    ("groupchat", "receivers_disagree"): "disagreement",
    ("groupchat", "name_looked_up_late"): "as said by",
}
LAWFUL = [("broadcast", "loses_one_in_fifty"), ("channels", "late"), ("groupchat", "loses_one_in_fifty")]


def floods(implementation: Implementation, most: int) -> None:
    """Flood so many fresh servers, as trials do; raise Violation as soon as one is found out."""
    codec = plugins.specs()[implementation.spec].codec

    async def run() -> None:
        async with launch(implementation) as server:
            await anyio.to_thread.run_sync(flood, Swarm(server.address, codec, server.pid))

    def flood(swarm: Swarm) -> None:
        try:
            swarm.connect(CLIENTS)
            swarm.join()
            swarm.flat_out(swarm.voices(SENDERS), window=WINDOW, text_bytes=TEXT_BYTES, warm_up_s=0, seconds=FLOOD_S)
        finally:
            swarm.close()

    for _ in range(most):
        anyio.run(run)


@pytest.mark.parametrize("name", MUTANTS, ids="-".join)
def test_a_flood_finds_a_liar_out(name: tuple[str, str]) -> None:
    with pytest.raises(Violation, match=MUTANTS[name]):
        floods(SERVERS[name].implementation, MOST_FLOODS)


@pytest.mark.parametrize("name", LAWFUL, ids="-".join)
def test_a_flood_does_not_blame_a_lawful_server(name: tuple[str, str]) -> None:
    floods(SERVERS[name].implementation, 2)
