"""Deadlines do not count the time in which a server waits for a processor that others use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from harness.errors import LaunchError
from harness.processes import deadlines, warden
from harness.processes.deadlines import LostTime, ServerClock, completes_within
from harness.processes.proc import ProcessorUse, cpu_wait_s
from harness.processes.warden import signal_all
from harness.servers.launch import launch
from tests.zoo import MISFITS, implementation

OTHERS = 4
BURNING_S = 60
READY_S = 2.0  # twice the time that the server needs on an idle machine

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("taskset"),
    reason="only Linux reports how long a process waits for a processor",
)


class Machine:
    """Takes the place of clocks and of what the kernel reports."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 10.0
        self.use = SimpleNamespace(ran_s=0.0, waited_s=0.0, read=lambda: None)
        monkeypatch.setattr(deadlines, "ProcessorUse", lambda pid: self.use)
        monkeypatch.setattr(deadlines, "_cores", lambda pid: 1)
        monkeypatch.setattr(deadlines, "stood_still_s", lambda: 0.0)
        monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    def passes(self, seconds: float, *, ran_s: float = 0.0, waited_s: float = 0.0) -> None:
        self.now_s += seconds
        self.use.ran_s += ran_s
        self.use.waited_s += waited_s


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


def test_a_thousand_generations_are_no_recursion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warden, "children", lambda pid: [pid + 1] if pid < 5000 else [])
    assert warden.descendants(1) == list(range(2, 5001))


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
    machine = Machine(monkeypatch)
    clock = ServerClock(1)
    machine.passes(3, waited_s=2)
    assert (clock.read(), clock.waited_s) == (1.0, 2.0)
    machine.passes(4)
    assert (clock.read(), clock.waited_s) == (5.0, 2.0)


def test_short_waits_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    clock = ServerClock(1)
    for _ in range(100):
        machine.passes(0.075, waited_s=0.06)
        clock.read()
    assert clock.elapsed_s == pytest.approx(1.5, abs=0.1)


def test_threads_that_wait_for_each_other_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    lost = LostTime(1)
    machine.passes(10, ran_s=10, waited_s=30)  # four threads share a core, and nobody else is there
    assert lost.since_last_call_s(10) == 0
    machine.passes(10, ran_s=5, waited_s=35)
    assert lost.since_last_call_s(10) == pytest.approx(5)


async def test_a_server_whose_threads_spin_gets_no_extra_time_for_ever() -> None:
    loops = " & ".join(["while :; do :; done"] * 4)
    words = ["taskset", "-c", str(min(os.sched_getaffinity(0))), "sh", "-c", f"{loops} & wait"]
    with subprocess.Popen(words) as spinning:  # noqa: ASYNC220
        try:
            with anyio.fail_after(BURNING_S):
                assert not await completes_within(anyio.sleep_forever, 0.5, spinning.pid)
        finally:
            signal_all(spinning.pid, signal.SIGKILL)


def test_waits_of_threads_that_have_ended_stay_counted(core: str) -> None:
    words = ["taskset", "-c", core, "sh", "-c", "sh -c 'for i in $(seq 200000); do :; done'; exec sleep 60"]
    with subprocess.Popen(words) as process:
        try:
            use = ProcessorUse(process.pid)
            most = 0.0
            while not (ended := Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n"):
                use.read()
                assert use.waited_s >= most
                most = use.waited_s
            assert ended and most > 0.1
            use.read()
            assert use.waited_s >= most
        finally:
            process.kill()
