"""Servers started ahead of need: which, how many, and that none is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

import psutil
import pytest

from harness import plugins
from harness.conformance.api.start import Start
from harness.processes.tasks import background_tasks
from harness.servers.ahead import MOST, EarlyStarts
from tests.zoo import CONFORMING, MUTANTS, implementation

SLOW = implementation(MUTANTS / "conforming" / "starts_slowly.py")
OTHER = implementation(CONFORMING)


@pytest.fixture
def early() -> Iterator[EarlyStarts]:
    early = EarlyStarts()
    yield early
    early.close()


def pids(early: EarlyStarts) -> list[int]:
    return [server.started.process.pid for server in early._waiting]


def test_a_start_that_waits_is_repeated_ahead_but_one_that_works_is_not(early: EarlyStarts) -> None:
    for ready_s, cpu_s, expected in ((0.1, 0.1, 0), (1.5, 0.1, 2), (2.5, 2.4, 0), (9.0, 0.1, MOST)):
        early.close()
        early.prepare(SLOW, needed=0)
        early.learn(ready_s, cpu_s)
        early.prepare(SLOW, needed=9)
        assert len(pids(early)) == expected, ready_s


def test_no_more_start_than_are_needed(early: EarlyStarts) -> None:
    early.prepare(SLOW, needed=9)
    assert not pids(early)  # nothing is known about it yet
    early.learn(9.0, 0.1)
    early.prepare(SLOW, needed=1)
    first = pids(early)
    early.prepare(SLOW, needed=1)
    assert len(first) == 1 and pids(early) == first


def test_another_server_ends_those_of_the_first(early: EarlyStarts) -> None:
    early.prepare(SLOW, needed=0)
    early.learn(9.0, 0.1)
    early.prepare(SLOW, needed=2)
    first = pids(early)
    assert all(map(psutil.pid_exists, first))
    early.prepare(OTHER, needed=2)
    assert len(first) == 2 and not pids(early) and not any(map(psutil.pid_exists, first))


@pytest.fixture
def prepared(early: EarlyStarts) -> EarlyStarts:
    early.prepare(SLOW, needed=0)
    early.learn(9.0, 0.1)
    early.prepare(SLOW, needed=1)
    return early


async def test_a_case_for_which_any_server_will_do_takes_the_early_one(prepared: EarlyStarts) -> None:
    (pid,) = pids(prepared)
    async with background_tasks() as tasks, AsyncExitStack() as stack:
        start = Start(plugins.specs()["broadcast"], SLOW, stack, tasks, prepared)
        own = await start.server()
        room = await start.room_on_any_server()
        assert own.pid != pid == room.server.pid
        alice, bob = await room.join(2)
        await room.deliver(alice, [b"hello"], [alice, bob])
        for client in (alice, bob):
            await client.hang_up()
    assert not psutil.pid_exists(pid)
