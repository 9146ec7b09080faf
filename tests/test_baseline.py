"""The baseline relay: it relays bytes to all clients in one order and loses none; and how blocks measure it."""

from __future__ import annotations

import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from harness import plugins
from harness.addresses import Address
from harness.blocks import BlockResult, Entry, Role
from harness.league.baseline_relay import NAME, relay
from harness.league.block import OF_RELAY, Block
from harness.league.messages import BlockRequest
from harness.league.profiles import SHORT
from harness.league.trial import Cores
from harness.load.resident import BODY_BYTES
from harness.model import Implementation
from harness.servers.launch import launch
from tests.zoo import CONFORMING, MUTANTS, implementation

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
SENT = bytes(range(256)) * (16 << 12)  # 16 MiB


def receive(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (more := connection.recv(min(1 << 16, count - len(data)))):
        data += more
    return bytes(data)


def exchange(address: Address) -> None:
    """Send more than the kernel buffers for a client that reads slowly: one client alone, then two at once."""
    with ExitStack() as stack, ThreadPoolExecutor() as others:
        alice, bob, carol = (
            stack.enter_context(socket.create_connection((address.host, address.port), 60)) for _ in range(3)
        )
        carol.sendall(b"!")  # she came last, so all three receive it
        assert [receive(client, 1) for client in (alice, bob, carol)] == [b"!"] * 3
        sending = others.submit(alice.sendall, SENT)
        receiving = [others.submit(receive, client, len(SENT)) for client in (alice, bob)]
        assert receive(carol, len(SENT)) == SENT
        assert [each.result() for each in receiving] == [SENT, SENT]
        sending.result()

        both_sending = [others.submit(client.sendall, byte * 100_000) for client, byte in ((alice, b"a"), (bob, b"b"))]
        received = list(others.map(receive, (alice, bob, carol), [200_000] * 3))
        assert received[0] == received[1] == received[2]
        assert sorted(received[0]) == sorted(b"a" * 100_000 + b"b" * 100_000)
        assert all(each.result() is None for each in both_sending)

        carol.close()
        bob.sendall(b"?")
        assert receive(alice, 1) == receive(bob, 1) == b"?"


async def test_all_receive_all_bytes_in_one_order_and_wait_for_the_slowest() -> None:
    async with launch(relay("broadcast")) as server:
        await anyio.to_thread.run_sync(exchange, server.address)
        assert server.status is None


BASELINE = Entry(NAME, Role.BASELINE)


async def run_block(spec: str, *servers: tuple[Entry, Implementation]) -> BlockResult:
    request = BlockRequest(
        number=0,
        spec=spec,
        entries=tuple(entry for entry, _ in servers),
        implementations=tuple(server for _, server in servers),
        plan=SHORT,
        rounds=2,
        clients=12,
        idle_clients=24,
    )
    return await Block(request, Cores()).run()


@pytest.mark.parametrize("spec", plugins.specs())
async def test_the_baseline_is_flooded_and_verified(spec: str) -> None:
    result = await run_block(spec, (BASELINE, relay(spec)))
    assert result.failed == {}
    assert [(each.round, each.kind) for each in result.slices] == [(0, OF_RELAY), (1, OF_RELAY)]
    assert all(each.figures["deliveries_per_s"] > 0 for each in result.slices)


COUNTS_SENDERS = """#!{python}
import sys
sys.path.insert(0, {folder!r})
from server import Client, Server, main

class CountsSenders(Server):
    one_by_one = True

    def on_message(self, client: Client, message: bytes) -> None:
        if len(message) == 1 + {body_bytes}:
            with open("{log}", "a") as log:
                print(client.number, file=log)
        super().on_message(client, message)

main(CountsSenders)
"""


@pytest.mark.parametrize(("role", "senders"), [(Role.BASELINE, 1), (Role.SERVER, 12)])
async def test_the_baseline_has_one_sender(role: Role, senders: int, tmp_path: Path) -> None:
    """A relay of bytes could mix two senders within a message; a server has as many senders as clients, in turns."""
    program, log = tmp_path / "counts_senders.py", tmp_path / "log"
    text = COUNTS_SENDERS.format(python=sys.executable, folder=str(MUTANTS), body_bytes=BODY_BYTES, log=log)
    program.write_text(text)
    program.chmod(0o755)
    result = await run_block("broadcast", (Entry("counts_senders", role), implementation(program)))
    assert result.failed == {}
    assert len(set(log.read_text().split())) == senders


async def test_the_servers_beside_the_baseline_have_slices_of_all_kinds() -> None:
    server = implementation(CONFORMING)
    result = await run_block(server.spec, (BASELINE, relay(server.spec)), (Entry(server.name), server))
    assert result.failed == {}
    kinds = {entry: {each.kind for each in result.slices_of(entry)} for entry in result.entries}
    assert kinds == {BASELINE: {OF_RELAY}, Entry(server.name): {plan.kind for plan in SHORT} | {"idle"}}


@pytest.mark.parametrize(
    ("file", "fault"), [("greets.py", "no client has sent"), ("senders_order_broken.py", "sender order")]
)
async def test_what_takes_the_place_of_the_baseline_is_verified_like_a_server(file: str, fault: str) -> None:
    """A relay that broke the order or invented bytes would be no measure of what a server can reach."""
    result = await run_block("broadcast", (BASELINE, implementation(MUTANTS / "broken" / file)))
    assert fault in result.failed["0"]
    assert result.slices_of(BASELINE) == []
