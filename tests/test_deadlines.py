"""What a server cannot help: that others have the processor it waits for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import anyio
import pytest

from harness.errors import LaunchError
from harness.processes.deadlines import Queueing, in_time
from harness.processes.proc import queued_s
from harness.servers.launch import launch
from tests.zoo import MISFITS, implementation

OTHERS = 4
READY_S = 2.0  # twice of what the server needs when it is alone

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("taskset"), reason="who waits for a processor is told on Linux only"
)


@pytest.fixture
def core() -> Iterator[str]:
    """A core that others use, as the argument of `taskset -c`."""
    number = str(min(os.sched_getaffinity(0)))
    words = [sys.executable, "-S", "-c", "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"]
    with ExitStack() as stack:
        for _ in range(OTHERS):  # each a session of its own, and a share of its own
            one = stack.enter_context(subprocess.Popen(["taskset", "-c", number, *words], start_new_session=True))
            stack.callback(one.kill)
        yield number


async def test_who_waits_for_a_processor_may_take_longer_to_be_ready(core: str) -> None:
    slow = implementation(MISFITS / "compiles_itself.py")
    async with launch(slow, ready_s=READY_S, wrap=["taskset", "-c", core]) as server:
        assert server.ready_s > READY_S
        assert queued_s(server.pid) > 1


async def test_who_does_nothing_is_not_excused_by_a_busy_machine(core: str) -> None:
    hanging = implementation(MISFITS / "never_ready.py")
    with pytest.raises(LaunchError, match=r"printed no ready line in 2 s"):
        with anyio.fail_after(10 * READY_S):
            async with launch(hanging, ready_s=READY_S, wrap=["taskset", "-c", core]):
                pass


async def test_what_comes_in_time_is_not_waited_for_again() -> None:
    asked = 0

    async def comes() -> None:
        nonlocal asked
        asked += 1

    assert await in_time(comes, 1, os.getpid())
    assert asked == 1


def test_a_process_that_is_gone_has_no_excuse() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert queued_s(process.pid) == 0
    assert Queueing(process.pid).excuses_s(10) == 0


def test_who_ends_while_it_is_looked_at_is_left_out() -> None:
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            subprocess.run(["true"], check=True)

    passing = threading.Thread(target=come_and_go)
    passing.start()
    try:
        for _ in range(2000):  # the first that is caught in the act is among some hundreds
            queued_s(os.getpid())
    finally:
        over.set()
        passing.join()
