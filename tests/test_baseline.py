"""The baseline relay: it relays bytes to all clients in one order and loses none; and the workload that measures it."""

from __future__ import annotations

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import anyio
import pytest

from harness import plugins
from harness.addresses import Address
from harness.league.baseline_relay import relay
from harness.league.messages import TrialRequest
from harness.league.trial import Cores, run_trial
from harness.model import TrialPlan
from harness.servers.launch import launch

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


@pytest.mark.parametrize("spec", plugins.specs())
async def test_the_baseline_is_measured_and_verified_like_a_flood(spec: str) -> None:
    parameters = plugins.workloads()["baseline"].profiles["smoke"]
    plan = TrialPlan(block=0, implementation="null", spec=spec, workload="baseline", parameters=parameters)
    result = await run_trial(TrialRequest(plan, relay(spec)), Cores())
    assert result.did_not_finish == ""
    assert result.figures["deliveries_per_s"] > 0
    assert result.figures["dropped_share"] == 0
    assert result.figures["in_flight"] == parameters["in_flight"]
