"""A client of the conformance harness: what it does while it reads."""

from __future__ import annotations

from functools import partial

import anyio

from harness import plugins
from harness.conformance.api.client import Client
from harness.conformance.api.participants import Participants
from harness.processes.tasks import background_tasks
from harness.servers.launch import launch
from tests.zoo import CONFORMING, implementation

MESSAGES = 200


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


def has_received(client: Client, count: int) -> bool:
    return len(client.received) >= count
