"""Deadlines do not count the time in which a server waits for a processor that others use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import anyio
import pytest

from harness.errors import LaunchError
from harness.processes import deadlines
from harness.processes.deadlines import LostTime, ServerClock, completes_within
from harness.processes.proc import cpu_wait_s
from harness.servers.launch import launch
from tests.zoo import MISFITS, implementation

OTHERS = 4
BURNING_S = 60
READY_S = 2.0  # twice the time that the server needs on an idle machine

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("taskset"),
    reason="only Linux reports how long a process waits for a processor",
)


@pytest.fixture
def core() -> Iterator[str]:
    """A core that other processes use, as the argument of `taskset -c`."""
    number = str(min(os.sched_getaffinity(0)))
    code = f"import time\nend = time.monotonic() + {BURNING_S}\nwhile time.monotonic() < end: pass"
    words = [sys.executable, "-S", "-c", code]
    with ExitStack() as stack:
        for _ in range(OTHERS):  # each in its own session, so with its own share of the core
            process = stack.enter_context(subprocess.Popen(["taskset", "-c", number, *words], start_new_session=True))
            stack.callback(process.kill)
        yield number


async def test_a_server_that_waits_for_a_processor_may_take_longer(core: str) -> None:
    slow = implementation(MISFITS / "busy_before_ready.py")
    async with launch(slow, ready_s=READY_S, wrap=["taskset", "-c", core]) as server:
        assert server.ready_s > READY_S
        assert cpu_wait_s(server.pid) > 1


async def test_a_server_that_hangs_gets_no_extra_time_on_a_busy_machine(core: str) -> None:
    hanging = implementation(MISFITS / "never_ready.py")
    with pytest.raises(LaunchError, match=r"printed no ready line in 2 s"):
        with anyio.fail_after(BURNING_S):
            async with launch(hanging, ready_s=READY_S, wrap=["taskset", "-c", core]):
                pass


async def test_a_wait_that_succeeds_is_not_repeated() -> None:
    calls = 0

    async def succeeds() -> None:
        nonlocal calls
        calls += 1

    assert await completes_within(succeeds, 1, os.getpid())
    assert calls == 1


def test_a_process_that_has_ended_has_not_waited() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert cpu_wait_s(process.pid) == 0
    assert LostTime(process.pid).since_last_call_s(10) == 0


def test_a_process_that_ends_while_it_is_read_is_left_out() -> None:
    over = threading.Event()

    def start_and_end() -> None:
        while not over.is_set():
            subprocess.run(["true"], check=True)

    passing = threading.Thread(target=start_and_end)
    passing.start()
    try:
        for _ in range(2000):  # within some hundreds, one process ends while it is read
            cpu_wait_s(os.getpid())
    finally:
        over.set()
        passing.join()


def test_a_clock_of_a_server_leaves_out_its_waits_for_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, now = iter([5.0, 7.0, 7.0]), iter([10.0, 13.0, 17.0])
    monkeypatch.setattr(deadlines, "cpu_wait_s", lambda pid: next(waited))
    monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=lambda: next(now)))
    clock = ServerClock(1)
    assert (clock.read(), clock.waited_s) == (1.0, 2.0)
    assert (clock.read(), clock.waited_s) == (5.0, 2.0)
