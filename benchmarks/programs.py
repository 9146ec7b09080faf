"""Shared by the benchmarks of the swarm: the C programs of this folder, servers and their loads, cores, the machine."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.interleaved import Figures, Slice, resident
from harness import plugins
from harness.errors import HarnessError
from harness.league.trial import Cores, split_cores
from harness.load import latency
from harness.load.engine.choose import ENGINE_VARIABLE
from harness.load.messages import CloseServer, LoadAnswer, LoadSlice, OpenServer, SliceMessage
from harness.load.slices import FIRST, MODULE
from harness.model import Implementation
from harness.processes.workers import PYTHON
from harness.records import from_json, to_json
from harness.servers.launch import launch
from harness.servers.process import Server
from harness.servers.resources import raise_descriptor_limit
from harness.zoo import machine

HERE = Path(__file__).parent
SPEC = "broadcast"
WARM_UP_S = 0.003  # of a slice
GROWING = 2  # slices of each kind before the first, after which as many messages are in flight as the kind allows


def c_program(source: str, name: str = "", environment: tuple[str, ...] = ()) -> Implementation:
    """Return a C file of this folder as an implementation, which is built and run like a server.

    Args:
        source: the name of the file.
        name: of the implementation; by default that of the file.
        environment: variables for it, as NAME=VALUE.
    """
    stem = Path(source).stem
    return Implementation(
        name=name or stem,
        spec=SPEC,
        language="C",
        source=HERE / source,
        build=("cc", "-O2", "-std=c11", "-Wall", "-Wextra", "-o", f"{{build}}/{stem}", source),
        run=(*(("env", *environment) if environment else ()), f"{{build}}/{stem}"),
    )


def server(name: str) -> Implementation:
    """Return the server of this name; raise HarnessError when there is none."""
    for implementation in plugins.implementations():
        if (implementation.spec, implementation.name) == (SPEC, name):
            return implementation
    raise HarnessError(f'there is no server "{name}" of {SPEC}')


def use_server_core() -> Cores:
    """Bind this process to the core for servers, which inherit it; return that core, and one for the generators."""
    cores = split_cores()
    raise_descriptor_limit()
    if cores.server:
        os.sched_setaffinity(0, cores.server)
    return Cores(cores.server, cores.load[:1])


@asynccontextmanager
async def stopped_server(implementation: Implementation) -> AsyncIterator[Server]:
    """Launch a server that may be stopped (SIGSTOP) when the context ends."""
    async with launch(implementation, grace_s=2) as running:
        try:
            yield running
        finally:
            running.signal_all(signal.SIGCONT)


@asynccontextmanager
async def swarm_slices(
    implementation: Implementation, clients: int, seconds: Mapping[str, float], cores: Cores, engine: str = ""
) -> AsyncIterator[Slice]:
    """Launch a server and the swarm's load of it, as a block of the league does.

    Args:
        implementation: the server.
        clients: how many there are.
        seconds: by kind of slice (see `harness.load.resident.KINDS`), how long one is measured.
        cores: those of the server and of the load.
        engine: "native" or "python"; "" for the one that is used by default.

    Yields:
        What runs a slice. Its only figure has the name of the kind: deliveries a second, or, where there is a schedule,
        p50 in s.

    Raises:
        HarnessError: the server violated a rule that the load verifies.
    """
    async with (
        stopped_server(implementation) as running,
        slices_of(running, implementation, clients, seconds, cores, engine) as run,
    ):
        yield run


@asynccontextmanager
async def slices_of(
    running: Server,
    implementation: Implementation,
    clients: int,
    seconds: Mapping[str, float],
    cores: Cores,
    engine: str = "",
) -> AsyncIterator[Slice]:
    """Open the swarm's load of a server that runs; for the arguments and what it yields, see `swarm_slices`."""
    command = [*PYTHON, MODULE, FIRST, "1", *map(str, cores.load)]
    async with resident(command, {ENGINE_VARIABLE: engine}) as load:

        async def ask(message: SliceMessage) -> LoadAnswer:
            answer = from_json(await load.request(to_json(message)), LoadAnswer)
            if answer.violation:
                raise HarnessError(f"{implementation.name}: {answer.violation}")
            return answer

        async def run(kind: str) -> Figures:
            answer = await ask(LoadSlice(entry=0, kind=kind, warm_up_s=WARM_UP_S, seconds=seconds[kind]))
            if not answer.histogram:
                return {kind: answer.figures["deliveries_per_s"]}
            return {kind: latency.percentile_ns(latency.merge([answer.histogram]), 50) / 1e9}

        opening = OpenServer(
            entry=0,
            address=str(running.address),
            server_pid=running.pid,
            spec=implementation.spec,
            clients=clients,
        )
        await ask(opening)
        for kind in GROWING * list(seconds):
            await run(kind)
        yield run
        await ask(CloseServer(entry=0))


def describe_machine() -> str:
    """Return this machine and commit in a line, to print under a table; call it before `use_server_core`."""
    this, commit = machine.describe(), machine.commit()
    return f"{this.processor}, {this.cores} cores, {this.memory_gib} GiB, {this.kernel}, {this.python}; {commit}"
