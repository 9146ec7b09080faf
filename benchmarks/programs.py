"""Shared by the benchmarks of the swarm: the C programs of this folder, servers by name, cores, and the machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from harness import plugins
from harness.errors import HarnessError
from harness.league.messages import TrialRequest
from harness.league.trial import Cores, run_trial, split_cores
from harness.model import Implementation, TrialPlan
from harness.servers.resources import raise_descriptor_limit
from harness.zoo import machine

HERE = Path(__file__).parent
SPEC = "broadcast"


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


async def figures(
    implementation: Implementation, workload: str, parameters: Mapping[str, float], cores: Cores
) -> dict[str, float]:
    """Run a trial with the swarm; return its figures.

    Args:
        implementation: the server.
        workload: the name of the workload.
        parameters: of the workload.
        cores: the cores of the server and of the load.

    Raises:
        HarnessError: the trial did not finish.
    """
    plan = TrialPlan(
        block=0,
        implementation=implementation.name,
        spec=implementation.spec,
        workload=workload,
        parameters=dict(parameters),
    )
    result = await run_trial(TrialRequest(plan, implementation), cores)
    if result.did_not_finish:
        raise HarnessError(f"{implementation.name}, {workload} {dict(parameters)}: {result.did_not_finish}")
    if result.disturbed:
        print(f"{implementation.name}, {workload}: disturbed: {result.disturbed}", file=sys.stderr)
    return result.figures


def describe_machine() -> str:
    """Return this machine and commit in a line, to print under a table; call it before `use_server_core`."""
    this, commit = machine.describe(), machine.commit()
    return f"{this.processor}, {this.cores} cores, {this.memory_gib} GiB, {this.kernel}, {this.python}; {commit}"
