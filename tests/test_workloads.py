"""Every workload in its smallest form, against a small server of every spec that it suits, and its figures."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import anyio
import pytest

from harness import plugins
from harness.addresses import free_address
from harness.errors import Violation
from harness.figures import Figures
from harness.kinds import Workload
from harness.load.clients.clients import Clients
from harness.load.clients.connect import CLIENTS_AN_ADDRESS, connect
from harness.load.swarm import Swarm
from harness.load.workloads import mass_idle
from harness.servers.launch import launch
from harness.servers.process import Server
from tests.zoo import MUTANTS, implementation

SERVER = "selectors"  # there is one for every spec
SMALL = {"clients": 12, "senders": 2, "rate_per_s": 300, "first_per_s": 300, "warm_up_s": 0.1, "seconds": 0.2}
WORKLOADS = plugins.workloads()
MAY_BE_ZERO = {"rss_per_client_bytes"}  # a server may serve a few idle clients with the memory that it has already


def smallest(workload: Workload, **changes: float) -> dict[str, float]:
    """Return the parameters of the smallest form of a workload, changed where the test says so."""
    parameters = next(workload.profiles[name] for name in ("smoke", "quick", "full") if name in workload.profiles)
    return parameters | {name: value for name, value in SMALL.items() if name in parameters} | changes


@pytest.fixture(params=list(plugins.specs()), scope="module")
async def server(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Server]]:
    wanted = (request.param, SERVER)
    server = next(each for each in plugins.implementations() if (each.spec, each.name) == wanted)
    async with launch(server) as running:
        yield request.param, running


def load(workload: Workload, spec: str, server: Server) -> dict[str, float]:
    """Let a workload load a server; return its figures."""
    clients = Clients(server.address, plugins.specs()[spec].codec)
    swarm = Swarm(clients, server.pid, cores=os.sched_getaffinity(0), figures=Figures(workload.figures))
    try:
        workload.run(swarm, smallest(workload))
    finally:
        clients.close()
    return dict(swarm.figures)


@pytest.mark.parametrize("name", WORKLOADS)
async def test_a_workload_leaves_its_figures(server: tuple[str, Server], name: str) -> None:
    spec, running = server
    if not WORKLOADS[name].suits(plugins.specs()[spec].codec):
        return
    figures = await anyio.to_thread.run_sync(load, WORKLOADS[name], spec, running)
    reported = set(WORKLOADS[name].reported) - {"capacity_per_s"}  # the outcome of several of its trials
    assert reported <= set(figures)
    assert all(figures[figure] > 0 for figure in reported - MAY_BE_ZERO)
    assert running.status is None


async def figures_of(workload: str, file: str, **changes: float) -> dict[str, float]:
    """Load a server of tests/mutants with a workload in its smallest form, changed; return the figures."""
    async with launch(implementation(MUTANTS / file), grace_s=1) as running:
        swarm = Swarm(Clients(running.address, plugins.specs()["broadcast"].codec), running.pid)
        parameters = smallest(WORKLOADS[workload], **changes)
        try:
            await anyio.to_thread.run_sync(WORKLOADS[workload].run, swarm, parameters)
        finally:
            swarm.clients.close()
        return dict(swarm.figures)


async def test_the_warm_up_is_not_counted() -> None:
    figures = await figures_of("paced", "server.py", warm_up_s=0.5, seconds=0.1)
    assert 0 < figures["sent_share"] < 2


async def test_a_load_that_overloads_the_server_ends_early_and_is_no_violation() -> None:
    # Nothing that counts is due before the first check, and so many messages are always in flight.
    figures = await figures_of("capacity", "server.py", rate_per_s=1, p99_at_most_s=-1, warm_up_s=0, seconds=60)
    assert figures["overloaded"]


MUCH = {
    "clients": 6,
    "stalled_clients": 2,
    "rate_per_s": 3000,
    "seconds": 0.8,
}  # more messages for a client that does not read than the kernel buffers


async def test_a_client_that_does_not_read_may_be_disconnected_and_the_others_go_on() -> None:
    figures = await figures_of("slow_readers", "conforming/disconnects_at_64_kibibytes.py", **MUCH)
    assert figures["stalled_clients_disconnected"] == figures["stalled_clients"] == 2
    assert figures["dropped_share"] == 0


async def test_what_stalled_clients_read_in_the_end_is_verified() -> None:
    with pytest.raises(Violation, match="no client has sent"):
        await figures_of("slow_readers", "broken/rest_of_a_write_lost.py", **MUCH)


async def test_many_idle_clients_are_as_many_as_the_server_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mass_idle, "MUST_ACCEPT", 400)
    monkeypatch.setattr(mass_idle, "STEP", 200)
    figures = await figures_of("mass_idle", "broken/five_hundred_places.py", clients=800)
    assert (figures["clients"], figures["clients_refused"], figures["clients_unsupported"]) == (400, 400, 0)
    monkeypatch.setattr(mass_idle, "MUST_ACCEPT", 401)
    with pytest.raises(Violation, match="closed the connection"):
        await figures_of("mass_idle", "broken/five_hundred_places.py", clients=800)


async def test_many_idle_clients_are_as_many_as_the_machine_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mass_idle, "descriptors_allowed", lambda pid=0: 150 if pid else 1000)
    figures = await figures_of("mass_idle", "server.py", clients=200)
    assert (figures["clients"], figures["clients_unsupported"]) == (50, 150)


@pytest.mark.parametrize("file", ["server.py", "conforming/accepts_slowly.py"])
async def test_clients_connect_in_the_order_of_their_numbers_from_several_addresses(file: str) -> None:
    async with launch(implementation(MUTANTS / file), grace_s=1) as running:
        connections = connect(running.address, 300, first=CLIENTS_AN_ADDRESS - 100)
        hosts = [connection.getsockname()[0] for connection in connections]
        for connection in connections:
            connection.close()
    assert hosts == ["127.0.0.1"] * 100 + ["127.0.0.2"] * 200


def test_a_refused_connection_is_a_violation() -> None:
    with free_address() as unused, pytest.raises(Violation, match="client 3 could not connect: Connection refused"):
        connect(unused, 1, first=3)
