"""One trial's load, in a process of its own: a request on standard input, figures on standard output.

python -m harness.swarm < request.json
"""

from __future__ import annotations

import os
import sys

import msgspec

from harness import plugins
from harness.addresses import Address
from harness.errors import Violation
from harness.records import from_json, to_json
from harness.resources import raise_descriptor_limit, usable_cores
from harness.swarm.swarm import Swarm


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to do to which server.

    Attributes:
        cores: the processor cores to stay on; () for any.
        server_cores: those of the server; () for any.
    """

    address: str
    server_pid: int
    spec: str
    workload: str
    parameters: dict[str, float]
    cores: tuple[int, ...] = ()
    server_cores: tuple[int, ...] = ()


class LoadAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    figures: dict[str, float] = {}
    histogram: str = ""
    violation: str = ""


def main() -> None:
    """Run the workload that the request names."""
    request = from_json(sys.stdin.buffer.read(), LoadRequest)
    if request.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, request.cores)
    raise_descriptor_limit()
    plugins.leave_out("impls", "harness.report")  # half of the time that it takes to start
    codec = plugins.specs()[request.spec].codec
    cores = {*request.cores, *request.server_cores} or set(usable_cores())
    swarm = Swarm(Address.parse(request.address), codec, request.server_pid, cores)
    violation = ""
    try:
        plugins.workloads()[request.workload].run(swarm, request.parameters)
        swarm.figures |= swarm.memory()
    except Violation as error:
        violation = str(error)
    finally:
        swarm.close()
    answer = LoadAnswer(figures=swarm.figures, histogram=swarm.histogram, violation=violation)
    sys.stdout.buffer.write(to_json(answer))


if __name__ == "__main__":
    main()
