"""Every workload in its smallest form against a small server of every spec that it suits, and what it tells of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import anyio
import pytest

from harness import plugins
from harness.addresses import free_address
from harness.errors import Violation
from harness.kinds import Workload
from harness.load.clients.connect import CLIENTS_AN_ADDRESS, connect
from harness.load.swarm import Swarm
from harness.load.workloads import mass_idle
from harness.servers.launch import launch
from harness.servers.process import Server
from tests.zoo import MUTANTS, implementation

SERVER = "selectors"  # there is one for every spec
SMALL = {"clients": 12, "senders": 2, "rate_per_s": 300, "first_per_s": 300, "warm_up_s": 0.1, "seconds": 0.2}
WORKLOADS = {name: one for name, one in plugins.workloads().items() if name != "ceiling"}  # which has tests of its own


def smallest(workload: Workload, **changes: float) -> dict[str, float]:
    """Return the parameters of the smallest form of a workload, changed where the test says so."""
    given = next(workload.profiles[one] for one in ("smoke", "quick", "full") if one in workload.profiles)
    return given | {name: value for name, value in SMALL.items() if name in given} | changes


@pytest.fixture(params=list(plugins.specs()), scope="module")
async def server(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Server]]:
    one = next(one for one in plugins.implementations() if (one.spec, one.name) == (request.param, SERVER))
    async with launch(one) as running:
        yield request.param, running


def load(workload: Workload, spec: str, server: Server) -> dict[str, float]:
    """Let a workload load a server; return its figures."""
    swarm = Swarm(server.address, plugins.specs()[spec].codec, server.pid, cores=os.sched_getaffinity(0))
    try:
        workload.run(swarm, smallest(workload))
    finally:
        swarm.close()
    return swarm.figures


@pytest.mark.parametrize("name", WORKLOADS)
async def test_a_workload_leaves_its_figures(server: tuple[str, Server], name: str) -> None:
    spec, running = server
    if not WORKLOADS[name].suits(plugins.specs()[spec].codec):
        return
    figures = await anyio.to_thread.run_sync(load, WORKLOADS[name], spec, running)
    told = set(WORKLOADS[name].tells) - {"capacity_per_s"}  # which is what several of its trials add up to
    assert told <= set(figures)
    assert all(figures[one] > 0 for one in told)
    assert running.status is None


async def figures_of(workload: str, file: str, **changes: float) -> dict[str, float]:
    """Load a server of the bestiary with a workload in its smallest form, changed; return the figures."""
    async with launch(implementation(MUTANTS / file), grace_s=1) as running:
        swarm = Swarm(running.address, plugins.specs()["broadcast"].codec, running.pid)
        parameters = smallest(WORKLOADS[workload], **changes)
        try:
            await anyio.to_thread.run_sync(WORKLOADS[workload].run, swarm, parameters)
        finally:
            swarm.close()
        return swarm.figures


async def test_the_warm_up_is_not_counted() -> None:
    figures = await figures_of("paced", "server.py", warm_up_s=0.5, seconds=0.1)
    assert 0 < figures["sent_share"] < 2


async def test_a_rate_without_hope_is_given_up_and_nobody_is_blamed() -> None:
    # Nothing that counts is due before the first look, and that many are always on their way.
    figures = await figures_of("capacity", "server.py", rate_per_s=1, p99_at_most_s=-1, warm_up_s=0, seconds=60)
    assert figures["hopeless"]


MUCH = {
    "clients": 6,
    "frozen_clients": 2,
    "rate_per_s": 3000,
    "seconds": 0.8,
}  # for who does not read, more than the kernel keeps


async def test_who_does_not_read_may_be_disconnected_and_the_others_go_on() -> None:
    figures = await figures_of("slow_readers", "conforming/disconnects_at_64_kibibytes.py", **MUCH)
    assert figures["frozen_disconnected"] == figures["frozen"] == 2
    assert figures["dropped_share"] == 0


async def test_what_sleepers_read_in_the_end_is_verified() -> None:
    with pytest.raises(Violation, match="nobody has sent"):
        await figures_of("slow_readers", "broken/rest_of_a_write_lost.py", **MUCH)


async def test_a_crowd_is_as_large_as_the_server_lets_it_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mass_idle, "OWED", 400)
    monkeypatch.setattr(mass_idle, "STEP", 200)
    figures = await figures_of("crowd", "broken/five_hundred_places.py", clients=800)
    assert (figures["clients"], figures["clients_refused"], figures["clients_unsupported"]) == (400, 400, 0)
    monkeypatch.setattr(mass_idle, "OWED", 401)
    with pytest.raises(Violation, match="closed the connection"):
        await figures_of("crowd", "broken/five_hundred_places.py", clients=800)


async def test_a_crowd_is_as_large_as_the_machine_lets_it_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mass_idle, "descriptors_allowed", lambda pid=0: 150 if pid else 1000)
    figures = await figures_of("crowd", "server.py", clients=200)
    assert (figures["clients"], figures["clients_unsupported"]) == (50, 150)


@pytest.mark.parametrize("file", ["server.py", "conforming/accepts_slowly.py"])
async def test_clients_connect_in_the_order_of_their_numbers_from_several_addresses(file: str) -> None:
    async with launch(implementation(MUTANTS / file), grace_s=1) as running:
        made = connect(running.address, 300, first=CLIENTS_AN_ADDRESS - 100)
        hosts = [one.getsockname()[0] for one in made]
        for one in made:
            one.close()
    assert hosts == ["127.0.0.1"] * 100 + ["127.0.0.2"] * 200


def test_a_connection_that_is_refused_is_told() -> None:
    with free_address() as nobody, pytest.raises(Violation, match="client 3 could not connect: Connection refused"):
        connect(nobody, 1, first=3)
