"""One trial's load, in a process of its own or in several: a request on standard input, figures on standard output.

    python -m harness.load < request.json

With the number of a descriptor it is one of those that another one has started (see `harness.load.processes`).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import msgspec

from harness import plugins
from harness.addresses import Address
from harness.errors import Violation
from harness.kinds import Workload
from harness.load.processes import Lost, Ranks, join
from harness.load.swarm import Swarm
from harness.records import from_json, to_json
from harness.servers.resources import raise_descriptor_limit, usable_cores


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to do to which server.

    Attributes:
        cores: the processor cores to stay on; () for any. Where there are several processes, each has one of them.
        server_cores: those of the server; () for any.
        processes: in how many to do it, where the workload can be split.
    """

    address: str
    server_pid: int
    spec: str
    workload: str
    parameters: dict[str, float]
    cores: tuple[int, ...] = ()
    server_cores: tuple[int, ...] = ()
    processes: int = 1


class LoadAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    figures: dict[str, float] = {}
    histogram: str = ""
    violation: str = ""


def main() -> None:
    """Run the workload that the request names."""
    if len(sys.argv) > 1:
        with suppress(Lost):
            _follow(*join(int(sys.argv[1])))
        return
    request = from_json(sys.stdin.buffer.read(), LoadRequest)
    workload = plugins.workloads()[request.workload]
    ranks = Ranks(count=request.processes if getattr(workload, "is_splittable", False) else 1)
    swarm = _swarm(request, ranks)
    violation = ""
    try:
        ranks.start(request)
        _run(workload, swarm, request.parameters)
        swarm.figures |= swarm.memory()
    except Violation as error:
        violation = str(error)
    finally:
        ranks.close()
        swarm.close()
    answer = LoadAnswer(figures=swarm.figures, histogram=swarm.histogram, violation=violation)
    sys.stdout.buffer.write(to_json(answer))


def _follow(ranks: Ranks, request: LoadRequest) -> None:
    """Do the share of a process that another one has started."""
    swarm = _swarm(request, ranks)
    try:
        _run(plugins.workloads()[request.workload], swarm, request.parameters)
    except Violation as error:
        ranks.found(Violation(str(error)))
    finally:
        swarm.close()


def _swarm(request: LoadRequest, ranks: Ranks) -> Swarm:
    if request.cores and hasattr(os, "sched_setaffinity"):
        own = request.cores if ranks.count == 1 else (request.cores[ranks.rank % len(request.cores)],)
        os.sched_setaffinity(0, own)
    raise_descriptor_limit()
    codec = plugins.specs()[request.spec].codec
    cores = {*request.cores, *request.server_cores} or set(usable_cores())
    return Swarm(Address.parse(request.address), codec, request.server_pid, cores=cores, ranks=ranks)


def _run(workload: Workload, swarm: Swarm, parameters: dict[str, float]) -> None:
    workload.run(swarm, parameters)
    swarm.ranks.gather(None)  # nobody has ended well before all have


if __name__ == "__main__":
    main()
