"""Time in which everything stood still counts for no deadline, and a case in the middle of it is run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import anyio
import msgspec
import pytest

from harness.conformance import worker
from harness.conformance.case_plugin import CASE, IS_PROVED
from harness.conformance.pool import combine_results
from harness.league import trial
from harness.league.messages import TrialRequest
from harness.league.trial import Cores, run_trial
from harness.load.processes import LoadProcesses
from harness.model import Case, CaseResult, Level, TrialPlan, Verdict
from harness.processes import deadlines, standstill
from harness.processes.deadlines import completes_within, move_on_after_active
from harness.processes.standstill import Heartbeat, LoopClock
from harness.processes.workers import open_worker
from tests.zoo import CONFORMING, MISFITS, implementation

STOPPED_S = 3.0  # a second counts as a standstill; threads that wait for a processor afterwards make it look shorter


class Machine:
    """Clocks as tests need them."""

    def __init__(self) -> None:
        self.now_s = self.at_work_s = 0.0
        self.heartbeat = Heartbeat(lambda: self.now_s, lambda: self.at_work_s)

    def passes(self, seconds: float, *, at_work_s: float = 0.0) -> float:
        self.now_s, self.at_work_s = self.now_s + seconds, self.at_work_s + at_work_s
        return self.heartbeat.beat()


def test_a_gap_is_time_that_stood_still() -> None:
    machine = Machine()
    assert machine.passes(0.25) == 0
    assert machine.passes(45) == 45
    assert machine.passes(0.25) == 45
    assert machine.passes(10) == 55


def test_a_process_that_computes_or_waits_for_a_processor_does_not_stand_still() -> None:
    machine = Machine()
    assert machine.passes(20, at_work_s=19.5) == 0
    assert machine.passes(20, at_work_s=25) == 0  # several threads
    assert machine.passes(20, at_work_s=5) == 15


def test_short_gaps_are_no_standstill() -> None:
    machine = Machine()
    assert [machine.passes(0.9) for _ in range(100)] == [0] * 100


@pytest.mark.skipif(sys.platform != "linux", reason="the time in run queues is not reported")
def test_a_stopped_process_notices_it() -> None:
    code = """if True:
        import sys, time
        from harness.processes.standstill import active_s, stood_still_s
        stood_still_s()
        before = time.monotonic(), active_s()
        print("begun", flush=True)
        sys.stdin.readline()
        print(stood_still_s(), time.monotonic() - before[0], active_s() - before[1])
    """
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdin and one.stdout
        one.stdout.readline()
        one.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, one.pid, os.WSTOPPED | os.WNOWAIT)
        time.sleep(STOPPED_S)
        one.send_signal(signal.SIGCONT)
        still, all_s, active = map(float, one.communicate("\n")[0].split())
    assert 1 <= still <= all_s
    assert active <= all_s - 1


def test_the_clock_of_a_loop_counts_only_so_much_of_each_turn() -> None:
    machine = Machine()
    clock = LoopClock(0.5, lambda: machine.now_s)
    elapsed = []
    for seconds in (0.25, 45, 0.25, 0.25):
        machine.now_s += seconds
        elapsed.append(clock.read())
    assert elapsed == [0.25, 0.75, 1, 1.25]


# --- deadlines


@pytest.fixture
def stands_still(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets `harness.processes.deadlines` believe that this process has stood still for some seconds."""
    so_far = [0.0]
    monkeypatch.setattr(deadlines, "stood_still_s", lambda: so_far[0])
    monkeypatch.setattr(deadlines, "active_s", lambda: time.monotonic() - so_far[0])

    def add(seconds: float) -> None:
        so_far[0] += seconds

    return add


async def test_a_deadline_that_passed_meanwhile_is_extended(stands_still: Callable[[float], None]) -> None:
    attempts = []

    async def wait() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            stands_still(45)
            await anyio.sleep_forever()

    assert await completes_within(wait, 0.2, os.getpid())
    assert len(attempts) == 2


async def test_a_standstill_before_the_wait_extends_nothing(stands_still: Callable[[float], None]) -> None:
    stands_still(45)
    assert not await completes_within(anyio.sleep_forever, 0.05, os.getpid())


async def test_a_worker_may_answer_after_a_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([0.0, 45.0])
    asked = anyio.Event()

    def stood_still_s() -> float:
        """Return 45 s when the deadline has passed, and let the worker answer only then."""
        so_far = next(readings, 45.0)
        if so_far:
            asked.set()
        return so_far

    async def ask() -> None:
        await asked.wait()
        await echo.send(b"morning")

    code = "import sys\nfor line in sys.stdin: print('good', line, end='', flush=True)"
    async with open_worker([sys.executable, "-c", code]) as echo, anyio.create_task_group() as tasks:
        assert await echo.request(b"evening", 60) == b"good evening"
        monkeypatch.setattr(deadlines, "stood_still_s", stood_still_s)
        tasks.start_soon(ask)
        assert await echo.receive(2) == b"good morning"


async def test_a_limit_in_active_time_ends_its_body() -> None:
    async with move_on_after_active(0.01) as limit:
        await anyio.sleep_forever()
    assert limit.cancelled_caught
    async with move_on_after_active(float("inf")) as limit:
        pass
    assert not limit.cancelled_caught


async def test_a_limit_in_active_time_goes_on_after_a_standstill(stands_still: Callable[[float], None]) -> None:
    async with move_on_after_active(0.05) as limit:
        stands_still(10_000)
        await anyio.sleep(0.2)
    assert not limit.cancelled_caught


