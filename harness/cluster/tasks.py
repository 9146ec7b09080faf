"""What runs on the machines of a cluster: each function is a task, called by Dask in a worker there.

A task gets servers as the client knows them, and takes the declaration of this machine for each: its paths are others.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import urlsplit

import anyio
import dask
import msgspec
from distributed import Scheduler, Worker, get_worker

import harness
from harness import plugins
from harness.blocks import BlockResult, Role
from harness.conformance.check import CheckOptions, check
from harness.conformance.pool import Watcher
from harness.errors import HarnessError
from harness.league.baseline_relay import NAME as BASELINE
from harness.league.baseline_relay import relay
from harness.league.messages import BlockRequest
from harness.league.run_blocks import run_blocks
from harness.league.schedule import fitting_idle_clients, servers_at_once
from harness.load.accounting import BOOT_ID
from harness.machines import Machine
from harness.model import CaseResult, CheckResult, Implementation
from harness.processes.proc import read_existing
from harness.zoo import build, machine
from harness.zoo.discover import why_unavailable


@dataclass(frozen=True)
class MachineReport:
    """What a machine says about itself.

    Attributes:
        name: of the Dask worker, or else of the host.
        host: the name of the host; two workers of one host would disturb each other.
        worker: the address of the worker, by which Dask knows it.
        address: of the machine, as the others reach it; "" where only this machine can.
        network: the same for workers that share the interfaces of a network.
        machine: what it is.
        harness: version and commit of the harness there.
        is_quiet: whether Dask leaves the processor to what is measured, as in quiet.yaml.
        unavailable: "spec/server" → why it cannot run there.
    """

    name: str
    host: str
    worker: str
    address: str
    network: str
    machine: Machine
    harness: str
    is_quiet: bool
    unavailable: dict[str, str]


@dataclass(frozen=True)
class BlockOutcome:
    """What came of a block.

    Attributes:
        result: the result; None where there is none.
        machine: that made it.
        problem: why there is no result, or "".
    """

    result: BlockResult | None
    machine: Machine
    problem: str = ""


@dataclass
class CheckOutcome:
    """What came of the check of a server.

    Attributes:
        cases: the results of the cases that ran.
        results: of the server.
        problem: why the check ended early, or "".
    """

    cases: list[CaseResult] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)
    problem: str = ""


def version() -> str:
    """Return the version and the commit of this harness."""
    return f"zillions {harness.__version__} at {machine.commit() or 'no commit'}"


def has_dashboard(dask_scheduler: Scheduler) -> bool:
    """Return whether the scheduler, in which this runs, has the pages of its dashboard: they need bokeh there.

    Args:
        dask_scheduler: the scheduler; Dask gives it to what is run on it.
    """
    return "dashboard" in dask_scheduler.services and find_spec("bokeh") is not None


def describe(servers: Sequence[Implementation], dask_worker: Worker) -> MachineReport:
    """Return what this machine is, and which of some servers can run here.

    Args:
        servers: those of the run.
        dask_worker: this worker; Dask gives it to what is run on all workers.
    """
    return MachineReport(
        name=_name(dask_worker),
        host=socket.gethostname(),
        worker=dask_worker.address,
        address=urlsplit(dask_worker.address).hostname or "",
        network=" ".join([*read_existing([BOOT_ID]), *_network_namespace()]),
        machine=machine.describe(),
        harness=version(),
        is_quiet=not dask.config.get("distributed.worker.profile.enabled"),
        unavailable={server.key: why for server in servers if (why := why_unavailable(own_declaration(server)))},
    )


def restore_environment() -> None:
    """Take from this process the variables that Dask's nanny has set for it, of which all servers would inherit.

    One of them changes how the C library gives memory back, and with that how fast servers are.
    """
    for name, value in dask.config.get("distributed.nanny.pre-spawn-environ", {}).items():
        if os.environ.get(name) == str(value):
            del os.environ[name]


def fitting(clients: int, idle_clients: int) -> tuple[int, int]:
    """Return how many servers fit into one block here, and with how many idle clients memory is measured.

    Args:
        clients: how many clients each server has.
        idle_clients: how many are wanted.
    """
    fitting_clients = fitting_idle_clients(clients, idle_clients)
    return servers_at_once(clients, fitting_clients), fitting_clients


def run_block(request: BlockRequest) -> BlockOutcome:
    """Run a block with the servers that this machine has."""
    restore_environment()
    try:
        result = anyio.run(_run_here, request)
    except HarnessError as error:
        return BlockOutcome(None, machine.describe(), str(error))
    return BlockOutcome(msgspec.structs.replace(result, machine=_name(get_worker())), machine.describe())


async def _run_here(request: BlockRequest) -> BlockResult:
    """Build what is not built, and run the block with the servers that can run; without any its result is empty."""
    own = [
        (entry, own_declaration(server)) for entry, server in zip(request.entries, request.implementations, strict=True)
    ]
    there = [(entry, each) for entry, each in own if not (why_unavailable(each) or await build.try_build(each))]
    if not any(entry.role is Role.SERVER for entry, _ in there):
        return BlockResult(number=request.number, spec=request.spec, entries=(), slices=(), failed={}, seconds=0)
    entries, implementations = zip(*there, strict=True)
    results: list[BlockResult] = []
    here = msgspec.structs.replace(request, entries=entries, implementations=implementations)
    await run_blocks([here], lambda _: None, results.append)
    return results[0]


def check_server(server: Implementation, options: CheckOptions, done: Sequence[CaseResult]) -> CheckOutcome:
    """Run the cases of a server here.

    Args:
        server: the server.
        options: which cases run, and how.
        done: results of an earlier run, whose cases do not run again.
    """
    restore_environment()
    outcome = CheckOutcome()
    specs = [plugins.specs()[server.spec]]
    watcher = Watcher(case_ended=outcome.cases.append)
    try:
        anyio.run(check, [own_declaration(server)], specs, options, watcher, outcome.results.append, done)
    except HarnessError as error:
        outcome.problem = str(error)
    return outcome


def _network_namespace() -> list[str]:
    try:
        return [os.readlink("/proc/self/ns/net")]
    except OSError:  # not Linux
        return []


def _name(worker: Worker) -> str:
    name = str(worker.name)
    return socket.gethostname() if not name or "://" in name else name


def own_declaration(server: Implementation) -> Implementation:
    """Return the declaration of a server on this machine, or as it is, where it is declared on the client only."""
    if server.name == BASELINE:
        return relay(server.spec)
    products = (reference.implementation for reference in plugins.references().values())
    return next((each for each in (*plugins.implementations(), *products) if each.key == server.key), server)
