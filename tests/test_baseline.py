"""The null server: it hands on bytes to everybody in one order and loses none; the workload that measures it."""

from __future__ import annotations

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import anyio
import pytest

from harness import plugins
from harness.addresses import Address
from harness.league.baseline_relay import null_server
from harness.league.trial import Cores, TrialRequest, make
from harness.model import TrialPlan
from harness.servers.launch import launch

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
SAID = bytes(range(256)) * (16 << 12)  # 16 MiB


def received(one: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (more := one.recv(min(1 << 16, count - len(data)))):
        data += more
    return bytes(data)


def talk(address: Address) -> None:
    """Speak, one alone and then two at once, more than the kernel keeps for who reads slowly."""
    with ExitStack() as stack, ThreadPoolExecutor() as others:
        alice, bob, carol = (
            stack.enter_context(socket.create_connection((address.host, address.port), 60)) for _ in range(3)
        )
        carol.sendall(b"!")  # the last that came: who is in the room by now hears it
        assert [received(one, 1) for one in (alice, bob, carol)] == [b"!"] * 3
        speaking = others.submit(alice.sendall, SAID)
        hearing = [others.submit(received, one, len(SAID)) for one in (alice, bob)]
        assert received(carol, len(SAID)) == SAID
        assert [one.result() for one in hearing] == [SAID, SAID]
        speaking.result()

        speaking_all = [others.submit(one.sendall, word * 100_000) for one, word in ((alice, b"a"), (bob, b"b"))]
        heard = list(others.map(received, (alice, bob, carol), [200_000] * 3))
        assert heard[0] == heard[1] == heard[2]
        assert sorted(heard[0]) == sorted(b"a" * 100_000 + b"b" * 100_000)
        assert all(one.result() is None for one in speaking_all)

        carol.close()
        bob.sendall(b"?")
        assert received(alice, 1) == received(bob, 1) == b"?"


async def test_all_hear_all_bytes_in_one_order_and_wait_for_the_slowest() -> None:
    async with launch(null_server("broadcast")) as server:
        await anyio.to_thread.run_sync(talk, server.address)
        assert server.status is None


@pytest.mark.parametrize("spec", plugins.specs())
async def test_the_ceiling_is_measured_and_verified_like_a_flood(spec: str) -> None:
    parameters = plugins.workloads()["ceiling"].profiles["smoke"]
    plan = TrialPlan(block=0, implementation="null", spec=spec, workload="ceiling", parameters=parameters)
    result = await make(TrialRequest(plan, null_server(spec)), Cores())
    assert result.did_not_finish == ""
    assert result.figures["deliveries_per_s"] > 0
    assert result.figures["dropped_share"] == 0
    assert result.figures["window"] == parameters["window"]
