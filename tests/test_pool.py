"""The pool of workers: what happens to a worker is the harness's own error, and nothing waits for ever."""

from __future__ import annotations

import contextlib
import os
import signal

import anyio
import psutil
import pytest

from harness import plugins
from harness.conformance.pool import Watcher, one_case_per_job, open_pool
from harness.errors import UsageError
from harness.model import Case, CaseResult, Implementation, Verdict
from tests.zoo import CONFORMING, MUTANTS, implementation

SPEC = plugins.specs()["broadcast"]


def kill_workers() -> None:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # a server of an earlier case may be ending
            words = process.cmdline()
            if "harness.conformance.worker" in words and "warden.py" not in " ".join(words):
                os.kill(process.pid, signal.SIGKILL)


async def test_a_worker_that_is_killed_is_an_error_of_the_harness() -> None:
    seen: list[CaseResult] = []

    def started(server: Implementation, case: Case) -> None:
        if case.id == "a_lone_client_hears_itself":
            kill_workers()

    with anyio.fail_after(60):
        async with open_pool(SPEC, jobs=1, arguments=["-k", "lone or ready_line"]) as pool:
            results = await pool.check(
                [implementation(CONFORMING)], Watcher(case_started=started, case_ended=seen.append)
            )
    assert results == seen
    by_id = {result.id: result for result in results}
    assert by_id["the_ready_line_is_exact"].verdict is Verdict.PASS
    assert by_id["a_lone_client_hears_itself"].verdict is Verdict.ERROR
    assert "the harness's own fault: a worker process ended" in by_id["a_lone_client_hears_itself"].message
    assert by_id["the_ready_line_names_the_address_as_given"].verdict is Verdict.BLOCKED
    assert {result.verdict for result in results} <= {Verdict.PASS, Verdict.ERROR, Verdict.BLOCKED}


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
