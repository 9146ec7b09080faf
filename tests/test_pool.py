"""The pool of workers: what happens to a worker is the harness's own error, and nothing waits for ever."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import anyio
import psutil
import pytest

from harness import plugins
from harness.conformance import pool as pool_module
from harness.conformance import worker as worker_module
from harness.conformance.case_plugin import FAILURE
from harness.conformance.pool import Watcher, one_case_per_job, open_pool
from harness.errors import HarnessError, UsageError
from harness.model import Case, CaseResult, Implementation, Verdict
from tests.zoo import CONFORMING, MUTANTS, implementation

SPEC = plugins.specs()["broadcast"]


SILENT = """\
#!/usr/bin/env python3
import signal, socket, sys
host, port = sys.argv[1].rsplit(":", 1)
listener = socket.create_server((host, int(port)))
print("listening on", sys.argv[1], flush=True)
signal.pause()
"""


def workers() -> list[psutil.Process]:
    """Return the processes of all workers, first the one that has forked the others."""
    found: list[psutil.Process] = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # a server of an earlier case may be ending
            words = process.cmdline()
            if "harness.conformance.worker" not in words or "warden.py" in " ".join(words):
                continue
            # A worker's child that is about to become a server still has the worker's command line.
            if not found or process.ppid() == found[0].pid:
                found.append(process)
    return found


def kill_workers() -> None:
    for process in workers():
        with contextlib.suppress(ProcessLookupError):  # the end of the first one is that of the others
            os.kill(process.pid, signal.SIGKILL)


async def test_a_worker_that_is_killed_is_an_error_of_the_harness() -> None:
    seen: list[CaseResult] = []

    def started(server: Implementation, case: Case) -> None:
        if case.id == "a_lone_client_receives_its_own_messages":
            kill_workers()

    with anyio.fail_after(240):
        async with open_pool(SPEC, jobs=1, arguments=["-k", "lone or ready_line"]) as pool:
            results = await pool.check(
                [implementation(CONFORMING)], Watcher(case_started=started, case_ended=seen.append)
            )
    assert results == seen
    by_id = {result.id: result for result in results}
    assert by_id["the_ready_line_is_exact"].verdict is Verdict.PASS
    assert by_id["a_lone_client_receives_its_own_messages"].verdict is Verdict.ERROR
    assert "the harness's own fault: a worker process ended" in by_id["a_lone_client_receives_its_own_messages"].message
    assert by_id["the_ready_line_names_the_address_as_given[127.0.0.1]"].verdict is Verdict.BLOCKED
    assert {result.verdict for result in results} <= {Verdict.PASS, Verdict.ERROR, Verdict.BLOCKED}


async def test_a_failure_whose_script_cannot_be_shortened_is_still_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    should_shrink = pool_module.Pool._should_shrink

    def then_its_worker_dies(pool: pool_module.Pool, result: CaseResult) -> bool:
        if should := should_shrink(pool, result):
            kill_workers()
        return should

    monkeypatch.setattr(pool_module.Pool, "_should_shrink", then_its_worker_dies)
    mutant = implementation(MUTANTS / "broken" / "sender_left_out.py")
    with anyio.fail_after(240):
        async with open_pool(SPEC, jobs=1, arguments=["-k", "lone"], shrink=True) as pool:
            results = await pool.check([mutant], Watcher())
    (failed,) = [result for result in results if result.id == "a_lone_client_receives_its_own_messages"]
    assert failed.verdict is Verdict.FAIL
    assert failed.evidence and failed.evidence.script


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), HarnessError("no port is free")])
def test_what_is_lacking_for_a_shorter_script_leaves_the_evidence_as_it_is(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def shrunk(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(worker_module, "shrunk_evidence", shrunk)
    failure = SimpleNamespace(steps=["a step"], evidence="the evidence")
    item = SimpleNamespace(stash={FAILURE: failure})
    assert worker_module.shorten_script(item, implementation(CONFORMING)) == "the evidence"  # type: ignore[arg-type, comparison-overlap]


async def test_at_a_failure_nothing_new_is_started() -> None:
    mutant = implementation(MUTANTS / "broken" / "greets.py")
    async with open_pool(SPEC, jobs=1, arguments=["-k", "framing"]) as pool:
        results = await pool.check([mutant], Watcher(), stop_at_failure=True)
    assert [result.verdict for result in results] == [Verdict.FAIL]
    assert len(pool.cases) > 10


async def test_cases_of_an_earlier_run_do_not_run_again() -> None:
    ran: list[str] = []

    def started(server: Implementation, case: Case) -> None:
        ran.append(case.id)

    async with open_pool(SPEC, jobs=2, arguments=["-k", "halves or lone or empty_message"]) as pool:
        first = await pool.check([implementation(CONFORMING)], Watcher())
        done = [result for result in first if result.id != "an_empty_message_is_forwarded"]
        again = await pool.check([implementation(CONFORMING)], Watcher(case_started=started), done=done)
    assert ran == ["an_empty_message_is_forwarded"]
    assert {result.id for result in again} == {result.id for result in first}


async def test_a_keyword_that_matches_no_case_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no case of broadcast matches"):
        async with open_pool(SPEC, jobs=1, arguments=["-k", "no_such_case"]):
            pass


async def test_a_worker_that_is_killed_takes_its_server_with_it_and_no_other_worker(tmp_path: Path) -> None:
    silent = tmp_path / "silent.py"
    silent.write_text(SILENT)
    silent.chmod(0o755)
    killed: list[psutil.Process] = []
    others: list[psutil.Process] = []

    def started(server: Implementation, case: Case) -> None:
        tasks.start_soon(kill_the_worker_with_the_server)

    async def kill_the_worker_with_the_server() -> None:
        while not killed:
            await anyio.sleep(0.05)  # a process that another one starts is no event of ours
            for worker in workers()[1:]:
                if servers := worker.children():
                    killed.extend((worker, *servers))
                    others.extend(other for other in workers() if other != worker)
                    worker.kill()

    with anyio.fail_after(120):
        async with open_pool(SPEC, jobs=2, arguments=["-k", "lone"]) as pool:
            async with anyio.create_task_group() as tasks:
                result, *_blocked = await pool.check([implementation(silent)], Watcher(case_started=started))
            await gone(killed)
            assert len(others) == 2 and all(other.is_running() for other in others)
    assert result.verdict is Verdict.ERROR
    assert "a worker process ended: ended by signal 9" in result.message


async def gone(processes: Sequence[psutil.Process]) -> None:
    while any(process.is_running() for process in processes):
        await anyio.sleep(0.05)  # the end of a process that another one started is no event of ours


async def most_at_once(monkeypatch: pytest.MonkeyPatch, *, idle: bool) -> int:
    """Return how many cases ran at once at most, with one worker and two more for idle times."""
    running, most = 0, 0

    class Meter:
        def were_idle(self) -> bool:
            return idle

    monkeypatch.setattr(pool_module, "IdleMeter", Meter)

    def started(server: Implementation, case: Case) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)

    def ended(result: CaseResult) -> None:
        nonlocal running
        running -= 1

    server = MUTANTS / "conforming" / "starts_slowly.py" if idle else CONFORMING
    async with open_pool(SPEC, jobs=1, jobs_when_idle=3, arguments=["-k", "empty or lengths or longest"]) as pool:
        results = await pool.check([implementation(server)], Watcher(case_started=started, case_ended=ended))
    assert {result.verdict for result in results} == {Verdict.PASS}
    return most


async def test_more_cases_run_at_once_while_the_processors_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 < await most_at_once(monkeypatch, idle=True) <= 3


async def test_no_more_cases_run_at_once_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await most_at_once(monkeypatch, idle=False) == 1


@pytest.mark.parametrize(
    ("arguments", "is_there"),
    [([], False), (["--full"], True), (["-k", "timers"], True), (["-m", "smoke"], False)],
    ids=["without --full", "with --full", "by name", "smoke"],
)
async def test_cases_of_over_a_minute_run_only_when_asked_for_and_first(arguments: list[str], is_there: bool) -> None:
    server = implementation(CONFORMING)
    async with open_pool(SPEC, jobs=1, arguments=arguments) as pool:
        planned = [case for (case,) in one_case_per_job(server, pool.cases)]
    assert any(case.id.startswith("timers_of_up_to") for case in planned) == is_there
    assert [case.long for case in planned] == sorted((case.long for case in planned), reverse=True)
