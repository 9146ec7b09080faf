"""The load of one trial, in one process or in several: a request on standard input, figures on standard output.

    python -m harness.load < request.json

With the number of a descriptor as its argument, it is a process that the first one has started (see
`harness.load.processes`). With an address of this machine, it is one to which the first one, on another machine,
connects (see `harness.load.remote`): it reads the key of the load from standard input, and prints where it listens.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from harness import plugins
from harness.addresses import Address
from harness.errors import Inconclusive, Violation
from harness.figures import Figures
from harness.kinds import Workload
from harness.load.clients.clients import Clients
from harness.load.endings import own_faults
from harness.load.messages import LoadAnswer, LoadRequest
from harness.load.processes import FirstProcessLost, LoadProcesses, join_load
from harness.load.remote import ShareListener, connect_shares
from harness.load.swarm import Swarm
from harness.records import from_json, to_json
from harness.servers.resources import ELSEWHERE, raise_descriptor_limit, usable_cores

ACCEPT_S = 120.0  # for the first process to connect: until then the server starts


def main() -> None:
    """Run the workload that the request names."""
    if len(sys.argv) > 1:
        with suppress(FirstProcessLost):
            _run_share(*(join_load(int(sys.argv[1])) if sys.argv[1].isdecimal() else _accept(sys.argv[1])))
        return
    request = from_json(sys.stdin.buffer.read(), LoadRequest)
    workload = plugins.workloads()[request.workload]
    if request.remote:
        processes = connect_shares(request.remote.shares, bytes.fromhex(request.remote.key))
    else:
        processes = LoadProcesses(count=request.processes if workload.is_splittable else 1)
    swarm = _swarm(request, workload, processes)
    violation = hindrance = ""
    try:
        processes.start(request)
        _run(workload, swarm, request.parameters)
    except Violation as error:
        violation = str(error)
    except Inconclusive as error:
        hindrance = str(error)
    finally:
        processes.close()
        swarm.clients.close()
    answer = LoadAnswer(
        figures=dict(swarm.figures), histogram=swarm.histogram, violation=violation, hindrance=hindrance
    )
    sys.stdout.buffer.write(to_json(answer))


def _accept(host: str) -> tuple[LoadProcesses, LoadRequest]:
    listener = ShareListener(host)
    print(listener.address, flush=True)
    return listener.accept(bytes.fromhex(sys.stdin.readline()), ACCEPT_S)


def _run_share(processes: LoadProcesses, request: LoadRequest) -> None:
    """Run the share of a process that is not the first one."""
    workload = plugins.workloads()[request.workload]
    swarm = _swarm(request, workload, processes)
    try:
        _run(workload, swarm, request.parameters)
    except (Violation, Inconclusive) as error:
        processes.report_ending(error)
    finally:
        swarm.clients.close()


def _swarm(request: LoadRequest, workload: Workload, processes: LoadProcesses) -> Swarm:
    is_elsewhere = processes.are_remote and processes.rank > 0  # on another machine, with other cores
    if request.cores and not is_elsewhere and hasattr(os, "sched_setaffinity"):
        own = request.cores if processes.count == 1 else (request.cores[processes.rank % len(request.cores)],)
        os.sched_setaffinity(0, own)
    raise_descriptor_limit(int(request.parameters.get("clients", 0)))
    clients = Clients(Address.parse(request.address), plugins.specs()[request.spec].codec, processes=processes)
    cores = {*request.cores, *request.server_cores} or set(usable_cores())
    server_pid = ELSEWHERE if is_elsewhere else request.server_pid
    return Swarm(clients, server_pid, cores=cores, figures=Figures(workload.figures))


def _run(workload: Workload, swarm: Swarm, parameters: dict[str, float]) -> None:
    with own_faults():
        workload.run(swarm, parameters)
        swarm.figures |= swarm.end_of_trial()


if __name__ == "__main__":
    main()
