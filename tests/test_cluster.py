"""A run on the machines of a Dask cluster: hosts, which are network namespaces, lose workers, links and the client.

The network between them delays and loses packets (tests/wire.py).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from harness.league.comparisons import LOOK
from harness.league.profiles import IDLE_BLOCKS, PROFILES
from harness.league.schedule import FEW_SERVERS
from harness.network import Network
from tests import hosts as namespaces
from tests.machines import PATIENCE_S, ROOT, Machines, left, open_machines, run_in, wait_until
from tests.zoo import harness

pytest.importorskip("distributed")
CUT_S = 20
SERVERS = [
    "asyncio",
    "asyncio_plain",
    "asyncio_protocols",
    "epoll",
    "executor",
    "generators",
    "selectors",
    "socketserver",
    "threads",
    "threads_plain",
]
assert len(SERVERS) < FEW_SERVERS  # so there is no first pass
PLANNED = PROFILES["quick"].blocks
NETWORK = Network(delay_ms=2, jitter_ms=0.5, loss_percent=0.1)

needs_hosts = pytest.mark.skipif(
    not namespaces.may_delay(), reason="this process may not make hosts whose packets are delayed"
)


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with open_machines(4, tmp_path, NETWORK) as cluster:
        yield cluster


@needs_hosts
@pytest.mark.exhaustive
def test_a_run_survives_a_dead_worker_a_cut_link_and_a_lost_client(machines: Machines) -> None:
    client = machines.client("run", *SERVERS, "--spec", "broadcast", "--smoke", "--cluster", machines.scheduler)
    wait_until(lambda: machines.blocks() >= 1, "the first block")
    machines.every[1].kill()
    wait_until(lambda: machines.blocks() >= 3, "blocks of the other workers")
    machines.start_worker(1)

    machines.every[0].cut(machines.switch)
    time.sleep(CUT_S)  # how long the link is cut, not for how long to wait
    machines.every[0].heal(machines.switch)
    before = machines.blocks()
    wait_until(lambda: machines.blocks() > before, "a block after the link has healed")

    os.kill(psutil.Process(client.pid).pid, signal.SIGKILL)
    client.wait()
    lost = machines.blocks()
    assert lost < PLANNED, "the client was lost in the middle"
    client = machines.client("run", "--resume", "--cluster", machines.scheduler)
    assert client.wait(3 * PATIENCE_S) == 0, machines.log("client").read_text()

    run = run_in(machines.folder)
    assert sorted(block.number for block in run.blocks) == list(range(PLANNED))
    assert all(block.failed == {} and block.slices for block in run.blocks)
    everything = [block for block in run.blocks if block.number < max(LOOK, IDLE_BLOCKS)]
    assert all(
        {entry.name for entry in block.entries if entry.role == "server"} == set(SERVERS) for block in everything
    )
    assert {block.machine for block in run.blocks} <= {"host1", "host2", "host3"}
    assert len(run.info.machines) == 3
    for host in machines.every:
        wait_until(lambda host=host: left(host) == [], "an end of all servers")  # type: ignore[misc]


def test_a_cluster_on_this_machine_makes_the_same_run_as_none(tmp_path: Path) -> None:
    words = ["run", "asyncio", "threads", "--spec", "broadcast", "--smoke", "--within", "40s"]
    ended = harness(*words, "--cluster", "local:1", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "1 machines: 0 (" in ended.stdout
    run = run_in(tmp_path)
    assert run.blocks and {block.machine for block in run.blocks} == {"0"}
    assert {case.implementation for case in run.cases} == {"asyncio", "threads"}
    assert json.loads((tmp_path / "results" / "latest" / "run.json").read_text())["machines"].keys() == {"0"}


async def test_every_worker_counts() -> None:
    """As many blocks run at a time as there are workers; Dask tells an asynchronous client nothing else about them."""
    from harness.cluster.cluster import open_cluster

    async with open_cluster("local:2", []) as cluster:
        assert cluster.workers == 2
        remarks = " ".join(cluster.remarks)
    assert "several workers are on one host" in remarks
    assert "Dask itself takes" not in remarks, "quiet.yaml has reached the workers"
    assert ("live: http" in remarks) == (find_spec("bokeh") is not None), "without it there is no page"


def test_servers_inherit_no_variables_of_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    import dask

    from harness.cluster.tasks import restore_environment

    theirs = dask.config.get("distributed.nanny.pre-spawn-environ")
    assert "MALLOC_TRIM_THRESHOLD_" in theirs
    for name, value in theirs.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    restore_environment()
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ
    assert os.environ["OMP_NUM_THREADS"] == "2", "it is the user's"


@pytest.mark.parametrize(
    ("where", "status", "words"),
    [
        ("somewhere", 2, '"somewhere" is no cluster: write tcp://HOST:PORT, or local:N'),
        ("local:0", 2, '"local:0" is no cluster'),
        ("tcp://127.0.0.1:1", 3, "there is no Dask scheduler at tcp://127.0.0.1:1"),
    ],
)
def test_what_is_no_cluster_is_an_error(where: str, status: int, words: str, tmp_path: Path) -> None:
    ended = harness("run", "asyncio", "threads", "--cluster", where, folder=tmp_path)
    assert ended.returncode == status, ended.stderr
    assert words in ended.stderr


def test_what_needs_this_machine_is_refused_on_a_cluster(tmp_path: Path) -> None:
    ended = harness("run", "asyncio", "threads", "--profile", "full", "--cluster", "local:1", folder=tmp_path)
    assert ended.returncode == 2
    assert "--cluster makes only the blocks of the league" in ended.stderr
