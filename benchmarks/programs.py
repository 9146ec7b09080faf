"""What the benchmarks of the swarm share: the C programs of this folder, servers by name, cores, and the machine."""

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
    """Return a C file of this folder as something that is built and run.

    Args:
        name: by default the file's.
        environment: NAME=VALUE for it.
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
    for one in plugins.implementations():
        if (one.spec, one.name) == (SPEC, name):
            return one
    raise HarnessError(f'there is no server "{name}" of {SPEC}')


def take_places() -> Cores:
    """Go to the core on which servers shall run, for they inherit it; return it, and one for the generators."""
    cores = split_cores()
    raise_descriptor_limit()
    if cores.server:
        os.sched_setaffinity(0, cores.server)
    return Cores(cores.server, cores.load[:1])


async def figures(
    implementation: Implementation, workload: str, parameters: Mapping[str, float], cores: Cores
) -> dict[str, float]:
    """Make a trial with the swarm; return its figures.

    Raises:
        HarnessError: it did not finish.
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


def here() -> str:
    """Return what this machine is, in a line that stands under a table; call it before `take_places`."""
    one = machine.describe()
    commit = machine.commit()
    return f"{one.processor}, {one.cores} cores, {one.memory_gib} GiB, {one.kernel}, {one.python}; {commit}"
