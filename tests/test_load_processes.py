"""A load of several processes: one set of figures, and one end for all of them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from subprocess import PIPE

import anyio
import psutil
import pytest
from anyio.abc import Process

from harness import plugins
from harness.load import latency
from harness.load.messages import LoadAnswer, LoadRequest
from harness.model import Implementation
from harness.processes import warden
from harness.processes.workers import PYTHON
from harness.records import from_json, to_json
from harness.servers.launch import launch
from harness.servers.resources import usage
from tests.swarm_room import each_engine
from tests.zoo import MUTANTS, implementation

SERVER = next(
    server for server in plugins.implementations() if (server.spec, server.name) == ("broadcast", "selectors")
)
LIMIT_S = 120
WORK_S = 0.5  # of processor time, several times what a server needs to start and to take some clients

engine_name = pytest.fixture(params=["native", "python"], autouse=True)(each_engine)


@pytest.fixture
def count(engine_name: str) -> int:
    """How many processes a load has: two with one engine, three with the other."""
    return 2 if engine_name == "native" else 3


@asynccontextmanager
async def loading(
    server: Implementation, workload: str, count: int, **changes: float
) -> AsyncIterator[tuple[Process, int]]:
    """Load a server with so many processes, with the smallest parameters but for the changes; yield load and server."""
    profiles = plugins.workloads()[workload].profiles
    parameters = {**profiles.get("smoke", profiles["quick"]), **changes}
    async with launch(server, grace_s=2) as running:
        request = LoadRequest(
            address=str(running.address),
            server_pid=running.pid,
            spec=server.spec,
            workload=workload,
            parameters=parameters,
            processes=count,
        )
        async with await anyio.open_process([*PYTHON, "harness.load"], stdout=PIPE, stderr=PIPE) as process:
            assert process.stdin
            await process.stdin.send(to_json(request))
            await process.stdin.aclose()
            try:
                yield process, running.pid
            finally:
                if process.returncode is None:
                    process.kill()


async def ended(process: Process) -> tuple[bytes, str]:
    """Return what a load has written to standard output and standard error, when it has ended."""
    assert process.stdout and process.stderr
    output, errors = b"", b""
    with anyio.fail_after(LIMIT_S):
        async for data in process.stdout:
            output += data
        async for data in process.stderr:
            errors += data
        await process.wait()
    return output, errors.decode()


async def answer(server: Implementation, workload: str, count: int, **changes: float) -> LoadAnswer:
    async with loading(server, workload, count, **changes) as (process, _):
        output, errors = await ended(process)
    assert process.returncode == 0, errors
    return from_json(output, LoadAnswer)


async def test_a_flood_of_several_processes_has_one_set_of_figures(count: int) -> None:
    result = await answer(SERVER, "flood", count)
    assert result.violation == ""
    assert result.figures["clients"] == 20
    assert result.figures["generator_processes"] == count
    assert result.figures["dropped_share"] == 0
    assert result.figures["deliveries_per_s"] > 0
    assert result.figures["generator_rss_bytes"] > count * 10e6


async def test_a_schedule_is_sent_and_timed_by_all_processes(count: int) -> None:
    result = await answer(SERVER, "paced", count, rate_per_s=300, seconds=1, warm_up_s=0)
    assert result.violation == ""
    assert result.figures["dropped_share"] == 0
    assert latency.merge([result.histogram]).get_total_count() == pytest.approx(300, abs=30)
    assert 0.5 < result.figures["sent_share"] <= 1.1


async def test_a_workload_that_cannot_be_split_has_one_process() -> None:
    result = await answer(SERVER, "idle", 2)
    assert result.figures["clients"] == 50
    assert "generator_processes" not in result.figures


async def test_a_mutant_is_found_by_several_processes() -> None:
    result = await answer(implementation(MUTANTS / "broken" / "receivers_disagree.py"), "flood", 2, seconds=2)
    assert "disagreement" in result.violation


async def test_lost_messages_are_accepted_by_several_processes() -> None:
    result = await answer(implementation(MUTANTS / "conforming" / "loses_one_in_fifty.py"), "flood", 3)
    assert result.violation == ""
    assert result.figures["dropped_share"] > 0


# --- the end


async def has_begun(server_pid: int) -> None:
    """Return when a flood is under way: a server uses so much processor time for nothing else."""
    with anyio.fail_after(LIMIT_S):
        while usage(server_pid).cpu_s < WORK_S:
            await anyio.sleep(0.01)  # a process does not report how much another one has used


async def kill(victim: int, pids: list[int]) -> None:
    """Kill a process; return when all of these have ended."""
    os.kill(victim, signal.SIGKILL)
    with anyio.fail_after(LIMIT_S):
        while any(map(is_alive, pids)):
            await anyio.sleep(0.01)  # only the end of a child is reported


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_process_that_is_killed_is_the_end_of_the_load(count: int) -> None:
    async with loading(SERVER, "flood", count, seconds=LIMIT_S * 2) as (process, server_pid):
        await has_begun(server_pid)
        others = warden.children(process.pid)
        assert len(others) == count - 1
        await kill(others[-1], others)
        output, errors = await ended(process)
    assert process.returncode != 0
    assert output == b""
    assert f"process {count - 1} of the load's {count} was ended by SIGKILL" in errors.strip().splitlines()[-1]


async def test_when_the_first_is_killed_none_is_left() -> None:
    async with loading(SERVER, "flood", 3, seconds=LIMIT_S * 2) as (process, server_pid):
        await has_begun(server_pid)
        others = warden.children(process.pid)
        assert len(others) == 2
        await kill(process.pid, [process.pid, *others])
