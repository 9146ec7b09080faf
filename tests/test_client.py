"""A client of the conformance harness: what it does while it reads."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path

import anyio
import pytest

from harness import plugins
from harness.conformance.api import barrier
from harness.conformance.api import client as client_module
from harness.conformance.api.client import Client
from harness.conformance.api.participants import Participants
from harness.processes.tasks import background_tasks
from harness.servers.launch import launch
from tests.zoo import CONFORMING, MUTANTS, implementation

MESSAGES = 200
SHORT_S = 0.5


async def test_a_client_that_stalls_and_resumes_at_once_reads_on() -> None:
    """Both clients get a message in the same turn of the loop, and one stalls the other before it has taken it."""
    async with background_tasks() as tasks, launch(implementation(CONFORMING), grace_s=0) as server:
        participants = Participants(plugins.specs()["broadcast"], server, tasks)
        first, second = [await participants.connect(small=False, joins=True, topics=(0,), reads=True) for _ in range(2)]

        def restart(client: Client) -> None:
            client.stall()
            client.start_reading()

        first.watchers.add(lambda _client, _numbers: restart(second))
        second.watchers.add(lambda _client, _numbers: restart(first))
        with anyio.fail_after(120):
            for count in range(1, MESSAGES + 1):
                await first.send_next()
                for client in (first, second):
                    assert await client.wait_until(partial(has_received, client, count), 60)


@pytest.mark.parametrize("asks", ["a barrier", "its own patience"])
async def test_what_the_kernel_has_not_delivered_is_no_silence(monkeypatch: pytest.MonkeyPatch, asks: str) -> None:
    """A buffer that shrinks drops a segment, and the server's kernel waits ever longer before it sends it again."""
    monkeypatch.setattr(barrier, "PATIENCE_S", SHORT_S)
    async with background_tasks() as tasks, launch(implementation(CONFORMING), grace_s=0) as server:
        participants = Participants(plugins.specs()["broadcast"], server, tasks)
        alice, slow = [await participants.connect(small=False, joins=True, topics=(0,), reads=True) for _ in range(2)]
        await barrier.barrier(participants, alice, [alice, slow])
        buffer = slow.connection.socket
        size = buffer.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        slow.stall()
        buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        with anyio.fail_after(120):
            while (waits_s := resends_in_s(buffer)) < 4 * SHORT_S:
                if not waits_s:  # no more than necessary: some congestion controls are slow for long after that
                    await alice.send(*(alice.next_body(250) for _ in range(10)))
                await anyio.sleep(0.01)
            buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            before = len(slow.received)
            slow.start_reading()
            if asks == "a barrier":
                await barrier.barrier(participants, alice, [slow])
            else:
                assert await slow.wait_while_receiving(lambda: len(slow.received) > before, SHORT_S)


async def test_a_flood_of_replies_ends_where_nobody_has_asked_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MOST_NOTES", 1000)
    async with (
        background_tasks() as tasks,
        launch(implementation(MUTANTS.with_name("channels") / "server.py"), grace_s=0) as server,
    ):
        participants = Participants(plugins.specs()["channels"], server, tasks)
        client = await participants.connect(small=False, joins=False, topics=(), reads=True)
        await client.send_raw(b"x\n" * 2000)
        with anyio.fail_after(120):
            assert await client.wait_until(lambda: bool(client.faults), 60)
        assert "1,000 replies and notices" in client.faults[0].sentence
        assert not client.is_reading


def resends_in_s(connected: socket.socket) -> float:
    """Return in how many seconds the kernel of the peer sends again what was not acknowledged; 0 if it need not."""
    mine = f":{connected.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, _, _, timer, *_ = line.split()
        kind, _, ticks = timer.partition(":")
        if remote.endswith(mine) and kind == "01":
            return int(ticks, 16) / os.sysconf("SC_CLK_TCK")
    return 0.0


def has_received(client: Client, count: int) -> bool:
    return len(client.received) >= count