def test_silence_of_a_process_of_a_load_is_measured_in_parts() -> None:
    waits: list[float] = []

    class Line:
        def poll(self, seconds: float) -> bool:
            waits.append(seconds)  # the first one may have taken 45 s
            return len(waits) == 3

        def recv(self) -> str:
            return "value"

    assert LoadProcesses(0, 2, [Line()]).gather_at_first("own") == ["own", "value"]  # type: ignore[list-item]
    assert max(waits) <= 5


# --- cases

THE_CASE = Case(id="a_case", number=1, requirements=("BC-X-1",), level=Level.SHOULD)


def result(verdict: Verdict, *, level: Level = Level.SHOULD) -> CaseResult:
    return CaseResult(
        implementation="a_server", spec="broadcast", id="a_case", requirements=("BC-X-1",), level=level, verdict=verdict
    )


def run(
    monkeypatch: pytest.MonkeyPatch, verdicts: Sequence[Verdict], happened: Sequence[str], *, is_proved: bool = False
) -> tuple[CaseResult, int]:
    """Run a case that ends in these verdicts while these things happen; return its result, and how often it ran."""
    item: Any = SimpleNamespace(stash=pytest.Stash())
    item.stash[CASE] = THE_CASE
    item.stash[IS_PROVED] = is_proved
    left, reasons = list(verdicts), list(happened)
    monkeypatch.setattr(worker, "run_case", lambda *_: result(left.pop(0), level=Level.MUST))
    monkeypatch.setattr(worker, "MachineWatch", lambda: SimpleNamespace(what_happened=lambda failure: reasons.pop(0)))
    ended = worker.run_fairly(item, implementation(CONFORMING), 0)
    return ended, len(verdicts) - len(left)


def test_a_case_that_failed_while_time_stood_still_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, runs = run(monkeypatch, [Verdict.FAIL, Verdict.PASS], ["everything here stood still for 45 s"])
    assert (ended.verdict, runs) == (Verdict.PASS, 2)
    ended, runs = run(monkeypatch, [Verdict.UNKNOWN, Verdict.FAIL], ["everything here stood still for 45 s", ""])
    assert (ended.verdict, runs) == (Verdict.FAIL, 2)


def test_a_case_that_is_always_disturbed_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, runs = run(monkeypatch, [Verdict.FAIL] * 3, ["only 2048 tasks are allowed here"] * 3)
    assert (ended.verdict, ended.message, runs) == (Verdict.UNKNOWN, "only 2048 tasks are allowed here", 3)
    assert (ended.level, ended.requirements) == (THE_CASE.level, THE_CASE.requirements)


def test_a_fault_in_a_history_stands_whatever_the_machine_did(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, runs = run(monkeypatch, [Verdict.FAIL], [], is_proved=True)
    assert (ended.verdict, runs) == (Verdict.FAIL, 1)


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN, Verdict.ERROR])
def test_a_case_that_nothing_disturbed_is_not_run_again(verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, runs = run(monkeypatch, [verdict], [""])
    assert (ended.verdict, runs) == (verdict, 1)


def test_a_check_in_which_only_shoulds_were_asked_and_none_was_decided_is_undecided() -> None:
    server = msgspec.structs.replace(implementation(CONFORMING), name="a_server")
    assert combine_results(server, [result(Verdict.UNKNOWN)]).verdict is Verdict.UNKNOWN
    assert combine_results(server, [result(Verdict.WARN)]).verdict is Verdict.PASS
    assert combine_results(server, [result(Verdict.UNKNOWN), result(Verdict.PASS)]).verdict is Verdict.PASS


# --- trials


STILL, FEW, QUOTA = "it stood still", "only 9 tasks", "the quota stopped it"


@pytest.mark.parametrize(
    "name, happened, disturbed, did_not_finish",
    [
        ("server", {"stood_still": STILL}, STILL, ""),
        ("server", {"throttling": QUOTA}, QUOTA, ""),
        ("exits_at_once", {"stood_still": STILL}, STILL, ""),
        ("exits_at_once", {"ran_out": FEW}, FEW, FEW),
        ("exits_at_once", {"throttling": QUOTA}, "", 'server "exits_at_once" exited with status 3'),
    ],
)
async def test_a_trial_that_the_machine_disturbed_does_not_count(
    name: str, happened: dict[str, str], disturbed: str, did_not_finish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = {"stood_still": "", "ran_out": "", "throttling": ""} | happened
    watch = SimpleNamespace(**{key: lambda *_, text=text: text for key, text in happened.items()})
    monkeypatch.setattr(trial, "MachineWatch", lambda: watch)
    server = implementation(CONFORMING if name == "server" else MISFITS / f"{name}.py")
    parameters = {"clients": 2, "seconds": 0.1}
    plan = TrialPlan(block=0, implementation=server.name, spec="broadcast", workload="idle", parameters=parameters)
    ended = await run_trial(TrialRequest(plan, server), Cores())
    assert ended.disturbed == disturbed
    assert ended.did_not_finish.startswith(did_not_finish)
    assert bool(ended.did_not_finish) == bool(did_not_finish)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_a_heartbeat_of_its_own() -> None:
    """Threads do not come along: without one, a second in which the child sleeps would count as a standstill."""
    standstill.stood_still_s()
    child = os.fork()
    if child == 0:
        os._exit(standstill._heartbeat is not None)
    assert os.waitpid(child, 0)[1] == 0
