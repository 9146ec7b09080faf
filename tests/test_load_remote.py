"""A load whose processes are on other machines, here over loopback: one set of figures, one verdict, one end."""

from __future__ import annotations

import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client

import anyio
import psutil
import pytest

from harness import plugins
from harness.addresses import Address
from harness.errors import HarnessError
from harness.league.messages import TrialRequest
from harness.league.trial import Cores, run_trial
from harness.load import latency
from harness.load.clients import clients
from harness.load.clients.clients import Clients
from harness.load.messages import RemoteShares
from harness.load.processes import FirstProcessLost, LoadProcesses
from harness.load.remote import ShareListener, connect_shares
from harness.model import Implementation, TrialPlan, TrialResult
from harness.processes.held import HeldProcess
from harness.processes.workers import PYTHON
from tests.zoo import MUTANTS, implementation

HOST = "127.0.0.1"
KEY = secrets.token_bytes(32)
LIMIT_S = 120
SERVER = next(
    server for server in plugins.implementations() if (server.spec, server.name) == ("broadcast", "selectors")
)


OTHER_CLOCK = ["unshare", "--time", "--monotonic", "86400", "--fork"]  # a day later than this process's


def may_have_clocks() -> bool:
    """Return whether this process may start others whose monotonic clock is another one."""
    try:
        return subprocess.run([*OTHER_CLOCK, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def shares(count: int, prefix: Sequence[str] = ()) -> Iterator[tuple[list[HeldProcess], RemoteShares]]:
    """Start processes as they run on other machines; yield them, and how the first process of a load finds them.

    The last one has some words before its command.
    """
    words = [*PYTHON, "harness.load", HOST]
    every = [HeldProcess([*(prefix if number == count - 1 else ()), *words]) for number in range(count)]
    try:
        for share in every:
            share.send(KEY.hex())
        yield every, RemoteShares(shares=tuple(share.receive() for share in every), key=KEY.hex())
    finally:
        for share in every:
            share.end()


async def trial(
    server: Implementation, workload: str, count: int, prefix: Sequence[str] = (), **changes: float
) -> TrialResult:
    parameters = {**plugins.workloads()[workload].profiles["smoke"], **changes}
    plan = TrialPlan(block=0, implementation=server.name, spec=server.spec, workload=workload, parameters=parameters)
    with shares(count, prefix) as (_, remote):
        return await run_trial(TrialRequest(plan, server, remote=remote), Cores())


async def test_a_flood_from_elsewhere_has_the_figures_of_one_from_here() -> None:
    result = await trial(SERVER, "flood", 2)
    assert result.did_not_finish == ""
    assert result.figures["clients"] == 20
    assert result.figures["generator_processes"] == 3, "the first one is beside the server, and has no clients"
    assert result.figures["dropped_share"] == 0
    assert result.figures["deliveries_per_s"] > 0
    assert result.figures["server_cpu_share"] > 0
    assert "generator_user_share" not in result.figures, "the first process would show its own, which is idle"


async def test_a_schedule_is_timed_by_the_clock_of_each_process() -> None:
    result = await trial(SERVER, "paced", 2, rate_per_s=300, seconds=1, warm_up_s=0)
    assert result.did_not_finish == ""
    assert result.figures["dropped_share"] == 0
    assert latency.merge([result.histogram]).get_total_count() == pytest.approx(300, abs=30)


@pytest.mark.skipif(not may_have_clocks(), reason="this process may not make time namespaces")
async def test_clocks_that_have_nothing_in_common_do_no_harm() -> None:
    """Each of four senders has a quarter of the schedule; two of them are where it is tomorrow."""
    result = await trial(SERVER, "paced", 2, OTHER_CLOCK, rate_per_s=300, seconds=1, warm_up_s=0.2)
    assert result.did_not_finish == ""
    assert result.figures["dropped_share"] == 0
    histogram = latency.merge([result.histogram])
    assert histogram.get_total_count() == pytest.approx(300, abs=30)
    assert histogram.get_max_value() < 30e9, "a minute is what a clock of another machine would make of it"


@pytest.mark.parametrize(
    ("mutant", "words"), [("receivers_disagree", "disagreement"), ("rare_duplicates", "duplicated")]
)
async def test_a_mutant_is_found_by_processes_elsewhere(mutant: str, words: str) -> None:
    result = await trial(implementation(MUTANTS / "broken" / f"{mutant}.py"), "flood", 2, seconds=2)
    assert words in result.did_not_finish


def test_processes_elsewhere_have_all_clients_and_each_one_once() -> None:
    every = [LoadProcesses(rank, 4, are_remote=True).share(10, 33) for rank in range(4)]
    assert list(every[0]) == []
    assert sorted(number for share in every for number in share) == list(range(10, 33))
    assert {len(share) for share in every[1:]} <= {7, 8}
    here = [LoadProcesses(rank, 4).share(10, 33) for rank in range(4)]
    assert sorted(number for share in here for number in share) == list(range(10, 33))
    assert all(here)


# --- who may connect


def test_who_does_not_know_the_key_gets_nothing_and_disturbs_nobody() -> None:
    listener = ShareListener(HOST)
    accepted: list[tuple[LoadProcesses, object]] = []
    thread = threading.Thread(target=lambda: accepted.append(listener.accept(KEY, LIMIT_S)))
    thread.start()
    with pytest.raises(HarnessError, match="cannot be reached"):
        connect_shares([str(listener.address)], secrets.token_bytes(32))
    with suppress(Exception), socket.create_connection((HOST, listener.address.port)) as stranger:
        stranger.sendall(b"\0\0\0\4junk")
    processes = connect_shares([str(listener.address)], KEY)
    processes.start("the request")
    thread.join(LIMIT_S)
    theirs, request = accepted[0]
    assert (theirs.rank, theirs.count, theirs.are_remote, request) == (1, 2, True, "the request")
    processes.close()
    with pytest.raises(FirstProcessLost):
        theirs.gather(None)


def test_without_a_first_process_a_share_ends() -> None:
    with pytest.raises(FirstProcessLost):
        ShareListener(HOST).accept(KEY, 0)


def test_a_first_process_that_says_nothing_more_is_lost() -> None:
    listener = ShareListener(HOST)
    lost = threading.Event()

    def accept() -> None:
        with suppress(FirstProcessLost):
            listener.accept(KEY, LIMIT_S)
            return
        lost.set()

    thread = threading.Thread(target=accept)
    thread.start()
    Client((HOST, listener.address.port), authkey=KEY).close()
    thread.join(LIMIT_S)
    assert lost.is_set()


def test_a_share_that_is_not_there_is_named() -> None:
    with socket.create_server((HOST, 0)) as gone:
        address = f"{HOST}:{gone.getsockname()[1]}"
    with pytest.raises(HarnessError, match=f"the process of the load at {address} cannot be reached"):
        connect_shares([address], KEY)


# --- the end


async def test_a_share_that_ends_is_the_end_of_the_load() -> None:
    plan = TrialPlan(
        block=0,
        implementation=SERVER.name,
        spec=SERVER.spec,
        workload="flood",
        parameters={**plugins.workloads()["flood"].profiles["smoke"], "seconds": LIMIT_S * 2},
    )
    results: list[TrialResult] = []
    with shares(2) as (every, remote):
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                results.append(await run_trial(TrialRequest(plan, SERVER, remote=remote), Cores()))

            tasks.start_soon(run)
            with anyio.fail_after(LIMIT_S):
                while not are_connected(remote):
                    await anyio.sleep(0.01)  # there is no event for what another process has done
            every[1].end()
        assert f"process 2 of the load's 3 ({remote.shares[1]}) has ended" in results[0].did_not_finish
        every[0].wait()  # it ends by itself, because the first process has ended


def are_connected(remote: RemoteShares) -> bool:
    """Return whether the first process of a load has connected to all others."""
    there = {":".join(map(str, peer.laddr)) for peer in psutil.net_connections("tcp4") if peer.raddr}
    return there >= set(remote.shares)


def test_a_crowd_connects_in_parts_and_the_processes_hear_of_each_other_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long all of it takes, no process is silent for as long as one that counts as lost."""
    connected: list[int] = []
    monkeypatch.setattr(clients, "CLIENTS_A_PART", 4)
    with socket.create_server((HOST, 0)) as listener:
        crowd = Clients(Address(HOST, listener.getsockname()[1]), plugins.specs()["broadcast"].codec)
        monkeypatch.setattr(crowd.processes, "gather", lambda _: connected.append(len(crowd.sockets)))
        crowd.connect(10)
        assert connected == [4, 8]
        assert crowd.numbers == list(range(10))
        assert crowd.count == 10
        crowd.close()
